package table

import (
	"errors"

	"github.com/saspart/saspart/config/field"
)

// Config says how routers keep workers within their capacities while they follow a route
// (docs/algorithms.md, "Bounded routing"). A smaller bound, less patience and less credit buy
// lower latency with more workers per key.
type Config struct {
	Bound            float64 `yaml:"bound"`      // how far a worker may be ahead of its capacity, as a part of the records of a slide; where workers are idle for a part of the time, down to a fifth of it; 0: routes are followed to the letter, whatever the capacities
	Patience         float64 `yaml:"patience"`   // bounds by which its worker must be ahead before a light key that is not split goes elsewhere
	Candidates       int     `yaml:"candidates"` // most workers that a key overflows to before random ones; a power of two
	Credit           float64 `yaml:"credit"`     // bounds by which a worker may be behind: what an idle worker is sent at once
	MaxWorkersPerKey int     `yaml:"-"`          // that of the plan (plan.Config)
	Decay            int     `yaml:"decay"`      // slides in which what workers are ahead or behind by is forgotten
}

// Default bounds workers to 2 % of a slide.
func Default() Config { return Config{Bound: 0.02, Patience: 4, Candidates: 16, Credit: 3, Decay: 8} }

// Validate reports impossible values by their path.
func (c *Config) Validate() error {
	var odd error
	if n := c.Candidates; n < firstTargets || n > 64 || n&(n-1) != 0 {
		odd = field.Errorf("candidates", "is %d; it must be a power of two from %d to 64", n, firstTargets)
	}
	return errors.Join(odd,
		field.Finite("bound", c.Bound, 0, 1),
		field.Finite("patience", c.Patience, 1, 1e3),
		field.Finite("credit", c.Credit, 0, 1e3),
		field.Whole("decay", c.Decay, 1, 1e6),
	)
}
