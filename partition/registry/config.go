package registry

import (
	"errors"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/config/nearest"
	"github.com/saspart/saspart/partition/dalton"
	"github.com/saspart/saspart/partition/rival"
	"github.com/saspart/saspart/partition/table"
	"github.com/saspart/saspart/policy/plan"
)

// Config names a partitioner and holds the settings of all of them. The settings of
// partitioners other than the named one are validated too, but change nothing.
type Config struct {
	Name      string              `yaml:"name"`      // one of Names
	Published bool                `yaml:"published"` // reproduce the faults of the partitioner's public code; false mends them
	Choices   rival.ChoicesConfig `yaml:"choices"`   // dchoices, wchoices

	DAGreedy      dalton.DAGreedyConfig `yaml:"dagreedy"`
	FlexD         rival.FlexDConfig     `yaml:"flexd"`
	Dalton        dalton.Config         `yaml:"dalton"`         // dalton-original, dalton-metrics
	DaltonOffline dalton.OfflineConfig  `yaml:"dalton_offline"` // dalton-offline
	Fish          rival.FishConfig      `yaml:"fish"`

	Table          table.Config               `yaml:"table"` // table, waterfill, saspartitioner
	Waterfill      plan.WaterfillConfig       `yaml:"waterfill"`
	SaSPartitioner table.SaSPartitionerConfig `yaml:"saspartitioner"`
}

// block is the settings of one partitioner, or of several that share them: a field of
// Config.
type block interface {
	title() string            // as in an experiment file
	reset(c *Config)          // sets the defaults
	validate(c *Config) error // reports impossible values by their paths below the block
	copy(to, from *Config)
	value(c *Config) any
}

// settings is the block of type S.
type settings[S any, P validator[S]] struct {
	name     string
	defaults S
	of       func(c *Config) P // the field
}

type validator[S any] interface {
	*S
	Validate() error
}

func newSettings[S any, P validator[S]](name string, defaults S, of func(c *Config) P) *settings[S, P] {
	return &settings[S, P]{name, defaults, of}
}

func (b *settings[S, P]) title() string            { return b.name }
func (b *settings[S, P]) reset(c *Config)          { *b.of(c) = b.defaults }
func (b *settings[S, P]) validate(c *Config) error { return b.of(c).Validate() }
func (b *settings[S, P]) copy(to, from *Config)    { *b.of(to) = *b.of(from) }
func (b *settings[S, P]) value(c *Config) any      { return *b.of(c) }

// Default is hash partitioning, and the published constants for all others.
func Default() Config {
	c := Config{Name: "hash"}
	for _, b := range blocks() {
		b.reset(&c)
	}
	return c
}

// Validate reports every impossible value by its path.
func (c *Config) Validate() error {
	_, known := find(c.Name)
	errs := []error{field.Check(known, "name", "is %q, which is no partitioner; %s", c.Name, nearest.Explain(c.Name, Names()))}
	for _, b := range blocks() {
		errs = append(errs, field.In(b.title(), b.validate(c)))
	}
	return errors.Join(append(errs, c.onlyOneMakesUp())...)
}

// onlyOneMakesUp reports that both the planner and the routers of the named partitioner make up
// for backlogs.
func (c *Config) onlyOneMakesUp() error {
	for name, part := range map[string]float64{"waterfill": c.Waterfill.Backlog, "saspartitioner": c.SaSPartitioner.Backlog} {
		if c.Name == name && part > 0 && c.Table.Bound > 0 && c.maxWorkersPerKey() == 0 {
			return field.Errorf(name+".backlog", "is %v, but bounded routers make up for backlogs themselves; it must be 0 unless table.bound is", part)
		}
	}
	return nil
}

// Own returns c with only the settings that the named partitioner reads: the others are
// zero.
func (c *Config) Own() Config {
	own := Config{Name: c.Name, Published: c.Published}
	p, _ := find(c.Name)
	for _, b := range p.own {
		b.copy(&own, c)
	}
	return own
}

// maxWorkersPerKey is how many workers a key may have under the named partitioner; 0: no limit.
func (c *Config) maxWorkersPerKey() int {
	switch c.Name {
	case "waterfill":
		return c.Waterfill.Plan.MaxWorkersPerKey
	case "saspartitioner":
		return c.SaSPartitioner.Plan.MaxWorkersPerKey
	}
	return 0
}
