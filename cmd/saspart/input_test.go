package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saspart/saspart/config"
)

// A file is run without an experiment file, by flags alone.
func TestInput(t *testing.T) {
	path := clicks(t)
	for _, c := range []struct {
		why  string
		args []string
		want func(e *config.Experiment) bool
	}{
		{"counted by key", []string{"--key", "user"}, func(e *config.Experiment) bool {
			return e.Task.Name == "count" && e.Source.Kind == "file" && e.Source.File.Path == path && e.Source.File.Key == "user" && e.Job.Costs.Record.String() == "500µs"
		}},
		{"a task and its payload", []string{"--key", "user", "--task", "tdigest", "--payload", "time,bytes"}, func(e *config.Experiment) bool {
			return e.Task.Name == "tdigest" && strings.Join(e.Source.File.Payload, "|") == "time|bytes"
		}},
		{"costs that are set stay", []string{"--key", "user", "--set", "job.costs.record=2ms"}, func(e *config.Experiment) bool { return e.Job.Costs.Record.String() == "2ms" }},
		{"of an experiment only the source is another", []string{"--config", "flights-tdigest", "--key", "user", "--payload", "time"}, func(e *config.Experiment) bool {
			return e.Task.Name == "tdigest" && e.Source.File.Path == path && e.Job.Costs.Record.String() != "500µs"
		}},
	} {
		code, out, narration := saspart(t, nil, append([]string{"config", "show", "--input", path}, c.args...)...)
		if code != codeOK {
			t.Fatalf("%s: exit code %d\n%s", c.why, code, narration)
		}
		shown := filepath.Join(t.TempDir(), "shown.yaml")
		if err := os.WriteFile(shown, []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
		e, _, err := config.Load(shown, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !c.want(e) {
			t.Errorf("%s:\n%s", c.why, out)
		}
	}
}

// A job that shows nothing about partitioning says so, and what to set; so does a load that is
// impossible.
func TestHints(t *testing.T) {
	path := clicks(t)
	for _, c := range []struct {
		why  string
		args []string
		code int
		want string // of the narration; "": no hint
	}{
		{"workers that are idle", []string{"--load", "0.01"}, codeOK, "hint: the workers are idle"},
		{"more than the job can take", []string{"--load", "1.5", "--partitioner", "waterfill"}, codeOK, "hint: the source was blocked"},
		{"a sensible load", []string{"--load", "0.8", "--partitioner", "waterfill"}, codeOK, ""},
		{"a negative load", []string{"--load", "-1"}, codeUsage, "--load: is -1; it must be from 0 to 10"},
		{"records that cost nothing", []string{"--load", "0.8", "--set", "job.costs.record=0"}, codeFailed, "what the workers can do is not known"},
	} {
		args := append([]string{"run", "--input", path, "--key", "user", "--windows", "6", "-o", "table", "--set", "source.file.loop=true"}, c.args...)
		code, _, narration := saspart(t, nil, args...)
		if code != c.code || !strings.Contains(narration, c.want) || c.want == "" && strings.Contains(narration, "hint") {
			t.Errorf("%s: exit code %d\n%s", c.why, code, narration)
		}
	}
}
