package fluid

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/saspart/saspart/internal/sums"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/scenario"
)

// sharesAction is what the environments of the shares action have in common: the hot keys,
// the pairs an action weighs and the form of an observation.
type sharesAction struct {
	observation policy.Observation
	hot         []float64 // part of the records of each hot key
	names       []string
}

// Mask is the pairs of key and worker that an action weighs.
func (a *sharesAction) Mask() policy.Mask { return a.observation.Mask }

// KeyShares is each hot key's part of the records, heaviest first.
func (a *sharesAction) KeyShares() []float64 { return a.hot }

// Names are the names of the hot keys, heaviest first.
func (a *sharesAction) Names() []string { return a.names }

// Observations is the length of an observation.
func (a *sharesAction) Observations() int { return a.observation.Size() }

// SharesConfig says what a policy of the shares action observes and learns from a job in
// closed form.
type SharesConfig struct {
	Observation policy.Observation
	HotKeys     int     // heaviest keys; those past the mask are spread evenly, all others go by hash
	P0          float64 // performance that earns reward 0
	Vary        scenario.Variety
}

// SharesEnv is a job in closed form under the shares action: it measures what Job
// measures under the routes that such actions become, without making routes or windows.
// What an adaptive observation says of workers and keys is exact. A step takes some
// microseconds.
type SharesEnv struct {
	sharesAction
	config Config
	SharesConfig
	model *Model
	pcg   *rand.PCG // of the draws
	rng   *rand.Rand

	cold              []float64 // load of each worker by all other keys
	loads, done, busy []float64
	log, fixed        []float64 // scratch: of the observation
}

// NewSharesEnv makes the environment.
func NewSharesEnv(c Config, s SharesConfig) (*SharesEnv, error) {
	if c.Drift != nil || c.Shift != nil {
		return nil, fmt.Errorf("fluid: the shares action cannot be learned in closed form while speeds or keys change; use the engine sim")
	}
	if s.Vary.Every > 0 && s.Vary.Every <= c.Delay+1 {
		return nil, fmt.Errorf("fluid: speeds and keys are drawn every %d windows and measured %d windows late: no window is of a draw that a decision knew; draw every %d or more", s.Vary.Every, c.Delay, c.Delay+2)
	}
	weights, mask := c.Keys.Weights(), s.Observation.Mask
	s.HotKeys = min(s.HotKeys, len(weights))
	if mask.Workers != len(c.Speeds) || len(mask.Keys) > s.HotKeys {
		return nil, fmt.Errorf("fluid: a mask of %d keys and %d workers for %d hot keys and %d workers", len(mask.Keys), mask.Workers, s.HotKeys, len(c.Speeds))
	}
	numbers := func() []float64 { return make([]float64, mask.Workers) }
	e := &SharesEnv{
		sharesAction: sharesAction{observation: s.Observation, hot: make([]float64, s.HotKeys)},
		config:       c, SharesConfig: s,
		cold: numbers(), loads: numbers(), done: numbers(), busy: numbers(), log: numbers(), fixed: numbers(),
	}
	for _, k := range c.Keys.Keys()[:s.HotKeys] {
		e.names = append(e.names, k.Name)
	}
	return e, e.reset()
}

// Delay is how many windows late measurements are.
func (e *SharesEnv) Delay() int { return e.config.Delay }

// Reset starts the job again from its beginning.
func (e *SharesEnv) Reset() {
	if err := e.reset(); err != nil {
		panic(err) // NewSharesEnv has made one of the same configuration
	}
}

func (e *SharesEnv) reset() (err error) {
	if e.model, err = NewModel(e.config); err != nil {
		return err
	}
	e.pcg = rand.NewPCG(e.config.Seed, 0xd4a3)
	e.rng = rand.New(e.pcg)
	weights, keys := e.config.Keys.Weights(), e.config.Keys.Keys()
	copy(e.hot, weights)
	clear(e.cold)
	route := policy.HashRoute(len(e.cold))
	for i, k := range keys[len(e.hot):] {
		e.cold[route.Slots[policy.SlotOf(k.Hash, len(route.Slots))]] += weights[len(e.hot)+i]
	}
	return nil
}

// Step runs a window under an action, a number in [0,1] per pair of the mask, and sets
// obs to what is observed.
func (e *SharesEnv) Step(action, obs []float64) (imbalance, reward, backpressured float64) {
	if e.Vary.Every > 0 && e.model.step%e.Vary.Every == 0 {
		e.Vary.DrawSpeeds(e.rng, e.config.Speeds, e.model.speeds)
		e.Vary.DrawLoads(e.rng, e.config.Keys.Weights(), e.hot, e.cold)
	}
	mask := &e.observation.Mask
	mask.Loads(e.loads, e.hot, action)
	for w, v := range e.cold {
		e.loads[w] += v
	}
	e.model.Step(e.loads, e.done, e.busy)
	finished := 0.0
	for w, v := range e.done {
		finished += v
		e.done[w] = math.Round(v * float64(e.config.Records)) // a window counts records
	}
	past := sums.Of(e.hot[len(mask.Keys):]) / float64(len(e.cold))
	for w, v := range e.cold {
		e.log[w], e.fixed[w] = -math.Log(e.model.speeds[w]), v+past
	}
	e.observation.Of(obs[:0], &policy.Seen{Counts: e.done, Busy: e.busy, Log: e.log, Fixed: e.fixed, Keys: e.hot})
	return policy.Imbalance(e.busy), policy.Reward(policy.Perf(e.busy), e.P0), max(0, 1-finished)
}

// Known reports whether the window that the last Step measured had speeds and keys that the
// decision for it knew: until a draw has been measured, no decision knows it.
func (e *SharesEnv) Known() bool {
	return e.Vary.Every == 0 || e.model.seen()%e.Vary.Every > e.config.Delay
}

// sharesState is the state of a SharesEnv. Without draws it is that of its model.
type sharesState struct {
	ModelState
	Draws     []byte    `json:"draws,omitempty"` // their generator, as rand.PCG marshals it
	Hot, Cold []float64 `json:",omitempty"`
}

// MarshalBinary implements encoding.BinaryMarshaler.
func (e *SharesEnv) MarshalBinary() ([]byte, error) {
	s := sharesState{}
	var err error
	if s.ModelState, err = e.model.State(); err == nil && e.Vary.Every > 0 {
		s.Hot, s.Cold = e.hot, e.cold
		s.Draws, err = e.pcg.MarshalBinary()
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (e *SharesEnv) UnmarshalBinary(data []byte) error {
	var s sharesState
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	if e.Vary.Every > 0 {
		if len(s.Hot) != len(e.hot) || len(s.Cold) != len(e.cold) {
			return fmt.Errorf("restore the fluid job: loads of %d hot keys and %d workers, where %d and %d belong", len(s.Hot), len(s.Cold), len(e.hot), len(e.cold))
		}
		if err := e.pcg.UnmarshalBinary(s.Draws); err != nil {
			return fmt.Errorf("restore the generator of draws: %w", err)
		}
		copy(e.hot, s.Hot)
		copy(e.cold, s.Cold)
	}
	return e.model.Restore(s.ModelState)
}
