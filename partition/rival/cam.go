package rival

import (
	"math"

	"github.com/saspart/saspart/internal/hashtable"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/tally"
	"github.com/saspart/saspart/stream"
)

// camRouter is `cam`: cardinality-aware partitioning with two choices.
//
// Source: Katsipoulakis, Labrinidis, Chrysanthis: A holistic view of stream
// partitioning costs (PVLDB 2017), algorithm cAM; docs/algorithms.md, "cam".
//
// Rule: a key has two candidate workers, by two hashes. A record goes to the first candidate if
// that one has seen the key in the aggregation window, else to the second under the same
// condition. If neither has seen the key, the record goes to the candidate with fewer records in
// the window, of equals to the second, as in the public code. So a key stays on its worker while
// its state lives, and new keys level the load.
//
// Constants: none. The candidates are the two choices of `pkg`; they coincide with probability
// 1/P.
//
// Deviations: the public code never calls its own expiry. Keys seen and loads never leave its
// window, so a key stays on its worker for ever. published: true does the same; by default both
// expire. The table of keys holds some 650,000; a stream with more in a window forgets those
// seen longest ago.
//
// Cost: O(1).
//
// Merge: one router never sends a key to two workers within an aggregation window, so a lone
// subtask marks nothing. Several subtasks choose independently, so each marks every key with two
// different choices.
type camRouter struct {
	workers   uint64
	window    uint32         // slides that a sighting counts for
	merge     partition.Dest // for keys with two different choices
	published bool
	clock     tally.SlideClock
	steps     int
	loads     *tally.SlideLoads
	seen      seenKeys
}

// NewCAM makes the cam partitioner.
func NewCAM(env partition.Env, published bool) partition.Router {
	slides := max(1, env.WindowSlides)
	r := &camRouter{
		workers: uint64(env.Workers), window: uint32(slides), published: published, steps: slides + 1,
		loads: tally.NewSlideLoads(env.Workers, slides),
		seen:  newSeenKeys(tally.DefaultKeyCells),
	}
	if published {
		r.window = math.MaxUint32
		r.loads = tally.NewSlideLoads(env.Workers, 0)
	}
	if env.Subtasks > 1 {
		r.merge = partition.Merge
	}
	return r
}

// Route implements Router.
func (r *camRouter) Route(b *stream.Batch, dst []partition.Dest) {
	now := uint32(r.clock.Now) + 1
	for i, hash := range b.Hashes[:len(dst)] {
		first, second := choice(hash, 0, r.workers), choice(hash, 1, r.workers)
		if first == second {
			r.loads.Add(first)
			dst[i] = partition.Dest(first)
			continue
		}
		last := r.seen.last.Find(hash)
		if last == nil {
			last = r.seen.add(hash, now, r.window)
		}
		to := sighting(1)
		if last.alive(now, r.window) {
			to = *last & 1
		} else if r.loads.Load[first] < r.loads.Load[second] {
			to = 0
		}
		*last = sighting(now)<<1 | to
		w := second
		if to == 0 {
			w = first
		}
		r.loads.Add(w)
		dst[i] = partition.Dest(w) | r.merge
	}
}

// EndSlide implements Router.
func (r *camRouter) EndSlide(slide int64) {
	for range r.clock.Passed(slide, r.steps) {
		r.loads.EndSlide()
	}
}

// seenKeys remembers, in bounded memory, in which slide a key was last sent to one of its choices,
// and which choice that was. Earlier sightings do not matter: within the window a key stays on
// its worker, so it can only change workers after its last sighting has left the window.
type seenKeys struct {
	last  hashtable.Table[sighting]
	limit int // cells
}

// sighting is twice the slide, counted from 1, plus the choice; 0 is none.
type sighting uint32

// alive reports whether the sighting is within the window of slides that ends with now.
func (s sighting) alive(now, window uint32) bool {
	return s != 0 && (now-uint32(s>>1))&math.MaxInt32 < window // slides wrap around after 2^31
}

// add returns where the last sighting of the key is kept, after adding the key if it is new. The
// caller overwrites it.
func (s *seenKeys) add(hash uint64, now, window uint32) *sighting {
	last := s.last.Add(hash)
	if last == nil {
		s.makeRoom(now, window)
		last = s.last.Add(hash)
	}
	return last
}

// makeRoom drops the keys that have left the window. If those are few it doubles the table,
// or at the limit drops the keys seen longest ago.
func (s *seenKeys) makeRoom(now, window uint32) {
	retain := func() {
		s.last.Retain(func(_ uint64, last sighting) bool { return last.alive(now, window) })
	}
	half := s.last.Len() / 2
	retain()
	if s.last.Len() > half && s.last.Cells() < s.limit {
		s.last.Grow()
		return
	}
	for window = min(window, now); s.last.Len() > half; {
		window /= 2
		retain()
	}
}

func newSeenKeys(limit int) seenKeys {
	return seenKeys{last: hashtable.New[sighting](min(1024, limit)), limit: limit}
}
