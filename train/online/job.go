package online

import (
	"context"
	"math"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/policy/plan"
	"github.com/saspart/saspart/train/replay"
)

// Job is a job that runs records: engine.Job is one.
type Job interface {
	Next(ctx context.Context) (*policy.Window, error)
	Apply(r *policy.Route) error
	Close() error
}

// JobConfig is what a jobEnv is made of.
type JobConfig struct {
	Open   func() (Job, error) // starts the job, under a partitioner that follows routes
	Spec   *checkpoint.SharesSpec
	Normal *checkpoint.Normalisation // nil: observations as they are
	Loads  plan.LoadConfig
	P0     float64
	Pupil  Pupil
	Safety Safety
}

// jobEnv is a job on records under the shares action.
//
// A route announced takes a while to be in force, and the window in which it takes over
// is of two routes. So rewards go by the route that a window reports: a window under
// one route throughout is credited to the decision that the route came from, whenever
// it comes, and every other window teaches nothing. There is no new decision before the
// last one has been seen, or has not been for patience windows.
type jobEnv struct {
	JobConfig
	job   Job
	view  *learned.SharesView
	guard guard

	window  *policy.Window // the newest
	ready   bool           // something can be decided on it
	seen    []float32      // what is observed in it
	route   *policy.Route  // the last one announced; nil before
	pending bool           // it has not been seen in force yet
	waited  int            // windows since it was announced
	made    map[uint64]*made
	limited bool
	act     []float32 // scratch
	action  []float64 // scratch
}

// made is the decision that a route came from.
type made struct {
	decision
	action []float64 // in [0,1], of the keys known then
}

// patience is for how many windows a decision is waited for.
const patience = 8

// unmoved is the part of the records that a route of the most likely action must move
// to be announced, as when a policy serves: on a job that stands still it would
// otherwise be replaced by its like for ever.
const unmoved = 0.002

// NewJobEnv makes the Env of a job on records, which starts with the first episode.
func NewJobEnv(c JobConfig) Env {
	mask := policy.Mask{Workers: c.Spec.Workers, Keys: c.Spec.Mask}
	return &jobEnv{
		JobConfig: c, guard: guard{Safety: c.Safety, mask: mask}, made: map[uint64]*made{},
		act: make([]float32, mask.Pairs()), action: make([]float64, mask.Pairs()),
	}
}

// Begin implements Env. A job that runs goes on.
func (e *jobEnv) Begin() error {
	if e.job != nil {
		return nil
	}
	e.view = learned.NewSharesView(e.Spec, e.Normal, e.Loads)
	var err error
	e.job, err = e.Open()
	return err
}

// Act implements Env.
func (e *jobEnv) Act(explore bool) error {
	e.limited = false
	if !e.ready || e.pending && e.waited < patience {
		return nil
	}
	ranked := e.view.Ranked()
	e.guard.mask = e.view.Mask()
	n := e.guard.mask.Pairs()
	if len(e.guard.last) != n {
		e.guard.last, e.guard.good, e.guard.back = nil, nil, false // of other keys
	}
	loads := make([]float64, len(e.guard.mask.Keys))
	for i := range loads {
		loads[i] = ranked[i].Load
	}
	e.Pupil.Act(e.seen, e.act, explore)
	last := append([]float64(nil), e.guard.last...)
	var err error
	if e.limited, err = bounded(&e.guard, e.act[:n], e.action[:n], loads); err != nil {
		return err
	}
	now := e.inForce()
	version := now.Version
	if e.route != nil {
		version = max(version, e.route.Version)
	}
	next, err := e.view.Route(e.action)
	if err != nil {
		return err
	}
	next.Version = version + 1
	if !explore && e.view.Moved(now, next) <= unmoved {
		e.guard.last = last
		return nil
	}
	if err := e.job.Apply(next); err != nil {
		return err
	}
	e.route, e.pending, e.waited = next, true, 0
	e.made[next.Version] = &made{
		decision{append([]float32(nil), e.seen...), append([]float32(nil), e.act...)}, append([]float64(nil), e.action[:n]...),
	}
	return nil
}

// inForce is the route of the newest window: that of a job that has not been given any
// yet names no key.
func (e *jobEnv) inForce() *policy.Route {
	if e.window.Route == nil {
		return policy.HashRoute(e.Spec.Workers)
	}
	return e.window.Route
}

// Run implements Env.
func (e *jobEnv) Run(ctx context.Context) (err error) {
	e.window, err = e.job.Next(ctx)
	return err
}

// Take implements Env.
func (e *jobEnv) Take(learn bool) (Measured, error) {
	w := e.window
	m := Measured{Backpressured: w.Backpressured, Limited: e.limited}
	e.waited++
	e.ready = e.view.Observe(w)
	if !e.ready || missing(w.Busy) {
		return m, nil
	}
	m.Clean = true
	m.Imbalance = policy.Imbalance(w.Busy)
	m.Reward = policy.Reward(policy.Perf(w.Busy), e.P0)
	e.seen = e.view.Observation(e.seen[:0], w)
	now := e.inForce().Version
	if e.route != nil && now == e.route.Version {
		e.pending = false
	}
	d := e.made[now]
	for version := range e.made {
		if version < now {
			delete(e.made, version)
		}
	}
	if d == nil {
		return m, nil // of before the first decision
	}
	if err := m.check(); err != nil {
		return m, nil // the loop says which window it was
	}
	if len(d.action) == len(e.guard.last) && e.guard.judge(m, d.action) {
		m.Returned, e.pending = true, false // at once, whatever is on its way
	}
	from := append([]float32(nil), d.Obs...)
	copy(d.Obs, e.seen) // of the next window under the same route
	if !learn {
		return m, nil
	}
	return m, e.Pupil.Remember(replay.Transition{Obs: from, Act: d.Act, Reward: float32(m.Reward), Next: e.seen})
}

// missing tells whether a worker did not report.
func missing(busy []float64) bool {
	for _, b := range busy {
		if math.IsNaN(b) {
			return true
		}
	}
	return false
}

// Routes implements Env.
func (e *jobEnv) Routes() RouteMap {
	if e.window == nil {
		return RouteMap{}
	}
	return mapOf(e.inForce(), e.view.Ranked())
}

// Save implements Env: a job on records can't be kept.
func (e *jobEnv) Save() ([]byte, error) { return nil, nil }

// Load implements Env.
func (e *jobEnv) Load([]byte) error { return e.Begin() }

// Close implements Env.
func (e *jobEnv) Close() error {
	if e.job == nil {
		return nil
	}
	err := e.job.Close()
	e.job = nil
	return err
}
