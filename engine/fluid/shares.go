package fluid

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/saspart/saspart/policy"
)

// sharesAction is what the environments of the shares action have in common: the hot keys,
// the pairs an action weighs and the form of an observation.
type sharesAction struct {
	mask        policy.Mask
	observation policy.Observation
	hot         []float64 // part of the records of each hot key
	names       []string
}

// Mask is the pairs of key and worker that an action weighs.
func (a *sharesAction) Mask() policy.Mask { return a.mask }

// KeyShares is each hot key's part of the records, heaviest first.
func (a *sharesAction) KeyShares() []float64 { return a.hot }

// Names are the names of the hot keys, heaviest first.
func (a *sharesAction) Names() []string { return a.names }

// Observations is the length of an observation.
func (a *sharesAction) Observations() int { return a.observation.Size(a.mask.Workers) }

// SharesEnv is a job in closed form under the shares action: it measures what Job
// measures under the routes that such actions become, without making routes or windows.
// A step takes some microseconds.
type SharesEnv struct {
	sharesAction
	config Config
	model  *Model
	p0     float64

	cold              []float64 // load of each worker by all other keys
	loads, done, busy []float64
}

// NewSharesEnv makes the environment for the heaviest hotKeys keys. Hot keys outside
// the mask are spread evenly; all other keys go by hash. p0 is the performance that
// earns reward 0.
func NewSharesEnv(c Config, mask policy.Mask, hotKeys int, published bool, p0 float64) (*SharesEnv, error) {
	if c.Drift != nil || c.Shift != nil {
		return nil, fmt.Errorf("fluid: the shares action cannot be learned in closed form while speeds or keys change; use the engine sim")
	}
	model, err := NewModel(c)
	if err != nil {
		return nil, err
	}
	weights, keys := c.Keys.Weights(), c.Keys.Keys()
	hotKeys = min(hotKeys, len(weights))
	if mask.Workers != len(c.Speeds) || len(mask.Keys) > hotKeys {
		return nil, fmt.Errorf("fluid: a mask of %d keys and %d workers for %d hot keys and %d workers", len(mask.Keys), mask.Workers, hotKeys, len(c.Speeds))
	}
	p := mask.Workers
	e := &SharesEnv{
		sharesAction: sharesAction{mask: mask, observation: policy.Observation{Published: published}, hot: weights[:hotKeys]},
		config:       c, model: model, p0: p0,
		cold:  make([]float64, p),
		loads: make([]float64, p), done: make([]float64, p), busy: make([]float64, p),
	}
	route := policy.HashRoute(p)
	for i, k := range keys {
		if i < hotKeys {
			e.names = append(e.names, k.Name)
			continue
		}
		e.cold[route.Slots[policy.SlotOf(k.Hash, len(route.Slots))]] += weights[i]
	}
	return e, nil
}

// Delay is how many windows late measurements are.
func (e *SharesEnv) Delay() int { return e.config.Delay }

// Reset starts the job again from its beginning.
func (e *SharesEnv) Reset() {
	model, err := NewModel(e.config)
	if err != nil {
		panic(err) // NewSharesEnv has made one of the same configuration
	}
	e.model = model
}

// Step runs a window under an action, a number in [0,1] per pair of the mask, and sets
// obs to what is observed.
func (e *SharesEnv) Step(action, obs []float64) (imbalance, reward, backpressured float64) {
	e.mask.Loads(e.loads, e.hot, action)
	for w, v := range e.cold {
		e.loads[w] += v
	}
	e.model.Step(e.loads, e.done, e.busy)
	finished := 0.0
	for w, v := range e.done {
		finished += v
		e.done[w] = math.Round(v * float64(e.config.Records)) // a window counts records
	}
	e.observation.Of(obs[:0], e.done, e.busy)
	return policy.Imbalance(e.busy), policy.Reward(policy.Perf(e.busy), e.p0), max(0, 1-finished)
}

// MarshalBinary implements encoding.BinaryMarshaler.
func (e *SharesEnv) MarshalBinary() ([]byte, error) {
	s, err := e.model.State()
	if err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (e *SharesEnv) UnmarshalBinary(data []byte) error {
	var s ModelState
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	return e.model.Restore(s)
}
