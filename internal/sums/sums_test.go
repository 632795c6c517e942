package sums

import (
	"math"
	"testing"
)

// Floating-point numbers are added from the first to the last: 1 is lost beside 2^53 unless
// the small numbers come first.
func TestOf(t *testing.T) {
	big := math.Exp2(53)
	for _, c := range []struct {
		why  string
		v    []float64
		want float64
	}{
		{"nothing", nil, 0},
		{"the large number first", []float64{big, 1, 1}, big},
		{"the large number last", []float64{1, 1, big}, big + 2},
	} {
		if got := Of(c.v); got != c.want {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
		}
	}
	if got := Of([]int64{3, -1, 5}); got != 7 {
		t.Errorf("whole numbers: %d", got)
	}
}
