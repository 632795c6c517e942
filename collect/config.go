// Package collect runs a job under one or more partitioners, its behaviours, and passes each
// window to a sink, usually a trace.
package collect

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/partition/registry"
)

// Config says how long to collect and under which behaviours. The collection ends when the
// first limit above 0 is reached, or the source ends. Without limits it runs until it is
// interrupted.
type Config struct {
	Windows        int           `yaml:"windows"`              // in total; 0: any number
	Duration       time.Duration `yaml:"duration"`             // of the job, on its own clock; 0: any
	Episodes       int           `yaml:"episodes"`             // 0: any number
	EpisodeWindows int           `yaml:"episode_windows"`      // windows in an episode
	Behaviours     []Behaviour   `yaml:"behaviours,omitempty"` // one per episode; none: the experiment's partitioner
}

// Behaviour is a partitioner with its settings, exploration rates included, and its part of
// the collection.
type Behaviour struct {
	Partitioner registry.Config `yaml:"partitioner"`
	Weight      float64         `yaml:"weight"`  // its part of the episodes, relative to the other behaviours
	Windows     int             `yaml:"windows"` // in one of its episodes; 0: episode_windows
}

// Endless, as EpisodeWindows, makes the collection a single episode.
const Endless = 1 << 40

// Default is ten episodes of 128 windows, the length of the published system's.
func Default() Config {
	return Config{Windows: 1280, EpisodeWindows: 128}
}

// SetDefaults sets the values that a file leaves out.
func (b *Behaviour) SetDefaults() {
	*b = Behaviour{Partitioner: registry.Default(), Weight: 1}
}

// Validate reports every impossible value by its path.
func (c *Config) Validate() error {
	const most = Endless
	errs := []error{
		field.Whole("windows", c.Windows, 0, most),
		field.Whole("episodes", c.Episodes, 0, most),
		field.Whole("episode_windows", c.EpisodeWindows, 1, most),
		field.NotNegative("duration", c.Duration),
	}
	sum := 0.0
	for i := range c.Behaviours {
		b := &c.Behaviours[i]
		at := fmt.Sprintf("behaviours[%d]", i)
		errs = append(errs,
			field.In(at+".partitioner", b.Partitioner.Validate()),
			field.In(at, field.Finite("weight", b.Weight, 0, math.MaxFloat64)),
			field.In(at, field.Whole("windows", b.Windows, 0, most)),
		)
		sum += b.Weight
	}
	if len(c.Behaviours) > 0 && !(sum > 0 && !math.IsInf(sum, 1)) {
		errs = append(errs, field.Errorf("behaviours", "have weights that sum to %v; the sum must be finite and above 0", sum))
	}
	return errors.Join(errs...)
}

// WithDefault returns c with the given partitioner as its behaviour if c has none.
func (c Config) WithDefault(p registry.Config) Config {
	if len(c.Behaviours) == 0 {
		c.Behaviours = []Behaviour{{Partitioner: p, Weight: 1}}
	}
	return c
}

// schedule assigns episodes to behaviours by weight: after any number of episodes, every
// behaviour is less than one episode behind its part. The seed decides which comes first
// among equals.
type schedule struct {
	share []float64 // of each behaviour, summing to 1
	order []int     // of precedence among behaviours that are equally far behind
	given []int     // episodes of each behaviour
	total int
}

func newSchedule(behaviours []Behaviour, seed uint64) *schedule {
	s := &schedule{share: make([]float64, len(behaviours)), given: make([]int, len(behaviours))}
	sum := 0.0
	for _, b := range behaviours {
		sum += b.Weight
	}
	for i, b := range behaviours {
		s.share[i] = b.Weight / sum
	}
	s.order = rand.New(rand.NewPCG(seed, 0x636f6c6c656374)).Perm(len(behaviours))
	return s
}

// next returns the behaviour of the next episode, which is furthest behind its part.
func (s *schedule) next() int {
	s.total++
	best, most := -1, 0.0
	for _, i := range s.order {
		if behind := s.share[i]*float64(s.total) - float64(s.given[i]); s.share[i] > 0 && (best < 0 || behind > most+1e-9) {
			best, most = i, behind
		}
	}
	s.given[best]++
	return best
}
