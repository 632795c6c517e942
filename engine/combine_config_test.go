package engine_test

import (
	"testing"

	"github.com/saspart/saspart/engine"
)

func TestCombineRefuses(t *testing.T) {
	for path, change := range map[string]func(c *engine.Config){
		"combine":      func(c *engine.Config) { c.Combine = "global" },
		"combine_keys": func(c *engine.Config) { c.CombineKeys = 0 },
		"combine_age":  func(c *engine.Config) { c.CombineAge = 0 },
	} {
		c := engine.Default()
		c.Combine = engine.CombineLocal
		change(&c)
		if err := c.Validate(); err == nil || err.Error()[:len(path)+1] != path+":" {
			t.Errorf("%s: %v", path, err)
		}
	}
}
