// Package registry knows every partitioner by its name, with its options.
package registry

import (
	"errors"
	"fmt"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/config/nearest"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/dalton"
	"github.com/saspart/saspart/partition/rival"
	"github.com/saspart/saspart/partition/table"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/plan"
)

// Config names a partitioner and sets its options. The options of partitioners
// other than the named one are checked too, but change nothing.
type Config struct {
	Name      string              `yaml:"name"`      // one of Names
	Published bool                `yaml:"published"` // behave as the public code does where that has a fault (reference.md, Rivals); off mends it
	Choices   rival.ChoicesConfig `yaml:"choices"`   // dchoices, wchoices

	DAGreedy      dalton.DAGreedyConfig `yaml:"dagreedy"`
	FlexD         rival.FlexDConfig     `yaml:"flexd"`
	Dalton        dalton.Config         `yaml:"dalton"`         // dalton-original, dalton-metrics
	DaltonOffline dalton.OfflineConfig  `yaml:"dalton_offline"` // dalton-offline
	Fish          rival.FishConfig      `yaml:"fish"`

	Waterfill      plan.WaterfillConfig       `yaml:"waterfill"`
	SaSPartitioner table.SaSPartitionerConfig `yaml:"saspartitioner"`
}

// Default is hash partitioning, and the published constants for all others.
func Default() Config {
	return Config{
		Name: "hash", Choices: rival.DefaultChoices(),
		DAGreedy: dalton.DefaultDAGreedy(), FlexD: rival.DefaultFlexD(), Dalton: dalton.Default(),
		DaltonOffline: dalton.DefaultOffline(), Fish: rival.DefaultFish(),
		Waterfill: plan.DefaultWaterfill(), SaSPartitioner: table.DefaultSaSPartitioner(),
	}
}

// Validate reports every impossible value by its path.
func (c *Config) Validate() error {
	var unknown error
	if find(c.Name) == nil {
		unknown = field.Errorf("name", "is %q, which is no partitioner; %s", c.Name, nearest.Explain(c.Name, Names()))
	}
	return errors.Join(
		unknown,
		field.In("choices", c.Choices.Validate()),
		field.In("dagreedy", c.DAGreedy.Validate()),
		field.In("flexd", c.FlexD.Validate()),
		field.In("dalton", c.Dalton.Validate()),
		field.In("dalton_offline", c.DaltonOffline.Validate()),
		field.In("fish", c.Fish.Validate()),
		field.In("waterfill", c.Waterfill.Validate()),
		field.In("saspartitioner", c.SaSPartitioner.Validate()),
	)
}

// constructor makes the scheme of a partitioner for a job of workers workers from
// a valid configuration; New fills in the scheme's name.
type constructor func(c *Config, workers int) (partition.Scheme, error)

// always is a constructor that cannot fail and does not ask for the number of workers.
func always(scheme func(c *Config) partition.Scheme) constructor {
	return func(c *Config, _ int) (partition.Scheme, error) { return scheme(c), nil }
}

// registered is a partitioner by name.
type registered struct {
	name string
	make constructor
}

// registry lists every partitioner, in the order people are shown them. A new
// one adds its line here.
func registry() []registered {
	return []registered{
		{"hash", always(func(*Config) partition.Scheme { return rival.NewHash() })},
		{"pkg", always(func(*Config) partition.Scheme { return rival.NewPKG() })},
		{"dchoices", always(func(c *Config) partition.Scheme { return rival.NewDChoices(c.Choices, c.Published) })},
		{"wchoices", always(func(c *Config) partition.Scheme { return rival.NewWChoices(c.Choices, c.Published) })},
		{"cam", always(func(c *Config) partition.Scheme { return rival.NewCAM(c.Published) })},
		{"dagreedy", always(func(c *Config) partition.Scheme { return dalton.NewDAGreedy(c.DAGreedy, c.Published) })},
		{"flexd", always(func(c *Config) partition.Scheme { return rival.NewFlexD(c.FlexD, c.Published) })},
		{"dalton-original", always(func(c *Config) partition.Scheme { return dalton.NewOriginal(c.Dalton, c.Published) })},
		{"dalton-metrics", always(func(c *Config) partition.Scheme { return dalton.NewMetrics(c.Dalton, c.Published) })},
		{"dalton-offline", always(func(c *Config) partition.Scheme { return dalton.NewOffline(c.DaltonOffline, c.Published) })},
		{"fish", always(func(c *Config) partition.Scheme { return rival.NewFish(c.Fish) })},
		{"table", always(func(*Config) partition.Scheme { return table.New() })},
		{"waterfill", func(c *Config, workers int) (partition.Scheme, error) {
			return table.NewWaterfill(c.Waterfill, workers), nil
		}},
		{"saspartitioner", func(c *Config, workers int) (partition.Scheme, error) {
			return table.NewSaSPartitioner(c.SaSPartitioner, workers)
		}},
	}
}

// find returns the constructor of a partitioner, nil if there is none of that
// name.
func find(name string) constructor {
	for _, r := range registry() {
		if r.name == name {
			return r.make
		}
	}
	return nil
}

// Names lists the partitioners that New knows.
func Names() []string {
	var names []string
	for _, r := range registry() {
		names = append(names, r.name)
	}
	return names
}

// New makes the partitioner that c describes for a job of workers workers. An
// unknown name is answered with the nearest known one, impossible options with
// their paths.
func New(c Config, workers int) (partition.Scheme, error) {
	if err := c.Validate(); err != nil {
		return partition.Scheme{}, err
	}
	if err := field.Whole("workers", workers, 1, policy.MaxWorkers); err != nil {
		return partition.Scheme{}, err
	}
	s, err := find(c.Name)(&c, workers)
	if err != nil {
		return partition.Scheme{}, fmt.Errorf("partitioner %s: %w", c.Name, err)
	}
	s.Name, s.Origin = c.Name, c
	return s, nil
}

// ConfigOf returns what New made a scheme of; false for one that New did not make.
func ConfigOf(s partition.Scheme) (Config, bool) {
	c, ok := s.Origin.(Config)
	return c, ok
}
