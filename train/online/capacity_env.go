package online

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/policy/plan"
	"github.com/saspart/saspart/policy/scenario"
)

// CapacityJob is what an Env of the capacity action is made of.
type CapacityJob struct {
	Open    func() (Job, error) // starts the job, under a partitioner that follows routes
	Anew    bool                // every episode is a job from its beginning
	Index   int                 // of the job in what is remembered; negative: its windows are not
	Workers int
	Learned learned.Config // how decisions become routes
	P0      float64
	Filter  Filter
	Safety  Safety
	Seed    uint64 // of the exploring
}

// capacityEnv is a job under the capacity action. What a window teaches is what share
// each worker really got in it, so that no route has to be credited: a window of two
// routes teaches too.
type capacityEnv struct {
	CapacityJob
	job        Job
	follower   *learned.ExploringPolicy
	step       shortStep
	controller learned.CapacityController
	pcg        *rand.PCG // of the exploring
	version    uint64    // of the policy in use
	loop       *loop.Loop

	window *policy.Window // the newest; nil before the first
	good   *policy.Route  // of the last window within the limits; nil before
	back   bool           // it is to be taken up again
}

// shortStep bounds how far the shares of a follower move.
type shortStep struct {
	scenario.Policy
	most    float64   // part of the records that may go to other workers
	last    []float64 // the newest shares; nil before
	limited bool
}

// Decide implements scenario.Policy.
func (s *shortStep) Decide(m *scenario.Measured, share []float64) bool {
	if !s.Policy.Decide(m, share) {
		return false
	}
	s.limited = false
	if len(s.last) == len(share) && s.most < 1 {
		moved := 0.0
		for w, v := range share {
			moved += math.Abs(v-s.last[w]) / 2
		}
		if s.limited = moved > s.most; s.limited {
			for w, v := range share {
				share[w] = s.last[w] + s.most/moved*(v-s.last[w])
			}
		}
	}
	s.last = append(s.last[:0], share...)
	return true
}

// NewCapacityEnv makes the Env of a job under the capacity action, which starts with
// the first episode.
func NewCapacityEnv(c CapacityJob) Env { return &capacityEnv{CapacityJob: c} }

// Begin implements Env.
func (e *capacityEnv) Begin() error {
	if e.job != nil && !e.Anew {
		return nil
	}
	err := e.open()
	e.cut()
	return err
}

// open starts the job, under a policy that knows nothing of it yet.
func (e *capacityEnv) open() (err error) {
	if err := e.Close(); err != nil {
		return err
	}
	c, version := e.Filter.Newest()
	e.pcg = rand.NewPCG(e.Seed, 0xca9)
	if e.follower, err = learned.NewExploringPolicy(c, e.Workers, rand.New(e.pcg)); err != nil {
		return err
	}
	e.version = version
	e.step = shortStep{Policy: e.follower, most: e.Safety.MaxStep}
	// What makes up for queues would take a route further than the safety's step.
	config := e.Learned
	config.Backlog = 0
	if e.controller, err = learned.NewCapacityController(&e.step, config, e.Workers); err != nil {
		return err
	}
	e.loop = loop.New(loop.Config{Workers: e.Workers, Controller: e.controller})
	e.window, e.good, e.back = nil, nil, false
	e.job, err = e.Open()
	return err
}

// cut tells the student that the job's next window does not follow the one before.
func (e *capacityEnv) cut() {
	if e.Index >= 0 {
		e.Filter.Cut(e.Index)
	}
}

// Act implements Env.
func (e *capacityEnv) Act(explore bool) error {
	e.step.limited = false
	if e.window == nil {
		return nil
	}
	if c, version := e.Filter.Newest(); version != e.version {
		if err := e.follower.Adopt(c); err != nil {
			return fmt.Errorf("the policy learned by now: %w; lower the learning rates, and go on from an earlier checkpoint", err)
		}
		e.version = version
	}
	e.follower.Explore = explore
	e.loop.Observe(e.window)
	next := e.loop.Decide()
	if e.back {
		next, e.back = e.good, false
	}
	if next == nil {
		return nil
	}
	return e.job.Apply(e.loop.Announce(next))
}

// Run implements Env.
func (e *capacityEnv) Run(ctx context.Context) (err error) {
	e.window, err = e.job.Next(ctx)
	return err
}

// Take implements Env.
func (e *capacityEnv) Take(bool) (Measured, error) {
	w := e.window
	m := Measured{Backpressured: w.Backpressured, Limited: e.step.limited}
	if !w.RouteNew && !missing(w.Busy) {
		m.Clean = true
		m.Imbalance = policy.Imbalance(w.Busy)
		m.Reward = policy.Reward(policy.Perf(w.Busy), e.P0)
		if m.check() != nil {
			return m, nil // the loop says which window it was
		}
		m.Returned = e.judge(m)
	}
	if e.Index < 0 {
		return m, nil
	}
	return m, e.Filter.Record(e.Index, w)
}

// judge takes in a window of one route and tells whether to go back.
func (e *capacityEnv) judge(m Measured) bool {
	now := e.window.Route
	switch {
	case now == nil:
		return false
	case !e.Safety.bad(m):
		e.good = now
		return false
	}
	e.back = e.good != nil && e.good.Version != now.Version
	if e.back {
		e.step.last = nil // what it moves from next is another route's
	}
	return e.back
}

// mapped is how many keys a RouteMap of the capacity action shows.
const mapped = 16

// Routes implements Env.
func (e *capacityEnv) Routes() RouteMap {
	if e.window == nil {
		return RouteMap{}
	}
	route, all := e.window.Route, 0.0
	if route == nil {
		route = policy.HashRoute(e.Workers)
	}
	for _, n := range e.window.Slots {
		all += float64(n)
	}
	var keys []plan.KeyLoad
	for _, k := range e.window.Hot[:min(mapped, len(e.window.Hot))] {
		keys = append(keys, plan.KeyLoad{Hash: k.Hash, Name: k.Name, Load: float64(k.Count) / max(all, 1)})
	}
	return mapOf(route, keys)
}

// mapOf shows what a route does with some keys.
func mapOf(route *policy.Route, keys []plan.KeyLoad) RouteMap {
	var r RouteMap
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
		r.Keys, r.Loads, r.Shares = append(r.Keys, k.Name), append(r.Loads, k.Load), append(r.Shares, shares)
	}
	return r
}

// Close implements Env.
func (e *capacityEnv) Close() error {
	if e.job == nil {
		return nil
	}
	err := e.job.Close()
	e.job = nil
	return err
}
