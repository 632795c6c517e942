//go:build torch

package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/runlog"
)

// TestTrainOfflineCapacity goes the whole way: collect on jobs of two sizes, train one
// policy from both, be interrupted, resume, run a job of a third size under it.
func TestTrainOfflineCapacity(t *testing.T) {
	dir := t.TempDir()
	for i, workers := range []string{"4", "6"} {
		if code, _, narration := saspart(t, nil, light("--windows", "24", "--partitioner", "waterfill", "--set", "collect.episode_windows=12",
			"--set", "job.workers="+workers, "--seed", string(rune('1'+i)), "--out", dir)...); code != codeOK {
			t.Fatal(narration)
		}
	}
	run := filepath.Join(dir, "runs", "a")
	args := []string{"train-offline", "--action", "capacity", "--data", filepath.Join(dir, "*.arrow"), "--out", run, "--config", "wordcount-zipf", "--checkpoint", "builtin",
		"--set", "learner.rows=8", "--set", "learner.stretch=4", "--set", "learner.wait_updates=2", "--set", "checkpoint_every=4", "--set", "log_every=2", "--steps", "10"}

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
	if code != codeOK || !strings.Contains(stdout, "10 updates") || !strings.Contains(stdout, "of what was recorded") || !strings.Contains(narration, "4 workers and 6 workers") {
		t.Fatalf("resumed: exit code %d\n%s%s", code, stdout, narration)
	}
	m, err := runlog.ReadMetrics(filepath.Join(run, runlog.MetricsFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{runlog.Imbalance, runlog.RecordedImbalance} {
		if steps, values := m.Series(tag); len(steps) != 3 || steps[2] != 10 || values[2] <= 0 {
			t.Errorf("%s: %v at %v, want them at 4, 8 and 10", tag, values, steps)
		}
	}
	best, err := checkpoint.Load(filepath.Join(run, "checkpoints", "best"))
	if err != nil || best.Parent != "builtin" || !strings.Contains(best.Configuration, "action: capacity") {
		t.Errorf("the checkpoint does not tell where it comes from: %v", err)
	}
	code, stdout, narration = saspart(t, nil, "run", "--config", "wordcount-zipf", "--set", "rate.rate=2000", "--set", "job.workers=8", "--windows", "3",
		"--partitioner", "saspartitioner", "--checkpoint", run)
	if code != codeOK || !strings.Contains(stdout, "saspartitioner") {
		t.Errorf("run: exit code %d\n%s%s", code, stdout, narration)
	}
	for _, algo := range []string{"bc", "model"} {
		code, stdout, narration = saspart(t, nil, "train-offline", "--action", "capacity", "--algo", algo, "--data", filepath.Join(dir, "*.arrow"),
			"--out", filepath.Join(dir, "runs", algo), "--set", "learner.stretch=4", "--set", "model.windows=8", "--set", "model.batch=2", "--steps", "2", "-o", "json")
		if code != codeOK || !strings.Contains(stdout, `"recorded"`) {
			t.Errorf("%s: exit code %d\n%s%s", algo, code, stdout, narration)
		}
	}
}

// TestTrainOnScenarios trains on laws of a file, is interrupted and resumes where it was.
func TestTrainOnScenarios(t *testing.T) {
	dir := t.TempDir()
	laws := filepath.Join(dir, "mine.yaml")
	if err := os.WriteFile(laws, []byte("laws:\n  - name: waves\n    windows: 16\n    wave: [0.1, 0.3]\n    wave_period: [8, 16]\n    missing: 0.1\n    missing_for: 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	train := func(out, steps string, more ...string) *checkpoint.Checkpoint {
		t.Helper()
		args := []string{"train-offline", "--action", "capacity", "--scenarios", laws, "--checkpoint", "builtin", "--out", filepath.Join(dir, out),
			"--set", "model.batch=4", "--set", "model.workers=[2, 4]", "--set", "checkpoint_every=2", "--set", "updates=4", "--set", "model.rate=1e-3"}
		ctx, cancel := context.WithCancel(t.Context())
		a := &app{in: strings.NewReader(""), out: io.Discard, err: io.Discard, now: time.Now}
		if steps != "4" {
			calls := 0
			a.now = func() time.Time {
				if calls++; calls > 4 {
					cancel()
				}
				return time.Now()
			}
		}
		defer cancel()
		if code := a.execute(ctx, append(args, more...)); (code == codeOK) != (steps == "4") {
			t.Fatalf("exit code %d", code)
		}
		c, err := checkpoint.Load(filepath.Join(dir, out, "checkpoints", "last"))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	whole := train("a", "4")
	train("b", "some")
	if resumed := train("b", "4", "--resume"); resumed.Digest != whole.Digest {
		t.Error("a resumed training ends elsewhere")
	}
	if !strings.Contains(whole.Configuration, "name: waves") {
		t.Errorf("the checkpoint does not hold its laws:\n%s", whole.Configuration)
	}
}
