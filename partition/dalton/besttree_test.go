package dalton

import (
	"testing"

	"pgregory.net/rapid"
)

func TestBestTreeEqualsAScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := make([]float64, rapid.IntRange(1, 20).Draw(t, "arms"))
		first := rapid.IntRange(-1, len(values)-1).Draw(t, "first")
		var tree bestTree
		tree.reset(values, first)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			arm := rapid.IntRange(0, len(values)-1).Draw(t, "arm")
			values[arm] = float64(rapid.IntRange(0, 4).Draw(t, "value"))
			tree.update(values, arm)
			want := max(first, 0)
			for i, v := range values {
				if v > values[want] {
					want = i
				}
			}
			if got := tree.best(); got != want {
				t.Fatalf("best of %v is %d, a scan from %d finds %d", values, got, first, want)
			}
		}
	})
}

func TestWeightTreeDrawsByWeight(t *testing.T) {
	for _, weights := range [][]float64{
		{1},
		{0, 0, 5},
		{1, 2, 3, 4, 5, 6, 7},
		{1e-300, 1, 0, 1e-300, 2},
		{3, 0, 0, 0},
	} {
		var tree weightTree
		tree.reset(len(weights))
		sum := 0.0
		for i, w := range weights {
			tree.set(i, w)
			sum += w
		}
		// Laid end to end, arm i reaches from at to at + its share.
		at := 0.0
		for i, w := range weights {
			if share := w / sum; share > 1e-9 {
				for _, part := range []float64{0.001, 0.5, 0.999} {
					if got := tree.draw(at + part*share); got != i {
						t.Errorf("weights %v at %v: arm %d, want %d", weights, at+part*share, got, i)
					}
				}
				at += share
			}
		}
		if last := tree.draw(1 - 1.0/(1<<53)); weights[last] == 0 {
			t.Errorf("weights %v: drew arm %d, which has none", weights, last)
		}
	}
}
