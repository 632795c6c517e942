package dataset

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/policy"
)

func TestTransitionRefusals(t *testing.T) {
	dir := t.TempDir()
	told := []policy.RealisedShare{at(keyA, 0, 60), at(keyB, 1, 30)}
	good := func(episode, step int) *policy.Window {
		return handWindow(episode, step, [2]int64{50, 50}, [2]float64{0.5, 0.5}, told...)
	}
	name := func(file string) string { return filepath.Join(dir, file+Ext) }
	make := func(file string, m Meta, windows ...*policy.Window) string {
		writeTrace(t, name(file), m, windows, true)
		return name(file)
	}
	fine := make("fine", smallMeta, good(0, 0), good(0, 1))
	empty := make("empty", smallMeta)
	wide := make("wide", Meta{Workers: 3}, &policy.Window{Counts: []int64{1, 2, 3}, Busy: []float64{0, 0, 0}})
	first := make("first", smallMeta, good(0, 0), good(0, 1))
	hash := make("hash", smallMeta, handWindow(0, 0, [2]int64{50, 50}, [2]float64{0.5, 0.5}), handWindow(0, 1, [2]int64{50, 50}, [2]float64{0.5, 0.5}))
	short := make("short", smallMeta, good(0, 0), good(1, 0))
	cold := make("cold", smallMeta, &policy.Window{Counts: []int64{1, 2}, Busy: []float64{0, 0}}, &policy.Window{Step: 1, Counts: []int64{1, 2}, Busy: []float64{0, 0}})
	blind := make("blind", smallMeta, good(0, 0), &policy.Window{Step: 1, Counts: []int64{1, 2}})
	corrupt, later, text := name("corrupt"), name("later"), name("text")
	image, err := os.ReadFile(fine)
	if err != nil {
		t.Fatal(err)
	}
	body := slices.Concat(image[:len(image)/2], image[len(image)/2+64:])
	newer := []byte(strings.Replace(string(image), "saspart.version", "saspart.versiom", 1))
	for path, b := range map[string][]byte{corrupt: body, later: newer, text: []byte("word,count\n")} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		why   string
		files []string
		mask  *policy.Mask
		want  []string
	}{
		{"nothing to read", nil, nil, []string{"saspart collect"}},
		{"no such file", []string{name("none")}, nil, []string{name("none"), "no such file"}},
		{"no windows", []string{fine, empty}, nil, []string{empty, "no windows"}},
		{"another P", []string{fine, wide}, nil, []string{wide, "3 workers", fine, "2"}},
		{"the caller's mask for another P", []string{fine}, &policy.Mask{Workers: 4}, []string{"4 workers", "2"}},
		{"a mask of nothing", []string{fine}, &policy.Mask{Workers: 2}, []string{fine, "no key"}},
		{"a mask of workers that there are not", []string{fine}, &policy.Mask{Workers: 2, Keys: [][]uint16{{2}}}, []string{"[2]", "below 2"}},
		{"no CSV", []string{text}, nil, []string{text, "not an Arrow file"}},
		{"another format version", []string{later}, nil, []string{later, "version"}},
		{"a corrupt batch", []string{fine, corrupt}, nil, []string{corrupt}},
		{"hot keys that are never split", []string{hash}, nil, []string{hash, "do not tell", "dalton-offline"}},
		{"episodes of one window", []string{short}, nil, []string{short, "two windows"}},
		{"no hot keys", []string{cold}, nil, []string{cold, "no key"}},
		{"an engine that does not measure busy ratios", []string{blind}, nil, []string{blind, "window 1", "busy"}},
	} {
		tr, err := Load{Config: handConfig(), Files: c.files, For: policyFor(c.mask)}.Do(context.Background())
		if err == nil {
			t.Errorf("%s: %d transitions were made", c.why, tr.Train.Len())
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error does not say %q: %v", c.why, want, err)
			}
		}
	}
	if _, err := Glob(filepath.Join(dir, "f*"+Ext), filepath.Join(dir, "zzz*")); err == nil || !strings.Contains(err.Error(), "zzz*") {
		t.Errorf("a pattern without files: %v", err)
	}
	if files, err := Glob(filepath.Join(dir, "fi*"+Ext), fine); err != nil || !slices.Equal(files, []string{fine, first}) {
		t.Errorf("patterns that overlap: %v, %v", files, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (Load{Config: handConfig(), Files: []string{fine}}).Do(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestTransitionConfig(t *testing.T) {
	c := DefaultTransitions()
	if err := c.Validate(); err != nil {
		t.Fatalf("the default: %v", err)
	}
	for path, f := range map[string]func(c *TransitionConfig){
		"hot_keys":    func(c *TransitionConfig) { c.HotKeys = -1 },
		"rank":        func(c *TransitionConfig) { c.Rank = "day" },
		"mask.spread": func(c *TransitionConfig) { c.Mask.Spread = -1 },
		"p0":          func(c *TransitionConfig) { c.P0 = 0 },
		"inside":      func(c *TransitionConfig) { c.Inside = math.NaN() },
		"held_out":    func(c *TransitionConfig) { c.HeldOut = 1 },
		"memory_mb":   func(c *TransitionConfig) { c.MemoryMB = -1 },
	} {
		c := DefaultTransitions()
		f(&c)
		if errs := field.List(c.Validate()); len(errs) != 1 || errs[0].Path != path {
			t.Errorf("%s: %v", path, errs)
		}
		if _, err := (Load{Config: c}).Do(context.Background()); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: loading says %v", path, err)
		}
	}
}
