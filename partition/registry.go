package partition

import (
	"errors"
	"fmt"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/config/nearest"
	"github.com/saspart/saspart/policy"
)

// Config names a partitioner and sets its options. The options of partitioners
// other than the named one are checked too, but change nothing.
type Config struct {
	Name      string        `yaml:"name"`      // one of Names
	Published bool          `yaml:"published"` // behave as the public code does where that has a fault (reference.md, Rivals); off mends it
	Choices   ChoicesConfig `yaml:"choices"`   // dchoices, wchoices

	DAGreedy      DAGreedyConfig      `yaml:"dagreedy"`
	FlexD         FlexDConfig         `yaml:"flexd"`
	Dalton        DaltonConfig        `yaml:"dalton"`         // dalton-original, dalton-metrics
	DaltonOffline DaltonOfflineConfig `yaml:"dalton_offline"` // dalton-offline
	Fish          FishConfig          `yaml:"fish"`

	Waterfill      policy.WaterfillConfig `yaml:"waterfill"`
	SaSPartitioner SaSPartitionerConfig   `yaml:"saspartitioner"`
}

// Default is hash partitioning, and the published constants for all others.
func Default() Config {
	return Config{
		Name: "hash", Choices: DefaultChoices(),
		DAGreedy: DefaultDAGreedy(), FlexD: DefaultFlexD(), Dalton: DefaultDalton(),
		DaltonOffline: DefaultDaltonOffline(), Fish: DefaultFish(),
		Waterfill: policy.DefaultWaterfill(), SaSPartitioner: DefaultSaSPartitioner(),
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
type constructor func(c Config, workers int) (Scheme, error)

// registered is a partitioner by name.
type registered struct {
	name string
	make constructor
}

// registry lists every partitioner, in the order people are shown them. A new
// one adds its line here.
func registry() []registered {
	return []registered{
		{"hash", newHash},
		{"pkg", newPKG},
		{"dchoices", newDChoices},
		{"wchoices", newWChoices},
		{"cam", newCAM},
		{"dagreedy", newDAGreedy},
		{"flexd", newFlexD},
		{"dalton-original", newDaltonOriginal},
		{"dalton-metrics", newDaltonMetrics},
		{"dalton-offline", newDaltonOffline},
		{"fish", newFish},
		{"table", newTable},
		{"waterfill", newWaterfill},
		{"saspartitioner", newSaSPartitioner},
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
func New(c Config, workers int) (Scheme, error) {
	if err := c.Validate(); err != nil {
		return Scheme{}, err
	}
	if err := field.Whole("workers", workers, 1, policy.MaxWorkers); err != nil {
		return Scheme{}, err
	}
	s, err := find(c.Name)(c, workers)
	if err != nil {
		return Scheme{}, fmt.Errorf("partitioner %s: %w", c.Name, err)
	}
	s.Name, s.Config = c.Name, c
	return s, nil
}
