//go:build torch

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/saspart/saspart/runlog"
)

// tiny makes updates quick.
func tiny(args ...string) []string {
	return append([]string{"train-online", "--set", "learner.hidden=[8]", "--set", "learner.batch=8", "--set", "learning_starts=10",
		"--set", "evaluate={every: 20, windows: 4, settle: 1}", "--set", "checkpoint_every=10", "--set", "log_every=10",
		"--set", "capacity.rows=16", "--set", "capacity.burn_in=2", "--set", "capacity.stretch=4"}, args...)
}

// resumesExactly runs a training of 60 windows, and another that is interrupted in the
// middle and resumed: both end with the same files, bit for bit.
func resumesExactly(t *testing.T, dir string, more ...string) {
	t.Helper()
	args := func(name string) []string {
		return tiny(append(more, "--engine", "fluid", "--out", filepath.Join(dir, name), "--max-windows", "60", "--parallel", "2")...)
	}
	if code, _, narration := saspart(t, nil, args("whole")...); code != codeOK {
		t.Fatalf("exit code %d\n%s", code, narration)
	}
	ctx, cancel := context.WithCancel(t.Context())
	a := &app{in: strings.NewReader(""), out: io.Discard, err: io.Discard}
	calls := 0
	a.now = func() time.Time {
		if calls++; calls > 100 {
			cancel() // somewhere in the middle
		}
		return time.Now()
	}
	if code := a.execute(ctx, args("parts")); code != codeInterrupted {
		t.Fatalf("interrupted: exit code %d", code)
	}
	m, err := runlog.ReadMetrics(filepath.Join(dir, "parts", runlog.MetricsFile))
	if err != nil || m.Rows() == 0 || m.Steps[m.Rows()-1] >= 60 {
		t.Fatalf("it was not interrupted in the middle: %+v, %v", m, err)
	}
	code, stdout, narration := saspart(t, nil, append(args("parts"), "--resume")...)
	if code != codeOK || !strings.Contains(stdout, "60 windows") {
		t.Fatalf("resumed: exit code %d\n%s%s", code, stdout, narration)
	}
	for _, name := range []string{"policy.safetensors", "trainer.safetensors", "trainer.json", "replay.gob"} {
		var text [2][]byte
		for i, run := range []string{"whole", "parts"} {
			if text[i], err = os.ReadFile(filepath.Join(dir, run, "checkpoints", "last", name)); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(text[0], text[1]) {
			t.Errorf("%s differs", name)
		}
	}
}

// TestTrainOnlineCapacity: with the capacity action too, an interrupted and resumed run ends
// with the same files, with noise and delay. A run may be resumed with fewer jobs, but then
// ends with other files.
func TestTrainOnlineCapacity(t *testing.T) {
	dir := t.TempDir()
	job := []string{"--config", "wordcount-zipf", "--action", "capacity", "--checkpoint", "builtin", "--set", "fluid.noise=0.1", "--set", "fluid.delay=2"}
	resumesExactly(t, dir, job...)
	args := append(tiny(job...), "--engine", "fluid", "--out", filepath.Join(dir, "whole"), "--max-windows", "70", "--parallel", "1", "--resume")
	if code, stdout, narration := saspart(t, nil, args...); code != codeOK || !strings.Contains(stdout, "70 windows") {
		t.Errorf("with fewer jobs: exit code %d\n%s%s", code, stdout, narration)
	}
	code, stdout, narration := saspart(t, nil, append(args, "--max-windows", "80", "--set", "fluid.delay=3")...)
	if code != codeUsage || !strings.Contains(narration, "--set fluid.delay is 2 and 3") {
		t.Errorf("with another delay: exit code %d\n%s%s", code, stdout, narration)
	}
}

// TestTrainOnline: a run that was interrupted and resumed ends with the same files, bit
// for bit, as one that was not; its policy runs the job.
func TestTrainOnline(t *testing.T) {
	dir := t.TempDir()
	resumesExactly(t, dir, "--config", "reference-8")
	page, err := os.ReadFile(filepath.Join(dir, "parts", runlog.ReportFile))
	if err != nil || !strings.Contains(string(page), "Imbalance while exploring") {
		t.Errorf("the report has no curve of the exploring: %v", err)
	}
	code, stdout, narration := saspart(t, nil, "run", "--config", "reference-8", "--set", "rate.rate=2000", "--windows", "3",
		"--partitioner", "saspartitioner", "--checkpoint", filepath.Join(dir, "parts"))
	if code != codeOK || !strings.Contains(stdout, "saspartitioner") {
		t.Errorf("run: exit code %d\n%s%s", code, stdout, narration)
	}
	// Two of them are a pool.
	code, _, narration = saspart(t, nil, "run", "--config", "reference-8", "--set", "rate.rate=2000", "--windows", "3", "--partitioner", "saspartitioner", "--pool", dir)
	if code != codeOK {
		t.Errorf("run with a pool: exit code %d\n%s", code, narration)
	}
}

// TestTrainOnlineAdapts: draws of speeds and keys are resumed too. The summary says how many hot
// keys a policy has; too few are warned of.
func TestTrainOnlineAdapts(t *testing.T) {
	dir := t.TempDir()
	resumesExactly(t, dir, "--config", "wordcount-zipf")
	few := append(tiny("--config", "wordcount-zipf"), "--engine", "fluid", "--max-windows", "20")
	for keys, warned := range map[string]bool{"auto": false, "3": true} {
		code, stdout, narration := saspart(t, nil, append(few, "--set", "hot_keys="+keys, "--out", filepath.Join(dir, keys))...)
		want := "knows " + strings.Replace(keys, "auto", "10", 1) + " hot keys, and divides 2 of them over 8 workers"
		if code != codeOK || !strings.Contains(stdout, want) || strings.Contains(narration, "With hot_keys: auto there would be 10") != warned {
			t.Errorf("%s hot keys: exit code %d\n%s%s", keys, code, stdout, narration)
		}
	}
}

// TestTrainOnlineJobs: every engine and both actions, from a checkpoint and traces.
func TestTrainOnlineJobs(t *testing.T) {
	dir := t.TempDir()
	job := []string{"--set", "rate.rate=2000", "--set", "job.work_ratio=6800"}
	must := func(want int, args ...string) string {
		t.Helper()
		code, stdout, narration := saspart(t, nil, args...)
		if code != want {
			t.Fatalf("%v: exit code %d, want %d\n%s", args, code, want, narration)
		}
		return stdout + narration
	}
	traces := filepath.Join(dir, "*.arrow")
	must(codeOK, append([]string{"collect", "--config", "wordcount-zipf", "--windows", "30", "--partitioner", "dalton-offline", "--out", dir}, job...)...)
	must(codeOK, "train-offline", "--data", traces, "--out", filepath.Join(dir, "off"), "--steps", "4", "--set", "learner.hidden=[8]", "--set", "learner.critics=2", "--set", "learner.batch=8", "--set", "learner.loads_rate=0")
	for _, tc := range []struct {
		name string
		code int
		args []string
		say  string
	}{
		{"sim", codeOK, []string{"--engine", "sim", "--parallel", "2", "--checkpoint", filepath.Join(dir, "off"), "--data", traces}, "with the critics of"},
		{"calql", codeOK, []string{"--engine", "sim", "--algo", "calql", "--checkpoint", filepath.Join(dir, "off"), "--data", traces}, "with the critics of"},
		{"td3bc", codeOK, []string{"--engine", "sim", "--algo", "td3bc", "--checkpoint", filepath.Join(dir, "off")}, "with the critics of"},
		{"bc", codeUsage, []string{"--algo", "bc"}, "algo"},
		{"fluid", codeThreshold, []string{"--engine", "fluid", "--set", "fluid.noise=0.1", "--target-imbalance", "1e-9"}, "was not reached"},
		{"capacity", codeOK, []string{"--engine", "sim", "--action", "capacity", "--checkpoint", "builtin", "--data", traces}, "recorded windows"},
		{"wrong", codeUsage, []string{"--action", "capacity", "--checkpoint", filepath.Join(dir, "off")}, "is of kind shares"},
		{"local", codeUsage, []string{"--engine", "local", "--parallel", "2"}, "one at a time"},
		{"typo", codeUsage, []string{"--set", "lerner.gamma=1"}, "learner"},
	} {
		args := append(tiny("--config", "wordcount-zipf", "--out", filepath.Join(dir, tc.name), "--max-windows", "40"), job...)
		args = append(args, "--set", "learner.critics=2", "--set", "learner.loads_rate=0")
		if out := must(tc.code, append(args, tc.args...)...); !strings.Contains(out, tc.say) {
			t.Errorf("%s: it does not say %q:\n%s", tc.name, tc.say, out)
		}
	}
	if testing.Short() {
		return
	}
	args := append(tiny("--config", "wordcount-zipf", "--engine", "local", "--out", filepath.Join(dir, "live"), "--max-windows", "8", "-o", "json"), job...)
	args = append(args, "--set", "job.slide=100ms", "--set", "job.window=200ms", "--set", "evaluate.windows=2", "--set", "learning_starts=1")
	out := must(codeOK, args...)
	var result learnedOnline
	if err := json.Unmarshal([]byte(out[:strings.LastIndex(out, "}")+1]), &result); err != nil || result.Outcome.Windows != 8 || result.Checkpoint == "" {
		t.Errorf("%v: %s", err, out)
	}
}
