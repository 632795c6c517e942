package table

import (
	"cmp"
	"math"
	"slices"
)

// The records of a split key cycle through a fixed sequence of workers, which is made when
// its route is adopted. Each worker occurs in it in proportion to its share, spread as evenly
// as possible. A position of the sequence is a turn of its worker.

// maxTurns bounds the length of a sequence, so that a position fits 16 bits.
const maxTurns = 1 << 16

// turnsPerWorker is the precision of a sequence, in turns per worker: no realised share is
// off by more than 1/128 of the mean share.
const turnsPerWorker = 128

// rounder rounds shares to whole turns. Its buffers are reused.
type rounder struct {
	counts []int
	order  []int
}

// turns rounds shares to whole numbers of turns that sum to length. The length is a power of
// two: the smallest, up to maxTurns, that keeps every share within 1/turnsPerWorker of the
// mean share. Rounding is by largest remainder, so no worker is off by a whole turn. The
// counts are valid until the next call.
func (r *rounder) turns(shares []float64) (counts []int, length int) {
	r.counts = zeros(r.counts, len(shares))
	r.order = zeros(r.order, len(shares))
	length = 1
	for length < len(shares) {
		length *= 2
	}
	for ; ; length *= 2 {
		r.round(shares, length)
		if 2*length > maxTurns || closeEnough(r.counts, shares, length) {
			return r.counts, length
		}
	}
}

// round sets counts to the shares of length, rounded by largest remainder.
func (r *rounder) round(shares []float64, length int) {
	rest := length
	for i, s := range shares {
		r.counts[i] = int(s * float64(length))
		rest -= r.counts[i]
		r.order[i] = i
	}
	if rest <= 0 {
		return
	}
	remainder := func(i int) float64 { return shares[i]*float64(length) - float64(r.counts[i]) }
	slices.SortFunc(r.order, func(a, b int) int {
		return cmp.Or(cmp.Compare(remainder(b), remainder(a)), cmp.Compare(a, b))
	})
	for _, i := range r.order[:rest] {
		r.counts[i]++
	}
}

// closeEnough reports whether every count over length is within 1/turnsPerWorker of the mean
// share of its share.
func closeEnough(counts []int, shares []float64, length int) bool {
	tolerance := float64(length) / float64(len(shares)) / turnsPerWorker
	for i, s := range shares {
		if math.Abs(float64(counts[i])-s*float64(length)) > tolerance {
			return false
		}
	}
	return true
}

// pending is a worker's next turn: its deadline << 16 | the worker's index.
type pending = uint64

// sequencer spreads turns. Its buffers are reused from one sequence to the next.
type sequencer struct {
	heap     []pending // turns that may be taken, the earliest deadline at the root
	taken    []int     // turns taken, by worker
	released []int     // by position: a worker whose next turn is released there, + 1
	chain    []int     // by worker: another one released at the same position, + 1
}

// spread appends to dst a sequence in which index i occurs counts[i] times of length, such
// that in every prefix of n its occurrences differ by less than 1 from n*counts[i]/length.
//
// It schedules turns as proportionate fairness schedules tasks (Baruah, Cohen, Plaxton,
// Varvel: Proportionate progress, Algorithmica 1996). The j-th turn of a worker may not come
// before position floor((j-1)*length/count) and must come before ceil(j*length/count). Taking
// the earliest deadline first satisfies all of them.
func (s *sequencer) spread(counts []int, length int, dst []int) []int {
	s.heap = s.heap[:0]
	s.taken = zeros(s.taken, len(counts))
	s.chain = zeros(s.chain, len(counts))
	s.released = zeros(s.released, length)
	for i, n := range counts {
		if n > 0 {
			s.push(pending((length+n-1)/n)<<16 | pending(i))
		}
	}
	for t := range length {
		for i := s.released[t]; i > 0; i = s.chain[i-1] {
			n := counts[i-1]
			s.push(pending(((s.taken[i-1]+1)*length+n-1)/n)<<16 | pending(i-1))
		}
		i := int(s.pop() & 0xffff)
		dst = append(dst, i)
		s.taken[i]++
		if s.taken[i] < counts[i] {
			// Due at t+1 at the earliest: this position's releases have been read.
			at := max(t+1, s.taken[i]*length/counts[i])
			s.chain[i] = s.released[at]
			s.released[at] = i + 1
		}
	}
	return dst
}

// zeros is buf with n zeros.
func zeros(buf []int, n int) []int {
	buf = slices.Grow(buf[:0], n)[:n]
	clear(buf)
	return buf
}

func (s *sequencer) push(p pending) {
	h := append(s.heap, p)
	i := len(h) - 1
	for i > 0 && h[(i-1)/2] > p {
		h[i] = h[(i-1)/2]
		i = (i - 1) / 2
	}
	h[i] = p
	s.heap = h
}

func (s *sequencer) pop() pending {
	h := s.heap
	root, last := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	i := 0
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1] < h[child] {
			child++
		}
		if h[child] >= last {
			break
		}
		h[i] = h[child]
		i = child
	}
	if len(h) > 0 {
		h[i] = last
	}
	s.heap = h
	return root
}
