package registry

import (
	"maps"
	"math"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// Every field of Config that holds settings belongs to a partitioner, under the name that
// it has in experiment files.
func TestEveryFieldIsABlock(t *testing.T) {
	known := map[string]bool{"name": true, "published": true}
	c := Default()
	for _, b := range blocks() {
		if known[b.title()] {
			t.Errorf("%s is there twice", b.title())
		}
		known[b.title()] = true
	}
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("yaml")
		if !known[name] {
			t.Errorf("%s belongs to no partitioner", name)
		}
		for _, b := range blocks() {
			if same := reflect.DeepEqual(b.value(&c), v.Field(i).Interface()); same != (b.title() == name) {
				t.Errorf("block %s is field %s: %v", b.title(), name, same)
			}
		}
	}
	if n := v.NumField(); n != len(known) {
		t.Errorf("%d fields, %d blocks", n, len(known)-2)
	}
}

func TestOwn(t *testing.T) {
	c := Default()
	c.Name, c.Published, c.Fish.Hot = "fish", true, 3
	want := Config{Name: "fish", Published: true, Fish: c.Fish}
	if diff := cmp.Diff(want, c.Own()); diff != "" {
		t.Error(diff)
	}
	c.Name = "table"
	if diff := cmp.Diff(Config{Name: "table", Published: true, Table: c.Table}, c.Own()); diff != "" {
		t.Error(diff)
	}
}

// Flink's connector refuses settings that it does not know, so it gets those that it reads.
func TestFlinkIsToldWhatItReads(t *testing.T) {
	for name, want := range map[string][]string{
		"hash": nil, "pkg": nil, "cam": nil, "wchoices": {"choices"}, "dagreedy": {"dagreedy"}, "flexd": {"flexd"},
		"dalton-original": {"dalton"}, "dalton-metrics": {"dalton"}, "dalton-offline": {"dalton_offline"},
		"table": {"table", "choices"}, "waterfill": {"table", "choices"}, "saspartitioner": {"table", "choices"}, // the latter is what they fall back on
	} {
		c := Default()
		c.Name = name
		s, err := New(c, 4)
		if err != nil {
			t.Fatal(err)
		}
		got := slices.Sorted(maps.Keys(s.Flink.Settings))
		if want := slices.Sorted(slices.Values(append(want, "name", "published"))); !slices.Equal(got, want) || s.Flink.Name != name {
			t.Errorf("%s: told %v as %s, want %v", name, got, s.Flink.Name, want)
		}
	}
	c := Default()
	c.Name = "fish"
	s, err := New(c, 4)
	if err != nil || s.Flink.Settings != nil {
		t.Errorf("fish, which the connector does not have: told %v, %v", s.Flink.Settings, err)
	}
	if slices.Contains(OnFlink(), "fish") || !slices.Contains(OnFlink(), "hash") {
		t.Errorf("on flink: %v", OnFlink())
	}
}

// A program that only routes links neither Arrow nor gRPC.
func TestRoutingNeedsNoArrow(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range strings.Fields(string(out)) {
		if strings.Contains(p, "apache/arrow") || strings.Contains(p, "google.golang.org/grpc") {
			t.Errorf("depends on %s", p)
		}
	}
}
