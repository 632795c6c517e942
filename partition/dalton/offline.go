package dalton

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/tally"
	"github.com/saspart/saspart/partition/sketch"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// OfflineConfig holds the options of `dalton-offline`.
type OfflineConfig struct {
	HotKeys      int               `yaml:"hot_keys"`       // keys treated as hot, heaviest first; the true hot ones are learned
	Keys         []string          `yaml:"keys,omitempty"` // the hot keys themselves, heaviest first, instead of finding them
	Mask         policy.MaskConfig `yaml:"mask"`           // which workers a true hot key may use
	LearningRate float64           `yaml:"learning_rate"`  // a: weight of the latest reward in Q
	Epsilon      float64           `yaml:"epsilon"`        // share of hot records that explore
	Temperature  float64           `yaml:"temperature"`    // of the softmax that exploits; 0 is argmax
	Counters     int               `yaml:"counters"`       // size of the sketch that finds the hot keys
	Hysteresis   float64           `yaml:"hysteresis"`     // by how much a key must outweigh another to take over its rank
	Smoothing    float64           `yaml:"smoothing"`      // weight of the latest slide in the shares that ranks and mask follow
}

// DefaultOffline returns the settings of SaSPartitioner's prototype, ten hot keys, with the
// constants of dalton-original.
func DefaultOffline() OfflineConfig {
	return OfflineConfig{
		HotKeys: 10, Mask: policy.DefaultMask(),
		LearningRate: 0.1, Epsilon: 0.1, Temperature: 0,
		Counters: 1024, Hysteresis: 0.2, Smoothing: 0.2,
	}
}

// Validate reports impossible values by their path.
func (c *OfflineConfig) Validate() error {
	errs := []error{
		field.Whole("hot_keys", c.HotKeys, 1, 1<<12),
		field.In("mask", c.Mask.Validate()),
		field.Finite("learning_rate", c.LearningRate, 0, 1),
		field.Finite("epsilon", c.Epsilon, 0, 1),
		field.Finite("temperature", c.Temperature, 0, 1e6),
		field.Whole("counters", c.Counters, 1, 1<<20),
		field.Finite("hysteresis", c.Hysteresis, 0, 1e6),
		field.Finite("smoothing", c.Smoothing, 1e-3, 1),
		field.Check(c.Counters >= c.HotKeys, "counters", "is %d, below hot_keys, %d; some could not be found", c.Counters, c.HotKeys),
	}
	seen := map[string]bool{}
	for i, k := range c.Keys {
		errs = append(errs, field.Check(!seen[k], fmt.Sprintf("keys[%d]", i), "is %q, which is in the list already", k))
		seen[k] = true
	}
	return errors.Join(errs...)
}

// offlineRouter is `dalton-offline`, the bandit under which SaSPartitioner's prototype collects
// its offline data.
//
// Source: SaSPartitioner's prototype, public repository ZJU-DAILY/SaSPartitioner;
// docs/algorithms.md, "dalton-offline".
//
// Rule: every true hot key has a value Q[w], 0 at first, for each worker that the
// mask allows it (policy.NewMask). A record of it goes to a worker drawn from
// softmax(Q/temperature), at temperature 0 to the one with the greatest Q (of
// equals the first); with probability epsilon to a random allowed one. Then
//
//	Q[w] <- (1-a)*Q[w] + a*(1-score)/2,
//	score = (load-avg)/(1e-4+max(load,avg)).
//
// load is the worker's number of records, this one included, over the last slides, as many as a
// metric window has. Hot keys past the true hot ones go to a random worker. Cold ones go by
// hash, to the workers that policy.HashRoute gives them, as under a policy that learns from this
// data.
//
// The router finds the hot keys, and their shares of the records, while the job runs; see ranks.
// The first slide with records goes by hash.
//
// Constants: the prototype leaves a, epsilon and temperature to its user. The defaults 0.1, 0.1
// and 0 are those of Dalton.
//
// Deviations: the public code knows the hot keys by their numbers, which are
// their ranks. published: true asks the mask for the published count of true hot
// keys.
//
// Cost: O(log n) per hot record with n allowed workers; a draw from softmax costs
// the same as argmax, as its weights live in a tree.
//
// Merge: hot keys with more than one worker, and every key whose workers changed,
// as long as windows straddle the change.
type offlineRouter struct {
	OfflineConfig
	workers int
	merge   partition.Dest
	slides  int // in an aggregation window
	slotted int // slots that cold keys fall in
	rng     *rand.Rand
	clock   tally.SlideClock
	steps   int // that empty loads
	loads   *tally.SlideLoads
	sketch  *sketch.SpaceSaving // of the current slide
	ranks   ranks
}

