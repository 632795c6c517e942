package plan

import (
	"fmt"
	"slices"
)

// LoadsState is the state of a Loads.
type LoadsState struct {
	Keys            []KeyLoad // tracked keys, with faded counts, in their order
	Slots           []float64 // faded counts
	Records, Chance float64
	Most            int // longest list of hot keys seen
}

// State returns a copy of the state.
func (l *Loads) State() LoadsState {
	return LoadsState{Keys: slices.Clone(l.keys), Slots: slices.Clone(l.slots), Records: l.records, Chance: l.chance, Most: l.most}
}

// Restore restores a state. An impossible number of slots is an error, and changes nothing.
func (l *Loads) Restore(s LoadsState) error {
	if n := len(s.Slots); n&(n-1) != 0 {
		return fmt.Errorf("restore the loads: %d slots; the number must be a power of two", n)
	}
	l.keys, l.slots, l.records, l.chance, l.most = slices.Clone(s.Keys), slices.Clone(s.Slots), s.Records, s.Chance, s.Most
	l.remember()
	return nil
}
