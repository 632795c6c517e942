package engine

import (
	"fmt"
	"slices"
)

// FluidState is everything that a Fluid needs to go on as if it had never stopped,
// apart from its configuration.
type FluidState struct {
	Step      int         `json:"step"`
	Speeds    []float64   `json:"speeds"`
	Generator []byte      `json:"generator"` // of the noise, as rand.PCG marshals it
	Done      [][]float64 `json:"done"`      // of the last windows, by the ring's places
	Busy      [][]float64 `json:"busy"`
}

// State returns a copy of the model's state.
func (f *Fluid) State() (FluidState, error) {
	generator, err := f.pcg.MarshalBinary()
	if err != nil {
		return FluidState{}, fmt.Errorf("save the fluid model's generator: %w", err)
	}
	s := FluidState{Step: f.step, Speeds: slices.Clone(f.speeds), Generator: generator}
	for _, p := range f.past {
		s.Done, s.Busy = append(s.Done, slices.Clone(p.done)), append(s.Busy, slices.Clone(p.busy))
	}
	return s, nil
}

// Restore makes the model what it was when s was taken. A state of another number of
// workers or another delay is refused and changes nothing.
func (f *Fluid) Restore(s FluidState) error {
	fits := s.Step >= 0 && len(s.Speeds) == len(f.speeds) && len(s.Done) == len(f.past) && len(s.Busy) == len(f.past)
	for i := 0; fits && i < len(f.past); i++ {
		fits = len(s.Done[i]) == len(f.speeds) && len(s.Busy[i]) == len(f.speeds)
	}
	if !fits {
		return fmt.Errorf("restore the fluid model: a state of %d workers and %d windows, where %d and %d belong", len(s.Speeds), len(s.Done), len(f.speeds), len(f.past))
	}
	pcg := *f.pcg
	if err := pcg.UnmarshalBinary(s.Generator); err != nil {
		return fmt.Errorf("restore the fluid model's generator: %w", err)
	}
	*f.pcg = pcg
	f.step = s.Step
	copy(f.speeds, s.Speeds)
	for i, p := range f.past {
		copy(p.done, s.Done[i])
		copy(p.busy, s.Busy[i])
	}
	return nil
}
