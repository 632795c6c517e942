package capacity

import (
	"math"
	"strings"
	"testing"
)

func TestCapacityConfigValidate(t *testing.T) {
	for name, c := range map[string]Config{"prototype": Prototype(), "default": Default()} {
		if err := c.Validate(); err != nil {
			t.Errorf("%s does not validate: %v", name, err)
		}
	}
	for path, change := range map[string]func(*Config){
		"inputs":            func(c *Config) { c.Inputs = []string{"weather"} },
		"units":             func(c *Config) { c.Units = 0 },
		"scenarios.jump[1]": func(c *Config) { c.Scenarios.Jump[1] = 2 },
		"scenarios.windows": func(c *Config) { c.Scenarios.Windows = 1 },
		"workers[0]":        func(c *Config) { c.Workers[0] = 1 },
		"workers[1]":        func(c *Config) { c.Workers = [2]int{8, 7} },
		"batch":             func(c *Config) { c.Batch = 0 },
		"updates":           func(c *Config) { c.Updates = 0 },
		"rate[1]":           func(c *Config) { c.Rate[1] = 0 },
		"sharpness[0]":      func(c *Config) { c.Sharpness[0] = math.NaN() },
		"weight":            func(c *Config) { c.Weight = math.Inf(-1) },
		"grad_clip":         func(c *Config) { c.GradClip = -1 },
		"threads":           func(c *Config) { c.Threads = 0 },
	} {
		c := Prototype()
		if change(&c); c.Validate() == nil || !strings.Contains(c.Validate().Error(), path+": ") {
			t.Errorf("%s: %v", path, c.Validate())
		}
	}
}
