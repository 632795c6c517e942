package offline

import (
	"errors"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/scenario"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/capacity"
	"github.com/saspart/saspart/train/recording"
)

// CapacityConfig is a training of the capacity action from traces.
// configs/train/capacity.yaml is a ready one.
type CapacityConfig struct {
	Schedule `yaml:",inline"`
	Learner  capacity.RecurrentConfig `yaml:"learner"`
	Model    ModelConfig              `yaml:"model"`
	Data     recording.Config         `yaml:"data"`
}

// ModelConfig are the settings of the algorithm Model, beside inputs, units, grad_clip
// and threads, which it shares with the others.
type ModelConfig struct {
	Batch    int            `yaml:"batch"`     // parts of recordings in an update
	Windows  int            `yaml:"windows"`   // in a part
	Workers  scenario.Count `yaml:"workers"`   // of a scenario, few more often than many; for --scenarios, which have their own windows and delays
	Delay    int            `yaml:"delay"`     // largest delay of metrics in windows, drawn uniformly from 0
	Rate     float64        `yaml:"rate"`      // Adam's learning rate at the start; it follows a cosine
	LastRate float64        `yaml:"last_rate"` // and at the end
}

// DefaultCapacity are our settings.
func DefaultCapacity() CapacityConfig {
	return CapacityConfig{
		Schedule: Schedule{Updates: 2000, LogEvery: 50, CheckpointEvery: 250},
		Learner:  capacity.DefaultRecurrent(),
		Model:    ModelConfig{Batch: 24, Windows: 48, Workers: scenario.Count{2, 64}, Rate: 2e-3, LastRate: 2e-4},
		Data:     recording.Default(),
	}
}

// Validate reports every impossible value by its path.
func (c *CapacityConfig) Validate() error {
	return errors.Join(
		c.Schedule.Validate(),
		field.In("learner", c.Learner.Validate()),
		field.In("model", errors.Join(
			field.Whole("batch", c.Model.Batch, 1, 1<<14),
			field.Whole("windows", c.Model.Windows, 2, 1<<12),
			field.Whole("workers[0]", c.Model.Workers[0], 2, policy.MaxWorkers),
			field.Whole("workers[1]", c.Model.Workers[1], c.Model.Workers[0], policy.MaxWorkers),
			field.Whole("delay", c.Model.Delay, 0, 1<<12),
			field.Positive("rate", c.Model.Rate), field.Positive("last_rate", c.Model.LastRate),
		)),
		field.In("data", c.Data.Validate()),
	)
}

// Least is how many windows in a row a recording must have.
func (c *CapacityConfig) Least() int {
	if c.Learner.Algorithm == train.Model {
		return c.Model.Windows
	}
	return c.Learner.Stretch + 1
}

// CapacityTraining is what a Training of the capacity action learns from.
type CapacityTraining struct {
	Config CapacityConfig
	Data   *recording.Data
	// Scenarios, if not nil, are learned from in place of Data, by the algorithm Model.
	Scenarios *scenario.Population
	Start     *checkpoint.Checkpoint // the policy to start from, of kind capacity; nil: a fixed smoothing
}
