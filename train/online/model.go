package online

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/saspart/saspart/engine/fluid"
	"github.com/saspart/saspart/policy"
)

// closed is the job of an experiment in closed form as a Model: what fluid.Job
// is under the routes that shares actions become, without making routes or windows.
type closed struct {
	config      fluid.Config
	model       *fluid.Model
	mask        policy.Mask
	observation policy.Observation
	p0          float64

	hot               []float64 // part of the records of each hot key
	cold              []float64 // load of each worker by the others
	names             []string
	loads, done, busy []float64
}

// NewModel makes the Model of a job in closed form, under a mask for the heaviest
// hotKeys keys: those past the mask's are spread evenly, all others go by hash.
func NewModel(c fluid.Config, mask policy.Mask, hotKeys int, published bool, p0 float64) (Model, error) {
	if c.Drift != nil || c.Shift != nil {
		return nil, fmt.Errorf("fluid: speeds or keys that change can't be learned on in closed form; use the engine sim")
	}
	model, err := fluid.NewModel(c)
	if err != nil {
		return nil, err
	}
	weights, keys := c.Keys.Weights(), c.Keys.Keys()
	hotKeys = min(hotKeys, len(weights))
	if mask.Workers != len(c.Speeds) || len(mask.Keys) > hotKeys {
		return nil, fmt.Errorf("fluid: a mask of %d keys and %d workers for %d hot keys and %d workers", len(mask.Keys), mask.Workers, hotKeys, len(c.Speeds))
	}
	p := mask.Workers
	m := &closed{
		config: c, model: model, mask: mask, observation: policy.Observation{Published: published}, p0: p0,
		hot: weights[:hotKeys], cold: make([]float64, p),
		loads: make([]float64, p), done: make([]float64, p), busy: make([]float64, p),
	}
	route := policy.HashRoute(p)
	for i, k := range keys {
		if i < hotKeys {
			m.names = append(m.names, k.Name)
			continue
		}
		m.cold[route.Slots[policy.SlotOf(k.Hash, len(route.Slots))]] += weights[i]
	}
	return m, nil
}

func (m *closed) Mask() policy.Mask    { return m.mask }
func (m *closed) KeyShares() []float64 { return m.hot }
func (m *closed) Names() []string      { return m.names }
func (m *closed) Observations() int    { return m.observation.Size(m.mask.Workers) }
func (m *closed) Lag() int             { return m.config.Delay }

// Begin implements Model.
func (m *closed) Begin() {
	model, err := fluid.NewModel(m.config)
	if err != nil {
		panic(err) // NewModel has made one of the same configuration
	}
	m.model = model
}

// Step implements Model.
func (m *closed) Step(action, obs []float64) Measured {
	m.mask.Loads(m.loads, m.hot, action)
	for w, v := range m.cold {
		m.loads[w] += v
	}
	m.model.Step(m.loads, m.done, m.busy)
	finished := 0.0
	for w, v := range m.done {
		finished += v
		m.done[w] = math.Round(v * float64(m.config.Records)) // a window counts records
	}
	m.observation.Of(obs[:0], m.done, m.busy)
	return Measured{
		Clean: true, Imbalance: policy.Imbalance(m.busy), Reward: policy.Reward(policy.Perf(m.busy), m.p0),
		Backpressured: max(0, 1-finished),
	}
}

// Save implements Model.
func (m *closed) Save() ([]byte, error) {
	s, err := m.model.State()
	if err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

// Load implements Model.
func (m *closed) Load(data []byte) error {
	var s fluid.ModelState
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	return m.model.Restore(s)
}
