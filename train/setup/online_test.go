package setup

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/capacity"
	"github.com/saspart/saspart/train/online"
	"github.com/saspart/saspart/train/recording"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// constant is a trainer whose policy does not change.
type constant struct {
	policy  *checkpoint.Checkpoint
	updates uint64
}

func (c *constant) Update(recording.Stretches) (train.Stats, error) {
	c.updates++
	return train.Stats{Update: c.updates}, nil
}

func (c *constant) State() (train.State, error) {
	return train.State{Updates: c.updates, Tensors: []train.Tensor{{Name: "none", Shape: []int{1}, Data: []float32{0}}}}, nil
}

func (c *constant) Restore(s train.State) error {
	c.updates = s.Updates
	return nil
}

func (c *constant) Checkpoint() *checkpoint.Checkpoint {
	copied := *c.policy
	return &copied
}

// capacityTraining is a short training of the capacity action in closed form.
func capacityTraining(t *testing.T, windows int) *Online {
	t.Helper()
	e, _, err := config.Load("wordcount-zipf", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &Online{Seed: 1, Engine: ClosedForm, Action: checkpoint.KindCapacity, Checkpoint: checkpoint.BuiltinName, Training: online.Default(), Experiment: e}
	c.Training.Windows, c.Training.TargetImbalance, c.Training.LearningStarts, c.Training.Parallel = windows, 0, 5, 2
	c.Training.Capacity.Stretch = 4
	c.Training.Evaluate = online.EvaluationConfig{Every: 20, Windows: 4, Settle: 1}
	return c
}

func options(dir string) Options {
	return Options{
		Dir: dir, Now: time.Now,
		NewCapacity: func(_ capacity.RecurrentConfig, from *checkpoint.Checkpoint, _ uint64) (online.CapacityTrainer, error) {
			return &constant{policy: from}, nil
		},
	}
}

// TestBuildAndResume builds a training, runs it, and builds another that resumes it.
func TestBuildAndResume(t *testing.T) {
	dir := t.TempDir()
	run := func(windows int, resume bool) online.Outcome {
		o := options(dir)
		o.Resume = resume
		training, err := capacityTraining(t, windows).Build(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(training.Envs); n != 2 || training.EvalEnv == training.Envs[0] {
			t.Errorf("%d jobs to explore, and the evaluation on one of them; want 2 and another one", n)
		}
		out, err := training.Run(t.Context())
		if err := errors.Join(err, training.Close()); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := run(40, true); out.Windows != 40 || out.Updates != 32 { // there is nothing to resume from
		t.Errorf("%+v", out)
	}
	if out := run(60, true); out.Windows != 60 || out.Updates != 52 {
		t.Errorf("resumed: %+v", out)
	}
	if c, err := checkpoint.Load(filepath.Join(dir, train.Last)); err != nil || c.Parent != checkpoint.BuiltinName {
		t.Errorf("the checkpoint does not name its parent: %v", err)
	}
}

// TestBuildRefuses: parts of a configuration that do not go together.
func TestBuildRefuses(t *testing.T) {
	for _, tc := range []struct {
		why    string
		change func(*Online)
		want   string
	}{
		{"a job in real time runs alone", func(c *Online) { c.Engine = "local" }, "one at a time"},
		{"a checkpoint of the other action", func(c *Online) {
			c.Action, c.Checkpoint = checkpoint.KindShares, saved(t)
		}, "is of kind capacity"},
	} {
		c := capacityTraining(t, 10)
		tc.change(c)
		training, err := c.Build(t.Context(), options(t.TempDir()))
		if !errors.As(err, new(*UsageError)) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v", tc.why, err)
		}
		if training != nil {
			if err := training.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// saved is a folder with a capacity policy.
func saved(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "capacity")
	if err := checkpoint.Save(dir, checkpoint.UntrainedCapacity(4, 1)); err != nil {
		t.Fatal(err)
	}
	return dir
}
