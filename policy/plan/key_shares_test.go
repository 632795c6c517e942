package plan

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/policy"
)

func TestKeyDistance(t *testing.T) {
	for _, tc := range []struct {
		why          string
		trained, job []float64
		want         float64
	}{
		{"the same", []float64{0.4, 0.1}, []float64{0.4, 0.1}, 0},
		{"one rank differs", []float64{0.4, 0.1}, []float64{0.1, 0.1}, 0.3},
		{"ranks add up by their squares", []float64{0.4, 0.4}, []float64{0.1, 0}, 0.5},
		{"the job has fewer keys", []float64{0.4, 0.3}, []float64{0.4}, 0.3},
		{"and more", []float64{0.4}, []float64{0.4, 0.3}, 0.3},
		{"nothing is known", nil, nil, 0},
		{"all that is possible, but for a hair", []float64{1}, []float64{0, 1}, math.Sqrt2},
	} {
		if got := KeyDistance(tc.trained, tc.job); math.Abs(got-tc.want) > 1e-12 {
			t.Errorf("%s: %v, want %v", tc.why, got, tc.want)
		}
	}
}

// TestHeaviest: as many of the keys' parts as asked for, as a sort of Estimate has
// them.
func TestHeaviest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := NewLoads(DefaultLoad())
		if got := l.Heaviest(nil, 3); len(got) != 0 {
			t.Fatalf("before any window: %v", got)
		}
		for range rapid.IntRange(1, 4).Draw(t, "windows") {
			counts := rapid.SliceOfN(rapid.IntRange(0, 999), 1, 20).Draw(t, "counts")
			w := &policy.Window{Records: 20_000}
			for i, n := range counts {
				w.Hot = append(w.Hot, policy.HotKey{Hash: uint64(i) << 50, Count: int64(n)})
			}
			l.Observe(w)
		}
		keys, _ := l.Estimate(nil, nil, 4)
		var want []float64
		for _, k := range keys {
			want = append(want, k.Load)
		}
		slices.Sort(want)
		slices.Reverse(want)
		n := rapid.IntRange(0, 25).Draw(t, "n")
		if got := l.Heaviest(nil, n); !slices.Equal(got, want[:min(n, len(want))]) {
			t.Fatalf("%v, want %v of %v", got, n, want)
		}
	})
}
