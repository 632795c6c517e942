package learned

import (
	"math"
	"testing"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/scenario"
)

// doubtful is a policy of equal capacities that states an uncertainty.
type doubtful struct{ of []float64 }

func (d *doubtful) Decide(m *scenario.Measured, capacity []float64) bool {
	for w := range capacity {
		capacity[w] = m.Seen[w] / m.Busy[w]
	}
	scenario.ScaleTo1(capacity)
	return true
}

func (d *doubtful) Uncertainty() []float64 { return d.of }

// The less sure a policy is, the more a new route must gain. Workers that never report do not
// count.
func TestUncertaintyWidensTheDeadBand(t *testing.T) {
	const workers = 4
	for _, c := range []struct {
		why    string
		of     []float64
		routes bool
	}{
		{"it states none", nil, true},
		{"it is sure", []float64{0.01, 0.01, 0.01, 0.01}, true},
		{"one that never reports is not", []float64{0.01, 0.01, 0.01, 3}, true},
		{"it is unsure by more than there is to gain", []float64{3, 3, 3, 3}, false},
	} {
		f, err := NewCapacityController(&doubtful{c.of}, Default(), workers)
		if err != nil {
			t.Fatal(err)
		}
		w := &policy.Window{Records: 1e6, Counts: []int64{25e4, 25e4, 25e4, 25e4}, Busy: []float64{0.4, 0.4, 0.4, 0.7}, Slots: make([]int64, policy.SlotCount(workers))}
		for s := range w.Slots {
			w.Slots[s] = int64(1e6 / len(w.Slots))
		}
		latest := policy.HashRoute(workers)
		if d := f.Decide(w, latest); (d.Route != nil) != c.routes {
			t.Errorf("%s: a new route is %v", c.why, d.Route != nil)
		}
	}
}

// The policy of policy/checkpoint/many-laws, trained on many laws, states an uncertainty that
// grows while a worker is silent, and stays below the smoothings where the built-in one does not.
func TestManyLaws(t *testing.T) {
	t.Parallel()
	c, err := checkpoint.Load("../checkpoint/many-laws")
	if err != nil {
		t.Fatal(err)
	}
	const workers = 8
	f, err := NewCapacityPolicy(c, workers)
	if err != nil {
		t.Fatal(err)
	}
	share, next, busy := make([]float64, workers), make([]float64, workers), make([]float64, workers)
	for w := range share {
		share[w] = 1. / workers
	}
	last := 0.0
	for at := range 30 {
		for w := range busy {
			busy[w] = 0.6 * share[w] * workers
		}
		if at >= 20 {
			busy[3] = math.NaN()
		}
		f.Decide(&scenario.Measured{Share: share, Seen: share, Busy: busy, Queue: make([]float64, workers)}, next)
		copy(share, next)
		stated := f.Uncertainty()
		if at >= 20 && !(stated[3] > last && stated[3] > stated[4]) {
			t.Errorf("window %d: %.4f is stated of the silent worker, after %.4f, and %.4f of another", at, stated[3], last, stated[4])
		}
		last = stated[3]
	}
	for _, law := range []struct {
		name   string
		change func(*scenario.Config)
	}{
		{"sines", func(c *scenario.Config) { c.Wave, c.WavePeriod = scenario.Range{0.3, 0.3}, scenario.Range{10, 40} }},
		{"low outliers", func(c *scenario.Config) {
			c.Outlier, c.OutlierBy = scenario.Range{0.02, 0.02}, scenario.Range{0.2, 0.2}
		}},
		{"overload", func(c *scenario.Config) { c.Utilisation = scenario.Range{1, 1.3} }},
	} {
		with := scenario.Default()
		law.change(&with)
		mean, _ := scenario.MeanScore(evaluate(t, f, with, workers, 60))
		for _, alpha := range []float64{0.1, 0.3, 0.6} {
			other, _ := scenario.MeanScore(evaluate(t, &scenario.Smoothed{Alpha: alpha}, with, workers, 60))
			if mean.After > 0.9*other.After {
				t.Errorf("%s: %.4f, a smoothing of %v has %.4f", law.name, mean.After, alpha, other.After)
			}
		}
	}
}
