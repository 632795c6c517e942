// Package laws measures a capacity policy under laws of noise and change, beside the estimators
// that it has to beat: waterfill's, and fixed smoothings.
package laws

import (
	"context"
	"fmt"
	"math"

	"github.com/saspart/saspart/policy/plan"
	"github.com/saspart/saspart/policy/scenario"
)

// Options say what to measure.
type Options struct {
	Laws      []scenario.Law
	Workers   []int  // numbers of workers
	Scenarios int    // of each law with up to 8 workers; fewer with more, but at least Least
	Seed      uint64 // of the first scenario; the others follow
	// Policy returns the policy for a number of workers.
	Policy func(workers int) (scenario.Starter, error)
	// Done, if not nil, is called with each row as it is measured.
	Done func(Row)
}

// Least is the least number of scenarios of a row.
const Least = 24

// Row is what was measured under a law with one number of workers. Imbalances are means over
// the scenarios, after the first windows (scenario.FirstWindows).
type Row struct {
	Law       string  `json:"law"`
	Workers   int     `json:"workers"`
	Scenarios int     `json:"scenarios"`
	Policy    float64 `json:"policy"`
	Waterfill float64 `json:"waterfill"` // shares in proportion to waterfill's estimates
	Smoothing float64 `json:"smoothing"` // the fixed smoothing that is best for this row in hindsight
	Setting   string  `json:"setting"`   // of that smoothing

	OverWaterfill Difference `json:"over_waterfill"` // the policy's imbalance less waterfill's
	OverSmoothing Difference `json:"over_smoothing"` // less the smoothing's
}

// Difference is a mean difference over scenarios, and its standard error.
type Difference struct {
	Mean  float64 `json:"mean"`
	Error float64 `json:"error"`
}

// Worse reports whether the policy's imbalance is above one of the others' by more than two
// standard errors.
func (r *Row) Worse() bool {
	return r.OverWaterfill.Mean > 2*r.OverWaterfill.Error || r.OverSmoothing.Mean > 2*r.OverSmoothing.Error
}

// smoothings are the fixed smoothings that the best is chosen from.
func smoothings() (all []scenario.Smoothed) {
	for _, like := range []scenario.Smoothed{{Plain: true}, {}, {Overload: 0.2}} {
		for _, like.Alpha = range []float64{0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1} {
			all = append(all, like)
		}
	}
	return all
}

// Measure measures each law with each number of workers, all policies on the same scenarios.
func Measure(ctx context.Context, o Options) (rows []Row, err error) {
	for _, workers := range o.Workers {
		policy, err := o.Policy(workers)
		if err != nil {
			return rows, err
		}
		seeds := make([]uint64, max(o.Scenarios*8/max(workers, 8), min(o.Scenarios, Least)))
		for i := range seeds {
			seeds[i] = o.Seed + uint64(i)
		}
		for i := range o.Laws {
			if err := ctx.Err(); err != nil {
				return rows, err
			}
			row, err := measure(&o.Laws[i], policy, workers, seeds)
			if err != nil {
				return rows, fmt.Errorf("law %q: %w", o.Laws[i].Name, err)
			}
			if o.Done != nil {
				o.Done(row)
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func measure(l *scenario.Law, policy scenario.Starter, workers int, seeds []uint64) (r Row, err error) {
	r = Row{Law: l.Name, Workers: workers, Scenarios: len(seeds), Smoothing: math.Inf(1)}
	scores, err := scenario.Evaluate(policy, l.Config, workers, seeds)
	if err != nil {
		return r, err
	}
	of := func(p scenario.Starter) (mean float64, over Difference, err error) {
		others, err := scenario.Evaluate(p, l.Config, workers, seeds)
		if err != nil {
			return 0, over, err
		}
		score, _ := scenario.MeanScore(others)
		return score.After, difference(scores, others), nil
	}
	score, _ := scenario.MeanScore(scores)
	r.Policy = score.After
	if r.Waterfill, r.OverWaterfill, err = of(&scenario.Analytic{Config: plan.DefaultSpeed()}); err != nil {
		return r, err
	}
	for _, s := range smoothings() {
		mean, over, err := of(&s)
		if err != nil {
			return r, err
		}
		if mean < r.Smoothing {
			r.Smoothing, r.OverSmoothing, r.Setting = mean, over, setting(s)
		}
	}
	return r, nil
}

// setting says in words what a smoothing is.
func setting(s scenario.Smoothed) string {
	switch {
	case s.Plain:
		return fmt.Sprintf("%v, saturation ignored", s.Alpha)
	case s.Overload > 0:
		return fmt.Sprintf("%v, saturation counts as overload", s.Alpha)
	}
	return fmt.Sprint(s.Alpha)
}

// difference is the mean of a less b, scenario by scenario.
func difference(a, b []scenario.Score) (d Difference) {
	n := float64(len(a))
	for i := range a {
		d.Mean += (a[i].After - b[i].After) / n
	}
	if n < 2 {
		return d
	}
	for i := range a {
		off := a[i].After - b[i].After - d.Mean
		d.Error += off * off / (n * (n - 1))
	}
	d.Error = math.Sqrt(d.Error)
	return d
}