// NewOffline makes the dalton-offline partitioner.
func NewOffline(c OfflineConfig, env partition.Env, published bool) partition.Router {
	c.Mask.Published = c.Mask.Published || published
	return &offlineRouter{
		OfflineConfig: c,
		workers:       env.Workers,
		merge:         tally.MergeAmong(env.Workers),
		slides:        max(1, env.WindowSlides),
		slotted:       policy.SlotCount(env.Workers),
		rng:           subtaskRand(env, "dalton-offline"),
		steps:         env.MetricSlides + 1,
		loads:         tally.NewSlideLoads(env.Workers, max(1, env.MetricSlides)),
		sketch:        sketch.NewSpaceSaving(c.Counters),
		ranks:         newRanks(&c, env.Workers),
	}
}

// Route implements Router.
func (r *offlineRouter) Route(b *stream.Batch, dst []partition.Dest) {
	for i, hash := range b.Hashes[:len(dst)] {
		r.sketch.Observe(hash, b.Records[i].Key)
		w, merge := policy.SlotOf(hash, r.slotted)%r.workers, partition.Dest(0)
		key := r.ranks.find(hash)
		if key == nil {
			r.loads.Add(w)
			dst[i] = partition.Dest(w)
			continue
		}
		if key.mixed >= r.clock.Now {
			merge = r.merge
		}
		switch {
		case !key.hot:
			r.loads.Add(w)
		case len(key.allowed) == 0: // hot, but not truly
			w, merge = r.rng.IntN(r.workers), r.merge
			r.loads.Add(w)
		default:
			arm := r.choose(key)
			w = int(key.allowed[arm])
			r.loads.Add(w)
			r.learn(key, arm)
			if len(key.allowed) > 1 {
				merge = r.merge
			}
		}
		dst[i] = partition.Dest(w) | merge
	}
}

// choose picks one of the key's allowed workers, by its place among them.
func (r *offlineRouter) choose(k *rankedKey) int {
	if len(k.allowed) == 1 {
		return 0
	}
	if r.rng.Float64() >= 1-r.Epsilon {
		return r.rng.IntN(len(k.allowed))
	}
	if r.Temperature == 0 {
		return k.best.best()
	}
	return k.soft.draw(r.rng.Float64())
}

// learn updates the arm to which a record of the key was just sent.
func (r *offlineRouter) learn(k *rankedKey, arm int) {
	w := k.allowed[arm]
	load, avg := r.loads.Load[w], r.loads.Total/float64(r.workers)
	score := (load - avg) / (1e-4 + math.Max(load, avg))
	q := (1-r.LearningRate)*k.q[w] + r.LearningRate*(1-score)/2
	k.q[w], k.arms[arm] = q, q
	k.best.update(k.arms, arm)
	if r.Temperature == 0 {
		return
	}
	// The weights are relative to a shift near the best Q, so that they stay within the range of
	// a float64.
	if math.Abs(k.arms[k.best.best()]-k.shift) > 200*r.Temperature {
		r.weigh(k)
	} else {
		k.soft.set(arm, math.Exp((q-k.shift)/r.Temperature))
	}
}

// weigh sets the softmax weights of all of the key's arms.
func (r *offlineRouter) weigh(k *rankedKey) {
	k.shift = k.arms[k.best.best()]
	k.soft.reset(len(k.arms))
	for i, q := range k.arms {
		k.soft.set(i, math.Exp((q-k.shift)/r.Temperature))
	}
}

// EndSlide implements Router.
func (r *offlineRouter) EndSlide(slide int64) {
	for range r.clock.Passed(slide, r.steps) {
		r.loads.EndSlide()
	}
	if r.sketch.Total() > 0 {
		if r.ranks.measure(r.sketch) {
			r.remask()
		}
		r.sketch.Reset()
	}
	r.ranks.forget(r.clock.Now)
}

// remask gives the ranked keys the workers of a new mask. A key keeps its Q.
func (r *offlineRouter) remask() {
	mask := policy.NewMask(r.ranks.settle(), r.workers, r.Mask)
	for i, k := range r.ranks.keys {
		hot := i < r.ranks.hot
		var allowed []uint16
		if hot && i < len(mask.Keys) {
			allowed = mask.Keys[i]
		}
		if hot == k.hot && slices.Equal(allowed, k.allowed) {
			continue
		}
		k.hot, k.allowed = hot, allowed
		// The slide that just ended shares windows with the slides up to this one.
		k.mixed = r.clock.Now + int64(r.slides) - 2
		if len(allowed) == 0 {
			continue
		}
		if k.q == nil {
			k.q = make([]float64, r.workers)
		}
		k.arms = k.arms[:0]
		for _, w := range allowed {
			k.arms = append(k.arms, k.q[w])
		}
		k.best.reset(k.arms, -1)
		if r.Temperature > 0 {
			r.weigh(k)
		}
	}
}
