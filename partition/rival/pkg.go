package rival

import (
	"math/bits"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/tally"
	"github.com/saspart/saspart/stream"
)

// choice is the i-th hash choice of a key among P workers. It depends on nothing else, because
// every partitioner subtask must arrive at the same choices. The hash is mixed anew for each i,
// with the first half of the splitmix64 finaliser. Its upper bits are then scaled to the range:
// a multiplication is cheaper than the division of mod.
func choice(hash uint64, i int, workers uint64) int {
	x := hash + uint64(i+1)*tally.Fib
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x ^= x >> 27
	w, _ := bits.Mul64(x*0x94d049bb133111eb, workers)
	return int(w)
}

// lighter routes a record to the less loaded of its key's first two choices and counts it
// there: the power of two choices.
func lighter(hash uint64, loads []int64) partition.Dest {
	workers := uint64(len(loads))
	a, b := choice(hash, 0, workers), choice(hash, 1, workers)
	to, merge := a, partition.Merge
	if loads[b] < loads[a] {
		to = b
	}
	if a == b {
		merge = 0
	}
	loads[to]++
	return partition.Dest(to) | merge
}

// pkgRouter is `pkg`, partial key grouping.
//
// Source: Nasir, De Francisci Morales, García-Soriano, Kourtellis, Serafini: The
// power of both choices (ICDE 2015); docs/algorithms.md, "pkg".
//
// Rule: every key has two workers, by two hashes. A record goes to the worker to which this
// subtask has sent fewer records so far, of equals to the first.
//
// Constants: none.
//
// Deviations: none. As in the paper, a subtask counts only the records that it has sent itself
// since the start. The paper shows that these counts do about as well as global ones.
//
// Cost: O(1).
//
// Merge: every key whose two hashes name different workers.
type pkgRouter struct {
	loads []int64 // records sent to each worker by this subtask
}

// NewPKG makes the pkg partitioner.
func NewPKG(env partition.Env) partition.Router { return &pkgRouter{loads: make([]int64, env.Workers)} }

// Route implements Router.
func (r *pkgRouter) Route(b *stream.Batch, dst []partition.Dest) {
	hashes := b.Hashes[:len(dst)]
	for i, h := range hashes {
		dst[i] = lighter(h, r.loads)
	}
}

// EndSlide implements Router; the loads are of the whole run.
func (r *pkgRouter) EndSlide(int64) {}
