package dalton

import (
	"math"

	"github.com/saspart/saspart/partition/internal/tally"
)

// hotKeys separates hot keys from cold ones and remembers where hot keys were sent, for the
// rules of the Dalton paper (dagreedy, dalton-original, dalton-metrics).
//
// A key becomes hot when its records in a slide exceed the threshold, which is the previous
// slide's total divided by divisor. It stays hot until the end of the next slide. In the first
// slide nothing is hot. A slide without records leaves the threshold as it is.
//
// A key is known while it is hot, and for an aggregation window after that. A known key has an
// entry with the set of workers to which it was sent. The set includes the key's home if earlier
// records of the slide in which it became hot were cold. Entries are recycled and numbered
// densely, so routers keep their own state of a key in slices by entry. There are at most limit
// entries; without a free one a key stays cold.
type hotKeys struct {
	hotOptions
	clock     tally.SlideClock
	row       int     // the current slide's row of every entry's ring
	threshold float64 // records in a slide that make a key hot
	total     float64 // records of the current slide
	hot       int     // entries that are hot
	terms     uint64  // last term given out

	counts    *tally.KeyCounts // unknown keys in the current slide
	sketch    *tally.CountMin  // counts them instead, once sketching
	sketching bool

	index tally.Numbers
	keys  []hotKey // by number
}

type hotOptions struct {
	workers    int
	slides     int     // in an aggregation window
	divisor    float64 // of a slide's total, giving the threshold
	limit      int     // entries
	keep       bool    // published: what the rule knows of a key never expires
	sketchFrom int     // a slide with so many keys begins sketching; 0 never does
	epsilon    float64 // of the sketch
	confidence float64
}

// hotKey is a known key.
type hotKey struct {
	hash  uint64
	home  int32
	live  bool    // the entry is in use
	term  uint64  // a new number each time the key becomes hot
	until int64   // the last slide in which it is hot
	count float64 // records in the current slide
	last  float64 // records in the slide before
	at    tally.WorkerSet
}

func newHotKeys(o hotOptions) *hotKeys {
	h := &hotKeys{
		hotOptions: o, threshold: math.Inf(1),
		counts: tally.NewKeyCounts(tally.DefaultKeyCells),
	}
	if o.sketchFrom > 0 {
		h.sketch = tally.NewCountMin(o.epsilon, o.confidence)
	}
	return h
}

// see counts a record of the key and returns the number of its entry, -1 if the key is unknown,
// and therefore cold.
func (h *hotKeys) see(hash uint64) int32 {
	h.total++
	if k := h.index.Get(hash); k >= 0 {
		e := &h.keys[k]
		e.count++
		if e.count > h.threshold {
			h.heat(e, h.clock.Now+1)
		}
		return k
	}
	var n float64
	if h.sketching {
		n = float64(h.sketch.Inc(hash))
	} else {
		n = float64(h.counts.Inc(hash))
	}
	if n <= h.threshold {
		return -1
	}
	k := h.admit(hash)
	if k < 0 {
		return -1
	}
	e := &h.keys[k]
	e.count = n
	h.heat(e, h.clock.Now+1)
	if n > 1 {
		// Its earlier records of this slide were cold and went home.
		h.mark(k, int(e.home))
	}
	return k
}

// isHot reports whether the entry's key is hot in the current slide.
func (h *hotKeys) isHot(k int32) bool { return h.keys[k].until >= h.clock.Now }

// heat makes the key hot up to and including slide until.
func (h *hotKeys) heat(e *hotKey, until int64) {
	if e.until < h.clock.Now {
		h.terms++
		e.term = h.terms
		h.hot++
	}
	e.until = max(e.until, until)
}

// admit gives the key a cold entry without workers and returns the entry's number, -1 if all
// entries are in use.
func (h *hotKeys) admit(hash uint64) int32 {
	if h.index.Len() == h.limit {
		return -1
	}
	k := h.index.Add(hash)
	if int(k) == len(h.keys) {
		h.grow()
	}
	e := &h.keys[k]
	e.at.Clear()
	*e = hotKey{hash: hash, home: int32(tally.Home(hash, h.workers)), live: true, until: h.clock.Now - 1, at: e.at}
	return k
}

// grow doubles the entries, up to the limit.
func (h *hotKeys) grow() {
	n := min(max(32, len(h.keys)), h.limit-len(h.keys))
	sets := tally.NewWorkerSets(n, h.workers, h.slides, h.keep)
	for _, at := range sets {
		h.keys = append(h.keys, hotKey{at: at})
	}
}

// mark notes that the key was sent to worker w, and reports whether w is new to the rule.
func (h *hotKeys) mark(k int32, w int) bool { return h.keys[k].at.Mark(w, h.row) }

// endSlide ages everything. It frees the entries of keys that have been cold, and on their home
// alone, for a whole aggregation window. O(known keys x P/64).
func (h *hotKeys) endSlide(slide int64) {
	for range h.clock.Passed(slide, h.slides+2) {
		if h.total > 0 {
			h.threshold = h.total / h.divisor
		}
		if h.sketchFrom > 0 && h.counts.Len() >= h.sketchFrom {
			h.sketching = true
		}
		h.total = 0
		h.counts.Clear()
		if h.sketching {
			h.sketch.Clear()
		}
		h.row = (h.row + 1) % h.slides
		h.hot = 0
		// Published: what is known of a cold key is only given up for space.
		spare := !h.keep || h.index.Len() == h.limit
		for k := range h.keys {
			e := &h.keys[k]
			if !e.live {
				continue
			}
			e.last, e.count = e.count, 0
			e.at.EndSlide(h.row)
			if e.until >= h.clock.Now {
				h.hot++
			} else if spare && e.at.Only(int(e.home)) {
				h.index.Remove(e.hash, int32(k))
				e.live = false
			}
		}
	}
}
