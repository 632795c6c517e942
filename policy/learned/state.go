package learned

import (
	"fmt"
	"slices"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/plan"
)

// CapacityController is a Controller whose state can be saved, except for that of its policy.
type CapacityController interface {
	policy.Controller
	// State returns a copy of the controller's state.
	State() ControllerState
	// Restore sets the controller to a state that State returned. A state of another number
	// of workers is an error and changes nothing.
	Restore(s ControllerState) error
}

// ControllerState is all that a CapacityController needs to resume, apart from its
// configuration and its policy.
type ControllerState struct {
	Loads plan.LoadsState
	Share []float64 // the latest capacities; none before the first
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
