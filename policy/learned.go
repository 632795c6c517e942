package policy

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/saspart/saspart/config/field"
)

// LearnedConfig is how a learned policy's decisions become routes. Gain, Noise,
// Backlog and Plan are for policies that decide on capacities.
type LearnedConfig struct {
	Load  LoadConfig `yaml:"load"`
	Plan  PlanConfig `yaml:"plan"`
	Gain  float64    `yaml:"gain"`  // a new route must relieve the busiest worker by more than this share
	Noise float64    `yaml:"noise"` // and by more than so many times what the busiest of P workers would seem to exceed them by the chance in the loads
	// Backlog is the part of what waits in a worker's queue, beyond the mean queue, that
	// the next window is to make up for; 0: queues do not count.
	Backlog float64 `yaml:"backlog"`
}

// DefaultLearned smoothes loads, plans and rests as waterfill does.
func DefaultLearned() LearnedConfig {
	w := DefaultWaterfill()
	return LearnedConfig{Load: w.Load, Plan: w.Plan, Gain: w.Gain, Noise: w.Noise, Backlog: w.Backlog}
}

// Validate reports impossible values by their path.
func (c *LearnedConfig) Validate() error {
	return errors.Join(
		field.In("load", c.Load.Validate()),
		field.In("plan", c.Plan.Validate()),
		field.Finite("gain", c.Gain, 0, 1),
		field.Finite("noise", c.Noise, 0, 1e6),
		field.Finite("backlog", c.Backlog, 0, 1),
	)
}

// FitsJob reports what keeps a checkpoint from deciding for a job of P workers; nil
// if nothing does. A shares policy fits one P, a capacity policy any.
func FitsJob(c *Checkpoint, workers int) error {
	if workers < 1 || workers > MaxWorkers {
		return fmt.Errorf("a job of %d workers; from 1 to %d are possible", workers, MaxWorkers)
	}
	if c.Kind == KindShares && c.Shares.Workers != workers {
		return fmt.Errorf("the checkpoint's shares policy was trained for %d workers, the job has %d: train one for %d, or use a capacity checkpoint, which fits any number",
			c.Shares.Workers, workers, workers)
	}
	return nil
}

// NewLearned returns the controller of a checkpoint for a job of P workers. config
// must be valid; the checkpoint is only read, by any number of controllers.
func NewLearned(c *Checkpoint, config LearnedConfig, workers int) (Controller, error) {
	if err := errors.Join(c.Validate(), FitsJob(c, workers)); err != nil {
		return nil, err
	}
	if c.Kind == KindShares {
		return newLearnedShares(c, config)
	}
	network, err := NewCapacity(c, workers)
	if err != nil {
		return nil, err
	}
	return newLearnedCapacity(network, config, workers), nil
}

// UntrainedCapacity is a capacity policy of the given memory per worker before any
// training: its memory works, but its head puts out a gain of 0.27 and no correction
// whatever it sees, which is a fixed smoothing.
func UntrainedCapacity(units int, seed uint64) *Checkpoint {
	rng := rand.New(rand.NewPCG(seed, 0xca9ac17))
	inputs := CapacityInputs()
	draw := func(name string, shape ...int) Tensor {
		n := 1
		for _, d := range shape {
			n *= d
		}
		t := Tensor{Name: name, Shape: shape, Data: make([]float32, n)}
		bound := 1 / math.Sqrt(float64(units)) // as torch.nn.GRU
		for i := range t.Data {
			t.Data[i] = float32((2*rng.Float64() - 1) * bound)
		}
		return t
	}
	return &Checkpoint{
		Format: CheckpointFormat, Kind: KindCapacity, CreatedBy: "saspart, untrained",
		Capacity: &CapacitySpec{Inputs: inputs, Units: units},
		Tensors: []Tensor{
			draw("gru.input.weight", len(inputs), 3*units), draw("gru.input.bias", 3*units),
			draw("gru.memory.weight", units, 3*units), draw("gru.memory.bias", 3*units),
			{Name: "head.weight", Shape: []int{units, 2 * plainActions}, Data: make([]float32, units*2*plainActions)},
			// sigmoid(2 * -0.5) is 0.27; a standard deviation of 0.14 to explore with.
			{Name: "head.bias", Shape: []int{2 * plainActions}, Data: []float32{-0.5, 0, -2, -2}},
		},
	}
}

// inForce keeps the route that a controller goes on from: the last one decided on, or
// a newer one that the job reports, from another controller.
type inForce struct{ route *Route }

func (f *inForce) observe(w *Window) {
	if w.Route != nil && w.Route.Workers == f.route.Workers && w.Route.Version > f.route.Version {
		f.route = w.Route
	}
}

// propose makes next the route to follow, if it is valid, and else keeps the last
// good one, which is nil for the job.
func (f *inForce) propose(next *Route) *Route {
	if next == f.route || next.Validate() != nil {
		return nil
	}
	f.route = next
	return next
}
