package online

import (
	"context"
	"math"
	"slices"

	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/plan"
)

// Job gives windows and applies decisions. engine.Job is one.
type Job interface {
	Next(ctx context.Context) (*policy.Window, error)
	Apply(d policy.Decision) error
	Close() error
}

// runningJob is what the Envs of both actions share: a job with windows and routes, and
// its loop.
type runningJob struct {
	workers int
	p0      float64

	job    Job // nil: not started
	loop   *loop.Loop
	window *policy.Window // the newest; nil before the first
}

// start closes the job, if there is one, and starts another under a controller.
func (j *runningJob) start(open func() (Job, error), c policy.Controller) (err error) {
	if err := j.Close(); err != nil {
		return err
	}
	j.loop, j.window = loop.New(loop.Config{Workers: j.workers, Controller: c}), nil
	j.job, err = open()
	return err
}

// Step implements Env.
func (j *runningJob) Step(ctx context.Context) error {
	w, err := j.job.Next(ctx)
	if err == nil {
		j.window = w
	}
	return err
}

// Close implements Env.
func (j *runningJob) Close() error {
	if j.job == nil {
		return nil
	}
	err := j.job.Close()
	j.job = nil
	return err
}

// apply applies a decision to the job, with the version that its route, if it has one, is
// announced under. It returns that route.
func (j *runningJob) apply(d policy.Decision) (*policy.Route, error) {
	if d.Route != nil {
		d.Route = j.loop.Announce(d.Route)
	}
	return d.Route, j.job.Apply(d)
}

// inForce is the route of the newest window. A job without a route goes by hash.
func (j *runningJob) inForce() *policy.Route {
	if j.window.Route == nil {
		return policy.HashRoute(j.workers)
	}
	return j.window.Route
}

// result is the result of the newest window, which is clean if usable and every worker
// was measured.
func (j *runningJob) result(usable, limited bool) StepResult {
	w := j.window
	r := StepResult{Backpressured: w.Backpressured, Limited: limited}
	if r.Clean = usable && !slices.ContainsFunc(w.Busy, math.IsNaN); r.Clean {
		r.Imbalance, r.Reward = policy.Imbalance(w.Busy), policy.Reward(policy.Perf(w.Busy), j.p0)
	}
	return r
}

// routes shows where the route in force sends keys.
func (j *runningJob) routes(keys []plan.KeyLoad) (m RouteMap) {
	route := j.inForce()
	named := make(map[uint64]*policy.KeyRoute, len(route.Keys))
	for i := range route.Keys {
		named[route.Keys[i].Hash] = &route.Keys[i]
	}
	for _, k := range keys {
		shares := make([]float64, route.Workers)
		if kr := named[k.Hash]; kr != nil {
			for i, w := range kr.Workers {
				shares[w] = kr.Shares[i]
			}
		} else {
			shares[route.Slots[policy.SlotOf(k.Hash, len(route.Slots))]] = 1
		}
		m.Keys, m.Loads, m.Shares = append(m.Keys, k.Name), append(m.Loads, k.Load), append(m.Shares, shares)
	}
	return m
}
