package rival

import (
	"errors"
	"math"
	"time"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/tally"
	"github.com/saspart/saspart/stream"
)

// FlexDConfig holds the constants of `flexd`.
type FlexDConfig struct {
	Threshold float64       `yaml:"threshold"` // a key is hot from this frequency on
	Growth    float64       `yaml:"growth"`    // a key's bar rises by this factor with every worker
	Refresh   time.Duration `yaml:"refresh"`   // interval after which frequencies, bars and workers are reset
	Settle    int           `yaml:"settle"`    // records that an interval counts as having at least; published: none
}

// DefaultFlexD has the published constants.
func DefaultFlexD() FlexDConfig {
	return FlexDConfig{Threshold: 0.01, Growth: 1.1, Refresh: time.Minute, Settle: 1000}
}

// Validate reports impossible values by their path.
func (c *FlexDConfig) Validate() error {
	return errors.Join(
		field.Finite("threshold", c.Threshold, 1e-6, 1),
		field.Finite("growth", c.Growth, 1.0001, 1e6),
		field.Lasting("refresh", c.Refresh),
		field.Whole("settle", c.Settle, 0, 1<<30),
	)
}

// flexd is `flexd`: a hot key's set of workers grows with its frequency.
//
// Source: the FlexD baseline of SaSPartitioner's prototype, public repository
// ZJU-DAILY/SaSPartitioner; docs/algorithms.md, "flexd".
//
// Rule: a key's frequency is its share of the earlier records since the last refresh. Below the
// threshold the key is cold and goes by hash. A hot key starts with the lightest worker of all
// and a bar. While its frequency is within the bar, a record goes to the lightest worker of its
// set. When the frequency exceeds the bar, the record goes to the lightest worker outside the
// set; that worker joins the set, and the bar rises by the growth factor. A key that falls below
// the threshold keeps both. A refresh forgets frequencies, bars and sets. Loads are those of the
// current and the previous refresh interval.
//
// Constants: threshold 0.01, growth 1.1, refresh 60 s.
//
// Deviations. The public code differs in three ways, which published: true follows.
//
// Its first bar is the frequency with which the key first became hot. Right after a refresh
// that is noise, and later it leaves a steady key on one worker for good. By default the first
// bar is the threshold. A key of frequency f then gets about log(f/threshold)/log(growth)
// workers.
//
// It stops counting a key whose count exceeds the previous interval's total/P, so that the key's
// frequency falls. By default counting continues.
//
// It trusts frequencies from an interval's first records on: the second record of a key makes
// it hot. By default the total counts as at least settle.
//
// In both, a refresh happens at the first slide boundary after it is due. Counts are exact up to
// some 650,000 keys (see tally.KeyCounts), and at most flexdKeys keys are hot in a refresh
// interval.
//
// Cost: that of tally.Lightest over the key's set per hot record; O(P) when a set grows, which
// happens at most log(1/threshold)/log(growth) times per key and refresh.
//
// Merge: every key that is hot, or was sent elsewhere than to its home within the aggregation
// window.
type flexd struct {
	FlexDConfig
	published bool
	workers   int
	merge     partition.Dest
	slides    int   // in an aggregation window
	every     int64 // slides between refreshes
	clock     tally.SlideClock
	row       int

	counts  *tally.KeyCounts
	total   float64
	frozen  float64 // published: the count at which counting stops
	loads   *tally.SlideLoads
	all     tally.Lightest
	index   tally.Numbers
	keys    []flexdKey // by number
	members []bool     // scratch, by worker
}

// flexdKey is the state of a key that is or was hot.
type flexdKey struct {
	hash uint64
	live bool
	bar  float64         // 0: not hot since the refresh
	set  tally.Lightest  // its workers
	at   tally.WorkerSet // where it went within the window
}

// flexdKeys bounds the keys that are hot in one refresh interval.
const flexdKeys = 4096

// NewFlexD makes the flexd partitioner.
func NewFlexD(c FlexDConfig, env partition.Env, published bool) partition.Router {
	every := int64(1)
	if env.Slide > 0 {
		every = tally.SlidesIn(c.Refresh, env.Slide)
	}
	return &flexd{
		FlexDConfig: c, published: published, workers: env.Workers, merge: tally.MergeAmong(env.Workers),
		slides: max(1, env.WindowSlides), every: every,
		counts: tally.NewKeyCounts(tally.DefaultKeyCells), frozen: math.Inf(1),
		loads: tally.NewSlideLoads(env.Workers, 2), all: tally.NewLightest(env.Workers),
		members: make([]bool, env.Workers),
	}
}

