package learned

import (
	"fmt"
	"slices"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/plan"
)

// CapacityController is a Controller that can be kept, without its follower, which has
// a state of its own.
type CapacityController interface {
	policy.Controller
	// State is a copy of what the controller has to remember.
	State() ControllerState
	// Restore makes the controller what it was when s was taken. A state of another
	// number of workers is refused and changes nothing.
	Restore(s ControllerState) error
}

// ControllerState is everything that a CapacityController needs to go on as if it had
// never stopped, apart from its configuration and its follower.
type ControllerState struct {
	Loads plan.LoadsState
	Share []float64 // the follower's newest; none before
}

// State implements CapacityController.
func (f *learnedCapacity) State() ControllerState {
	return ControllerState{Loads: f.loads.State(), Share: slices.Clone(f.share)}
}

// Restore implements CapacityController.
func (f *learnedCapacity) Restore(s ControllerState) error {
	if n, want := len(s.Share), len(f.measured.Share); n != 0 && n != want {
		return fmt.Errorf("restore the controller: shares of %d workers, where %d belong", n, want)
	}
	if err := f.loads.Restore(s.Loads); err != nil {
		return err
	}
	f.share = slices.Clone(s.Share)
	return nil
}
