package table

import (
	"errors"

	"github.com/saspart/saspart/config/field"
)

// Config says how routers keep workers within their capacities while they follow a route. Fan-out
// and latency are traded for one another: a smaller bound and more candidates give less
// latency and more state.
type Config struct {
	Bound      float64 `yaml:"bound"`      // how far a worker may be ahead of its capacity, as a part of the records of a slide; 0: routes are followed, and capacities ignored
	Whole      float64 `yaml:"whole"`      // number of bounds by which its worker must be ahead before a light key that is not split goes elsewhere
	Candidates int     `yaml:"candidates"` // most workers that a heavy key goes to before random ones, a power of two
	Credit     float64 `yaml:"credit"`     // number of bounds that a worker may be behind
	Decay      int     `yaml:"decay"`      // slides in which it is forgotten how far a worker is ahead
}

// Default bounds workers to 2 % of a slide.
func Default() Config {
	return Config{Bound: 0.02, Whole: 4, Candidates: 16, Decay: 8, Credit: 3}
}

// Validate reports impossible values by their path.
func (c *Config) Validate() error {
	var odd error
	if n := c.Candidates; n < firstTargets || n > 128 || n&(n-1) != 0 {
		odd = field.Errorf("candidates", "is %d; it must be a power of two from %d to 128", n, firstTargets)
	}
	return errors.Join(odd,
		field.Finite("bound", c.Bound, 0, 1),
		field.Finite("whole", c.Whole, 1, 1e3),
		field.Whole("decay", c.Decay, 1, 1e6),
	)
}

// RelievePlanner sets the part of a backlog that routes make up for to 0 if the routers do it:
// they make up for it once, and a route would do so in every record of a window.
func (c *Config) RelievePlanner(backlog *float64) {
	if c.Bound > 0 {
		*backlog = 0
	}
}
