package strict_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/config/strict"
	"github.com/saspart/saspart/internal/memtest"
)

type level string

type inner struct {
	Kind   level          `yaml:"kind"`
	Factor float64        `yaml:"factor"`
	Wait   time.Duration  `yaml:"wait"`
	Extra  map[string]any `yaml:"extra,omitempty"`
}

type element struct {
	Name   string  `yaml:"name"`
	Weight float64 `yaml:"weight"`
}

// SetDefaults makes an element that says nothing of its weight weigh 1.
func (e *element) SetDefaults() { e.Weight = 1 }

type common struct {
	Seed uint64 `yaml:"seed"`
}

type settings struct {
	Name     string         `yaml:"name"`
	Workers  int            `yaml:"workers"`
	Small    int8           `yaml:"small"`
	On       bool           `yaml:"on"`
	Inner    inner          `yaml:"inner"`
	Optional *inner         `yaml:"optional,omitempty"`
	List     []element      `yaml:"list"`
	Numbers  []float64      `yaml:"numbers"`
	Limits   map[string]int `yaml:"limits"`
	Common   common         `yaml:",inline"`
	Hidden   int            `yaml:"-"`
}

func (s *settings) Validate() error {
	var wait error
	if s.Inner.Wait > time.Minute {
		wait = field.Errorf("wait", "is %v; it must be at most 1m", s.Inner.Wait)
	}
	errs := []error{field.Whole("workers", s.Workers, 1, 100), field.In("inner", wait)}
	for i, e := range s.List {
		if e.Weight < 0 {
			errs = append(errs, field.Errorf(fmt.Sprintf("list[%d].weight", i), "is %v; it must be at least 0", e.Weight))
		}
	}
	return errors.Join(errs...)
}

func defaults() *settings {
	return &settings{
		Name: "default", Workers: 8, Inner: inner{Kind: "equal", Factor: 1, Wait: time.Second},
		List: []element{{"a", 1}, {"b", 2}}, Limits: map[string]int{"x": 1, "y": 2},
	}
}

var compare = cmp.AllowUnexported(settings{})

