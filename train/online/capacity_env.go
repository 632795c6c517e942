package online

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/policy/plan"
	"github.com/saspart/saspart/policy/scenario"
)

// CapacityJob is what an Env of the capacity action is made of.
type CapacityJob struct {
	Open    func() (Job, error) // starts the job, under a partitioner that follows routes
	Restart bool                // every episode starts the job again
	Index   int                 // the job's number among those recorded; negative: it is not recorded
	Workers int
	Learned learned.Config // how decisions become routes
	P0      float64
	Agent   CapacityAgent
	Safety  Safety
	Seed    uint64 // of exploration
}

// capacityEnv is a job under the capacity action. S is the state of its job, if it is a
// savedJob. A window teaches by the share of the work that each worker really got in it.
// So no route has to be credited, and mixed windows teach too.
type capacityEnv[S any] struct {
	CapacityJob
	runningJob
	policy     *learned.ExploringPolicy
	version    uint64 // of the policy
	step       stepLimit
	controller learned.CapacityController
	pcg        *rand.PCG // of exploration

	good      *policy.Route // of the last window within the limits; nil before the first
	returning bool          // the next route is good
}

// stepLimit limits how far the capacities move in a window.
type stepLimit struct {
	scenario.Policy
	most    float64   // part of the work that may go to other workers
	last    []float64 // the newest capacities; nil before the first
	limited bool
}

// Decide implements scenario.Policy.
func (s *stepLimit) Decide(m *scenario.Measured, share []float64) bool {
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

// NewCapacityEnv makes the Env of a job, which starts with the first episode. S is the
// state of jobs that can be saved: those with the methods State() (S, error) and
// Restore(S) error.
func NewCapacityEnv[S any](c CapacityJob) Env {
	return &capacityEnv[S]{CapacityJob: c, runningJob: runningJob{workers: c.Workers, p0: c.P0}}
}

// Reset implements Env.
func (e *capacityEnv[S]) Reset() error {
	if e.job != nil && !e.Restart {
		return nil
	}
	err := e.restart()
	e.cut()
	return err
}

// restart starts the job, under a policy that has seen nothing of it yet.
func (e *capacityEnv[S]) restart() (err error) {
	c, version := e.Agent.Policy()
	e.pcg = rand.NewPCG(e.Seed, 0xca9)
	if e.policy, err = learned.NewExploringPolicy(c, e.Workers, rand.New(e.pcg)); err != nil {
		return err
	}
	e.version = version
	e.step = stepLimit{Policy: e.policy, most: e.Safety.MaxStep}
	// Working off a backlog would take a route further than Safety.MaxStep.
	config := e.Learned
	config.Backlog = 0
	if e.controller, err = learned.NewCapacityController(&e.step, config, e.Workers); err != nil {
		return err
	}
	e.good, e.returning = nil, false
	return e.start(e.Open, e.controller)
}

// cut says that the job's next window does not follow the last one recorded.
func (e *capacityEnv[S]) cut() {
	if e.Index >= 0 {
		e.Agent.Cut(e.Index)
	}
}

// Act implements Env.
func (e *capacityEnv[S]) Act(explore bool) error {
	e.step.limited = false
	if e.window == nil {
		return nil
	}
	if c, version := e.Agent.Policy(); version != e.version {
		if err := e.policy.Adopt(c); err != nil {
			return fmt.Errorf("the trained policy cannot act: %w; lower the learning rates, and resume from an earlier checkpoint", err)
		}
		e.version = version
	}
	e.policy.Explore = explore
	e.loop.Observe(e.window)
	next := e.loop.Decide()
	if e.returning {
		next.Route, e.returning = e.good, false
	}
	_, err := e.apply(next)
	return err
}

// Observe implements Env.
func (e *capacityEnv[S]) Observe(bool) (StepResult, error) {
	r := e.result(!e.window.RouteNew, e.step.limited)
	if r.Clean {
		if r.check() != nil {
			return r, nil // the loop reports what is not finite
		}
		r.Returned = e.check(r)
	}
	if e.Index < 0 {
		return r, nil
	}
	return r, e.Agent.Record(e.Index, e.window)
}

// check processes the result of a window with one route, and reports whether the last
// good route is to return.
func (e *capacityEnv[S]) check(r StepResult) (returning bool) {
	now := e.window.Route
	switch {
	case now == nil:
		return false
	case !e.Safety.exceeded(r):
		e.good = now
		return false
	}
	e.returning = e.good != nil && e.good.Version != now.Version
	if e.returning {
		e.step.last = nil // the next step is from another route
	}
	return e.returning
}

// mapped is how many keys a RouteMap of the capacity action shows.
const mapped = 16

// Routes implements Env.
func (e *capacityEnv[S]) Routes() RouteMap {
	if e.window == nil {
		return RouteMap{}
	}
	all := 0.0
	for _, n := range e.window.Slots {
		all += float64(n)
	}
	var keys []plan.KeyLoad
	for _, k := range e.window.Hot[:min(mapped, len(e.window.Hot))] {
		keys = append(keys, plan.KeyLoad{Hash: k.Hash, Name: k.Name, Load: float64(k.Count) / max(all, 1)})
	}
	return e.routes(keys)
}

// savedJob is a Job whose state can be saved. fluid.Job is one.
type savedJob[S any] interface {
	State() (S, error)
	Restore(s S) error
}

// capacityState is the state of a capacityEnv on a savedJob, between two windows. It is
// saved as a gob, which keeps NaN and names that are not valid UTF-8. A gob matches fields
// by name, so older runs can be resumed only if the names stay.
type capacityState[S any] struct {
	Job        S
	Follower   learned.PolicyState
	Controller controllerState
	Generator  []byte    // of exploration, as rand.PCG marshals it
	Share      []float64 // of the step limit
	Window     *policy.Window
	Newest     uint64 // version of the last route announced
	Good       *policy.Route
	Back       bool // the next route is Good
}

// controllerState is a learned.ControllerState with the route to plan from. Older
// versions saved there the controller's last plan, even if Good was announced in its
// place.
type controllerState struct {
	Loads plan.LoadsState
	Route *policy.Route
	Share []float64
}

// Save implements Env: a job that processes records has no state to save.
func (e *capacityEnv[S]) Save() ([]byte, error) {
	job, ok := e.job.(savedJob[S])
	if !ok {
		return nil, nil
	}
	state, err := job.State()
	if err != nil {
		return nil, err
	}
	generator, err := e.pcg.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("save the generator: %w", err)
	}
	latest, controller := e.loop.Latest(), e.controller.State()
	var b bytes.Buffer
	err = gob.NewEncoder(&b).Encode(capacityState[S]{
		Job: state, Follower: e.policy.State(), Controller: controllerState{controller.Loads, latest, controller.Share}, Generator: generator,
		Share: e.step.last, Window: e.window, Newest: latest.Version, Good: e.good, Back: e.returning,
	})
	return b.Bytes(), err
}

