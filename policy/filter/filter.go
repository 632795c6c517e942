// Package filter estimates worker speeds for the capacity action (docs/algorithms.md,
// "The capacity action"). Serving, training through the model and training from rewards all run
// this one implementation; training also runs it backwards.
//
// A window is one Step. Observe compares the measured speeds with the estimates and
// computes the network's inputs; the network's action then says how far Apply moves the
// estimates. So any network is a filter, and an untrained one a fixed smoothing.
//
// To change the filter, change this package only. Each kind of change has its places:
//   - An input of the network: inputs, Step.Observe and Step.ObserveBack.
//   - The innovation, the estimate or the state per worker: Step and its methods.
//   - A number of the action: Actions, Step.Apply and Step.ApplyBack.
//   - What a job measures: Observation.
//
// TestGradient compares both directions.
package filter

import (
	"fmt"

	"github.com/saspart/saspart/policy/scenario"
)

// Filter runs the filter beside a job. It does not allocate after New and is for one
// goroutine.
type Filter struct {
	inputs      Inputs
	step        Step
	observation Observation
	features    []float32 // [P,I]
}

// New returns a filter for P workers, which it assumes to be equally fast.
func New(workers int, inputs Inputs) *Filter {
	var r Rollout
	r.Reset(workers, 1)
	return &Filter{inputs: inputs, step: r.Steps[0], observation: NewObservation(workers), features: make([]float32, workers*inputs.Len())}
}

// Workers is P.
func (f *Filter) Workers() int { return len(f.step.Estimate) }

// Reset assumes again that all workers are equally fast.
func (f *Filter) Reset() {
	clear(f.step.Estimate)
	clear(f.step.Hedge)
	clear(f.step.Missed)
}

// Estimate is each worker's log speed, of mean 0 over the workers.
func (f *Filter) Estimate() []float64 { return f.step.Estimate }

// Hedge is what each worker's log capacity differs by from its estimate.
func (f *Filter) Hedge() []float64 { return f.step.Hedge }

// Missed is for how many windows each worker has not been measured.
func (f *Filter) Missed() []float64 { return f.step.Missed }

// Features are the network's inputs [P,I] for the last window.
func (f *Filter) Features() []float32 { return f.features }

// Measured reports whether a worker was measured in the last window.
func (f *Filter) Measured(worker int) bool { return f.step.Measured[worker] }

// Observe processes a window and reports whether any worker was measured in it. If none
// was, there is no action to take.
func (f *Filter) Observe(m *scenario.Measured) bool {
	f.observation.Measure(m)
	any := f.step.Observe(&f.observation, &f.inputs, f.features)
	f.step.Missed, f.step.NextMissed = f.step.NextMissed, f.step.Missed
	return any
}

// Apply corrects the estimates by the network's action, as Step.Apply does. An action of
// another length, or with a number outside [-1, 1], is an error and changes nothing.
func (f *Filter) Apply(action []float32) error {
	s := &f.step
	n := len(action) / len(s.Estimate)
	if len(action) != n*len(s.Estimate) || n != Actions(false) && n != Actions(true) {
		return fmt.Errorf("capacity action: %d numbers for %d workers", len(action), len(s.Estimate))
	}
	for i, v := range action {
		if !(v >= -1 && v <= 1) {
			return fmt.Errorf("capacity action: number %d is %v; it must lie in [-1, 1]", i, v)
		}
	}
	s.Apply(action)
	s.Estimate, s.NextEstimate = s.NextEstimate, s.Estimate
	s.Hedge, s.NextHedge = s.NextHedge, s.Hedge
	return nil
}

// Capacities sets dst to the capacity of each worker, summing to 1, and returns dst.
func (f *Filter) Capacities(dst []float64) []float64 {
	f.step.LogCapacities(dst)
	Capacities(dst, dst, dst)
	return dst
}
