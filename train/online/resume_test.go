package online

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/saspart/saspart/engine/fluid"
)

// TestResumeIsExact: N + N windows are 2N, bit for bit, whatever the bounds, with one
// job or several, and wherever the first run was broken off.
func TestResumeIsExact(t *testing.T) {
	for _, tc := range []struct {
		why      string
		parallel int
		change   func(*Config)
		at, all  int
	}{
		{"one job", 1, func(*Config) {}, 60, 160},
		{"between two evaluations", 1, func(*Config) {}, 73, 160},
		{"before the learning starts", 1, func(*Config) {}, 5, 120},
		{"three jobs", 3, func(*Config) {}, 60, 150},
		{"speeds and keys that vary", 2, func(c *Config) { c.Vary.Every = 5 }, 64, 160},
		{"within bounds", 1, func(c *Config) { c.Safety = Safety{MaxStep: 0.1, MaxImbalance: 0.4} }, 71, 160},
	} {
		t.Run(tc.why, func(t *testing.T) {
			c := quick()
			tc.change(&c)
			dir := t.TempDir()
			run := func(name string, windows int, resume bool) Outcome {
				c := c
				c.Windows = windows
				l := fluidLoop(t, filepath.Join(dir, name), c, tc.parallel)
				if resume {
					resumed(t, l)
				}
				out, err := l.Run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return out
			}
			whole := run("whole", tc.all, false)
			run("parts", tc.at, false)
			parts := run("parts", tc.all, true)
			whole.Seconds, parts.Seconds = 0, 0
			if whole.Windows != parts.Windows || whole.Updates != parts.Updates || whole.Returns != parts.Returns || whole.Limited != parts.Limited || whole.Last.Imbalance != parts.Last.Imbalance {
				t.Errorf("in one go %+v, in two %+v", whole, parts)
			}
			want := 0 // one for each window of a round that ends after the learning starts
			for round := tc.parallel; round <= tc.all; round += tc.parallel {
				if round > c.LearningStarts {
					want += tc.parallel
				}
			}
			if whole.Updates != uint64(want) {
				t.Errorf("%d updates for %d windows, want %d", whole.Updates, tc.all, want)
			}
			for _, file := range []string{"policy.safetensors", "trainer.safetensors", "trainer.json", "replay.gob"} {
				a, errA := os.ReadFile(filepath.Join(dir, "whole", Last, file))
				b, errB := os.ReadFile(filepath.Join(dir, "parts", Last, file))
				if err := errors.Join(errA, errB); err != nil {
					t.Fatal(err)
				}
				if string(a) != string(b) {
					t.Errorf("%s differs", file)
				}
			}
			if tc.why == "within bounds" && (whole.Returns == 0 || whole.Limited == 0) {
				t.Errorf("%d returns and %d shortened steps; the bounds were to be reached", whole.Returns, whole.Limited)
			}
		})
	}
}

// TestInterruptedEvaluation: one that is broken off does not count, and is what the run
// begins with when it is resumed.
func TestInterruptedEvaluation(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	evalEnv := &script{}
	evalEnv.measure = func(window int) StepResult {
		if evalEnv.begun == 2 && window == 9 { // in the middle of the second one
			cancel()
		}
		return StepResult{Clean: true, Imbalance: 1}
	}
	l := &Training{Config: quick(), Learner: &idle{}, Envs: []Env{&script{}}, EvalEnv: evalEnv, Dir: "runs/x", Now: clock()}
	out, err := l.Run(ctx)
	if !errors.Is(err, context.Canceled) || out.Windows != 20 || out.Last.Windows != 0 || evalEnv.window != 9 {
		t.Fatalf("%+v after %d windows of evaluations, error %v", out, evalEnv.window, err)
	}
	l.Config.Windows = 30
	out, err = l.Run(t.Context())
	if err != nil || evalEnv.begun != 4 || out.Last.Windows != 30 {
		t.Errorf("%+v after %d evaluations, error %v", out, evalEnv.begun, err)
	}
}

// killed is a learner that saves nothing more from some moment on.
type killed struct {
	Learner
	dead bool
}

func (k *killed) Save(folder string, whole bool, status []byte, metrics map[string]float64) error {
	if k.dead {
		return nil
	}
	return k.Learner.Save(folder, whole, status, metrics)
}

// TestKilled: a run that is killed resumes from its last checkpoint and ends as an
// uninterrupted run.
func TestKilled(t *testing.T) {
	c := quick() // with a checkpoint every 50 windows
	c.Windows = 130
	dir := t.TempDir()
	whole := fluidLoop(t, filepath.Join(dir, "whole"), c, 1)
	if _, err := whole.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, kill := context.WithCancel(t.Context())
	first := fluidLoop(t, filepath.Join(dir, "parts"), c, 1)
	learner := &killed{Learner: first.Learner}
	first.Learner = learner
	first.Watch = func(p Progress) {
		if p.Windows == 87 {
			learner.dead = true
			kill()
		}
	}
	if _, err := first.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	second := resumed(t, fluidLoop(t, filepath.Join(dir, "parts"), c, 1))
	if second.Status.Windows != 50 {
		t.Errorf("the last checkpoint is of window %d", second.Status.Windows)
	}
	if _, err := second.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"trainer.safetensors", "replay.gob"} {
		a, errA := os.ReadFile(filepath.Join(dir, "whole", Last, file))
		b, errB := os.ReadFile(filepath.Join(dir, "parts", Last, file))
		if err := errors.Join(errA, errB); err != nil || string(a) != string(b) {
			t.Errorf("%s differs: %v", file, err)
		}
	}
}

// BenchmarkWindow is a window of the reference's environment without the learning.
func BenchmarkWindow(b *testing.B) {
	for _, workers := range []int{8, 64} {
		b.Run(fmt.Sprint(workers), func(b *testing.B) {
			speeds := make([]float64, workers)
			for i := range speeds {
				speeds[i] = 1e6 * (1 + float64(i%5)/50)
			}
			m := fluid.NewReferenceEnv(speeds, false)
			s := learner(newClimber(m.Mask(), 1), 10_000)
			e, err := NewClosedFormEnv(m, s, nil, DefaultSafety())
			if err != nil {
				b.Fatal(err)
			}
			if err := e.Reset(); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := stepAll(b.Context(), []Env{e}, true); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
