package registry

import (
	"math"
	"testing"

	"github.com/saspart/saspart/config/field"
)

func TestConfigRefusesImpossibleValues(t *testing.T) {
	for _, c := range []struct {
		path string
		set  func(*Config)
	}{
		{"dalton.learning_rate", func(c *Config) { c.Dalton.LearningRate = math.NaN() }},
		{"dalton.epsilon", func(c *Config) { c.Dalton.Epsilon = 1.5 }},
		{"dalton.split_max", func(c *Config) { c.Dalton.SplitMax = 1 }},
		{"dalton.sketch_confidence", func(c *Config) { c.Dalton.SketchConfidence = 1 }},
		{"dagreedy.divisor", func(c *Config) { c.DAGreedy.Divisor = 0 }},
		{"dagreedy.affinity", func(c *Config) { c.DAGreedy.Affinity = 2 }},
		{"flexd.refresh", func(c *Config) { c.FlexD.Refresh = 0 }},
		{"flexd.growth", func(c *Config) { c.FlexD.Growth = 1 }},
		{"fish.counters", func(c *Config) { c.Fish.Counters = 0 }},
		{"fish.interval", func(c *Config) { c.Fish.Interval = -1 }},
		{"dalton_offline.hot_keys", func(c *Config) { c.DaltonOffline.HotKeys = 0 }},
		{"dalton_offline.temperature", func(c *Config) { c.DaltonOffline.Temperature = -1 }},
		{"dalton_offline.counters", func(c *Config) { c.DaltonOffline.Counters = 5 }},
		{"dalton_offline.keys[1]", func(c *Config) { c.DaltonOffline.Keys = []string{"a", "a"} }},
		{"dalton_offline.mask.spread", func(c *Config) { c.DaltonOffline.Mask.Spread = -1 }},
	} {
		cfg := Default()
		c.set(&cfg)
		checkRefused(t, cfg, c.path)
	}
}

// checkRefused wants exactly one complaint about the configuration, at path.
func checkRefused(t *testing.T, c Config, path string) {
	t.Helper()
	errs := field.List(c.Validate())
	if len(errs) != 1 || errs[0].Path != path {
		t.Errorf("complaints %v, want one at %s", errs, path)
	}
}
