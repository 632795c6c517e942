// Package learned makes controllers of checkpoints. For the shares action it has the view of
// a job and the pool of Adaptive. For the capacity action it has the policy, with and without
// exploration, and the controller that turns capacities into routes.
package learned

import (
	"errors"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/plan"
)

// Config is how a learned policy's decisions become routes. Gain, Noise,
// Backlog and Plan are for policies that decide on capacities.
type Config struct {
	Load  plan.LoadConfig `yaml:"load"`
	Plan  plan.Config     `yaml:"plan"`
	Gain  float64         `yaml:"gain"`  // a new route must relieve the busiest worker by more than this share
	Noise float64         `yaml:"noise"` // and by more than this many times plan.Chance of the estimated loads: how much busier than the mean the busiest worker looks by chance
	// Backlog is the part of what waits in a worker's queue, beyond the mean queue, that
	// the next window is to make up for; 0: queues do not count.
	Backlog float64 `yaml:"backlog"`
}

// Default smoothes loads, plans and rests as waterfill does.
func Default() Config {
	w := plan.DefaultWaterfill()
	return Config{Load: w.Load, Plan: w.Plan, Gain: w.Gain, Noise: w.Noise, Backlog: w.Backlog}
}

// Validate reports impossible values by their path.
func (c *Config) Validate() error {
	return errors.Join(
		field.In("load", c.Load.Validate()),
		field.In("plan", c.Plan.Validate()),
		field.Finite("gain", c.Gain, 0, 1),
		field.Finite("noise", c.Noise, 0, 1e6),
		field.Finite("backlog", c.Backlog, 0, 1),
	)
}

// New returns the controller of a checkpoint for a job of P workers. config
// must be valid; the checkpoint is only read, by any number of controllers.
func New(c *checkpoint.Checkpoint, config Config, workers int) (policy.Controller, error) {
	if err := errors.Join(c.Validate(), checkpoint.FitsJob(c, workers)); err != nil {
		return nil, err
	}
	if c.Kind == checkpoint.KindShares {
		return newLearnedShares(c, config)
	}
	network, err := NewCapacityPolicy(c, workers)
	if err != nil {
		return nil, err
	}
	return newLearnedCapacity(network, config, workers), nil
}

// valid returns next if it is a valid route, and nil, which keeps the latest one, if not.
func valid(next *policy.Route) *policy.Route {
	if next == nil || next.Validate() != nil {
		return nil
	}
	return next
}
