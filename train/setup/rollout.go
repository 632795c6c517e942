package setup

import (
	"context"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/engine/fluid"
	"github.com/saspart/saspart/experiment"
	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
)

// Windows of a rollout. The first ones do not count: the policy is still finding the
// hot keys and leaving the hash route.
const (
	rolloutSettle  = 4
	rolloutWindows = 32
)

// rollout returns a function that runs a policy on the fluid model of an experiment and
// returns the mean imbalance.
func rollout(e *config.Experiment) (func(context.Context, *checkpoint.Checkpoint) (float64, error), error) {
	model, err := experiment.Fluid(e)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, c *checkpoint.Checkpoint) (float64, error) {
		controller, err := learned.New(c, e.Partitioner.SaSPartitioner.Config, e.Job.Workers)
		if err != nil {
			return 0, err
		}
		job, err := fluid.NewJob(model)
		if err != nil {
			return 0, err
		}
		control := loop.New(loop.Config{Workers: e.Job.Workers, Controller: controller})
		sum := 0.0
		for step := range rolloutSettle + rolloutWindows {
			w, err := job.Next(ctx)
			if err != nil {
				return 0, err
			}
			if step >= rolloutSettle {
				sum += policy.Imbalance(w.Busy)
			}
			if err := job.Apply(control.Step(w)); err != nil {
				return 0, err
			}
		}
		return sum / rolloutWindows, job.Close()
	}, nil
}
