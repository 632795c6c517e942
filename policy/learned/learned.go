// Package learned makes controllers of checkpoints. For the shares action it has the view of
// a job and the pool of Adaptive. For the capacity action it has the policy, with and without
// exploration, and the controller that turns capacities into routes.
package learned

import (
	"errors"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/plan"
)

// Config is how a learned policy's decisions become routes. A policy of the shares action
// plans nothing: it reads Load and, if it adapts, Gain and Noise.
type Config = plan.Routing

// Default smoothes loads, plans and rests as waterfill does.
func Default() Config { return plan.DefaultWaterfill().Routing }

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
