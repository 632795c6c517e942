// Package collect runs a job under behaviour partitioners and hands its windows
// on as they happen, to a trace as a rule.
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

// Config says how long to collect and under which behaviours. Every limit above 0
// applies; the first one reached ends the collection, as does the end of the
// source. Without any it goes on until it is interrupted.
type Config struct {
	Windows        int           `yaml:"windows"`              // metric windows in all; 0 any number
	Duration       time.Duration `yaml:"duration"`             // of the job, on its own clock; 0 any
	Episodes       int           `yaml:"episodes"`             // 0 any number
	EpisodeWindows int           `yaml:"episode_windows"`      // windows in an episode
	Behaviours     []Behaviour   `yaml:"behaviours,omitempty"` // who partitions, one behaviour per episode; none: the experiment's partitioner
}

// Behaviour is a partitioner with its options, exploration rates among them, and
// its part of the collection.
type Behaviour struct {
	Partitioner registry.Config `yaml:"partitioner"`
	Weight      float64         `yaml:"weight"`  // its share of the episodes, against the other behaviours'
	Windows     int             `yaml:"windows"` // windows in an episode of it; 0: as many as episode_windows says
}

// Endless as EpisodeWindows makes the whole collection one episode.
const Endless = 1 << 40

// Default is ten episodes of the reference's length, 128 windows.
func Default() Config {
	return Config{Windows: 1280, EpisodeWindows: 128}
}

// SetDefaults gives a behaviour of a list the values that the file leaves out.
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
	}
	if c.Duration < 0 {
		errs = append(errs, field.Errorf("duration", "is %v; it must not be negative", c.Duration))
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

// WithDefault returns c with the given partitioner as its behaviour if it names
// none.
func (c Config) WithDefault(p registry.Config) Config {
	if len(c.Behaviours) == 0 {
		c.Behaviours = []Behaviour{{Partitioner: p, Weight: 1}}
	}
	return c
}

// schedule deals the episodes out to the behaviours by weight: after any number
// of episodes, none is an episode or more behind its share. Which comes first
// among equals is drawn from the seed.
type schedule struct {
	share []float64 // of each behaviour, summing to 1
	order []int     // of behaviours that are equally far behind
	given []int     // episodes so far
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

// next is the behaviour of the next episode: the one furthest behind its share.
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
