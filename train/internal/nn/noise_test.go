//go:build torch

package nn

import (
	"math"
	"slices"
	"testing"

	"github.com/saspart/saspart/train/internal/naive"
)

// TestNoise compares the distributions drawn from with what they should be, by the
// Kolmogorov-Smirnov statistic, and neighbours and streams with each other.
func TestNoise(t *testing.T) {
	const n = 1 << 17
	for _, c := range []struct {
		name       string
		fill       func(x []float32, seed uint64, stream int)
		cumulative func(x float64) float64
		variance   float64
	}{
		{"normal", Normals, func(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }, 1},
		{"uniform", Uniforms, func(x float64) float64 { return (x + 1) / 2 }, 1.0 / 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := make([]float32, n)
			c.fill(x, 7, 0)
			other := make([]float32, n)
			c.fill(other, 7, 1)
			var ahead [20]float64 // products with those so far ahead, lanes included
			apart := 0.0
			for i, v := range x {
				apart += float64(v) * float64(other[i]) / n / c.variance
				for lag := range ahead {
					ahead[lag] += float64(v) * float64(x[(i+lag)%n]) / n / c.variance
				}
			}
			naive.CloseTo(t, "variance", ahead[0], 1, 0.015)
			naive.CloseTo(t, "correlation of two streams", apart, 0, 0.015)
			for lag, v := range ahead[1:] {
				if math.Abs(v) > 0.015 { // five standard deviations
					t.Errorf("correlation with the number %d ahead is %v", lag+1, v)
				}
			}
			sorted, most := slices.Sorted(slices.Values(x)), 0.0
			for i, v := range sorted {
				most = max(most, math.Abs(c.cumulative(float64(v))-(float64(i)+0.5)/n))
			}
			if limit := 1.95 / math.Sqrt(n); most > limit { // exceeded once in a thousand seeds
				t.Errorf("distribution is off by %v, want less than %v", most, limit)
			}
		})
	}
	t.Run("fills what it is given and no more", func(t *testing.T) {
		for n := 1; n < 40; n++ {
			x := make([]float32, n+1)
			Normals(x[:n], 3, n)
			Uniforms(x[:n], 3, n)
			if x[n] != 0 || slices.Contains(x[:n], 0) {
				t.Errorf("%d numbers: %v", n, x)
			}
		}
	})
}
