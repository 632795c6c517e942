package capacity

import (
	"math"
	"strings"
	"testing"
)

func TestCapacityConfigValidate(t *testing.T) {
	for name, c := range map[string]Config{"prototype": Prototype(), "default": Default(), "few workers": Parts()[1], "last": Parts()[2], "laws": LawParts()[0]} {
		if err := c.Validate(); err != nil {
			t.Errorf("%s does not validate: %v", name, err)
		}
	}
	for path, change := range map[string]func(*Config){
		"inputs":                    func(c *Config) { c.Inputs = []string{"weather"} },
		"units":                     func(c *Config) { c.Units = 0 },
		"scenarios.laws[0].jump[1]": func(c *Config) { c.Scenarios.Laws[0].Jump[1] = 2 },
		"scenarios.laws[0].windows": func(c *Config) { c.Scenarios.Laws[0].Windows = 1 },
		"scenarios.laws":            func(c *Config) { c.Scenarios.Laws = nil },
		"uncertainty":               func(c *Config) { c.Uncertainty = 1 },
		"common":                    func(c *Config) { c.Common = -1 },
		"workers[0]":                func(c *Config) { c.Workers[0] = 1 },
		"workers[1]":                func(c *Config) { c.Workers = [2]int{8, 7} },
		"batch":                     func(c *Config) { c.Batch = 0 },
		"updates":                   func(c *Config) { c.Updates = 0 },
		"rate[1]":                   func(c *Config) { c.Rate[1] = 0 },
		"sharpness[0]":              func(c *Config) { c.Sharpness[0] = math.NaN() },
		"density":                   func(c *Config) { c.Density = math.NaN() },
		"grad_clip":                 func(c *Config) { c.GradClip = -1 },
		"average":                   func(c *Config) { c.Average = 1.5 },
		"threads":                   func(c *Config) { c.Threads = 0 },
	} {
		c := Prototype()
		if change(&c); c.Validate() == nil || !strings.Contains(c.Validate().Error(), path+": ") {
			t.Errorf("%s: %v", path, c.Validate())
		}
	}
}

// Of evenly spread u, the workers drawn are as many as their density says.
func TestWorkersHaveTheirDensity(t *testing.T) {
	for _, c := range []struct {
		why     string
		density float64
		below   int
		want    float64 // part of P below it
	}{
		{"uniform in the logarithm: half of them below the geometric middle of 4 and 64", -1, 16, 0.5},
		{"uniform", 0, 24, 1. / 3},
		{"by the inverse square, 1/P is uniform", -2, 8, 8. / 15},
		{"by the square, P cubed is uniform", 2, 44, (44*44*44. - 64) / (64*64*64 - 64)},
	} {
		cfg := Default()
		cfg.Workers, cfg.Density = [2]int{4, 63}, c.density
		const n = 10_000
		got := 0.0
		for i := range n {
			p := cfg.workers((float64(i) + 0.5) / n)
			if p < 4 || p > 63 {
				t.Fatalf("%s: %d workers, not 4 to 63", c.why, p)
			}
			if p < c.below {
				got += 1. / n
			}
		}
		if math.Abs(got-c.want) > 2./n {
			t.Errorf("%s: %v of them below %d, not %v", c.why, got, c.below, c.want)
		}
	}
}
