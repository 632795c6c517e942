package filter

import (
	"fmt"
	"slices"
)

// The network's inputs, one number per worker each. v is the capacity in force, seen the
// part of the work that the busy time was spent on, and e the estimated log speed.
const (
	innovation  = iota // log(seen*P/busy) - e, less its mean over the workers
	surprise           // mean |innovation| over the workers
	busy               // busy ratio
	saturated          // 1 if busy all the time, else 0
	lag                // log(v*P) - e
	change             // log(seen) - log(v)
	estimate           // e
	busiest            // largest busy ratio of all workers
	queue              // fill of the worker's queue
	ratio              // innovation / (surprise + 0.01): how far the worker stands out
	load               // mean busy ratio of the measured workers
	workerCount        // log P
	age                // how many windows old the busy times are
	calm               // log(surprise + 0.001), which tells small surprises apart
	contrast           // innovation / (surprise + 0.001)
	missed             // log(1 + n), n windows without a measurement of the worker before this one
	allInputs
)

// inputs are the names that checkpoints use, and the scales that bring the inputs to sizes
// near 1 in training from scratch: log speeds are off by some hundredths as a rule.
var inputs = [allInputs]struct {
	name  string
	scale float32
}{
	innovation: {"innovation", 5}, surprise: {"surprise", 10}, busy: {"busy", 2}, saturated: {"saturated", 1},
	lag: {"lag", 2}, change: {"change", 5}, estimate: {"estimate", 2}, busiest: {"busiest", 2}, queue: {"queue", 1},
	ratio: {"ratio", 1}, load: {"load", 2}, workerCount: {"workers", 0.3}, age: {"age", 0.5}, calm: {"calm", 0.3}, contrast: {"contrast", 1}, missed: {"missed", 0.5},
}

// InputNames are the names of all inputs that a capacity network may have.
func InputNames() []string {
	names := make([]string, 0, len(inputs))
	for _, v := range inputs {
		names = append(names, v.name)
	}
	return names
}

// CheckInputs reports the first name that is unknown or occurs twice.
func CheckInputs(names []string) error {
	for i, name := range names {
		if !slices.Contains(InputNames(), name) || slices.Contains(names[:i], name) {
			return fmt.Errorf("input %q is unknown or named twice; inputs may be any of %v", name, InputNames())
		}
	}
	return nil
}

// Inputs are the inputs of one network: each is (x - Mean) * Scale of its value x.
type Inputs struct {
	Mean, Scale []float32
	at          []int // places among all inputs
}

// NewInputs returns the named inputs, in that order. Without mean and scale, inputs are
// used as they are.
func NewInputs(names []string, mean, scale []float32) (Inputs, error) {
	in := Inputs{Mean: slices.Clone(mean), Scale: slices.Clone(scale)}
	if err := CheckInputs(names); err != nil {
		return in, err
	}
	if scale == nil {
		in.Mean, in.Scale = make([]float32, len(names)), slices.Repeat([]float32{1}, len(names))
	}
	if len(in.Mean) != len(names) || len(in.Scale) != len(names) {
		return in, fmt.Errorf("%d means and %d scales for %d inputs", len(in.Mean), len(in.Scale), len(names))
	}
	for _, name := range names {
		in.at = append(in.at, slices.Index(InputNames(), name))
	}
	return in, nil
}

// TrainingInputs returns the named inputs, scaled as training from scratch has them.
func TrainingInputs(names []string) (Inputs, error) {
	in, err := NewInputs(names, nil, nil)
	for i, at := range in.at {
		in.Scale[i] = inputs[at].scale
	}
	return in, err
}

// Len is I, the number of inputs.
func (in *Inputs) Len() int { return len(in.at) }

// put writes one worker's inputs to x.
func (in *Inputs) put(all *[allInputs]float64, x []float32) {
	for i, at := range in.at {
		x[i] = (bounded(all[at]) - in.Mean[i]) * in.Scale[i]
	}
}

// back sets all to the gradient with respect to one worker's values, from the gradient dx
// with respect to its inputs.
func (in *Inputs) back(dx []float32, all *[allInputs]float64) {
	*all = [allInputs]float64{}
	for i, at := range in.at {
		all[at] = float64(dx[i] * in.Scale[i])
	}
}

// bounded limits an input to ±100. NaN becomes 0.
func bounded(v float64) float32 {
	if v != v {
		return 0
	}
	return float32(min(max(v, -100), 100))
}
