package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/saspart/saspart/diagnose"
	"github.com/saspart/saspart/engine/flink/rest"
)

// flinkDiagnosis is the JSON output for a job on Flink.
type flinkDiagnosis struct {
	Version   int               `json:"version"` // of this form: 1
	Job       string            `json:"job"`
	ID        string            `json:"id"`
	Operators []diagnose.Uneven `json:"operators"`
}

// isCluster reports whether an argument is the address of a cluster, not a file.
func isCluster(argument string) bool {
	return strings.HasPrefix(argument, "http://") || strings.HasPrefix(argument, "https://")
}

// diagnoseFlink judges the operators of a running job by the metrics that Flink has of it.
func (a *app) diagnoseFlink(ctx context.Context, address, job, output string) error {
	if err := rest.CheckAddress(address); err != nil {
		return asUsage(err)
	}
	c := rest.New(address)
	defer c.Close()
	if job == "" {
		var err error
		if job, err = onlyJob(ctx, c); err != nil {
			return err
		}
	}
	name, loads, err := knownLoads(ctx, c, job)
	if rest.Gone(err) {
		return usagef("--job: there is no job %s at %s", job, address)
	}
	if err != nil {
		return err
	}
	d := flinkDiagnosis{Version: 1, Job: name, ID: job}
	for _, l := range loads {
		d.Operators = append(d.Operators, diagnose.Operator(l))
	}
	return a.print(output, d, d.text(loads))
}

// Flink fetches metrics when they are asked for, at most every ten seconds.
const (
	askAgain = time.Second
	askUntil = 20 // times
)

// knownLoads asks until Flink has the metrics of all operators, or for as long as it may take.
func knownLoads(ctx context.Context, c *rest.Client, job string) (name string, loads []rest.Load, err error) {
	for range askUntil {
		name, loads, err = c.Loads(ctx, job)
		if err != nil || !slices.ContainsFunc(loads, func(l rest.Load) bool { return !l.Known() }) {
			return name, loads, err
		}
		select {
		case <-ctx.Done():
			return name, loads, fmt.Errorf("interrupted: %w", ctx.Err())
		case <-time.After(askAgain):
		}
	}
	return name, loads, nil
}

// onlyJob returns the job that runs, if it is the only one.
func onlyJob(ctx context.Context, c *rest.Client) (string, error) {
	jobs, err := c.Jobs(ctx)
	if err != nil {
		return "", err
	}
	var running []rest.Listed
	for _, j := range jobs {
		if j.State == rest.Running {
			running = append(running, j)
		}
	}
	switch len(running) {
	case 0:
		return "", fmt.Errorf("no job runs at %s", c.Address())
	case 1:
		return running[0].ID, nil
	}
	var b strings.Builder
	for _, j := range running {
		fmt.Fprintf(&b, "\n  %s  %s", j.ID, j.Name)
	}
	return "", usagef("%d jobs run at %s; name one with --job:%s", len(running), c.Address(), b.String())
}

// text is the diagnosis for people.
func (d *flinkDiagnosis) text(loads []rest.Load) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)\n\n", d.Job, d.ID)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "operator\tsubtasks\tkeyed\trecords/s each\tat most\tbusy\tbusiest\tbackpressured\t\n")
	unknown := 0
	for i := range loads {
		l := &loads[i]
		if !l.Known() {
			unknown++
			fmt.Fprintf(t, "%s\t%d\t\t-\t-\t-\t-\t-\t\n", clipped(l.Name), l.Parallelism)
			continue
		}
		keyed := ""
		if l.Keyed {
			keyed = "keyed"
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%.2f\t%.2f\t%.2f\t\n", clipped(l.Name), l.Parallelism, keyed,
			grouped(int64(l.Rates.Mean)), grouped(int64(l.Rates.Max)), l.Busy.Mean, l.Busy.Max, l.Backpressured.Mean)
	}
	t.Flush()
	advised := false
	for _, u := range d.Operators {
		if u.Advice != "" {
			fmt.Fprintf(&b, "\n%s: %s\n", clipped(u.Operator), u.Advice)
			advised = true
		}
	}
	switch {
	case unknown > 0:
		fmt.Fprintf(&b, "\nFlink has no metrics of %s yet: ask again when the job has run for a while.\n", plural(unknown, "operator"))
	case !advised:
		b.WriteString("\nThe subtasks of each operator are about equally loaded: there is nothing that another partitioner would mend.\n")
	}
	return b.String()
}

// clipped shortens the name of a chain of operators.
func clipped(name string) string {
	const most = 48
	if r := []rune(name); len(r) > most {
		return string(r[:most-3]) + "..."
	}
	return name
}
