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

// FollowerState is what an ExploringCapacity remembers of a job of P workers: all it
// needs to go on as if it had never stopped, apart from its parameters and the
// generator that it draws from.
type FollowerState struct {
	Log    []float64 // [P] estimates of the log speeds
	Hedge  []float64 // [P] what log shares differ by from them
	Memory []float32 // [P,H] the network's
}

// State is a copy of what the follower has to remember.
func (x *ExploringCapacity) State() FollowerState {
	f := x.policy
	return FollowerState{Log: slices.Clone(f.state.log), Hedge: slices.Clone(f.state.hedge), Memory: slices.Clone(f.memory)}
}

// Restore makes the follower what it was when s was taken. A state of another number
// of workers or another network is refused and changes nothing.
func (x *ExploringCapacity) Restore(s FollowerState) error {
	f := x.policy
	if len(s.Log) != len(f.state.log) || len(s.Hedge) != len(s.Log) || len(s.Memory) != len(f.memory) {
		return fmt.Errorf("restore the follower: a state of %d workers and a memory of %d numbers, where %d and %d belong",
			len(s.Log), len(s.Memory), len(f.state.log), len(f.memory))
	}
	copy(f.state.log, s.Log)
	copy(f.state.hedge, s.Hedge)
	copy(f.memory, s.Memory)
	return nil
}
