package tally

import "math/bits"

// WorkerSet is the set of workers to which a key was sent in the current slide and the earlier
// slides of its aggregation window: a bitset per slide and their union.
type WorkerSet struct {
	ring  []uint64 // slides x words
	used  []uint64 // union of ring
	known []uint64 // what the rule sees: used, or (keep) all that ever was in it
	N     int      // workers in known
	keep  bool
}

// NewWorkerSets makes n sets of workers, for windows of a number of slides. keep selects the
// published behaviour: a rule never forgets a key's workers, as the public code clears the wrong
// bit.
func NewWorkerSets(n, workers, slides int, keep bool) []WorkerSet {
	words := (workers + 63) / 64
	each := (slides + 1) * words
	if keep {
		each += words
	}
	all := make([]uint64, n*each)
	sets := make([]WorkerSet, n)
	for i := range sets {
		mine := all[i*each : (i+1)*each]
		sets[i] = WorkerSet{
			ring:  mine[:slides*words],
			used:  mine[slides*words : (slides+1)*words],
			known: mine[each-words:],
			keep:  keep,
		}
	}
	return sets
}

// Mark adds worker w in the slide of that row, and reports whether known grew.
func (s *WorkerSet) Mark(w, row int) bool {
	i, bit := w/64, uint64(1)<<(w%64)
	s.ring[row*len(s.used)+i] |= bit
	news := s.known[i]&bit == 0
	if news {
		s.known[i] |= bit
		s.N++
	}
	s.used[i] |= bit
	return news
}

// Only reports whether the key went nowhere but to worker w within the window.
func (s *WorkerSet) Only(w int) bool {
	for i, word := range s.used {
		if i == w/64 {
			word &^= 1 << (w % 64)
		}
		if word != 0 {
			return false
		}
	}
	return true
}

// Pick returns the j-th worker the rule knows, from 0, in ascending order; j < n.
func (s *WorkerSet) Pick(j int) int {
	for i, word := range s.known {
		c := bits.OnesCount64(word)
		if j >= c {
			j -= c
			continue
		}
		for ; j > 0; j-- {
			word &= word - 1
		}
		return 64*i + bits.TrailingZeros64(word)
	}
	return -1
}

// Each calls f with every worker the rule knows, ascending.
func (s *WorkerSet) Each(f func(w int)) {
	for i, word := range s.known {
		for ; word != 0; word &= word - 1 {
			f(64*i + bits.TrailingZeros64(word))
		}
	}
}

// EndSlide begins the slide of that row, forgetting what it held before.
func (s *WorkerSet) EndSlide(row int) {
	words := len(s.used)
	clear(s.ring[row*words : (row+1)*words])
	n := 0
	for i := range s.used {
		word := uint64(0)
		for at := i; at < len(s.ring); at += words {
			word |= s.ring[at]
		}
		s.used[i] = word
		n += bits.OnesCount64(word)
	}
	if !s.keep {
		s.N = n
	}
}

// Clear empties the set.
func (s *WorkerSet) Clear() {
	clear(s.ring)
	clear(s.used)
	clear(s.known)
	s.N = 0
}
