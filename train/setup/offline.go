package setup

import (
	"context"
	"errors"
	"fmt"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/scenario"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/offline"
)

// Offline is the configuration of a training without a job, as config.yaml of the run's
// folder holds it.
type Offline struct {
	Seed       uint64               `yaml:"seed"`
	Action     checkpoint.Kind      `yaml:"action"`
	Checkpoint string               `yaml:"checkpoint,omitempty"` // to start from, for the capacity action
	Data       []string             `yaml:"traces,omitempty"`     // files
	Scenarios  *scenario.Population `yaml:"scenarios,omitempty"`  // in place of traces, for the capacity action
	Training   any                  `yaml:"training"`             // *offline.Config or *offline.CapacityConfig
	Experiment *config.Experiment   `yaml:"experiment,omitempty"` // the policy is rolled out on its fluid model; nil: not at all
}

// Updates is how many updates the training takes.
func (c *Offline) Updates() int {
	switch t := c.Training.(type) {
	case *offline.Config:
		return t.Updates
	case *offline.CapacityConfig:
		return t.Updates
	}
	return 0
}

// Check reports what is wrong with the configuration apart from its traces.
func (c *Offline) Check() error {
	if c.Scenarios != nil {
		training, ok := c.Training.(*offline.CapacityConfig)
		if !ok {
			return usagef("--scenarios are for --action capacity")
		}
		if training.Learner.Algorithm != train.Model {
			return usagef("--scenarios are learned from by --algo %s alone; they have no rewards", train.Model)
		}
	}
	_, err := c.start()
	return err
}

// start is the checkpoint to start from; nil: from scratch.
func (c *Offline) start() (*checkpoint.Checkpoint, error) {
	if c.Checkpoint == "" {
		return nil, nil
	}
	if c.Action != checkpoint.KindCapacity {
		return nil, usagef("--checkpoint is for --action capacity: a training of shares from traces starts from scratch")
	}
	start, _, err := loadStart(c.Checkpoint, c.Action)
	return start, err
}

// Build reads the traces and makes the training. Its Data must be closed.
func (c *Offline) Build(ctx context.Context, o Options) (t *offline.Training, err error) {
	t = &offline.Training{
		Seed: c.Seed, Dir: o.Dir, Resume: o.Resume, CreatedBy: o.CreatedBy, Configuration: o.Configuration, Parent: c.Checkpoint,
	}
	start, err := c.start()
	if err != nil {
		return nil, err
	}
	if c.Experiment != nil {
		if t.Rollout, err = rollout(c.Experiment); err != nil {
			return nil, err
		}
	}
	switch training := c.Training.(type) {
	case *offline.CapacityConfig:
		t.Capacity = &offline.CapacityTraining{Config: *training, Start: start, Scenarios: c.Scenarios}
		if c.Scenarios != nil {
			return t, nil
		}
		t.Capacity.Data, err = o.recordings(ctx, training.Data, c.Data, training.Least(), c.Seed)
		return t, err
	case *offline.Config:
		t.Config = *training
		t.Data, err = o.transitions(ctx, dataset.Load{Config: training.Data, Files: c.Data, Seed: c.Seed})
		if err != nil {
			return nil, err
		}
		o.checkHotKeys(&t.Data.Spec, t.Data.Past, t.Data.Needed)
		if e := c.Experiment; e != nil && e.Job.Workers != t.Data.Workers {
			err := usagef("experiment %s has %d workers, the traces have %d: the policy can't be rolled out on it", e.Name, e.Job.Workers, t.Data.Workers)
			return nil, errors.Join(err, t.Data.Close())
		}
		return t, nil
	}
	return nil, fmt.Errorf("there is no training of the type %T", c.Training)
}
