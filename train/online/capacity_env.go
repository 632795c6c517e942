package online

import (
	"bytes"
	"encoding"
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

// capacityEnv is a job under the capacity action. A window teaches by the share of the
// work that each worker really got in it. So no route has to be credited, and mixed
// windows teach too.
type capacityEnv struct {
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

// NewCapacityEnv makes the Env of a job, which starts with the first episode.
func NewCapacityEnv(c CapacityJob) Env {
	return &capacityEnv{CapacityJob: c, runningJob: runningJob{workers: c.Workers, p0: c.P0}}
}

// Reset implements Env.
func (e *capacityEnv) Reset() error {
	if e.job != nil && !e.Restart {
		return nil
	}
	err := e.restart()
	e.cut()
	return err
}

// restart starts the job, under a policy that has seen nothing of it yet.
func (e *capacityEnv) restart() (err error) {
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
func (e *capacityEnv) cut() {
	if e.Index >= 0 {
		e.Agent.Cut(e.Index)
	}
}

// Act implements Env.
func (e *capacityEnv) Act(explore bool) error {
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
		next, e.returning = e.good, false
	}
	if next == nil {
		return nil
	}
	_, err := e.apply(next)
	return err
}

// Observe implements Env.
func (e *capacityEnv) Observe(bool) (StepResult, error) {
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
func (e *capacityEnv) check(r StepResult) (returning bool) {
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
func (e *capacityEnv) Routes() RouteMap {
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
type savedJob interface {
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}

// capacityState is the state of a capacityEnv on a savedJob, between two windows. It is
// saved as a gob, which keeps NaN and names that are not valid UTF-8.
type capacityState struct {
	Job        []byte
	Policy     learned.PolicyState
	Controller learned.ControllerState
	Latest     *policy.Route // of the loop
	Generator  []byte        // of exploration, as rand.PCG marshals it
	Share      []float64     // of the step limit
	Window     *policy.Window
	Good       *policy.Route
	Returning  bool
}

// Save implements Env: a job that processes records has no state to save.
func (e *capacityEnv) Save() ([]byte, error) {
	job, ok := e.job.(savedJob)
	if !ok {
		return nil, nil
	}
	state, err := job.MarshalBinary()
	if err != nil {
		return nil, err
	}
	generator, err := e.pcg.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("save the generator: %w", err)
	}
	var b bytes.Buffer
	err = gob.NewEncoder(&b).Encode(capacityState{
		Job: state, Policy: e.policy.State(), Controller: e.controller.State(), Latest: e.loop.Latest(), Generator: generator,
		Share: e.step.last, Window: e.window, Good: e.good, Returning: e.returning,
	})
	return b.Bytes(), err
}

// Load implements Env. A job that processes records starts again, whatever was saved.
func (e *capacityEnv) Load(data []byte) error {
	if err := e.restart(); err != nil {
		return err
	}
	job, ok := e.job.(savedJob)
	if !ok {
		e.cut()
		return nil
	}
	var s capacityState
	err := gob.NewDecoder(bytes.NewReader(data)).Decode(&s)
	for _, restore := range []func() error{
		func() error { return job.UnmarshalBinary(s.Job) },
		func() error { return e.policy.Restore(s.Policy) },
		func() error { return e.controller.Restore(s.Controller) },
		func() error { return e.pcg.UnmarshalBinary(s.Generator) },
		func() error {
			if s.Latest == nil || s.Latest.Workers != e.Workers {
				return fmt.Errorf("the latest route is missing, or is not for %d workers", e.Workers)
			}
			return s.Latest.Validate()
		},
	} {
		if err == nil {
			err = restore()
		}
	}
	if err != nil {
		return fmt.Errorf("its saved state does not fit; use the experiment that the training was on: %w", err)
	}
	e.loop.Follow(s.Latest)
	e.step.last, e.window, e.good, e.returning = s.Share, s.Window, s.Good, s.Returning
	return nil
}
