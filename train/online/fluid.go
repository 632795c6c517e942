package online

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"github.com/saspart/saspart/engine/fluid"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/train/replay"
)

// Model is a job in closed form under the shares action, stepped without windows or
// routes: some microseconds each.
type Model interface {
	// Mask is the pairs that an action weighs; KeyShares what part of the records each
	// hot key has, by rank; Names what people call them.
	Mask() policy.Mask
	KeyShares() []float64
	Names() []string
	// Observations is the length of an observation.
	Observations() int
	// Begin starts anew.
	Begin()
	// Lag is how many windows late measurements are.
	Lag() int
	// Step runs a window under an action, a number in [0,1] per pair of the mask, and
	// sets obs to what is observed.
	Step(action, obs []float64) Measured
	Save() ([]byte, error)
	Load(data []byte) error
}

// fluidEnv is a job in closed form.
type fluidEnv struct {
	model Model
	pupil Pupil
	norm  *checkpoint.Normalisation
	guard guard

	now      int        // window within the episode
	past     []decision // of the last Lag + 1 windows, a ring
	seen     []float32  // the newest observation
	action   []float64  // scratch, in [0,1]
	obs      []float64  // scratch
	measured Measured
}

// decision is what was seen and done in a window.
type decision struct {
	Obs, Act []float32
}

// NewFluidEnv makes the Env of a model.
func NewFluidEnv(m Model, p Pupil, norm *checkpoint.Normalisation, s Safety) (Env, error) {
	mask := m.Mask()
	if mask.Pairs() == 0 {
		return nil, fmt.Errorf("the mask is empty: no key is heavy enough to be split over %d workers; set mask.true_hot", mask.Workers)
	}
	e := &fluidEnv{
		model: m, pupil: p, norm: norm, guard: guard{Safety: s, mask: mask},
		action: make([]float64, mask.Pairs()), obs: make([]float64, m.Observations()),
		seen: make([]float32, m.Observations()), past: make([]decision, m.Lag()+1),
	}
	for i := range e.past {
		e.past[i] = decision{make([]float32, len(e.seen)), make([]float32, len(e.action))}
	}
	return e, nil
}

// Begin implements Env: the job starts with every hot key spread evenly.
func (e *fluidEnv) Begin() error {
	e.model.Begin()
	for i := range e.action {
		e.action[i] = 1
	}
	e.guard.last, e.guard.good, e.guard.back = append([]float64{}, e.action...), nil, false
	e.model.Step(e.action, e.obs)
	e.look()
	e.now = 0
	return nil
}

// look takes in the newest observation.
func (e *fluidEnv) look() {
	for i, v := range e.obs {
		e.seen[i] = float32(v)
	}
	e.norm.Apply(e.seen)
}

// Act implements Env.
func (e *fluidEnv) Act(explore bool) error {
	d := e.past[e.now%len(e.past)]
	copy(d.Obs, e.seen)
	e.pupil.Act(d.Obs, d.Act, explore)
	limited, err := bounded(&e.guard, d.Act, e.action, e.model.KeyShares())
	e.measured.Limited = limited
	return err
}

// bounded maps the policy's action [-1,1] to the environment's [0,1], keeps it within
// the bounds, and sets act to what will be done. An action that is not finite is an
// error.
func bounded(g *guard, act []float32, action, loads []float64) (limited bool, err error) {
	for i, a := range act {
		if !(math.Abs(float64(a)) <= 1) {
			return false, fmt.Errorf("number %d of the policy's action is %v: what it has learned makes no sense; lower the learning rates, and go on from an earlier checkpoint", i, a)
		}
		action[i] = (float64(a) + 1) / 2
	}
	returning := g.back
	if limited = g.limit(action, loads); limited || returning {
		for i, a := range action {
			act[i] = float32(2*a - 1)
		}
	}
	return limited, nil
}

// Run implements Env.
func (e *fluidEnv) Run(context.Context) error {
	limited := e.measured.Limited
	e.measured = e.model.Step(e.action, e.obs)
	e.measured.Limited = limited
	return nil
}

