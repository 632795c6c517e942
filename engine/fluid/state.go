package fluid

import (
	"errors"
	"fmt"
	"slices"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/policy"
)

// ModelState is everything that a Model needs to go on as if it had never stopped,
// apart from its configuration.
type ModelState struct {
	Step      int         `json:"step"`
	Speeds    []float64   `json:"speeds"`
	Generator []byte      `json:"generator"` // of the noise, as rand.PCG marshals it
	Done      [][]float64 `json:"done"`      // of the last windows, by the ring's places
	Busy      [][]float64 `json:"busy"`
}

// State returns a copy of the model's state.
func (f *Model) State() (ModelState, error) {
	generator, err := f.pcg.MarshalBinary()
	if err != nil {
		return ModelState{}, fmt.Errorf("save the fluid model's generator: %w", err)
	}
	s := ModelState{Step: f.step, Speeds: slices.Clone(f.speeds), Generator: generator}
	for _, p := range f.past {
		s.Done, s.Busy = append(s.Done, slices.Clone(p.done)), append(s.Busy, slices.Clone(p.busy))
	}
	return s, nil
}

// Restore makes the model what it was when s was taken. A state of another number of
// workers or another delay is refused and changes nothing.
func (f *Model) Restore(s ModelState) error {
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
	f.beginDrift()
	f.step = s.Step
	copy(f.speeds, s.Speeds)
	for i, p := range f.past {
		copy(p.done, s.Done[i])
		copy(p.busy, s.Busy[i])
	}
	return nil
}

// JobState is everything that a Job needs to go on as if it had never
// stopped, apart from its configuration.
type JobState struct {
	Model  ModelState
	Routes []*policy.Route // those still needed, each once
	Now    int             // which of them is in force
	Past   []int           // which was in force in the last windows, by the ring's places; -1: there was no such window yet
}

// State returns the job's state. Routes are not copied.
func (j *Job) State() (JobState, error) {
	model, err := j.model.State()
	if err != nil {
		return JobState{}, err
	}
	s := JobState{Model: model, Past: make([]int, len(j.past))}
	place := func(r *policy.Route) int {
		if r == nil {
			return -1
		}
		at := slices.Index(s.Routes, r)
		if at < 0 {
			at = len(s.Routes)
			s.Routes = append(s.Routes, r)
		}
		return at
	}
	s.Now = place(j.now.route)
	for i, f := range j.past {
		s.Past[i] = place(f.route)
	}
	return s, nil
}

// Restore makes the job what it was when s was taken. Keys that change are found by
// asking Shift again for every window until then. A state of another number of workers
// or another delay is refused and changes nothing.
func (j *Job) Restore(s JobState) error {
	if len(s.Past) != len(j.past) {
		return fmt.Errorf("restore the fluid job: a state with a delay of %d windows, where %d belong", len(s.Past)-1, len(j.past)-1)
	}
	for _, r := range s.Routes {
		if r == nil {
			return errors.New("restore the fluid job: a route is missing")
		}
		if err := engine.CheckRoute(r, len(j.config.Speeds)); err != nil {
			return fmt.Errorf("restore the fluid job: %w", err)
		}
	}
	known := func(at int) bool { return at >= 0 && at < len(s.Routes) }
	first := max(0, s.Model.Step-len(s.Past))
	sound := known(s.Now)
	for step := first; step < s.Model.Step; step++ {
		sound = sound && known(s.Past[step%len(s.Past)])
	}
	if !sound {
		return fmt.Errorf("restore the fluid job: routes %d and %v are in force, of %d", s.Now, s.Past, len(s.Routes))
	}
	if err := j.model.Restore(s.Model); err != nil {
		return err
	}
	clear(j.past)
	keys, from := j.config.Keys, first
	if j.config.Shift != nil {
		from = 0
	}
	for step := from; step < s.Model.Step; step++ {
		if k := j.shift(step); k != nil {
			keys = k
		}
		if step >= first {
			at := step % len(j.past)
			j.past[at] = force{s.Routes[s.Past[at]], keys}
		}
	}
	j.enforce(s.Routes[s.Now], keys)
	return nil
}
