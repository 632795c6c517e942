package train

import (
	"math"
	"strings"
	"testing"
)

func TestCapacityConfigValidate(t *testing.T) {
	for name, c := range map[string]CapacityConfig{"prototype": PrototypeCapacity(), "default": DefaultCapacity()} {
		if err := c.Validate(); err != nil {
			t.Errorf("%s does not validate: %v", name, err)
		}
	}
	for path, change := range map[string]func(*CapacityConfig){
		"inputs":            func(c *CapacityConfig) { c.Inputs = []string{"weather"} },
		"units":             func(c *CapacityConfig) { c.Units = 0 },
		"scenarios.jump[1]": func(c *CapacityConfig) { c.Scenarios.Jump[1] = 2 },
		"scenarios.windows": func(c *CapacityConfig) { c.Scenarios.Windows = 1 },
		"workers[0]":        func(c *CapacityConfig) { c.Workers[0] = 1 },
		"workers[1]":        func(c *CapacityConfig) { c.Workers = [2]int{8, 7} },
		"batch":             func(c *CapacityConfig) { c.Batch = 0 },
		"updates":           func(c *CapacityConfig) { c.Updates = 0 },
		"rate[1]":           func(c *CapacityConfig) { c.Rate[1] = 0 },
		"sharpness[0]":      func(c *CapacityConfig) { c.Sharpness[0] = math.NaN() },
		"weight":            func(c *CapacityConfig) { c.Weight = math.Inf(-1) },
		"grad_clip":         func(c *CapacityConfig) { c.GradClip = -1 },
		"threads":           func(c *CapacityConfig) { c.Threads = 0 },
	} {
		c := PrototypeCapacity()
		if change(&c); c.Validate() == nil || !strings.Contains(c.Validate().Error(), path+": ") {
			t.Errorf("%s: %v", path, c.Validate())
		}
	}
}
