package table

import (
	"cmp"
	"math"
	"slices"

	"github.com/saspart/saspart/internal/minheap"
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

// sequencer spreads turns. Its buffers are reused from one sequence to the next.
type sequencer struct {
	heap     minheap.Heap[int, int] // workers whose next turn may be taken, by its deadline
	taken    []int                  // turns taken, by worker
	released []int                  // by position: a worker whose next turn is released there, + 1
	chain    []int                  // by worker: another one released at the same position, + 1
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
			s.heap.Push((length+n-1)/n, i)
		}
	}
	for t := range length {
		for i := s.released[t]; i > 0; i = s.chain[i-1] {
			n := counts[i-1]
			s.heap.Push(((s.taken[i-1]+1)*length+n-1)/n, i-1)
		}
		i := s.heap[0].ID
		s.heap.Pop()
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