// Take implements Env.
func (e *fluidEnv) Take(learn bool) (Measured, error) {
	e.look()
	m, at := e.measured, e.now-e.model.Lag()
	e.measured = Measured{}
	e.now++
	if at < 0 {
		m.Clean = false // of before the episode
		return m, nil
	}
	if !learn {
		return m, nil
	}
	if err := m.check(); err != nil {
		return m, nil // the loop says which window it was
	}
	d := e.past[at%len(e.past)]
	for i, a := range d.Act {
		e.action[i] = (float64(a) + 1) / 2
	}
	m.Returned = e.guard.judge(m, e.action)
	return m, e.pupil.Remember(replay.Transition{Obs: d.Obs, Act: d.Act, Reward: float32(m.Reward), Next: e.seen})
}

// Routes implements Env.
func (e *fluidEnv) Routes() RouteMap {
	return routeMap(e.model.Mask(), e.guard.last, e.model.Names(), e.model.KeyShares())
}

// routeMap shows an action.
func routeMap(mask policy.Mask, action []float64, names []string, loads []float64) RouteMap {
	r := RouteMap{Keys: names, Loads: loads}
	for range names {
		r.Shares = append(r.Shares, make([]float64, mask.Workers))
	}
	for rank := range names {
		if rank >= len(mask.Keys) {
			for w := range r.Shares[rank] {
				r.Shares[rank][w] = 1 / float64(mask.Workers)
			}
			continue
		}
		row := mask.Keys[rank]
		numbers := action[:len(row)]
		action = action[len(row):]
		all := sum(numbers)
		for i, w := range row {
			r.Shares[rank][w] = part(numbers, i, all)
		}
	}
	return r
}

// fluidSaved is what a fluidEnv goes on from.
type fluidSaved struct {
	Model      []byte
	Now        int
	Past       []decision
	Seen       []float32
	Last, Good []float64
	Back       bool
}

// Save implements Env.
func (e *fluidEnv) Save() ([]byte, error) {
	model, err := e.model.Save()
	if err != nil {
		return nil, err
	}
	s := fluidSaved{model, e.now, nil, e.seen, e.guard.last, e.guard.good, e.guard.back}
	for at := max(0, e.now-len(e.past)); at < e.now; at++ {
		s.Past = append(s.Past, e.past[at%len(e.past)])
	}
	return json.Marshal(s)
}

// Load implements Env.
func (e *fluidEnv) Load(data []byte) error {
	var s fluidSaved
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	if len(s.Seen) != len(e.seen) || len(s.Last) != len(e.action) || len(s.Past) != min(s.Now, len(e.past)) {
		return fmt.Errorf("the job has %d observations and %d actions, the saved one %d and %d: use the experiment that the training was on", len(e.seen), len(e.action), len(s.Seen), len(s.Last))
	}
	for i, d := range s.Past {
		to := e.past[(s.Now-len(s.Past)+i)%len(e.past)]
		copy(to.Obs, d.Obs)
		copy(to.Act, d.Act)
	}
	e.now, e.seen = s.Now, s.Seen
	e.guard.last, e.guard.good, e.guard.back = s.Last, s.Good, s.Back
	return e.model.Load(s.Model)
}

// Close implements Env.
func (e *fluidEnv) Close() error { return nil }

// reference is the reference's simulated environment as a Model: it has no memory.
type reference struct {
	env   *fluid.ReferenceEnv
	names []string
	parts []float64
}

// NewReference makes the reference's simulated environment of workers with the given
// speeds (fluid.ReferenceEnv), with observations as published or mended.
func NewReference(speeds []float64, published bool) Model {
	env := fluid.NewReferenceEnv(speeds)
	env.Observation.Published = published
	m := &reference{env: env}
	counts := fluid.ReferenceCounts()
	all := sum(counts)
	for i, n := range counts {
		m.names = append(m.names, fmt.Sprintf("rank %d", i))
		m.parts = append(m.parts, n/all)
	}
	return m
}

func (m *reference) Mask() policy.Mask      { return m.env.Mask }
func (m *reference) KeyShares() []float64   { return m.parts }
func (m *reference) Names() []string        { return m.names }
func (m *reference) Observations() int      { return m.env.Observation.Size(m.env.Mask.Workers) }
func (m *reference) Lag() int               { return 0 }
func (m *reference) Begin()                 {}
func (m *reference) Save() ([]byte, error)  { return nil, nil }
func (m *reference) Load(data []byte) error { return nil }

func (m *reference) Step(action, obs []float64) Measured {
	reward, imbalance := m.env.Step(action, obs)
	return Measured{Clean: true, Imbalance: imbalance, Reward: reward}
}
