package online

import (
	"slices"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/train/replay"
)

// SharesJob is what an Env of the shares action is made of, for jobs with windows and
// routes.
type SharesJob struct {
	Open   func() (Job, error) // starts the job, under a partitioner that follows routes
	Spec   *checkpoint.SharesSpec
	Normal *checkpoint.Normalisation // nil: observations as they are
	Config learned.Config            // as for serving the policy
	P0     float64
	Agent  SharesAgent
	Safety Safety
}

// sharesEnv is a job under the shares action.
//
// A route takes a while to come into force, and the window in which it does is mixed. So
// rewards are credited by the route in force: the reward of a window with one route goes
// to the decision that the route came from, however late the window is. Mixed windows
// teach nothing. The env makes no new decision until it has seen the last route in force,
// or has waited maxWait windows for it.
type sharesEnv struct {
	SharesJob
	runningJob
	view   *learned.SharesView
	limits actionLimits

	ready     bool                  // the newest window can be decided on
	seen      []float32             // the observation of the newest such window
	pending   bool                  // the latest route has not been seen in force
	waited    int                   // windows since it was announced
	decisions map[uint64]*announced // by the version of their routes
	limited   bool
	act       []float32 // scratch
	action    []float64 // scratch
}

// announced is a decision that became a route.
type announced struct {
	decision
	action []float64 // in [0,1], of the keys known then
}

const maxWait = 8 // windows

// NewSharesEnv makes the Env of a job, which starts with the first episode.
func NewSharesEnv(c SharesJob) Env {
	mask := policy.Mask{Workers: c.Spec.Workers, Keys: c.Spec.Mask}
	return &sharesEnv{
		SharesJob: c, runningJob: runningJob{workers: c.Spec.Workers, p0: c.P0},
		limits: actionLimits{Safety: c.Safety, mask: mask}, decisions: map[uint64]*announced{},
		act: make([]float32, mask.Pairs()), action: make([]float64, mask.Pairs()),
	}
}

// Reset implements Env. A running job keeps running.
func (e *sharesEnv) Reset() error {
	if e.job != nil {
		return nil
	}
	e.view = learned.NewSharesView(e.Spec, e.Normal, e.Config)
	return e.start(e.Open, nil)
}

// Act implements Env.
func (e *sharesEnv) Act(explore bool) error {
	e.limited = false
	if !e.ready || e.pending && e.waited < maxWait {
		return nil
	}
	e.loop.Observe(e.window)
	ranked := e.view.Ranked()
	e.limits.mask = e.view.Mask()
	n := e.limits.mask.Pairs()
	if len(e.limits.last) != n {
		e.limits.reset(nil) // it was of other keys
	}
	loads := make([]float64, len(e.limits.mask.Keys))
	for i := range loads {
		loads[i] = ranked[i].Load
	}
	e.Agent.Act(e.seen, e.act, explore)
	last := slices.Clone(e.limits.last)
	var err error
	if e.limited, err = e.limits.apply(e.act[:n], e.action[:n], loads); err != nil {
		return err
	}
	next, err := e.view.Route(e.action)
	if err != nil {
		return err
	}
	if !explore && e.view.Rests(e.inForce(), next) {
		e.limits.last = last
		return nil
	}
	if next, err = e.apply(policy.Decision{Route: next}); err != nil {
		return err
	}
	e.pending, e.waited = true, 0
	e.decisions[next.Version] = &announced{decision{slices.Clone(e.seen), slices.Clone(e.act)}, slices.Clone(e.action[:n])}
	return nil
}

// Observe implements Env.
func (e *sharesEnv) Observe(learn bool) (StepResult, error) {
	e.waited++
	e.ready = e.view.Observe(e.window)
	r := e.result(e.ready, e.limited)
	if e.ready = r.Clean; !r.Clean {
		return r, nil
	}
	e.seen = e.view.Observation(e.seen[:0], e.window)
	version := e.inForce().Version
	if version == e.loop.Latest().Version {
		e.pending = false
	}
	d := e.decisions[version]
	for v := range e.decisions {
		if v < version {
			delete(e.decisions, v)
		}
	}
	if d == nil || r.check() != nil {
		return r, nil // before the first decision; or the loop reports what is not finite
	}
	if len(d.action) == len(e.limits.last) && e.limits.check(r, d.action) {
		r.Returned, e.pending = true, false // at once, whatever is pending
	}
	from := slices.Clone(d.Obs)
	copy(d.Obs, e.seen) // for the next window under the same route
	if !learn {
		return r, nil
	}
	return r, e.Agent.Remember(replay.Transition{Obs: from, Act: d.Act, Reward: float32(r.Reward), Next: e.seen})
}

// Routes implements Env.
func (e *sharesEnv) Routes() RouteMap {
	if e.window == nil {
		return RouteMap{}
	}
	return e.routes(e.view.Ranked())
}

// Save implements Env: a job that processes records has no state to save.
func (e *sharesEnv) Save() ([]byte, error) { return nil, nil }

// Load implements Env.
func (e *sharesEnv) Load([]byte) error { return e.Reset() }
