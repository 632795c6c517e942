package offline

import (
	"errors"
	"math"

	"github.com/saspart/saspart/config/field"
)

// Schedule is how long a training takes, and how often it logs and saves.
type Schedule struct {
	Updates         int `yaml:"updates"`          // in the whole training
	LogEvery        int `yaml:"log_every"`        // updates averaged in a row of metrics
	CheckpointEvery int `yaml:"checkpoint_every"` // updates between two checkpoints, each with an evaluation
}

// Validate reports every impossible value by its path.
func (s *Schedule) Validate() error {
	return errors.Join(
		field.Whole("updates", s.Updates, 1, math.MaxInt32),
		field.Whole("log_every", s.LogEvery, 1, math.MaxInt32),
		field.Whole("checkpoint_every", s.CheckpointEvery, 1, math.MaxInt32),
	)
}
