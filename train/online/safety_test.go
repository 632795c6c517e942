package online

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/policy"
)

// moved is the part of the keys' records that two actions send to different workers,
// told by the loads of each key alone.
func moved(mask policy.Mask, loads, a, b []float64) float64 {
	total, all, at := 0.0, 0.0, 0
	for rank, row := range mask.Keys {
		one := policy.Mask{Workers: mask.Workers, Keys: [][]uint16{row}}
		x, y := make([]float64, mask.Workers), make([]float64, mask.Workers)
		one.Loads(x, []float64{1}, a[at:at+len(row)])
		one.Loads(y, []float64{1}, b[at:at+len(row)])
		for w := range x {
			total += loads[rank] * math.Abs(x[w]-y[w]) / 2
		}
		all += loads[rank]
		at += len(row)
	}
	return total / all
}

// TestMaxStep: however wild the actions, the route moves by no more than the bound, in
// the direction of the action; one within the bound is left alone.
func TestMaxStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := rapid.IntRange(1, 5).Draw(t, "workers")
		d := rapid.SliceOfN(rapid.Float64Range(0.01, 1), 1, 4).Draw(t, "loads")
		slices.Sort(d)
		slices.Reverse(d)
		mask := policy.NewMask(d, workers, policy.MaskConfig{TrueHot: len(d)})
		g := actionLimits{Safety: Safety{MaxStep: rapid.Float64Range(0.01, 1).Draw(t, "bound")}, mask: mask}
		action := rapid.SliceOfN(rapid.SampledFrom([]float64{0, 1e-9, 0.2, 0.5, 1}), mask.Pairs(), mask.Pairs())
		last := action.Draw(t, "first")
		if g.limit(slices.Clone(last), d) {
			t.Fatal("the first action was shortened")
		}
		for range 5 {
			want := action.Draw(t, "next")
			got := slices.Clone(want)
			limited := g.limit(got, d)
			step, whole := moved(mask, d, last, got), moved(mask, d, last, want)
			if step > g.MaxStep+1e-9 {
				t.Fatalf("moved %v of the records, the bound is %v", step, g.MaxStep)
			}
			if limited != (whole > g.MaxStep) && math.Abs(whole-g.MaxStep) > 1e-9 {
				t.Fatalf("shortened: %v, with %v wanted and %v allowed", limited, whole, g.MaxStep)
			}
			if !limited && !slices.Equal(got, want) {
				t.Fatalf("%v became %v within the bound", want, got)
			}
			if limited && (step < g.MaxStep-1e-9 || math.Abs(moved(mask, d, got, want)-(whole-step)) > 1e-9) {
				t.Fatalf("moved %v, which is not straight towards what was wanted", step)
			}
			for _, v := range got {
				if !(v >= 0 && v <= 1) {
					t.Fatalf("action %v", got)
				}
			}
			last = got
		}
	})
}

func TestReturn(t *testing.T) {
	limits := Safety{MaxStep: 0.1, MaxImbalance: 0.5, MaxBackpressured: 0.2}
	a, b, loads := []float64{1, 0}, []float64{0, 1}, []float64{1}
	for _, tc := range []struct {
		why  string
		good []float64 // a window kept within the limits under it; nil: none did
		m    StepResult
		want bool
	}{
		{"within the limits", a, StepResult{Imbalance: 0.5, Backpressured: 0.2}, false},
		{"too unequal", a, StepResult{Imbalance: 0.51}, true},
		{"too much blocked", a, StepResult{Backpressured: 0.21}, true},
		{"nothing good to return to", nil, StepResult{Imbalance: 9}, false},
		{"the good one itself, which is no longer", b, StepResult{Imbalance: 9}, false},
	} {
		g := actionLimits{Safety: limits, mask: policy.Mask{Workers: 2, Keys: [][]uint16{{0, 1}}}}
		if tc.good != nil {
			g.limit(slices.Clone(tc.good), loads)
			g.check(StepResult{}, tc.good)
		}
		g.last = slices.Clone(b)
		if got := g.check(tc.m, b); got != tc.want {
			t.Errorf("%s: return %v, want %v", tc.why, got, tc.want)
		}
		next := slices.Clone(b)
		g.limit(next, loads)
		if back := slices.Equal(next, a); back != tc.want { // at once, not in steps of MaxStep
			t.Errorf("%s: the next action is %v", tc.why, next)
		}
		next = slices.Clone(b)
		if g.limit(next, loads); tc.want && moved(g.mask, loads, a, next) > 0.1+1e-9 {
			t.Errorf("%s: and from there it went to %v", tc.why, next)
		}
	}
}
