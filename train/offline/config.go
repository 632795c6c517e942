package offline

import (
	"errors"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/train"
)

// Config is the configuration of a training of the shares action from traces: the data,
// the learner and the schedule. configs/train has two ready ones.
type Config struct {
	Schedule  `yaml:",inline"`
	Normalise bool `yaml:"normalise"` // scale observations to mean 0 and standard deviation 1 over the traces

	Learner train.Config             `yaml:"learner"`
	Data    dataset.TransitionConfig `yaml:"data"`
}

// Default are our settings: train.Default, with critics that know loads. With them, 768
// windows of wordcount-zipf gave a policy of half the imbalance.
func Default() Config {
	c := Config{
		Schedule: Schedule{Updates: 5000, LogEvery: 100, CheckpointEvery: 500},
		Learner:  train.Default(), Data: dataset.DefaultTransitions(),
	}
	c.Learner.LoadsRate = 5e-3
	return c
}

// Reference are the published settings, including the faults of the published data
// (docs/algorithms.md, "Published settings"): 500 iterations of 100 updates,
// a checkpoint every 25 iterations.
func Reference() Config {
	c := Config{
		Schedule: Schedule{Updates: 50_000, LogEvery: 100, CheckpointEvery: 2500},
		Learner:  train.Reference(), Data: dataset.DefaultTransitions(),
	}
	c.Data.HotKeys, c.Data.Published, c.Data.Observation = 10, true, policy.PublishedObservation
	return c
}

// Validate reports every impossible value by its path.
func (c *Config) Validate() error {
	var loads error
	if c.Learner.LoadsRate > 0 && (c.Normalise || c.Data.Published) {
		loads = field.Errorf("learner.loads_rate", "is %v; critics that know loads need unscaled busy ratios and actions: set normalise and data.published to false, or this to 0", c.Learner.LoadsRate)
	}
	return errors.Join(loads,
		c.Schedule.Validate(),
		field.In("learner", c.Learner.Validate()),
		field.In("data", c.Data.Validate()),
	)
}