// Load implements Env. A job that processes records starts again, whatever was saved.
func (e *capacityEnv[S]) Load(data []byte) error {
	if err := e.restart(); err != nil {
		return err
	}
	job, ok := e.job.(savedJob[S])
	if !ok {
		e.cut()
		return nil
	}
	var s capacityState[S]
	err := gob.NewDecoder(bytes.NewReader(data)).Decode(&s)
	for _, restore := range []func() error{
		func() error { return job.Restore(s.Job) },
		func() error { return e.policy.Restore(s.Follower) },
		func() error {
			return e.controller.Restore(learned.ControllerState{Loads: s.Controller.Loads, Share: s.Controller.Share})
		},
		func() error { return e.pcg.UnmarshalBinary(s.Generator) },
		func() error {
			if r := s.Controller.Route; r == nil || r.Workers != e.Workers {
				return fmt.Errorf("the latest route is missing, or is not for %d workers", e.Workers)
			}
			return s.Controller.Route.Validate()
		},
	} {
		if err == nil {
			err = restore()
		}
	}
	if err != nil {
		return fmt.Errorf("its saved state does not fit; use the experiment that the training was on: %w", err)
	}
	e.loop.Follow(s.Controller.Route)
	if s.Good != nil && s.Newest > e.loop.Latest().Version {
		announced := *s.Good
		announced.Version = s.Newest
		e.loop.Follow(&announced)
	}
	e.step.last, e.window, e.good, e.returning = s.Share, s.Window, s.Good, s.Back
	return nil
}
