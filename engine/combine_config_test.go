package engine

import "testing"

func TestCombineRefuses(t *testing.T) {
	for path, change := range map[string]func(c *Config){
		"combine":      func(c *Config) { c.Combine = "global" },
		"combine_keys": func(c *Config) { c.CombineKeys = 0 },
		"combine_age":  func(c *Config) { c.CombineAge = 0 },
	} {
		c := Default()
		c.Combine = CombineLocal
		change(&c)
		if err := c.Validate(); err == nil || err.Error()[:len(path)+1] != path+":" {
			t.Errorf("%s: %v", path, err)
		}
	}
}
