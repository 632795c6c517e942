package learned

import (
	"bytes"
	"encoding/gob"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/internal/toy"
)

// kept is a controller with its policy and the generator of its exploration.
type kept struct {
	CapacityController
	policy *ExploringPolicy
	pcg    *rand.PCG
}

func newKept(t *testing.T, c *checkpoint.Checkpoint, workers int) kept {
	t.Helper()
	pcg := rand.NewPCG(1, 2)
	f, err := NewExploringPolicy(c, workers, rand.New(pcg))
	if err != nil {
		t.Fatal(err)
	}
	controller, err := NewCapacityController(f, Default(), workers)
	if err != nil {
		t.Fatal(err)
	}
	return kept{controller, f, pcg}
}

// through is a state after it was written and read.
func through[T any](t *testing.T, s T) (read T) {
	t.Helper()
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(s); err != nil {
		t.Fatal(err)
	}
	if err := gob.NewDecoder(&b).Decode(&read); err != nil {
		t.Fatal(err)
	}
	return read
}

// TestControllerState: a controller and its policy that were written, read and
// restored decide as those that never stopped, to the last bit.
func TestControllerState(t *testing.T) {
	hedged, err := checkpoint.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		why     string
		policy  *checkpoint.Checkpoint
		windows int // before it is kept
		strip   func(*policy.Window)
	}{
		{"with hedges", hedged, 12, func(*policy.Window) {}},
		{"without hedges", checkpoint.UntrainedCapacity(6, 1), 12, func(*policy.Window) {}},
		{"before the first window", hedged, 0, func(*policy.Window) {}},
		{"with workers that were not measured", hedged, 12, func(w *policy.Window) { w.Busy[w.Records%5] = math.NaN() }},
		{"without counts of slots", hedged, 12, func(w *policy.Window) { w.Slots = nil }},
		{"with lists of hot keys of varying length, of which some are forgotten", hedged, 25, func(w *policy.Window) { w.Hot = w.Hot[w.Records%97:][:w.Records%29+1] }},
		{"with names that are no UTF-8", hedged, 5, func(w *policy.Window) {
			for i := range w.Hot {
				w.Hot[i].Name = "\xff\x00"
			}
		}},
	} {
		t.Run(tc.why, func(t *testing.T) {
			j := toy.New(5, 1.3, 20000, 3)
			j.RNG = rand.New(rand.NewPCG(4, 4))
			window := func() *policy.Window {
				w := j.Window()
				tc.strip(w)
				return w
			}
			one, other := newKept(t, tc.policy, 5), newKept(t, tc.policy, 5)
			other.Decide(window(), j.Route) // what it saw before does not matter
			for range tc.windows {
				if r := one.Decide(window(), j.Route).Route; r != nil {
					j.Route = r
				}
			}
			if err := other.Restore(through(t, one.State())); err != nil {
				t.Fatal(err)
			}
			if err := other.policy.Restore(through(t, one.policy.State())); err != nil {
				t.Fatal(err)
			}
			*other.pcg = *one.pcg
			if diff := cmp.Diff(one.policy.State(), other.policy.State()); diff != "" {
				t.Errorf("restored at once (-never stopped +restored):\n%s", diff)
			}
			routes := 0
			for i := range 25 {
				if i == 10 {
					j.Speeds[2] *= 0.5
				}
				w := window()
				want, got := one.Decide(w, j.Route).Route, other.Decide(w, j.Route).Route
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("window %d (-never stopped +restored):\n%s", i, diff)
				}
				if want != nil {
					j.Route = want
					routes++
				}
			}
			if diff := cmp.Diff(one.State(), other.State()); diff != "" {
				t.Errorf("(-never stopped +restored):\n%s", diff)
			}
			if diff := cmp.Diff(one.policy.State(), other.policy.State()); diff != "" {
				t.Errorf("(-never stopped +restored):\n%s", diff)
			}
			if routes < 3 {
				t.Errorf("%d new routes: too few to tell", routes)
			}
		})
	}
}

// TestControllerRestoreRefuses: a state of another job changes nothing.
func TestControllerRestoreRefuses(t *testing.T) {
	k := newKept(t, checkpoint.UntrainedCapacity(6, 1), 5)
	j := toy.New(5, 1.3, 20000, 3)
	for range 3 {
		k.Decide(j.Window(), j.Route)
	}
	before := through(t, k.State())
	for why, change := range map[string]func(*ControllerState){
		"of other workers":            func(s *ControllerState) { s.Share = []float64{1, 0, 0, 0} },
		"with an odd number of slots": func(s *ControllerState) { s.Loads.Slots = s.Loads.Slots[1:] },
	} {
		s := through(t, k.State())
		change(&s)
		if err := k.Restore(s); err == nil {
			t.Errorf("a state %s is taken", why)
		}
		if diff := cmp.Diff(before, k.State()); diff != "" {
			t.Errorf("a state %s changes the controller (-before +after):\n%s", why, diff)
		}
	}
	memory := through(t, k.policy.State())
	for why, other := range map[string]kept{"workers": newKept(t, checkpoint.UntrainedCapacity(6, 1), 4), "units": newKept(t, checkpoint.UntrainedCapacity(7, 1), 5)} {
		if err := k.policy.Restore(other.policy.State()); err == nil {
			t.Errorf("the memory of a network of other %s is taken", why)
		}
	}
	if diff := cmp.Diff(memory, k.policy.State()); diff != "" {
		t.Errorf("a refused memory changes the policy (-before +after):\n%s", diff)
	}
}
