package online

import (
	"context"
	"encoding"
	"encoding/json"
	"fmt"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/train/replay"
)

// Model is a job in closed form under the shares action. fluid.SharesEnv is one.
type Model interface {
	// Mask is the pairs of key and worker that an action weighs.
	Mask() policy.Mask
	// KeyShares is each hot key's part of the records, heaviest first; Names are the
	// keys' names.
	KeyShares() []float64
	Names() []string
	// Observations is the length of an observation.
	Observations() int
	// Delay is how many windows late measurements are.
	Delay() int
	// Reset starts the job again from its beginning.
	Reset()
	// Step runs a window under an action, a number in [0,1] per pair of the mask, and
	// sets obs to what is observed.
	Step(action, obs []float64) (imbalance, reward, backpressured float64)
	// Known reports whether a decision could know the speeds and keys of the window that the
	// last Step measured.
	Known() bool
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}

// closedFormEnv is the Env of a Model.
type closedFormEnv struct {
	model  Model
	agent  SharesAgent
	norm   *checkpoint.Normalisation
	limits actionLimits

	now    int        // window within the episode
	past   []decision // of the last Delay + 1 windows, a ring
	seen   []float32  // the newest observation
	action []float64  // scratch, in [0,1]
	obs    []float64  // scratch
	result StepResult
}

// decision is an observation and the action taken on it.
type decision struct {
	Obs, Act []float32
}

// NewClosedFormEnv makes the Env of a model.
func NewClosedFormEnv(m Model, a SharesAgent, norm *checkpoint.Normalisation, s Safety) (Env, error) {
	mask := m.Mask()
	if mask.Pairs() == 0 {
		return nil, fmt.Errorf("the mask is empty: no key is heavy enough to be split over %d workers; set mask.true_hot", mask.Workers)
	}
	e := &closedFormEnv{
		model: m, agent: a, norm: norm, limits: actionLimits{Safety: s, mask: mask},
		action: make([]float64, mask.Pairs()), obs: make([]float64, m.Observations()),
		seen: make([]float32, m.Observations()), past: make([]decision, m.Delay()+1),
	}
	for i := range e.past {
		e.past[i] = decision{make([]float32, len(e.seen)), make([]float32, len(e.action))}
	}
	return e, nil
}

// Reset implements Env. The job starts with every hot key spread evenly.
func (e *closedFormEnv) Reset() error {
	e.model.Reset()
	for i := range e.action {
		e.action[i] = 1
	}
	e.limits.reset(e.action)
	e.model.Step(e.action, e.obs)
	e.see()
	e.now = 0
	return nil
}

// see takes in the newest observation.
func (e *closedFormEnv) see() {
	for i, v := range e.obs {
		e.seen[i] = float32(v)
	}
	e.norm.Apply(e.seen)
}

// Act implements Env.
func (e *closedFormEnv) Act(explore bool) error {
	d := e.past[e.now%len(e.past)]
	copy(d.Obs, e.seen)
	e.agent.Act(d.Obs, d.Act, explore)
	limited, err := e.limits.apply(d.Act, e.action, e.model.KeyShares())
	e.result.Limited = limited
	return err
}

// Step implements Env.
func (e *closedFormEnv) Step(context.Context) error {
	r := &e.result
	r.Imbalance, r.Reward, r.Backpressured = e.model.Step(e.action, e.obs)
	r.Clean = e.model.Known() // else it says nothing of the policy
	return nil
}

// Observe implements Env.
func (e *closedFormEnv) Observe(learn bool) (StepResult, error) {
	e.see()
	r, at := e.result, e.now-e.model.Delay()
	e.result = StepResult{}
	e.now++
	if at < 0 {
		r.Clean = false // measured before the episode
		return r, nil
	}
	if !learn || !r.Clean || r.check() != nil {
		return r, nil // the loop reports what is not finite
	}
	d := e.past[at%len(e.past)]
	for i, a := range d.Act {
		e.action[i] = (float64(a) + 1) / 2
	}
	r.Returned = e.limits.check(r, e.action)
	return r, e.agent.Remember(replay.Transition{Obs: d.Obs, Act: d.Act, Reward: float32(r.Reward), Next: e.seen})
}

// Routes implements Env.
func (e *closedFormEnv) Routes() RouteMap {
	mask, action := e.model.Mask(), e.limits.last
	r := RouteMap{Keys: e.model.Names(), Loads: e.model.KeyShares()}
	for rank := range r.Keys {
		shares := make([]float64, mask.Workers)
		if rank >= len(mask.Keys) {
			for w := range shares {
				shares[w] = 1 / float64(mask.Workers)
			}
		} else {
			row := mask.Keys[rank]
			numbers := action[:len(row)]
			action = action[len(row):]
			all := sum(numbers)
			for i, w := range row {
				shares[w] = part(numbers, i, all)
			}
		}
		r.Shares = append(r.Shares, shares)
	}
	return r
}

// closedFormState is the state of a closedFormEnv between two windows.
type closedFormState struct {
	Model      []byte
	Now        int
	Past       []decision
	Seen       []float32
	Last, Good []float64
	Back       bool
}

// Save implements Env.
func (e *closedFormEnv) Save() ([]byte, error) {
	model, err := e.model.MarshalBinary()
	if err != nil {
		return nil, err
	}
	s := closedFormState{model, e.now, nil, e.seen, e.limits.last, e.limits.good, e.limits.returning}
	for at := max(0, e.now-len(e.past)); at < e.now; at++ {
		s.Past = append(s.Past, e.past[at%len(e.past)])
	}
	return json.Marshal(s)
}

// Load implements Env.
func (e *closedFormEnv) Load(data []byte) error {
	var s closedFormState
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
	e.limits.last, e.limits.good, e.limits.returning = s.Last, s.Good, s.Back
	return e.model.UnmarshalBinary(s.Model)
}

// Close implements Env.
func (e *closedFormEnv) Close() error { return nil }

// sum adds up numbers.
func sum(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x
	}
	return s
}

// part is the share that number i of a key's numbers means. If all are 0 the key is
// spread evenly.
func part(v []float64, i int, sum float64) float64 {
	if sum == 0 {
		return 1 / float64(len(v))
	}
	return v[i] / sum
}