// Route implements Router.
func (r *flexd) Route(b *stream.Batch, dst []partition.Dest) {
	for i, hash := range b.Hashes[:len(dst)] {
		freq := r.frequency(hash)
		k := r.index.Get(hash)
		if k < 0 && freq >= r.Threshold {
			k = r.admit(hash)
		}
		w := tally.Home(hash, r.workers)
		if k < 0 {
			dst[i] = partition.Dest(w)
		} else {
			if freq >= r.Threshold {
				w = r.pick(&r.keys[k], freq)
			}
			r.keys[k].at.Mark(w, r.row)
			dst[i] = partition.Dest(w) | r.merge
		}
		r.loads.Add(w)
	}
}

// frequency counts a record of the key and returns the key's share of the earlier records.
func (r *flexd) frequency(hash uint64) float64 {
	before := math.Min(float64(r.counts.Inc(hash)-1), r.frozen)
	total := r.total
	r.total++
	if !r.published {
		total = math.Max(total, float64(r.Settle))
	}
	return before / math.Max(total, 1)
}

// pick applies the rule to a hot key.
func (r *flexd) pick(k *flexdKey, freq float64) int {
	load := r.loads.Load
	switch {
	case k.bar == 0:
		k.bar = r.Threshold
		if r.published {
			k.bar = freq
		}
		w := r.all.Min(load)
		k.set.Add(w, load)
		return w
	case freq > k.bar:
		k.bar *= r.Growth
		w, grown := r.lightestOutside(k)
		if grown {
			k.set.Add(w, load)
		}
		return w
	}
	return k.set.Min(load)
}

// lightestOutside returns the lightest worker outside the key's set, and true. If the set holds
// every worker, it returns the lightest of all, and false.
func (r *flexd) lightestOutside(k *flexdKey) (int, bool) {
	load := r.loads.Load
	if len(k.set.Heap) == r.workers {
		return r.all.Min(load), false
	}
	clear(r.members)
	for _, m := range k.set.Heap {
		r.members[m.ID] = true
	}
	best := -1
	for w, l := range load {
		if !r.members[w] && (best < 0 || l < load[best]) {
			best = w
		}
	}
	return best, true
}

// admit gives the key an entry and returns its number, -1 if all entries are in use.
func (r *flexd) admit(hash uint64) int32 {
	if r.index.Len() == flexdKeys {
		return -1
	}
	k := r.index.Add(hash)
	if int(k) == len(r.keys) {
		r.keys = append(r.keys, flexdKey{at: tally.NewWorkerSets(1, r.workers, r.slides, false)[0]})
	}
	e := &r.keys[k]
	e.hash, e.live, e.bar = hash, true, 0
	e.set.Clear()
	e.at.Clear()
	// Its earlier records were cold and went by hash.
	e.at.Mark(tally.Home(hash, r.workers), r.row)
	return k
}

// EndSlide implements Router.
func (r *flexd) EndSlide(slide int64) {
	interval := r.clock.Now / r.every
	steps := r.clock.Passed(slide, r.slides+1)
	for range min(2, r.clock.Now/r.every-interval) {
		r.refresh()
	}
	for range steps {
		r.row = (r.row + 1) % r.slides
		for k := range r.keys {
			e := &r.keys[k]
			if !e.live {
				continue
			}
			e.at.EndSlide(r.row)
			if e.bar == 0 && e.at.Only(tally.Home(e.hash, r.workers)) {
				r.index.Remove(e.hash, int32(k))
				e.live = false
			}
		}
	}
}

// refresh begins a new interval.
func (r *flexd) refresh() {
	if r.published {
		r.frozen = math.Floor(r.total/float64(r.workers)) + 1
	}
	r.counts.Clear()
	r.total = 0
	r.loads.EndSlide()
	r.all.Refresh(r.loads.Load)
	for k := range r.keys {
		r.keys[k].bar = 0
		r.keys[k].set.Clear()
	}
}
