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
