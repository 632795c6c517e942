// Package sums adds numbers up in the order of a slice, so that sums of floating-point numbers
// are the same on every machine.
package sums

// Of is the sum of v.
func Of[T int | int64 | float32 | float64](v []T) T {
	var all T
	for _, x := range v {
		all += x
	}
	return all
}

// To1 scales v, whose sum is not 0, to sum to 1.
func To1(v []float64) {
	all := Of(v)
	for i := range v {
		v[i] /= all
	}
}
