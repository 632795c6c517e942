package policy_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/policy"
)

func TestCapacitiesOf(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		why   string
		parts []float64
		want  []float64 // nil: none
	}{
		{"parts are scaled to sum to 1", []float64{2, 1, 1}, []float64{0.5, 0.25, 0.25}},
		{"what is no number counts as 0", []float64{1, nan, inf, -3, 1}, []float64{0.5, 0, 0, 0, 0.5}},
		{"nothing is left", []float64{0, nan}, nil},
		{"no workers", nil, nil},
		{"nearly nothing is something", []float64{1, 1e-9}, []float64{8191. / 8192, 1. / 8192}},
		{"parts too large to add", []float64{math.MaxFloat64, math.MaxFloat64}, nil},
	} {
		got := policy.CapacitiesOf(c.parts)
		if (got == nil) != (c.want == nil) || got != nil && !cmp.Equal(got.Of, c.want) {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
		}
		if got != nil && got.Validate(len(c.parts)) != nil {
			t.Errorf("%s: %v", c.why, got.Validate(len(c.parts)))
		}
	}
}

// Rounded capacities sum to 1, are near the parts, and are not rounded again.
func TestCapacitiesAreRoundedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.Float64Range(0, 2), 1, 200).Draw(t, "parts")
		c := policy.CapacitiesOf(parts)
		if c == nil {
			return
		}
		sum, all, raised := 0.0, 0.0, 0.0
		for w, v := range parts {
			sum, all = sum+c.Of[w], all+v
		}
		for _, v := range parts {
			if v/all*float64(len(parts))*4096 < 0.5 {
				raised++ // from next to nothing, at the cost of others
			}
		}
		for w, v := range parts {
			if off := math.Abs(c.Of[w]-v/all) * float64(len(parts)) * 4096; off > 2+raised || v > 0 && c.Of[w] == 0 {
				t.Fatalf("worker %d has %v of %v: %v", w, v, all, c.Of[w])
			}
		}
		if math.Abs(sum-1) > 1e-12 || !cmp.Equal(policy.CapacitiesOf(c.Of).Of, c.Of) {
			t.Fatalf("they sum to %v, or are rounded again", sum)
		}
	})
}

func TestCapacitiesValidate(t *testing.T) {
	half := []float64{0.5, 0.5}
	for _, c := range []struct {
		why string
		bad policy.Capacities
	}{
		{"another number of workers", policy.Capacities{Of: []float64{1}}},
		{"negative", policy.Capacities{Of: []float64{1.5, -0.5}}},
		{"no number", policy.Capacities{Of: []float64{1, math.NaN()}}},
		{"too much in all", policy.Capacities{Of: []float64{1, 1}}},
		{"queues of another number of workers", policy.Capacities{Of: half, Waiting: []float64{0}}},
		{"a queue that is no number", policy.Capacities{Of: half, Waiting: []float64{0, math.NaN()}}},
	} {
		if c.bad.Validate(2) == nil {
			t.Errorf("%s: no error", c.why)
		}
	}
	if err := (&policy.Capacities{Of: half, Waiting: []float64{-4, 4}}).Validate(2); err != nil {
		t.Error(err)
	}
}

func TestLoad(t *testing.T) {
	nan, half := math.NaN(), []float64{0.5, 0.5}
	for _, c := range []struct {
		why      string
		w        policy.Window
		capacity []float64
		want     float64
	}{
		{"equal workers", policy.Window{Busy: []float64{0.5, 1}}, half, 0.75},
		{"a fast worker counts for more", policy.Window{Busy: []float64{0.5, 1}}, []float64{0.75, 0.25}, 0.625},
		{"one reports nothing", policy.Window{Busy: []float64{0.5, nan}}, []float64{0.75, 0.25}, 0.5},
		{"noise has made one more than busy, and the other less", policy.Window{Busy: []float64{1.2, 0.4}}, half, 0.8},
		{"noise has made all more than busy", policy.Window{Busy: []float64{1.2, 1.1}}, half, 1},
		{"none reports", policy.Window{Busy: []float64{nan, nan}}, half, 0},
		{"workers without capacity", policy.Window{Busy: half}, []float64{0, 0}, 0},
		{"of another number of workers", policy.Window{Busy: []float64{0.5}}, half, 0},
		{"no measurements", policy.Window{}, half, 0},
		{"records were held up at the source", policy.Window{Busy: []float64{0, 1}, End: 2e9, OfferedRate: 100, ActualRate: 80, Records: 160}, half, 0.625},
		{"records wait in the queue of one", policy.Window{Busy: []float64{0, 1}, End: 2e9, OfferedRate: 100, ActualRate: 100, Records: 125}, half, 0.8},
		{"the job catches up", policy.Window{Busy: []float64{0.5, 1}, End: 2e9, OfferedRate: 100, ActualRate: 150, Records: 300}, half, 0.75},
		{"far too much is due", policy.Window{Busy: []float64{0.5, 1}, End: 2e9, OfferedRate: 1e6, ActualRate: 150, Records: 300}, half, 1},
		{"nothing was finished", policy.Window{Busy: []float64{0.5, 1}, End: 2e9, OfferedRate: 100}, half, 0.75},
	} {
		if got := policy.Load(&c.w, c.capacity); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
		}
	}
}

func TestWaiting(t *testing.T) {
	for _, c := range []struct {
		why   string
		size  int
		queue []float64
		want  []float64
	}{
		{"beyond the mean, in records", 100, []float64{0.5, 0.1, 0}, []float64{30, -10, -20}},
		{"an unknown queue counts as the mean", 10, []float64{1, math.NaN(), 0}, []float64{5, 0, -5}},
		{"the size is unknown", 0, []float64{1, 0, 0}, nil},
		{"the job does not tell its queues", 100, nil, nil},
		{"no worker told its queue", 100, []float64{math.NaN(), math.NaN(), math.NaN()}, nil},
	} {
		w := &policy.Window{Counts: make([]int64, 3), QueueSize: c.size, Queue: c.queue}
		got := policy.Waiting(w, nil)
		if len(got) != len(c.want) {
			t.Fatalf("%s: %v, want %v", c.why, got, c.want)
		}
		for i, v := range got {
			if math.Abs(v-c.want[i]) > 1e-9 {
				t.Errorf("%s: %v, want %v", c.why, got, c.want)
			}
		}
	}
}
