package rest

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
)

// Listed is a job of the cluster.
type Listed struct {
	ID    string `json:"jid"`
	Name  string `json:"name"`
	State State  `json:"state"`
}

// Jobs lists the jobs that the cluster knows.
func (c *Client) Jobs(ctx context.Context) ([]Listed, error) {
	var answer struct{ Jobs []Listed }
	err := c.get(ctx, "/jobs/overview", &answer)
	return answer.Jobs, err
}

// Load is how the subtasks of an operator (a vertex of the job graph) were loaded in the last
// seconds. A value is NaN if Flink has none yet.
type Load struct {
	Name        string
	Parallelism int
	Keyed       bool // its input is partitioned by key, or by a partitioner of the job's own
	// Rates are records/s into a subtask, Busy the parts of the time that a subtask worked, and
	// Backpressured those that it waited for the operators behind it.
	Rates, Busy, Backpressured Spread
}

// Spread is a metric over the subtasks of an operator.
type Spread struct{ Mean, Max float64 }

// Known reports whether Flink has the metrics. It fetches them when they are asked for, and has
// them at a later request.
func (l *Load) Known() bool { return l.Busy.Mean == l.Busy.Mean && l.Rates.Mean == l.Rates.Mean }

// Loads asks how the operators of a job are loaded, in the order of the job graph: one request for
// each, and nothing that changes the job.
func (c *Client) Loads(ctx context.Context, job string) (name string, loads []Load, err error) {
	job = url.PathEscape(job)
	var answer struct {
		Name     string
		Vertices []struct {
			ID          string
			Name        string
			Parallelism int
		}
		Plan struct {
			Nodes []struct {
				ID     string
				Inputs []struct {
					Strategy string `json:"ship_strategy"`
				}
			}
		}
	}
	if err := c.get(ctx, "/jobs/"+job, &answer); err != nil {
		return "", nil, err
	}
	keyed := map[string]bool{}
	for _, n := range answer.Plan.Nodes {
		for _, in := range n.Inputs {
			keyed[n.ID] = keyed[n.ID] || strings.HasPrefix(in.Strategy, "HASH") || strings.HasPrefix(in.Strategy, "CUSTOM")
		}
	}
	for _, v := range answer.Vertices {
		l := Load{Name: v.Name, Parallelism: v.Parallelism, Keyed: keyed[v.ID]}
		spreads, err := c.spreads(ctx, "/jobs/"+job+"/vertices/"+url.PathEscape(v.ID)+"/subtasks/metrics",
			"numRecordsInPerSecond", "busyTimeMsPerSecond", "backPressuredTimeMsPerSecond")
		if err != nil {
			return "", nil, err
		}
		l.Rates = spreads[0]
		l.Busy, l.Backpressured = spreads[1].times(1e-3), spreads[2].times(1e-3)
		loads = append(loads, l)
	}
	return answer.Name, loads, nil
}

func (s Spread) times(f float64) Spread { return Spread{s.Mean * f, s.Max * f} }

// spreads asks for metrics of the subtasks, by name. Numbers are JSON numbers or, if they are
// none, strings such as "NaN".
func (c *Client) spreads(ctx context.Context, where string, names ...string) ([]Spread, error) {
	var answer []struct {
		ID  string
		Avg json.RawMessage
		Max json.RawMessage
	}
	if err := c.get(ctx, where+"?get="+strings.Join(names, ",")+"&agg=avg,max", &answer); err != nil {
		return nil, err
	}
	out := make([]Spread, len(names))
	for i, name := range names {
		out[i] = Spread{number(nil), number(nil)}
		for _, m := range answer {
			if m.ID == name {
				out[i] = Spread{number(m.Avg), number(m.Max)}
			}
		}
	}
	return out, nil
}

// number reads a number of any form; NaN if it is none.
func number(text json.RawMessage) float64 {
	v, err := strconv.ParseFloat(strings.Trim(string(text), `"`), 64)
	if err != nil {
		v, _ = strconv.ParseFloat("NaN", 64)
	}
	return v
}
