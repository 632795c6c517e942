package policy_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/policy"
)

var near = cmpopts.EquateApprox(0, 1e-12)

func TestObservation(t *testing.T) {
	nan := math.NaN()
	for _, tc := range []struct {
		why          string
		published    bool
		counts, busy []float64
		want         []float64
	}{
		// mean 5, deviations -3 -1 -1 -1 0 0 2 4, squares 9+1+1+1+0+0+4+16 = 32,
		// std sqrt(32/8) = 2, 5 std = 10: (x-5)/10 + 1.
		{"worked by hand", false,
			[]float64{2, 4, 4, 4, 5, 5, 7, 9}, []float64{0, 0.25, 0.5, 0.75, 0.999, 1, 1.3, nan},
			[]float64{0.7, 0.9, 0.9, 0.9, 1, 1, 1.2, 1.4, 0, 0.25, 0.5, 0.75, 0.999, 2, 2, 2}},
		{"equal counts: the middle", false, []float64{3, 3}, []float64{0.5, 0.5}, []float64{1, 1, 0.5, 0.5}},
		{"equal counts: the published 2", true, []float64{3, 3}, []float64{0.5, 0.5}, []float64{2, 2, 0.5, 0.5}},
		{"equal thirds: rounding is no spread", false, []float64{0.1, 0.1, 0.1}, []float64{0, 0, 0}, []float64{1, 1, 1, 0, 0, 0}},
		{"nothing happened", false, []float64{0, 0}, []float64{0, 0}, []float64{1, 1, 0, 0}},
	} {
		o := policy.Observation{Published: tc.published}
		got := o.Of(nil, &policy.Seen{Counts: tc.counts, Busy: tc.busy})
		if diff := cmp.Diff(tc.want, got, near); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.why, diff)
		}
	}
	// One of 36 workers has everything: mean 1, std sqrt((35^2+35)/36) = sqrt(35),
	// (36-1)/(5 sqrt 35) + 1 = 7/sqrt(35) + 1 = 2.18, clipped; the others 1 - 1/(5 sqrt 35).
	counts := make([]float64, 36)
	counts[0] = 36
	got := new(policy.Observation).Of(nil, &policy.Seen{Counts: counts})
	if want := 1 - 1/(5*math.Sqrt(35)); got[0] != 2 || math.Abs(got[1]-want) > 1e-12 {
		t.Errorf("one worker has all: %v and %v, want 2 and %v", got[0], got[1], want)
	}
}

// What an adaptive observation adds, worked by hand: two workers, one of which is twice as slow;
// loads 0.3 and 0.1 that no action moves; a key of 0.4 (trained 0.3) on both workers, and one of
// 0.2 (trained 0.25) on the second.
func TestAdaptiveObservation(t *testing.T) {
	o := policy.Observation{Mask: policy.Mask{Workers: 2, Keys: [][]uint16{{0, 1}, {1}}}, Trained: []float64{0.3, 0.25}}
	log2 := math.Ln2
	seen := policy.Seen{Counts: []float64{3, 3}, Busy: []float64{0.5, 0.25}, Log: []float64{7 + log2, 7}, Fixed: []float64{0.3, 0.1}, Keys: []float64{0.4, 0.2}}
	want := []float64{1, 1, 0.5, 0.25, 2 * log2, -2 * log2, 8 * 0.1, -8 * 0.1, 8 * 0.1 / 2, -8 * 0.05}
	if diff := cmp.Diff(want, o.Of(nil, &seen), near); diff != "" || o.Size() != len(want) {
		t.Errorf("size %d (-want +got):\n%s", o.Size(), diff)
	}
	seen.Keys = seen.Keys[:1] // the second key is not there
	want[9] = -8 * 0.25
	if diff := cmp.Diff(want, o.Of(nil, &seen), near); diff != "" {
		t.Errorf("without the second key (-want +got):\n%s", diff)
	}
	for _, c := range []struct {
		why       string
		form      policy.ObservationForm
		published bool
		ok        bool
	}{
		{"ours", policy.AdaptiveObservation, false, true},
		{"the published one, with its faults", policy.PublishedObservation, true, true},
		{"the published code has no adaptive one", policy.AdaptiveObservation, true, false},
		{"no such form", "adaptiv", false, false},
	} {
		if err := c.form.Validate(c.published); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}

func TestReward(t *testing.T) {
	for _, tc := range []struct {
		why  string
		busy []float64
		perf float64
	}{
		{"equal", []float64{0.4, 0.4}, 0},
		// mean 0.5; imbalance 0.3/0.500001; deviations 0.3 0.1 0.1 0.3, nmad 0.8/2 = 0.4.
		{"worked by hand", []float64{0.2, 0.4, 0.6, 0.8}, (0.3/0.500001 + 0.4) / 2},
		{"a missing worker is left out", []float64{0.2, 0.4, math.NaN(), 0.6, 0.8}, (0.3/0.500001 + 0.4) / 2},
		{"idle", []float64{0, 0}, 0},
		{"no workers", nil, 0},
	} {
		if got := policy.Perf(tc.busy); math.Abs(got-tc.perf) > 1e-12 {
			t.Errorf("%s: perf %v, want %v", tc.why, got, tc.perf)
		}
	}
	for _, tc := range []struct {
		why          string
		perf, reward float64
	}{
		{"perfect: f = 1, 2^2 - 1", 0, 3},
		{"half of p0: f = 1/2, 1.5^2 - 1", 0.3, 1.25},
		{"p0: f = 0", 0.6, 0},
		{"half as bad again: f = -1/2, -(1.5^2 - 1)", 0.9, -1.25},
		{"twice p0: f = -1, -(2^2 - 1)", 1.2, -3},
		{"f = -2, -(3^2 - 1)", 1.8, -8},
	} {
		if got := policy.Reward(tc.perf, policy.DefaultP0); math.Abs(got-tc.reward) > 1e-12 {
			t.Errorf("%s: reward(%v) = %v, want %v", tc.why, tc.perf, got, tc.reward)
		}
	}
}

// What a learner relies on: observations are always numbers in range, and a
// better performance always earns more.
func TestObservationAndRewardProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 70).Draw(t, "workers")
		counts := rapid.SliceOfN(rapid.Float64Range(0, 1e9), n, n).Draw(t, "counts")
		busy := rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(0, 3), rapid.Just(math.NaN())), n, n).Draw(t, "busy")
		for i, v := range new(policy.Observation).Of(nil, &policy.Seen{Counts: counts, Busy: busy}) {
			if !(v >= 0 && v <= 2) {
				t.Fatalf("observation[%d] = %v", i, v)
			}
		}
		a, b := rapid.Float64Range(0, 10).Draw(t, "a"), rapid.Float64Range(0, 10).Draw(t, "b")
		if a < b && policy.Reward(a, policy.DefaultP0) < policy.Reward(b, policy.DefaultP0) {
			t.Fatalf("reward(%v) < reward(%v)", a, b)
		}
	})
}
