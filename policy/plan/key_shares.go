package plan

import (
	"cmp"
	"math"
	"slices"
)

// KeyDistance returns the distance between the keys of a job and those that a shares policy
// was trained on (docs/algorithms.md, "saspartitioner"). Both lists have the parts of the
// records that the keys have, by rank; the distance is Euclidean. It is below the square root
// of 2, and 0 for equal distributions, whatever the keys' names. A missing rank counts as 0.
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

// Heaviest returns the parts of the records that the n heaviest keys have, descending; fewer
// if fewer keys are known. It reuses the memory of dst.
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
