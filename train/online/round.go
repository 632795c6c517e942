package online

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/saspart/saspart/runlog"
)

// stepAll runs every env for one window. Decisions are made one after the other, then
// all windows run concurrently, then the results are processed one after the other. So
// the order of everything drawn and learned does not depend on which job is fastest.
func stepAll(ctx context.Context, envs []Env, explore bool) ([]StepResult, error) {
	for i, e := range envs {
		if err := e.Act(explore); err != nil {
			return nil, fmt.Errorf("job %d: act: %w", i, err)
		}
	}
	errs := make([]error, len(envs))
	if len(envs) == 1 {
		errs[0] = envs[0].Step(ctx)
	} else {
		var wg sync.WaitGroup
		for i, e := range envs {
			wg.Go(func() { errs[i] = e.Step(ctx) })
		}
		wg.Wait()
	}
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("job %d: %w", i, err)
		}
	}
	out := make([]StepResult, len(envs))
	for i, e := range envs {
		var err error
		if out[i], err = e.Observe(explore); err != nil {
			return nil, fmt.Errorf("job %d: %w", i, err)
		}
	}
	return out, nil
}

// check refuses numbers that are not finite. Training must not continue from them.
func (m StepResult) check() error {
	for _, v := range []struct {
		name  string
		value float64
	}{{"imbalance", m.Imbalance}, {"reward", m.Reward}, {"backpressure", m.Backpressured}} {
		if math.IsNaN(v.value) || math.IsInf(v.value, 0) {
			return fmt.Errorf("the %s is %v: the job's measurements are wrong, and nothing is learned from them; check its metrics, then --resume from the previous window", v.name, v.value)
		}
	}
	return nil
}

// row accumulates the next row of metrics.
type row struct {
	clean           int
	imbalance, back float64
	windows         int
	latest          float64 // imbalance of the last clean window
	evaluation      *Evaluation
}

// count processes the result of an exploring window.
func (r *run) count(m StepResult) error {
	r.row.windows++
	r.row.back += m.Backpressured
	if m.Limited {
		r.Limited++
	}
	if m.Returned {
		r.Returns++
	}
	if !m.Clean {
		r.Mixed++
		return nil
	}
	if err := m.check(); err != nil {
		return err
	}
	r.row.clean++
	r.row.imbalance += m.Imbalance
	r.row.latest = m.Imbalance
	r.Rewards += m.Reward
	if r.Steps++; r.Steps == r.Config.Episode {
		last := r.Rewards
		r.Returned, r.Rewards, r.Steps = &last, 0, 0
	}
	return nil
}

func (r *run) lastReturn() float64 {
	if r.Returned == nil {
		return math.NaN()
	}
	return *r.Returned
}

// flush records a row of metrics.
func (r *run) flush() error {
	values := r.mean.Take()
	w := r.row
	r.row = row{latest: w.latest}
	seconds := r.took().Seconds()
	if updates := r.Updates - r.lastRow.updates; updates > 0 && seconds > r.lastRow.seconds {
		values[runlog.UpdateRate] = float64(updates) / (seconds - r.lastRow.seconds)
	}
	r.lastRow = progressMark{r.Updates, seconds}
	if w.windows == 0 && w.evaluation == nil || r.Record == nil {
		return nil
	}
	values[runlog.Updates] = float64(r.Updates)
	values[runlog.Returns], values[runlog.Limited] = float64(r.Returns), float64(r.Limited)
	if w.windows > 0 {
		values[runlog.ExploreBackpressure] = w.back / float64(w.windows)
	}
	if w.clean > 0 {
		values[runlog.ExploreImbalance] = w.imbalance / float64(w.clean)
	}
	if r.Returned != nil {
		values[runlog.ExploreReturn] = *r.Returned
	}
	if e := w.evaluation; e != nil {
		values[runlog.Imbalance], values[runlog.WorstImbalance], values[runlog.Reward] = e.Imbalance, e.Worst, e.Reward
	}
	return r.Record(r.Windows, values)
}
