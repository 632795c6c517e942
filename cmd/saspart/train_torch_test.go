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
