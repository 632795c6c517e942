package policy

import "math"

// Observation is SaSPartitioner's view of a window, 2P numbers (docs/algorithms.md, "The
// decision process"): the record count of each worker, standardised and clipped to
// 0..2, then the busy ratio of each worker, 2 for a saturated one. Published
// keeps the reference's answer when all counts are equal, 2 for every worker, the
// clip's upper end, which says "all overloaded" of a perfect route; mended, they
// are 1, the middle.
type Observation struct{ Published bool }

// Size is the length of the observation for P workers.
func (Observation) Size(workers int) int { return 2 * workers }

// Of appends the observation of per-worker record counts and busy ratios to dst
// and returns it. counts and busy have P elements; dst with room for 2P more is
// not reallocated. A worker without a report (busy NaN) counts as saturated, as
// in the reference after its time-out.
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
