package fluid

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/saspart/saspart/policy"
)

// SharesEnv is a job in closed form under the shares action: it measures what Job
// measures under the routes that such actions become, without making routes or windows.
// A step takes some microseconds.
type SharesEnv struct {
	config      Config
	model       *Model
	mask        policy.Mask
	observation policy.Observation
	p0          float64

	hot               []float64 // part of the records of each hot key
	cold              []float64 // load of each worker by all other keys
	names             []string
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
		config: c, model: model, mask: mask, observation: policy.Observation{Published: published}, p0: p0,
		hot: weights[:hotKeys], cold: make([]float64, p),
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

// Mask is the pairs of key and worker that an action weighs.
func (e *SharesEnv) Mask() policy.Mask { return e.mask }

// KeyShares is each hot key's part of the records, heaviest first.
func (e *SharesEnv) KeyShares() []float64 { return e.hot }

// Names are the names of the hot keys, heaviest first.
func (e *SharesEnv) Names() []string { return e.names }

// Observations is the length of an observation.
func (e *SharesEnv) Observations() int { return e.observation.Size(e.mask.Workers) }

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

// ReferenceSharesEnv is ReferenceEnv with the methods of SharesEnv.
type ReferenceSharesEnv struct {
	env   *ReferenceEnv
	names []string
	hot   []float64
}

// NewReferenceSharesEnv makes the published simulated environment for workers of the
// given speeds, with observations as published or as corrected.
func NewReferenceSharesEnv(speeds []float64, published bool) *ReferenceSharesEnv {
	e := &ReferenceSharesEnv{env: NewReferenceEnv(speeds)}
	e.env.Observation.Published = published
	counts, all := ReferenceCounts(), 0.0
	for _, n := range counts {
		all += n
	}
	for i, n := range counts {
		e.names = append(e.names, fmt.Sprintf("rank %d", i))
		e.hot = append(e.hot, n/all)
	}
	return e
}

// Mask is the pairs of key and worker that an action weighs.
func (e *ReferenceSharesEnv) Mask() policy.Mask { return e.env.Mask }

// KeyShares is each hot key's part of the records, heaviest first.
func (e *ReferenceSharesEnv) KeyShares() []float64 { return e.hot }

// Names are the names of the hot keys, heaviest first.
func (e *ReferenceSharesEnv) Names() []string { return e.names }

// Observations is the length of an observation.
func (e *ReferenceSharesEnv) Observations() int { return e.env.Observation.Size(e.env.Mask.Workers) }

// Delay is 0: measurements are never late.
func (e *ReferenceSharesEnv) Delay() int { return 0 }

// Reset does nothing: the environment has no memory.
func (e *ReferenceSharesEnv) Reset() {}

// Step does what SharesEnv's does; the source is never blocked.
func (e *ReferenceSharesEnv) Step(action, obs []float64) (imbalance, reward, backpressured float64) {
	reward, imbalance = e.env.Step(action, obs)
	return imbalance, reward, 0
}

// MarshalBinary returns nothing: there is no state.
func (e *ReferenceSharesEnv) MarshalBinary() ([]byte, error) { return nil, nil }

// UnmarshalBinary ignores data: there is no state.
func (e *ReferenceSharesEnv) UnmarshalBinary([]byte) error { return nil }
