package replay

import (
	"errors"

	"github.com/saspart/saspart/config/field"
)

// Config is the size of a replay buffer, and how it is sampled.
type Config struct {
	Capacity    int     `yaml:"capacity"`     // in transitions; the oldest are dropped
	Alpha       float64 `yaml:"alpha"`        // exponent of priorities: 0 samples uniformly, 1 in proportion to the error
	Beta        float64 `yaml:"beta"`         // exponent of the importance weights at the start, 0..1
	BetaUpdates int     `yaml:"beta_updates"` // updates over which beta rises to 1; 0: it stays constant
	Epsilon     float64 `yaml:"epsilon"`      // added to every error, so that every transition can be sampled again
}

// Default has the published size, 100,000 (docs/algorithms.md, "Published settings"), and
// the constants for proportional priorities of Schaul et al. 2016, section 4.
func Default() Config {
	return Config{Capacity: 100_000, Alpha: 0.6, Beta: 0.4, BetaUpdates: 100_000, Epsilon: 1e-3}
}

// Validate reports every impossible value by its path.
func (c *Config) Validate() error {
	return errors.Join(
		field.Whole("capacity", c.Capacity, 1, 1<<26),
		field.Finite("alpha", c.Alpha, 0, 1),
		field.Finite("beta", c.Beta, 0, 1),
		field.Whole("beta_updates", c.BetaUpdates, 0, 1<<40),
		field.Finite("epsilon", c.Epsilon, 1e-12, 1e6),
	)
}
