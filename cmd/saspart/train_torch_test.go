//go:build torch

package main

import (
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

// TestTrainOffline goes the whole way: collect, train, be interrupted, resume, run
// the job under the policy.
func TestTrainOffline(t *testing.T) {
	dir := t.TempDir()
	run := filepath.Join(dir, "runs", "a")
	if code, _, narration := saspart(t, nil, light("--windows", "12", "--partitioner", "dalton-offline", "--set", "collect.episode_windows=6", "--out", dir)...); code != codeOK {
		t.Fatal(narration)
	}
	args := []string{"train-offline", "--data", filepath.Join(dir, "*.arrow"), "--out", run, "--config", "wordcount-zipf",
		"--set", "learner.hidden=[8]", "--set", "learner.batch=8", "--set", "checkpoint_every=4", "--steps", "10"}

	ctx, cancel := context.WithCancel(t.Context())
	a := &app{in: strings.NewReader(""), out: io.Discard, err: io.Discard, now: time.Now}
	calls := 0
	a.now = func() time.Time {
		if calls++; calls > 20 {
			cancel() // somewhere in the middle
		}
		return time.Now()
	}
	if code := a.execute(ctx, args); code != codeInterrupted {
		t.Fatalf("interrupted: exit code %d", code)
	}
	code, stdout, narration := saspart(t, nil, append(args, "--resume")...)
	if code != codeOK || !strings.Contains(stdout, "10 updates") || !strings.Contains(stdout, filepath.Join(run, "checkpoints", "best")) {
		t.Fatalf("resumed: exit code %d\n%s%s", code, stdout, narration)
	}
	for _, name := range []string{runlog.InfoFile, runlog.ConfigFile, runlog.ReportFile, "checkpoints/last/trainer.safetensors"} {
		if s, err := os.Stat(filepath.Join(run, name)); err != nil || s.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	m, err := runlog.ReadMetrics(filepath.Join(run, runlog.MetricsFile))
	if err != nil {
		t.Fatal(err)
	}
	if steps, values := m.Series(runlog.Imbalance); len(steps) != 3 || steps[2] != 10 || values[2] <= 0 {
		t.Errorf("imbalances %v at %v, want them at 4, 8 and 10", values, steps)
	}
	code, stdout, narration = saspart(t, nil, "run", "--config", "wordcount-zipf", "--set", "rate.rate=2000", "--windows", "3",
		"--partitioner", "saspartitioner", "--checkpoint", run)
	if code != codeOK || !strings.Contains(stdout, "saspartitioner") {
		t.Errorf("run: exit code %d\n%s%s", code, stdout, narration)
	}
}

// TestLearns is the claim of offline learning, small: from what a bandit did, the
// learned policy balances the same job better than the bandit and than its clone.
func TestLearns(t *testing.T) {
	dir := t.TempDir()
	// A tenth of the records at ten times the work each. Routes are followed to the letter: bounded routing
	// evens out a good route and a bad one alike.
	job := []string{"--config", "wordcount-zipf", "--set", "rate.rate=2000", "--set", "job.work_ratio=6800", "--set", "partitioner.table.bound=0"}
	must := func(args ...string) string {
		t.Helper()
		code, stdout, narration := saspart(t, nil, args...)
		if code != codeOK {
			t.Fatalf("%v: exit code %d\n%s", args, code, narration)
		}
		return stdout
	}
	must(append([]string{"collect", "--windows", "640", "--out", dir}, job...)...)
	imbalance := func(partitioner string, more ...string) float64 {
		t.Helper()
		out := must(append(append([]string{"run", "--windows", "40", "--warmup", "5", "-o", "json", "--partitioner", partitioner}, job...), more...)...)
		var last struct {
			Summary struct{ Imbalance struct{ Mean float64 } }
		}
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
			t.Fatalf("%v in %s", err, lines[len(lines)-1])
		}
		return last.Summary.Imbalance.Mean
	}
	learned := func(algo, steps string) float64 {
		run := filepath.Join(dir, algo)
		must("train-offline", "--data", filepath.Join(dir, "*.arrow"), "--out", run, "--algo", algo, "--steps", steps)
		return imbalance("saspartitioner", "--checkpoint", run)
	}
	policy, clone, bandit := learned("cql", "2000"), learned("bc", "1000"), imbalance("dalton-offline")
	t.Logf("mean imbalance: learned %.3f, cloned %.3f, bandit %.3f", policy, clone, bandit)
	if !(policy < clone && policy < bandit) {
		t.Errorf("mean imbalance %.3f, of its clone %.3f and of the bandit %.3f; the learned policy's must be the least", policy, clone, bandit)
	}
}
