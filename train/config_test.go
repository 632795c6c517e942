package train

import (
	"math"
	"strings"
	"testing"
)

func TestPresetsAreValid(t *testing.T) {
	for name, c := range map[string]Config{"default": Default(), "reference": Reference(), "reference online": ReferenceOnline()} {
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		why    string
		change func(*Config)
		want   string
	}{
		{"no such algorithm", func(c *Config) { c.Algorithm = "sac" }, `algorithm: is "sac"; it must be one of bc, sacn, cql, calql, edac, iql, td3bc`},
		{"no layer", func(c *Config) { c.Hidden = nil }, "hidden: is empty"},
		{"a layer without units", func(c *Config) { c.Hidden = []int{8, 0} }, "hidden[1]: is 0"},
		{"no critic", func(c *Config) { c.Critics = 0 }, "critics: is 0"},
		{"a discount above 1 has no finite value", func(c *Config) { c.Gamma = 1.5 }, "gamma: is 1.5"},
		{"NaN", func(c *Config) { c.Tau = math.NaN() }, "tau: is NaN"},
		{"a rate of 0 learns nothing", func(c *Config) { c.ActorRate = 0 }, "actor_rate: is 0"},
		{"an infinite rate", func(c *Config) { c.CriticRate = math.Inf(1) }, "critic_rate: is +Inf"},
		{"log alpha needs a positive one", func(c *Config) { c.InitialAlpha = -1 }, "initial_alpha: is -1"},
		{"an infinite entropy", func(c *Config) { v := math.Inf(-1); c.TargetEntropy = &v }, "target_entropy: is -Inf"},
		{"CQL without samples", func(c *Config) { c.CQL.Actions = 0 }, "cql.actions: is 0"},
		{"Cal-QL has CQL's term", func(c *Config) { c.Algorithm, c.CQL.Weight = CalQL, -1 }, "cql.weight: is -1"},
		{"one critic can't differ from itself", func(c *Config) { c.Algorithm, c.Critics = EDAC, 1 }, "critics: is 1"},
		{"alike critics as a goal", func(c *Config) { c.Algorithm, c.EDAC.Diversity = EDAC, -1 }, "edac.diversity: is -1"},
		{"V above all values", func(c *Config) { c.Algorithm, c.IQL.Expectile = IQL, 1 }, "iql.expectile: is 1"},
		{"disadvantages", func(c *Config) { c.Algorithm, c.IQL.Temperature = IQL, -3 }, "iql.temperature: is -3"},
		{"a policy that never steps", func(c *Config) { c.Algorithm, c.TD3BC.Every = TD3BC, 0 }, "td3bc.every: is 0"},
		{"less noise than the network can have", func(c *Config) { c.Algorithm, c.TD3BC.Explore = TD3BC, 1e-3 }, "td3bc.explore: is 0.001"},
		{"at edge 0 the density is infinite", func(c *Config) { c.CloneEdge = 0 }, "clone_edge: is 0"},
		{"no thread", func(c *Config) { c.Threads = 0 }, "threads: is 0"},
	} {
		t.Run(c.why, func(t *testing.T) {
			cfg := Default()
			c.change(&cfg)
			err := cfg.Validate()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q", err, c.want)
			}
		})
	}
}

// TestOtherAlgorithmsSettings: what an algorithm does not use may be anything.
func TestOtherAlgorithmsSettings(t *testing.T) {
	for _, row := range Algorithms() {
		c := Default()
		c.Algorithm = row.Name
		if err := c.Validate(); err != nil {
			t.Errorf("the defaults for %s: %v", row.Name, err)
		}
		c.Algorithm, c.CQL.Actions, c.IQL.Expectile = SACN, 0, 7
		if err := c.Validate(); err != nil {
			t.Errorf("%s with impossible settings of others: %v", SACN, err)
		}
	}
}

func TestBatchWeighsAlike(t *testing.T) {
	b := NewBatch(2, Dims{Obs: 1, Act: 1})
	if b.Weight[0] != 1 || b.Weight[1] != 1 {
		t.Errorf("weights are %v", b.Weight)
	}
}