func TestLoadLayers(t *testing.T) {
	file := "name: from file\nworkers: 1e1\ninner:\n  kind: list\n  wait: 250ms\nlimits: {x: 5}\n"
	v := defaults()
	origins, err := strict.Load("a.yaml", []byte(file), v, strict.Layers{
		Prefix: "APP_", Reserved: []string{"APP_HOME", "APP_LOG_"},
		Env: []string{
			"APP_WORKERS=20", "APP_INNER_WAIT=500ms", "APP_LIMITS__NEW=7", "APP_INNER__KIND=env",
			"APP_HOME=/somewhere", "APP_LOG_LEVEL=3", "OTHER=1", "APP_SEED=18446744073709551615",
		},
		Set: []strict.Override{
			{Path: "workers", Value: "30", From: "--workers 30"},
			{Path: "name", Value: "2024: a year # really", From: "--set"},
			{Path: "list[1].weight", Value: "9", From: "--set list[1].weight=9"},
			{Path: "inner.extra", Value: "{a: [1, 2]}", From: "--set"},
			{Path: "optional.factor", Value: ".5", From: "--set"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &settings{
		Name: "2024: a year # really", Workers: 30,
		Inner: inner{Kind: "env", Factor: 1, Wait: 500 * time.Millisecond, Extra: map[string]any{"a": []any{1, 2}}},
		List:  []element{{"a", 1}, {"b", 9}}, Limits: map[string]int{"x": 5, "y": 2, "new": 7},
		Optional: &inner{Factor: .5}, Common: common{Seed: math.MaxUint64},
	}
	if diff := cmp.Diff(want, v, compare); diff != "" {
		t.Errorf("wrong values (-want +got):\n%s", diff)
	}
	for _, c := range []struct{ why, path, want string }{
		{"a flag wins over all", "workers", "--workers 30"},
		{"a variable wins over the file", "inner.wait", "APP_INNER_WAIT"},
		{"the file wins over the default", "limits.x", "a.yaml:6"},
		{"an entry that the file leaves alone", "limits.y", "default"},
		{"an entry that only a variable gives", "limits.new", "APP_LIMITS__NEW"},
		{"no layer gave it", "inner.factor", "default"},
		{"one element of a default list", "list[1].weight", "--set list[1].weight=9"},
		{"its neighbour", "list[0].weight", "default"},
		{"a field of an inline struct", "seed", "APP_SEED"},
	} {
		if got := origins.Of(c.path).String(); got != c.want {
			t.Errorf("%s: %s comes from %s, want %s", c.why, c.path, got, c.want)
		}
	}
}

// What a layer replaces as a whole has no memory of the layers below.
func TestReplacedListForgetsItsElements(t *testing.T) {
	v := defaults()
	origins, err := strict.Load("a.yaml", []byte("list:\n- {name: x, weight: 1}\n"), v, strict.Layers{
		Set: []strict.Override{{Path: "list", Value: "[{name: y}]", From: "--set list"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []element{{Name: "y", Weight: 1}}; !cmp.Equal(v.List, want) {
		t.Errorf("list is %v, want %v", v.List, want)
	}
	if got := origins.Of("list[0].weight").String(); got != "--set list" {
		t.Errorf("list[0].weight comes from %s, want the flag that replaced the list", got)
	}
}

func TestLoadErrors(t *testing.T) {
	for _, c := range []struct {
		why, file string
		env       string
		set       string // path=value
		want      string // all lines
	}{
		{why: "a misspelt setting offers the nearest", file: "wrokers: 3",
			want: `a.yaml:1: wrokers: is not a setting; did you mean "workers"? known are inner, limits, list, name, numbers, on, optional, seed, small, workers`},
		{why: "a setting of another block is found there", file: "workers: 3\nwait: 3s",
			want: `a.yaml:2: wait: is not a setting; did you mean "inner.wait"?`},
		{why: "a hidden field is no setting", file: "hidden: 1",
			want: `a.yaml:1: hidden: is not a setting; known are inner, limits, list, name, numbers, on, optional, seed, small, workers`},
		{why: "given twice", file: "workers: 1\nname: x\nworkers: 2",
			want: `a.yaml:3: workers: is given twice, first on line 1; remove one`},
		{why: "given twice inside a free block", file: "inner:\n  extra: {a: {b: 1, b: 2}}",
			want: `a.yaml:2: inner.extra.a.b: is given twice, first on line 2; remove one`},
		{why: "text for a number", file: "workers: many",
			want: `a.yaml:1: workers: is "many"; it must be a whole number`},
		{why: "NaN in Go's spelling is text in YAML", file: "inner: {factor: NaN}",
			want: `a.yaml:1: inner.factor: is "NaN"; it must be a number`},
		{why: "a fraction for a whole number", file: "workers: 1.5",
			want: `a.yaml:1: workers: is 1.5; it must be a whole number`},
		{why: "too large for the field", file: "small: 300",
			want: `a.yaml:1: small: is 300; it must be a whole number that fits 8 bits`},
		{why: "below zero", file: "seed: -1",
			want: `a.yaml:1: seed: is -1; it must be a whole number of at least 0`},
		{why: "below zero, as a float", file: "seed: -1.0",
			want: `a.yaml:1: seed: is -1.0; it must be a whole number of at least 0`},
		{why: "a number for text", file: "name: 2024",
			want: `a.yaml:1: name: is 2024; it must be text; put it in quotes`},
		{why: "yes is no boolean", file: "on: yes please",
			want: `a.yaml:1: on: is "yes please"; it must be true or false`},
		{why: "a duration without a unit", file: "inner: {wait: 250}",
			want: `a.yaml:1: inner.wait: is 250; it must be a duration with a unit, such as 250ms, 1.5s or 2h`},
		{why: "a value for a block", file: "inner: 3",
			want: `a.yaml:1: inner: is 3; it must be a block of settings: kind, factor, wait, extra`},
		{why: "a block for a value", file: "workers: {a: 1}",
			want: `a.yaml:1: workers: is a block of settings; it must be a single value`},
		{why: "a value for a list", file: "list: 3",
			want: `a.yaml:1: list: is 3; it must be a list, such as [1, 2]`},
		{why: "an error inside a list element", file: "list:\n- {name: a}\n- {name: b, wieght: 3}",
			want: `a.yaml:3: list[1].wieght: is not a setting; did you mean "weight"? known are name, weight`},
		{why: "nothing after the colon", file: "workers:\nname: x",
			want: `a.yaml:1: workers: has no value; give it one, or remove it to get the default`},
		{why: "an impossible value names its line", file: "name: x\nworkers: 0",
			want: `a.yaml:2: workers: is 0; it must be a whole number from 1 to 100`},
		{why: "an impossible value in a list", file: "list:\n- name: a\n  weight: -2",
			want: `a.yaml:3: list[0].weight: is -2; it must be at least 0`},
		{why: "an impossible value from a variable", file: "name: x", env: "APP_WORKERS=0",
			want: `APP_WORKERS: workers: is 0; it must be a whole number from 1 to 100`},
		{why: "an impossible value from a flag", file: "name: x", set: "inner.wait=2m",
			want: `--set inner.wait=2m: inner.wait: is 2m0s; it must be at most 1m`},
		{why: "a misspelt variable", file: "name: x", env: "APP_WROKERS=3",
			want: `APP_WROKERS: sets nothing; did you mean APP_WORKERS?`},
		{why: "a misspelt flag path", file: "name: x", set: "inner.wiat=2m",
			want: `--set inner.wiat=2m: inner.wiat: is not a setting; did you mean "wait"? known are extra, factor, kind, wait`},
		{why: "a list element that does not exist", file: "name: x", set: "list[2].weight=1",
			want: `--set list[2].weight=1: list[2]: does not exist; the list has 2 elements`},
		{why: "an index into what is no list", file: "name: x", set: "inner[0]=1",
			want: `--set inner[0]=1: inner: is indexed like a list; it must be a block of settings: kind, factor, wait, extra`},
		{why: "an index that is no number", file: "name: x", set: "list[x].weight=1",
			want: `--set list[x].weight=1: list[x].weight: has "x" where the number of a list element should be; write it like collect.behaviours[0].weight`},
		{why: "an empty path", file: "name: x", set: ".=1",
			want: `--set .=1: .: is not the path of a setting; write it like job.workers or collect.behaviours[0].weight`},
		{why: "a flag without a value", file: "name: x", set: "workers=",
			want: `--set workers=: workers: has no value; give it one, or remove it to get the default`},
		{why: "an empty file", file: "# nothing\n",
			want: "a.yaml: is empty; `saspart config show` prints a complete configuration to start from"},
		{why: "broken YAML has a line", file: "name: x\n\tworkers: 3",
			want: `a.yaml:2: is not YAML: found a tab character that violates indentation`},
		{why: "a second document", file: "name: x\n---\nname: y",
			want: `a.yaml:2: is not YAML: a second document starts here; a configuration is one`},
		{why: "an alias could hide anything", file: "name: &a x\nworkers: *a",
			want: `a.yaml:2: workers: is an alias, *a; write the value out`},
		{why: "a merge key too", file: "inner:\n  <<: {kind: x}",
			want: `a.yaml:2: inner: has a key that is not a plain name; write the settings out, one a line`},
		{why: "a list for the whole", file: "- a",
			want: "a.yaml:1: is a list; it must be a block of settings: name, workers, small, on, inner, optional, list, numbers, limits, seed"},
		{why: "everything at once, in order, and no complaint about what could not be read",
			file: "workers: x\ninner:\n  wait: 2m\n  kind: 3\nnmae: y", env: "APP_SMALL=1000", set: "seed=x",
			want: `a.yaml:1: workers: is "x"; it must be a whole number
a.yaml:3: inner.wait: is 2m0s; it must be at most 1m
a.yaml:4: inner.kind: is 3; it must be text; put it in quotes
a.yaml:5: nmae: is not a setting; did you mean "name"? known are inner, limits, list, name, numbers, on, optional, seed, small, workers
APP_SMALL: small: is 1000; it must be a whole number that fits 8 bits
--set seed=x: seed: is "x"; it must be a whole number of at least 0`},
	} {
		t.Run(c.why, func(t *testing.T) {
			layers := strict.Layers{Prefix: "APP_"}
			if c.env != "" {
				layers.Env = []string{c.env}
			}
			if path, value, ok := strings.Cut(c.set, "="); ok {
				layers.Set = []strict.Override{{Path: path, Value: value, From: "--set " + c.set}}
			}
			_, err := strict.Load("a.yaml", []byte(c.file), defaults(), layers)
			if err == nil {
				t.Fatal("no error")
			}
			if !strict.IsInvalid(err) {
				t.Errorf("%T is not told as invalid configuration", err)
			}
			if diff := cmp.Diff(c.want, err.Error()); diff != "" {
				t.Errorf("wrong message (-want +got):\n%s", diff)
			}
		})
	}
}

// If a default is impossible together with another value, the error points to the block that
// the default belongs to, and says that it is a default.
func TestErrorOfADefault(t *testing.T) {
	v := defaults()
	v.Inner.Wait = time.Hour
	_, err := strict.Load("a.yaml", []byte("name: x\ninner:\n  factor: 2\n"), v, strict.Layers{})
	want := "a.yaml:3: inner.wait: is 1h0m0s; it must be at most 1m (this value is a default)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestAmbiguousVariable(t *testing.T) {
	type job struct {
		Work struct {
			Ratio int `yaml:"ratio"`
		} `yaml:"work"`
		WorkRatio int `yaml:"work_ratio"`
	}
	v := &job{}
	_, err := strict.Load("", nil, v, strict.Layers{Prefix: "APP_", Env: []string{"APP_WORK_RATIO=1"}})
	if want := "APP_WORK_RATIO: could mean work.ratio or work_ratio; write two underscores between the levels"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := strict.Load("", nil, v, strict.Layers{Prefix: "APP_", Env: []string{"APP_WORK__RATIO=2"}}); err != nil || v.Work.Ratio != 2 {
		t.Errorf("APP_WORK__RATIO gave %d and %v, want 2", v.Work.Ratio, err)
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big.yaml")
	if err := os.WriteFile(big, make([]byte, strict.MaxSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := strict.ReadFile(big); !strict.IsInvalid(err) {
		t.Errorf("a file past MaxSize gives %v, want an invalid configuration", err)
	}
	if _, err := strict.ReadFile(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file gives %v", err)
	}
}

func TestAnnotate(t *testing.T) {
	v := defaults()
	origins, err := strict.Load("a.yaml", []byte("workers: 3\nnumbers: [1, 2]\n"), v, strict.Layers{
		Set: []strict.Override{{Path: "inner.kind", Value: "a\nb", From: "--set inner.kind=a\nb"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := origins.Annotate(v)
	if err != nil {
		t.Fatal(err)
	}
	want := `name: default # default
workers: 3 # file a.yaml:1
small: 0 # default
"on": false # default
inner:
  kind: |- # flag --set inner.kind=a b
    a
    b
  factor: 1 # default
  wait: 1s # default
list:
  - name: a # default
    weight: 1 # default
  - name: b # default
    weight: 2 # default
numbers: [1, 2] # file a.yaml:2
limits:
  x: 1 # default
  "y": 2 # default
seed: 0 # default
`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("wrong rendering (-want +got):\n%s", diff)
	}
	again := defaults()
	if _, err := strict.Load("shown.yaml", text, again, strict.Layers{}); err != nil {
		t.Fatalf("what was shown does not load: %v", err)
	}
	if diff := cmp.Diff(v, again, compare); diff != "" {
		t.Errorf("what was shown loads as something else:\n%s", diff)
	}
	values, err := origins.Values(v)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := values[1], (strict.Value{Path: "workers", Value: 3, Layer: "file", From: "a.yaml:1"}); got != want {
		t.Errorf("value is %v, want %v", got, want)
	}
}

// Whatever a configuration holds, its rendering loads to the same.
func TestMarshalRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := &settings{
			Name:    rapid.StringN(0, 20, -1).Filter(printable).Draw(t, "name"),
			Workers: rapid.IntRange(1, 100).Draw(t, "workers"),
			Small:   rapid.Int8().Draw(t, "small"),
			On:      rapid.Bool().Draw(t, "on"),
			Inner:   inner{Kind: level(rapid.SampledFrom([]string{"a", "null", "1", "true", "~", "x: y", "# z", " "}).Draw(t, "kind")), Factor: rapid.Float64().Draw(t, "factor"), Wait: time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "wait"))},
			Numbers: rapid.SliceOfN(rapid.Float64(), 1, 4).Draw(t, "numbers"),
			List:    rapid.SliceOfN(rapid.Custom(func(t *rapid.T) element { return element{"e", rapid.Float64Range(0, 9).Draw(t, "w")} }), 1, 3).Draw(t, "list"),
			Common:  common{Seed: rapid.Uint64().Draw(t, "seed")},
		}
		text, err := new(strict.Origins).Annotate(v)
		if err != nil {
			t.Fatal(err)
		}
		got := &settings{Limits: map[string]int{}}
		if _, err := strict.Load("x.yaml", text, got, strict.Layers{}); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		v.Limits = map[string]int{}
		if diff := cmp.Diff(v, got, compare); diff != "" {
			t.Fatalf("%s\n%s", diff, text)
		}
	})
}

// printable leaves out what YAML has no way to write.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\ufeff' || r == '\ufffd' })
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"", "a", "name: x\nworkers: 3\ninner: {kind: list, wait: 250ms, extra: {a: [1, {b: c}]}}\nlist: [{name: a, weight: 1}]\nlimits: {q: 3}\n",
		"name: &a x\nworkers: *a", "? [a]\n: b", "inner:\n  <<: *x", "!!binary aGk=", "---\n---\n", "workers: !!int 0x10", "seed: 1e18",
		"optional: null", "optional: {factor: .inf}", "limits: {1: 2}", "limits: {a: {b: c}}", "inner: {extra: {? 2001-01-01 : ~}}",
	} {
		f.Add([]byte(seed), "workers", "3")
		f.Add([]byte(seed), "list[0].name", "{")
	}
	f.Fuzz(func(t *testing.T, text []byte, path, value string) {
		defer memtest.Limit(t, 64<<20)()
		v := defaults()
		if _, err := strict.Load("f.yaml", text, v, strict.Layers{Set: []strict.Override{{Path: path, Value: value, From: "--set"}}}); err != nil {
			if err.Error() == "" || !strict.IsInvalid(err) {
				t.Fatalf("error %q of type %T says nothing", err, err)
			}
			return
		}
		if err := v.Validate(); err != nil {
			t.Fatalf("an impossible configuration was loaded: %v", err)
		}
	})
}
