package learned

import (
	"testing"

	"github.com/saspart/saspart/policy"
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
