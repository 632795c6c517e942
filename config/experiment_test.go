package config_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/config/strict"
	"github.com/saspart/saspart/configs"
)

// Every ready experiment is valid, goes by its file's name and says in one line
// and in a comment what it shows.
func TestReadyExperiments(t *testing.T) {
	for _, name := range configs.Names() {
		e, err := config.Ready(name)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if e.Name != name {
			t.Errorf("%s.yaml calls itself %q", name, e.Name)
		}
		if e.Description == "" || len(e.Description) > 80 {
			t.Errorf("%s.yaml is described by %q: a line for a list is up to 80 characters", name, e.Description)
		}
		text, _ := configs.Read(name)
		if !strings.HasPrefix(string(text), "# ") {
			t.Errorf("%s.yaml does not begin with a comment on what it shows", name)
		}
	}
}

// The mean worker of a ready experiment is about half busy: enough for skew to
// saturate one, not so much that even perfect balance cannot hold the rate.
func TestReadyExperimentsAreFeasible(t *testing.T) {
	for _, name := range configs.Names() {
		e, err := config.Ready(name)
		if err != nil {
			t.Fatal(err)
		}
		units := 1.0 // the file experiments have one value or word per record
		if s := e.Source.Sentences; e.Source.File.Path == "" {
			units = float64(s.Words) * math.Exp(s.Spread*s.Spread/2) // the mean of a log-normal number
		}
		work := e.Job.Costs.Record.Seconds() + units*e.Job.Costs.Unit.Seconds()
		capacity := 0.0
		for _, s := range e.Job.Speeds.Of(e.Job.Workers, e.Seed) {
			capacity += s
		}
		if busy := e.Rate.Rate * work * e.Job.WorkRatio / capacity; busy < 0.45 || busy > 0.6 {
			t.Errorf("%s: the mean worker is busy %.2f of the time, want 0.45 to 0.6", name, busy)
		}
	}
}

func TestDefaultIsValid(t *testing.T) {
	e := config.Default()
	if err := e.Validate(); err != nil {
		t.Error(err)
	}
}

