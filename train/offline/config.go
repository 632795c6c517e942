package offline

import (
	"errors"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/train"
)

// Config is a training from traces: what is learned from, how and for how
// long. configs/train has two ready ones.
type Config struct {
	Schedule  `yaml:",inline"`
	Normalise bool `yaml:"normalise"` // observations get mean 0 and standard deviation 1 over the traces

	Learner train.Config             `yaml:"learner"`
	Data    dataset.TransitionConfig `yaml:"data"`
}

// Default are our settings: those of Default, with critics that know of loads.
// From 768 windows of wordcount-zipf these learned a policy of half the imbalance.
func Default() Config {
	c := Config{
		Schedule: Schedule{Updates: 5000, LogEvery: 100, CheckpointEvery: 500},
		Learner:  train.Default(), Data: dataset.DefaultTransitions(),
	}
	c.Learner.LoadsRate = 5e-3
	return c
}

// Reference are the published settings, with the faults of their data (docs/algorithms.md,
// "Published settings"): 500 iterations of 100 updates, a checkpoint every 25 iterations.
func Reference() Config {
	c := Config{
		Schedule: Schedule{Updates: 50_000, LogEvery: 100, CheckpointEvery: 2500},
		Learner:  train.Reference(), Data: dataset.DefaultTransitions(),
	}
	c.Data.Published = true
	return c
}

// Validate reports every impossible value by its path.
func (c *Config) Validate() error {
	var loads error
	if c.Learner.LoadsRate > 0 && (c.Normalise || c.Data.Published) {
		loads = field.Errorf("learner.loads_rate", "is %v; critics that know of loads need busy ratios and actions as they are: set normalise and data.published to false, or it to 0", c.Learner.LoadsRate)
	}
	return errors.Join(loads,
		c.Schedule.Validate(),
		field.In("learner", c.Learner.Validate()),
		field.In("data", c.Data.Validate()),
	)
}
