package dalton

import (
	"cmp"
	"math"
	"slices"

	"github.com/saspart/saspart/partition/internal/tally"
	"github.com/saspart/saspart/partition/sketch"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// ranks keeps the hot keys of dalton-offline in order of weight, without letting noise reorder
// them. It tracks the hot keys and their challengers, up to four times as many, and smooths
// their shares of the records every slide. It only reorders the keys when one outweighs a
// better ranked key by the hysteresis. If the hot keys are given as a list, ranks only measures
// their shares.
type ranks struct {
	workers    float64
	limit      int // hot keys
	fixed      bool
	hysteresis float64
	smoothing  float64

	keys    []*rankedKey // the first hot ones by rank, then their challengers
	hot     int
	settled bool // the keys' stretches have been set
	index   tally.Numbers
	byRef   []*rankedKey // by number in index
	top     []policy.HotKey
}

// rankedKey is a tracked key with the state that offlineRouter keeps for it.
type rankedKey struct {
	hash    uint64
	ref     int32
	share   float64 // smoothed, of the records
	stretch float64 // of the line of P workers, when the mask was made

	hot     bool
	mixed   int64     // its workers changed: to be merged up to this slide
	allowed []uint16  // its workers, none if it is hot but not truly
	q       []float64 // by worker
	arms    []float64 // q of the allowed workers
	best    bestTree
	soft    weightTree // exp((q-shift)/temperature) of the allowed workers
	shift   float64
}

func newRanks(c *OfflineConfig, workers int) ranks {
	r := ranks{workers: float64(workers), limit: c.HotKeys, hysteresis: c.Hysteresis, smoothing: c.Smoothing}
	for _, name := range c.Keys {
		r.track(stream.Hash(name), 0)
	}
	if len(c.Keys) > 0 {
		r.fixed, r.limit, r.hot = true, len(c.Keys), len(c.Keys)
	}
	return r
}

// find returns a tracked key, nil if the key is not tracked.
func (r *ranks) find(hash uint64) *rankedKey {
	if k := r.index.Get(hash); k >= 0 {
		return r.byRef[k]
	}
	return nil
}

func (r *ranks) track(hash uint64, share float64) {
	k := &rankedKey{hash: hash, ref: r.index.Add(hash), share: share, mixed: -1}
	if int(k.ref) == len(r.byRef) {
		r.byRef = append(r.byRef, nil)
	}
	r.byRef[k.ref] = k
	r.keys = append(r.keys, k)
}

// measure processes the counts of a slide with records, and reports whether the mask should be
// remade. It should if the order has changed. It also should if some key's stretch of the line
// of P workers has changed by more than one worker and by more than the hysteresis.
func (r *ranks) measure(slide *sketch.SpaceSaving) bool {
	total, weight := float64(slide.Total()), r.smoothing
	if !r.settled {
		weight = 1
	}
	for _, k := range r.keys {
		count, _, _ := slide.Estimate(k.hash)
		k.share += weight * (float64(count)/total - k.share)
	}
	if r.fixed {
		return !r.settled || r.moved()
	}
	r.top = slide.Top(2*r.limit, r.top)
	for _, h := range r.top {
		if r.index.Get(h.Hash) < 0 {
			r.track(h.Hash, weight*float64(h.Count)/total)
		}
	}
	if !r.disordered() {
		return r.moved()
	}
	slices.SortFunc(r.keys, byShare)
	r.hot = min(r.limit, len(r.keys))
	return true
}

// byShare orders keys by descending share.
func byShare(a, b *rankedKey) int {
	return cmp.Or(cmp.Compare(b.share, a.share), cmp.Compare(a.hash, b.hash))
}

// disordered reports whether a key outweighs a better ranked one by the hysteresis,
// or a rank is free.
func (r *ranks) disordered() bool {
	if r.hot < min(r.limit, len(r.keys)) {
		return true
	}
	least := math.Inf(1)
	for i, k := range r.keys {
		if k.share > (1+r.hysteresis)*least {
			return true
		}
		if i < r.hot {
			least = min(least, k.share)
		}
	}
	return false
}

// moved compares the stretches with those of the mask in force.
func (r *ranks) moved() bool {
	scale := r.scale()
	return slices.ContainsFunc(r.keys[:r.hot], func(k *rankedKey) bool {
		return math.Abs(k.share*scale-k.stretch) > math.Max(1, r.hysteresis*k.stretch)
	})
}

// scale turns a hot key's share into its stretch of the line of P workers.
func (r *ranks) scale() float64 {
	sum := 0.0
	for _, k := range r.keys[:r.hot] {
		sum += k.share
	}
	if sum == 0 {
		return 0
	}
	return r.workers / sum
}

// settle notes the stretches from which a new mask is made, and returns the shares of the hot
// keys by rank.
func (r *ranks) settle() []float64 {
	shares := make([]float64, r.hot)
	scale := r.scale()
	for i, k := range r.keys[:r.hot] {
		shares[i] = k.share
		k.stretch = k.share * scale
	}
	r.settled = true
	return shares
}

// forget drops the lightest challengers beyond four tracked keys per hot one. It keeps those
// that still have to be merged in slide now.
func (r *ranks) forget(now int64) {
	if r.fixed || len(r.keys) <= 4*r.limit {
		return
	}
	challengers := r.keys[r.hot:]
	slices.SortFunc(challengers, byShare)
	kept := r.keys[:4*r.limit]
	for _, k := range r.keys[4*r.limit:] {
		if k.mixed >= now {
			kept = append(kept, k)
			continue
		}
		r.index.Remove(k.hash, k.ref)
		r.byRef[k.ref] = nil
	}
	clear(r.keys[len(kept):])
	r.keys = kept
}
