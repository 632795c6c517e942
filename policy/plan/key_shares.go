package plan

import (
	"cmp"
	"math"
	"slices"
)

// KeyDistance is how far the keys of a job are from those that a shares policy was
// trained on: Euclid over the parts of all records that the keys of each rank have,
// both heaviest first (docs/algorithms.md, "saspartitioner"). It is 0 for the same
// distribution whatever the keys are called, and below the square root of 2 always.
// Ranks that only one of them has count as nothing in the other.
func KeyDistance(trained, job []float64) float64 {
	sq := 0.0
	for rank := range max(len(trained), len(job)) {
		d := 0.0
		if rank < len(trained) {
			d = trained[rank]
		}
		if rank < len(job) {
			d -= job[rank]
		}
		sq += d * d
	}
	return math.Sqrt(sq)
}

// Heaviest returns what part of all records each of the n heaviest keys has by now,
// descending; fewer where fewer keys are known. The slice is dst's, grown as necessary.
func (l *Loads) Heaviest(dst []float64, n int) []float64 {
	dst = dst[:0]
	if l.records == 0 {
		return dst
	}
	for i := range l.keys {
		dst = append(dst, l.keys[i].Load/l.records)
	}
	slices.SortFunc(dst, func(a, b float64) int { return cmp.Compare(b, a) })
	return dst[:min(n, len(dst))]
}
