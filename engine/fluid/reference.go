package fluid

import (
	"fmt"

	"github.com/saspart/saspart/internal/sums"
	"github.com/saspart/saspart/policy"
)

// ReferenceEnv is SaSPartitioner's simulated environment (docs/algorithms.md, "The
// simulated environment"), for comparisons on the same work: ten hot keys, no cold
// ones, fixed speeds, no noise, no memory. It allocates nothing per step.
//
//	load[w] = sum over keys of d[k] * R[k][w], time[w] = load[w] / speed[w],
//	busy[w] = time[w] * 0.42 * P
//
// Observation, reward and imbalance are computed from the times, busy ratios at or
// past 1 being observed as 2. Job measures the same with ReferenceConfig.
type ReferenceEnv struct {
	sharesAction
	counts      []float64
	speeds      []float64
	loads, time []float64
	busy        []float64
}

// ReferenceCounts is the records of the prototype's hot keys: 1e6 times the ten
// largest of 10,000 zipf probabilities of exponent 1.5, as whole numbers.
func ReferenceCounts() []float64 {
	counts := make([]float64, 10)
	for i, w := range ZipfKeys(10000, 1.5, 1).weight[:10] {
		counts[i] = float64(int64(w * 1e6))
	}
	return counts
}

// NewReferenceEnv makes the environment for workers of the given speeds (records per unit
// of time), with all ten keys in the mask and observations as published or as corrected.
func NewReferenceEnv(speeds []float64, published bool) *ReferenceEnv {
	p, d := len(speeds), ReferenceCounts()
	all := sums.Of(d)
	e := &ReferenceEnv{
		counts: d, speeds: speeds,
		loads: make([]float64, p), time: make([]float64, p), busy: make([]float64, p),
	}
	e.observation = policy.Observation{Mask: policy.NewMask(d, p, policy.MaskConfig{TrueHot: len(d)}), Published: published}
	for i, n := range d {
		e.names, e.hot = append(e.names, fmt.Sprintf("rank %d", i)), append(e.hot, n/all)
	}
	return e
}

// Known is true: speeds and keys stay.
func (e *ReferenceEnv) Known() bool { return true }

// Delay is 0: measurements are never late.
func (e *ReferenceEnv) Delay() int { return 0 }

// Reset does nothing: the environment has no memory.
func (e *ReferenceEnv) Reset() {}

// Step takes an action, a number in [0, 1] per pair of the mask, and sets obs to the
// next observation, 2P numbers. The source is never backpressured.
func (e *ReferenceEnv) Step(action, obs []float64) (imbalance, reward, backpressured float64) {
	e.observation.Mask.Loads(e.loads, e.counts, action)
	ratio := 0.42 * float64(len(e.speeds))
	for w, load := range e.loads {
		e.time[w] = load / e.speeds[w]
		e.busy[w] = e.time[w] * ratio
	}
	e.observation.Of(obs[:0], &policy.Seen{Counts: e.time, Busy: e.busy})
	return policy.Imbalance(e.time), policy.Reward(policy.Perf(e.time), policy.DefaultP0), 0
}

// MarshalBinary returns nothing: there is no state.
func (e *ReferenceEnv) MarshalBinary() ([]byte, error) { return nil, nil }

// UnmarshalBinary ignores data: there is no state.
func (e *ReferenceEnv) UnmarshalBinary([]byte) error { return nil }

// ReferenceConfig is the fluid job that measures what ReferenceEnv does: its keys,
// its speeds, and the utilisation that its factor on busy times amounts to.
func ReferenceConfig(speeds []float64) Config {
	p := len(speeds)
	d := ReferenceCounts()
	names, offered := make([]string, len(d)), 0.0
	for i, k := range ZipfKeys(10000, 1.5, 1).hot[:len(d)] {
		names[i] = k.Name
		offered += d[i]
	}
	keys, err := NewKeySpace(names, d, policy.SlotCount(p))
	if err != nil {
		panic(err) // the counts are constants
	}
	c := Default(speeds)
	c.Keys, c.Overload, c.Records, c.HotKeys = keys, Open, int64(offered), len(d)
	c.Utilisation = 0.42 * float64(p) * offered / Bound(speeds, 1)
	return c
}
