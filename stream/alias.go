package stream

import (
	"math"
	"math/bits"
)

// ZipfPMF returns the probabilities of keys keys by rank, most frequent first. They are
// proportional to 1/rank^exponent; exponent 0 is uniform.
func ZipfPMF(keys int, exponent float64) []float64 {
	p := make([]float64, keys)
	sum := 0.0
	for i := keys - 1; i >= 0; i-- { // the small ones first, to lose fewer bits
		p[i] = math.Pow(float64(i+1), -exponent)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// alias draws from a discrete distribution in O(1): Walker's alias method with
// Vose's construction (IEEE TSE 17, 1991). It is immutable once built.
type alias []aliasCell

// aliasCell is one of n equally likely columns. The outcome is its own index if the position
// within the column is below threshold, and other if not.
type aliasCell struct {
	threshold uint64 // probability of the cell's own index, times 2^64
	other     uint32
}

// newAlias builds the table of a probability mass function that sums to 1.
func newAlias(pmf []float64) alias {
	n := len(pmf)
	t := make(alias, n)
	scaled := make([]float64, n)
	small, large := make([]uint32, 0, n), make([]uint32, 0, n)
	for i, p := range pmf {
		scaled[i] = p * float64(n)
		if scaled[i] < 1 {
			small = append(small, uint32(i))
		} else {
			large = append(large, uint32(i))
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		t[s] = aliasCell{threshold: uint64(math.Ldexp(scaled[s], 64)), other: l}
		scaled[l] -= 1 - scaled[s]
		if scaled[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	// What is left has probability 1 up to rounding.
	for _, rest := range [][]uint32{small, large} {
		for _, i := range rest {
			t[i] = aliasCell{threshold: math.MaxUint64, other: i}
		}
	}
	return t
}

// pick maps 64 random bits to an outcome. The high half of bits*n is the column, the low half
// the position within it, so that one draw is enough.
func (t alias) pick(random uint64) uint32 {
	column, position := bits.Mul64(random, uint64(len(t)))
	cell := t[column]
	if position < cell.threshold {
		return uint32(column)
	}
	return cell.other
}