// What is printed of an experiment is the same experiment.
func TestMarshalRoundTrip(t *testing.T) {
	dir := t.TempDir()
	for _, name := range configs.Names() {
		want, err := config.Ready(name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := new(strict.Origins).Annotate(want)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name+".yaml")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		got, _, err := config.Load(file, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		again, err := new(strict.Origins).Annotate(got)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(text), string(again)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestLoadFindsExperiments(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("drift", []byte("name: mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ why, name, want string }{
		{"a ready one by its name", "straggler", "straggler"},
		{"a file goes before a ready one of the same name", "drift", "mine"},
		{"no name: the defaults", "", "experiment"},
	} {
		e, _, err := config.Load(c.name, nil, nil)
		if err != nil || e.Name != c.want {
			t.Errorf("%s: Load(%q) = %v, %v; want %s", c.why, c.name, e, err, c.want)
		}
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for _, c := range []struct{ why, name, want string }{
		{"neither file nor ready", "stragler",
			`stragler: there is no such file and no ready experiment of that name; did you mean "straggler"?`},
		{"a ready one by the path it has in the checkout", filepath.Join(dir, "configs", "drift.yaml"),
			`there is no such file; the ready experiment goes by its name alone, drift`},
		{"no workers", write("a.yaml", "job:\n  workers: 0\n"),
			`a.yaml:2: job.workers: is 0; it must be a whole number from 1 to 32768`},
		{"NaN exponent", write("b.yaml", "source:\n  exponent: .nan\n"),
			`b.yaml:2: source.exponent: is NaN; an exponent must be a finite number of at least 0`},
		{"negative rate", write("c.yaml", "rate: {rate: -3}\n"),
			`c.yaml:1: rate.rate: is -3; it must be above 0 and at most 1e+09 records/s`},
		{"unknown partitioner", write("d.yaml", "partitioner:\n  name: hsah\n"),
			`d.yaml:2: partitioner.name: is "hsah", which is no partitioner; did you mean "hash"?`},
		{"a payload that the task needs", write("e.yaml", "task: {name: tdigest}\nsource:\n  kind: file\n  file: {path: x.csv, key: a}\n"),
			`e.yaml:4: source.file.payload: `},
		{"a name that is no folder", write("f.yaml", "name: ../up\n"),
			`f.yaml:1: name: is "../up"; it names folders`},
		{"a long description", write("g.yaml", "description: |\n  one\n  two\n"),
			`g.yaml:1: description: has several lines; it must be one`},
	} {
		_, _, err := config.Load(c.name, nil, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v\nwant %s", c.why, err, c.want)
		}
		if !strict.IsInvalid(err) {
			t.Errorf("%s: %T is not told as invalid configuration", c.why, err)
		}
	}
	if _, _, err := config.Load(dir, nil, nil); err == nil || strict.IsInvalid(err) {
		t.Errorf("a folder as a file gives %v, want an error of the file system", err)
	}
	if _, err := config.Ready("nothing"); !strict.IsInvalid(err) || errors.Is(err, os.ErrNotExist) {
		t.Errorf("a ready experiment that is not: %v", err)
	}
}

func TestEnvironment(t *testing.T) {
	e, origins, err := config.Load("straggler",
		[]string{"SASPART_JOB_WORK_RATIO=2", "SASPART_JOB__SPEEDS__FACTOR=.25", "SASPART_TRAIN_STEPS=3"},
		[]strict.Override{{Path: "seed", Value: "9", From: "--seed 9"}})
	if err != nil {
		t.Fatal(err)
	}
	if e.Job.WorkRatio != 2 || e.Job.Speeds.Factor != .25 || e.Seed != 9 {
		t.Errorf("work ratio %v, factor %v, seed %d", e.Job.WorkRatio, e.Job.Speeds.Factor, e.Seed)
	}
	if got := origins.Of("job.work_ratio").String(); got != "SASPART_JOB_WORK_RATIO" {
		t.Errorf("job.work_ratio comes from %s", got)
	}
}

func TestStateRatio(t *testing.T) {
	for _, c := range []struct {
		why, experiment, value string
		want                   float64 // 0: it is refused
	}{
		{"without it, all of the machine is slower", "", "", 7},
		{"the same, written out", "", "work_ratio", 7},
		{"ready experiments have cheap state", "straggler", "", 1},
		{"unless they are told", "straggler", "work_ratio", 7},
		{"a number", "", "0.5", 0.5},
		{"free state is what costs of 0 are for", "", "0", 0},
		{"no number", "", "dear", 0},
		{"an impossible number", "", ".inf", 0},
	} {
		set := []strict.Override{{Path: "job.work_ratio", Value: "7", From: "--set"}}
		if c.value != "" {
			set = append(set, strict.Override{Path: "job.state_ratio", Value: c.value, From: "--set"})
		}
		e, origins, err := config.Load(c.experiment, nil, set)
		if err != nil || c.want == 0 {
			if c.want != 0 || !strings.Contains(fmt.Sprint(err), "state_ratio") {
				t.Errorf("%s: error %v", c.why, err)
			}
			continue
		}
		if got := e.Job.StateScale(); got != c.want {
			t.Errorf("%s: state costs %v times as much, want %v", c.why, got, c.want)
		}
		text, err := origins.Annotate(e)
		if err != nil {
			t.Fatal(err)
		}
		again := filepath.Join(t.TempDir(), "again.yaml")
		if err := os.WriteFile(again, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if o, _, err := config.Load(again, nil, nil); err != nil || o.Job.StateRatio != e.Job.StateRatio {
			t.Errorf("%s: what is shown reads as another ratio; error %v", c.why, err)
		}
	}
}

// No environment variable could mean two settings.
func TestVariablesAreUnambiguous(t *testing.T) {
	e := config.Default()
	origins, err := strict.Load("", nil, &e, strict.Layers{})
	if err != nil {
		t.Fatal(err)
	}
	values, err := origins.Values(&e)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, v := range values {
		name := strict.Variable(config.EnvPrefix, v.Path)
		if other, twice := seen[name]; twice {
			t.Errorf("%s means both %s and %s", name, other, v.Path)
		}
		seen[name] = v.Path
	}
}
