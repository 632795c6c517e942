package policy

import "math"

// Observation is what a shares policy observes of a window, 2P numbers (docs/algorithms.md,
// "The decision process"). First come the record counts of the workers, standardised and
// clipped to 0..2, then their busy ratios, 2 for a saturated one. If all counts are equal,
// they are 1, the middle. The published code makes them 2, which describes a perfect route as
// overload everywhere; Published does the same.
type Observation struct{ Published bool }

// Size returns the length of the observation for P workers.
func (Observation) Size(workers int) int { return 2 * workers }

// Of appends the observation of the workers' record counts and busy ratios to dst. Both have
// P elements. An unmeasured worker (busy NaN) counts as saturated, as it does in the
// published system after a time-out. Of does not allocate if dst has the capacity.
//
//	count:  clip((x - mean) / (5 std) + 1, 0, 2), std of the population
//	busy:   x, or 2 where x >= 1
func (o Observation) Of(dst, counts, busy []float64) []float64 {
	n := float64(len(counts))
	mean, sq := 0.0, 0.0
	for _, x := range counts {
		mean += x
	}
	mean /= n
	for _, x := range counts {
		sq += (x - mean) * (x - mean)
	}
	std := math.Sqrt(sq / n)
	scale := 1 / (5 * std)
	for _, x := range counts {
		switch {
		case std > 1e-12*math.Abs(mean):
			dst = append(dst, min(max((x-mean)*scale+1, 0), 2))
		case o.Published:
			dst = append(dst, 2)
		default:
			dst = append(dst, 1)
		}
	}
	for _, b := range busy {
		if !(b < 1) {
			b = 2
		}
		dst = append(dst, b)
	}
	return dst
}
