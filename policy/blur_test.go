package policy

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestBlurWithoutItIsTheWindow(t *testing.T) {
	w := &Window{Busy: []float64{0.5, 0.2}}
	if got := NewBlur(BlurConfig{}, 1).See(w); got != w {
		t.Errorf("another window: %v", got)
	}
}

func TestBlurIsLate(t *testing.T) {
	b := NewBlur(BlurConfig{Delay: 2}, 1)
	for n := range 5 {
		got := b.See(&Window{Step: n, Busy: []float64{float64(n) / 10}})
		if n < 2 {
			if got != nil {
				t.Errorf("after window %d, window %d is seen", n, got.Step)
			}
			continue
		}
		if got == nil || got.Step != n-2 || got.Busy[0] != float64(n-2)/10 {
			t.Errorf("after window %d: %v", n, got)
		}
	}
}

// Noise has the deviation asked for, leaves the window itself and all but busy ratios
// alone, keeps a missing one missing, and is the same for the same seed.
func TestBlurIsNoisy(t *testing.T) {
	const windows = 4000
	a, b := NewBlur(BlurConfig{Noise: 0.1}, 7), NewBlur(BlurConfig{Noise: 0.1}, 7)
	sum, square := 0.0, 0.0
	w := &Window{Step: 3, Counts: []int64{5, 6, 7}, Busy: []float64{0.5, math.NaN(), 1}, Times: timesOf(1000, 2000, 3000)}
	for range windows {
		got := a.See(w)
		if d := cmp.Diff(got, b.See(w), cmp.Comparer(func(x, y float64) bool { return x == y || x != x && y != y })); d != "" {
			t.Fatalf("the same seed gives other noise:\n%s", d)
		}
		if got.Step != 3 || !cmp.Equal(got.Counts, w.Counts) || got.Busy[1] == got.Busy[1] || got.Busy[2] > 1 {
			t.Fatalf("seen: %+v", got)
		}
		if k := got.Times[0]; math.Abs(float64(k.Total)/1000-got.Busy[0]/0.5) > 0.002 || k.Keys[0].Total != k.Total || k.Slots[0].Total != k.Total {
			t.Fatalf("busy %v and times %+v have not the same noise", got.Busy[0], k)
		}
		d := got.Busy[0]/0.5 - 1
		sum += d / windows
		square += d * d / windows
	}
	if w.Busy[0] != 0.5 || w.Busy[2] != 1 || w.Times[0].Slots[0].Total != 1000 {
		t.Errorf("the window changed: %v", w.Busy)
	}
	if math.Abs(sum) > 0.01 || math.Abs(math.Sqrt(square)-0.1) > 0.01 {
		t.Errorf("noise of mean %.4f and deviation %.4f", sum, math.Sqrt(square))
	}
}

func TestBlurConfigValidate(t *testing.T) {
	for _, c := range []struct {
		why    string
		config BlurConfig
		valid  bool
	}{
		{"none", BlurConfig{}, true},
		{"both", BlurConfig{Noise: 0.1, Delay: 3}, true},
		{"a deviation below zero", BlurConfig{Noise: -0.1}, false},
		{"no number", BlurConfig{Noise: math.NaN()}, false},
		{"windows that have not been", BlurConfig{Delay: -1}, false},
		{"all workers missing", BlurConfig{Missing: 1}, true},
		{"more than all", BlurConfig{Missing: 1.1}, false},
	} {
		if err := c.config.Validate(); (err == nil) != c.valid {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}

// A missing worker is one whose report was lost: nothing of it is in the window. The part of
// such workers is the one asked for, noise does not depend on it, and the window that was
// measured stays as it is.
func TestBlurLeavesOutWorkers(t *testing.T) {
	const windows = 2000
	noisy, both := NewBlur(BlurConfig{Noise: 0.1}, 7), NewBlur(BlurConfig{Noise: 0.1, Missing: 0.3}, 7)
	w := &Window{
		Records: 18, Counts: []int64{5, 6, 7}, Units: []int64{1, 2, 3}, Busy: []float64{0.5, 0.6, 0.7}, Queue: []float64{0.1, 0.2, 0.3},
		Realised: []RealisedShare{{Hash: 1, Worker: 0, Count: 5}, {Hash: 1, Worker: 2, Count: 7}},
		Times:    timesOf(1000, 2000, 3000),
	}
	before := w.Clone()
	missing := 0
	for range windows {
		exact, got := noisy.See(w), both.See(w)
		for i := range w.Busy {
			if got.Busy[i] == exact.Busy[i] {
				continue
			}
			missing++
			exact.Records -= w.Counts[i]
			exact.Counts[i], exact.Units[i] = 0, 0
			exact.Busy[i], exact.Queue[i] = math.NaN(), math.NaN()
			exact.Times[i] = Times{}
			exact.Realised = slices.DeleteFunc(exact.Realised, func(s RealisedShare) bool { return s.Worker == i })
		}
		if d := cmp.Diff(exact, got, cmpopts.EquateNaNs(), cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("(-of the missing workers, +seen):\n%s", d)
		}
	}
	if d := cmp.Diff(before, w); d != "" {
		t.Errorf("the window changed:\n%s", d)
	}
	if part := float64(missing) / (3 * windows); math.Abs(part-0.3) > 0.02 {
		t.Errorf("%.3f of the workers are missing, want 0.3", part)
	}
}

// timesOf is the times of workers that timed records of one key.
func timesOf(totals ...time.Duration) []Times {
	times := make([]Times, len(totals))
	for i, d := range totals {
		times[i] = Times{Records: 1, Total: d, Keys: []KeyTime{{Hash: 1, Records: 1, Total: d}}, Slots: []SlotTime{{Slot: 1, Records: 1, Total: d}}}
	}
	return times
}

func TestBlurWithoutTimes(t *testing.T) {
	w := &Window{Busy: []float64{0.5}, Times: []Times{{}}}
	if got := NewBlur(BlurConfig{Untimed: true}, 1).See(w); got.Times != nil || got.Busy[0] != 0.5 || w.Times == nil {
		t.Errorf("seen: %+v of %+v", got, w)
	}
}
