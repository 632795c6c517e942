package rival

import (
	"math"
	"math/bits"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/tally"
	"github.com/saspart/saspart/stream"
)

// camRouter is `cam`: cardinality-aware partitioning with two choices.
//
// Source: Katsipoulakis, Labrinidis, Chrysanthis: A holistic view of stream
// partitioning costs (PVLDB 2017), algorithm cAM; docs/algorithms.md, "cam".
//
// Rule: a key has two candidate workers, by two hashes. A record goes to the first
// candidate if that has seen the key within the aggregation window. Otherwise it goes to the
// second if that has seen it, and otherwise to the candidate with fewer records in the window
// (on a tie to the second, as in the public code). So a key stays where it is while its state
// lives, and new keys level the load.
//
// Constants: none. The choices are those of `pkg`; they coincide with probability 1/P.
//
// Deviations: the public code never calls its own expiry. Keys and loads never leave the
// window, so that a key never moves again. published: true reproduces that; by default both
// expire. The table of seen keys holds some 650,000 keys; with more of them in a window,
// those not seen for longest are forgotten.
//
// Merge: one router never sends a key to two workers within an aggregation window, so a
// single subtask needs no merge. Several subtasks choose independently, so every key with
// two choices is marked.
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
func NewCAM(env partition.Env, published bool) partition.Router { return newCAMRouter(env, published) }

func newCAMRouter(env partition.Env, published bool) *camRouter {
	slides := max(1, env.WindowSlides)
	r := &camRouter{
		workers: uint64(env.Workers), window: uint32(slides), published: published, steps: slides + 1,
		loads: tally.NewSlideLoads(env.Workers, slides),
		seen:  newSeenKeys(tally.DefaultKeySlots),
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
		s := r.seen.find(hash, now, r.window)
		w, choice := second, 1
		if s.alive(0, now, r.window) || !s.alive(1, now, r.window) && r.loads.Load[first] < r.loads.Load[second] {
			w, choice = first, 0
		}
		s.at[choice] = now
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

// seenKeys remembers when a key was last sent to each of its two choices, in an
// open-addressing table of bounded size. Slides are counted from 1 in it.
type seenKeys struct {
	slots []seenKey
	spare []seenKey
	shift uint
	n     int
	limit int
}

type seenKey struct {
	hash uint64
	at   [2]uint32 // last slide at the choice, 0 never; both 0: the entry is free
}

// alive reports whether the choice saw the key within the window that ends now.
func (s *seenKey) alive(choice int, now, window uint32) bool {
	return s.at[choice] != 0 && now-s.at[choice] < window
}

func newSeenKeys(limit int) seenKeys {
	s := seenKeys{limit: limit}
	s.resize(make([]seenKey, min(1024, limit)))
	return s
}

func (s *seenKeys) resize(slots []seenKey) {
	s.slots = slots
	s.shift = 64 - uint(bits.TrailingZeros(uint(len(slots))))
}

// find returns the key's entry and makes one if there is none; the caller sets one of its
// times.
func (s *seenKeys) find(hash uint64, now, window uint32) *seenKey {
	mask := uint64(len(s.slots) - 1)
	for i := hash * tally.Fib >> s.shift; ; i = (i + 1) & mask {
		k := &s.slots[i]
		if k.at == [2]uint32{} {
			if s.n >= len(s.slots)*5/8 {
				s.makeRoom(now, window)
				return s.find(hash, now, window)
			}
			s.n++
			k.hash = hash
			return k
		}
		if k.hash == hash {
			return k
		}
	}
}

// makeRoom drops the keys that have left the window. If those are few it doubles the table
// or, at the limit, drops the keys that were not seen for longest.
func (s *seenKeys) makeRoom(now, window uint32) {
	size, half := len(s.slots), s.n/2
	live := s.within(now, window)
	if live > half && size < s.limit {
		size *= 2
	} else {
		window = min(window, now)
		for live > half {
			window /= 2
			live = s.within(now, window)
		}
	}
	old, next := s.slots, s.spare
	if len(next) == size {
		clear(next)
	} else {
		next = make([]seenKey, size)
	}
	s.resize(next)
	s.spare = nil
	if len(old) == size {
		s.spare = old
	}
	s.n = 0
	mask := uint64(size - 1)
	for j := range old {
		if k := &old[j]; k.alive(0, now, window) || k.alive(1, now, window) {
			i := k.hash * tally.Fib >> s.shift
			for s.slots[i].at != [2]uint32{} {
				i = (i + 1) & mask
			}
			s.slots[i] = *k
			s.n++
		}
	}
}

// within counts the keys seen in the window that ends now.
func (s *seenKeys) within(now, window uint32) int {
	n := 0
	for i := range s.slots {
		if k := &s.slots[i]; k.alive(0, now, window) || k.alive(1, now, window) {
			n++
		}
	}
	return n
}
