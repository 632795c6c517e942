package dalton

import (
	"errors"
	"math"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/internal/minheap"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/tally"
	"github.com/saspart/saspart/stream"
)

// DAGreedyConfig holds the constants of `dagreedy`.
type DAGreedyConfig struct {
	Divisor  float64 `yaml:"divisor"`  // a key is hot above a slide's total / (divisor * P): 1 in SaSPartitioner's prototype, 100 in Dalton's own code
	Affinity float64 `yaml:"affinity"` // weight of being where the key already is, against the load's; from 0 to 1
}

// DefaultDAGreedy returns the constants of SaSPartitioner's prototype.
func DefaultDAGreedy() DAGreedyConfig { return DAGreedyConfig{Divisor: 1, Affinity: 0.5} }

// Validate reports impossible values by their path.
func (c *DAGreedyConfig) Validate() error {
	return errors.Join(
		field.Finite("divisor", c.Divisor, 1e-6, 1e6),
		field.Finite("affinity", c.Affinity, 0, 1),
	)
}

// dagreedy is `dagreedy`, the greedy baseline of the Dalton paper: the same view of hot keys,
// loads and key placement, without learning.
//
// Source: Zapridou, Mytilinis, Ailamaki: Dalton: Learned partitioning for
// distributed data streams (PVLDB 2023), DAGreedy; docs/algorithms.md, "dagreedy".
//
// Rule: a key is hot in a slide in which its records exceed total/(divisor*P), where total is
// the previous slide's, and in the slide after. A hot record goes to the worker with the greatest
//
//	a*[the key is already there] - (1-a)*(load - avg)/avg,  a = affinity,
//
// of equals to the first. Loads and the key's workers are those of the aggregation window. A
// cold record goes by hash.
//
// Only two workers can have the maximum: s, the lightest of the key's workers, and b, the
// lightest of all. s wins if (1-a)*(load[s]-load[b]) < a*avg.
//
// Constants: a = 0.5; divisor 1 as in SaSPartitioner's prototype, 100 in Dalton's own code.
//
// Deviations: the public code clears the wrong bit when a slide expires, so a key is "already
// there" for ever; published: true does the same. Its window is one slide longer than an
// aggregation window; here it is exactly the slides that share an aggregation window with the
// current one. Keys are counted exactly within a slide, up to some 650,000 (see
// tally.KeyCounts), and at most dagreedyKeys may be hot.
//
// Cost: that of two searches with tally.Lightest per hot record.
//
// Merge: every key that is hot, or was hot and sent elsewhere than to its home within the
// aggregation window.
type dagreedy struct {
	DAGreedyConfig
	workers int
	merge   partition.Dest
	loads   *tally.SlideLoads
	all     tally.Lightest
	hot     *hotKeys
	at      []tally.Lightest // by entry of hot: the workers that have the key
	terms   []uint64         // by entry of hot: the term that at belongs to
}

// dagreedyKeys bounds the keys known at once: twice as many as a divisor of 100 needs at P 64.
const dagreedyKeys = 1 << 14

// NewDAGreedy makes the dagreedy partitioner.
func NewDAGreedy(c DAGreedyConfig, env partition.Env, published bool) partition.Router {
	slides := max(1, env.WindowSlides)
	return &dagreedy{
		DAGreedyConfig: c,
		workers:        env.Workers,
		merge:          tally.MergeAmong(env.Workers),
		loads:          tally.NewSlideLoads(env.Workers, slides),
		all:            tally.NewLightest(env.Workers),
		hot: newHotKeys(hotOptions{
			workers: env.Workers, slides: slides, divisor: c.Divisor * float64(env.Workers),
			limit: dagreedyKeys, keep: published,
		}),
	}
}

// Route implements Router.
func (r *dagreedy) Route(b *stream.Batch, dst []partition.Dest) {
	for i, hash := range b.Hashes[:len(dst)] {
		w := tally.Home(hash, r.workers)
		k := r.hot.see(hash)
		if k < 0 {
			r.loads.Add(w)
			dst[i] = partition.Dest(w)
			continue
		}
		r.follow(k)
		if r.hot.isHot(k) {
			w = r.pick(&r.at[k])
		}
		if r.hot.mark(k, w) {
			r.at[k].Add(w, r.loads.Load)
		}
		r.loads.Add(w)
		dst[i] = partition.Dest(w) | r.merge
	}
}

// pick applies the rule to a key that is on the workers of at.
func (r *dagreedy) pick(at *tally.Lightest) int {
	load := r.loads.Load
	b := r.all.Min(load)
	if len(at.Heap) == 0 {
		return b
	}
	s := at.Min(load)
	stay := r.Affinity * r.loads.Total
	move := (1 - r.Affinity) * (load[s] - load[b]) * float64(r.workers)
	if move < stay || move == stay && s < b {
		return s
	}
	return b
}

// follow brings at[k] up to date if entry k has been given to another key, or its key has become
// hot again, since the last call.
func (r *dagreedy) follow(k int32) {
	if n := len(r.hot.keys) - len(r.at); n > 0 {
		const few = 8 // workers, which is all that most keys get
		heaps := make([]minheap.Item[float64, int32], n*few)
		for i := range n {
			r.at = append(r.at, tally.Lightest{Heap: heaps[i*few : i*few : (i+1)*few]})
			r.terms = append(r.terms, math.MaxUint64)
		}
	}
	if e := &r.hot.keys[k]; r.terms[k] != e.term {
		r.terms[k] = e.term
		r.collect(k)
	}
}

// collect rebuilds at[k] from the key's set of workers.
func (r *dagreedy) collect(k int32) {
	at := &r.at[k]
	at.Clear()
	r.hot.keys[k].at.Each(func(w int) { at.Heap = append(at.Heap, minheap.Item[float64, int32]{ID: int32(w)}) })
	at.Refresh(r.loads.Load)
}

// EndSlide implements Router.
func (r *dagreedy) EndSlide(slide int64) {
	for range r.hot.clock.Ahead(slide, r.hot.slides+2) {
		r.loads.EndSlide()
	}
	r.hot.endSlide(slide)
	r.all.Refresh(r.loads.Load)
	for k := range r.at {
		if r.hot.keys[k].live {
			r.collect(int32(k))
		}
	}
}
