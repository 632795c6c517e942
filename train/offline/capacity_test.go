//go:build torch

package offline

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/filter"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/recording"
)

// tinyCapacityOffline is a training of the capacity action that is soon over.
func tinyCapacityOffline(t *testing.T, path, dir string, algorithm train.Algorithm, start *checkpoint.Checkpoint) *Training {
	t.Helper()
	c := DefaultCapacity()
	c.Schedule = Schedule{Updates: 23, CheckpointEvery: 7, LogEvery: 3}
	l := &c.Learner
	l.Algorithm, l.Inputs, l.Units = algorithm, filter.InputNames(), 4
	l.Critics, l.Encoder, l.Pooled, l.Hidden = 3, []int{6}, 4, []int{5}
	l.Rows, l.BurnIn, l.Stretch, l.CQL.Actions, l.WaitUpdates = 8, 3, 4, 2, 3
	c.Model.Batch, c.Model.Windows, c.Model.Delay = 4, 10, 2
	data, err := recording.Load(context.Background(), c.Data, []string{path}, c.Least(), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Training{Capacity: &CapacityTraining{Config: c, Data: data, Start: start}, Seed: 1, Dir: dir}
}

// 10 + 13 updates equal 23, from scratch and from a checkpoint, with every algorithm.
func TestOfflineCapacityResumes(t *testing.T) {
	path := fluidTrace(t, 4, 20)
	for _, c := range []struct {
		algorithm train.Algorithm
		start     *checkpoint.Checkpoint
	}{{train.CQL, nil}, {train.SACN, checkpoint.UntrainedCapacity(5, 1)}, {train.BC, nil}, {train.Model, checkpoint.UntrainedCapacity(5, 1)}} {
		whole, parts := t.TempDir(), t.TempDir()
		out, err := tinyCapacityOffline(t, path, whole, c.algorithm, c.start).Run(context.Background())
		if err != nil || out.Updates != 23 || out.Estimates.Recorded == nil || out.Estimates.Behaviour == nil || out.Best == nil {
			t.Fatalf("%s: %+v, %v", c.algorithm, out, err)
		}
		o := tinyCapacityOffline(t, path, parts, c.algorithm, c.start)
		ctx, cancel := context.WithCancel(context.Background())
		o.Watch = func(s train.Stats) {
			if s.Update == 10 {
				cancel()
			}
		}
		if out, err := o.Run(ctx); !errors.Is(err, context.Canceled) || out.Updates != 10 {
			t.Fatalf("%s: interrupted after %d updates: %v", c.algorithm, out.Updates, err)
		}
		o = tinyCapacityOffline(t, path, parts, c.algorithm, c.start)
		o.Resume = true
		if _, err := o.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		sameFiles(t, filepath.Join(whole, train.Last), filepath.Join(parts, train.Last))
		best, err := checkpoint.Load(filepath.Join(whole, train.Best))
		if err != nil || best.Kind != checkpoint.KindCapacity {
			t.Errorf("%s: the best checkpoint: %v", c.algorithm, err)
		}
	}
}

// Training by the model starts as its checkpoint, whatever the scales of its inputs.
func TestModelStarts(t *testing.T) {
	start := checkpoint.UntrainedCapacity(5, 1)
	for i := range start.Tensors[4].Data {
		start.Tensors[4].Data[i] = float32(i%5-2) / 4
	}
	o := tinyCapacityOffline(t, fluidTrace(t, 4, 20), t.TempDir(), train.Model, start)
	l, err := newModelLearner(o.Capacity, 1)
	if err != nil {
		t.Fatal(err)
	}
	held := o.Capacity.Data.Held()
	one, errOne := recording.Evaluate(start, held)
	other, errOther := recording.Evaluate(l.Checkpoint(), held)
	if errOne != nil || errOther != nil || math.Abs(*one.Recorded-*other.Recorded) > 1e-6 || math.Abs(one.Distance-other.Distance) > 1e-6 {
		t.Errorf("%+v and %+v, %v, %v", one, other, errOne, errOther)
	}
	start.Normalisation = &checkpoint.Normalisation{Mean: make([]float32, len(start.Capacity.Inputs)), Scale: make([]float32, len(start.Capacity.Inputs))}
	start.Normalisation.Mean[2] = 0.5
	if _, err := newModelLearner(o.Capacity, 1); err == nil || !strings.Contains(err.Error(), "busy") {
		t.Errorf("inputs with a mean: %v", err)
	}
}

// Other traces than those trained on are refused.
func TestOfflineCapacityRefuses(t *testing.T) {
	dir := t.TempDir()
	o := tinyCapacityOffline(t, fluidTrace(t, 4, 20), dir, train.BC, nil)
	if _, err := o.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	o = tinyCapacityOffline(t, fluidTrace(t, 4, 21), dir, train.BC, nil)
	o.Resume = true
	if _, err := o.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "on other data") {
		t.Errorf("another trace: %v", err)
	}
	shares := checkpoint.UntrainedCapacity(5, 1)
	shares.Kind = checkpoint.KindShares
	for _, a := range []train.Algorithm{train.SACN, train.Model} {
		if _, err := tinyCapacityOffline(t, fluidTrace(t, 4, 20), t.TempDir(), a, shares).Run(context.Background()); err == nil || !strings.Contains(err.Error(), "kind shares") {
			t.Errorf("%s from a shares policy: %v", a, err)
		}
	}
}

func TestLoadCapacity(t *testing.T) {
	path, ctx := fluidTrace(t, 10, 20), context.Background()
	c := recording.Default()
	c.HeldOut = 0.2
	var read int64
	d, err := recording.Load(ctx, c, []string{path}, 20, 1, func(n int64) { read = n })
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Train) != 8 || len(d.HeldOut) != 2 || d.Windows != 200 || read != 200 || !slices.Equal(d.Workers, []int{4}) {
		t.Errorf("%d and %d recordings, %d windows of %v workers, %d told", len(d.Train), len(d.HeldOut), d.Windows, d.Workers, read)
	}
	same, err := recording.Load(ctx, c, []string{path}, 20, 1, nil)
	if err != nil || same.Fingerprint != d.Fingerprint || same.HeldOut[0].Raw.Episode != d.HeldOut[0].Raw.Episode {
		t.Errorf("loaded again it is other data: %v", err)
	}
	if other, err := recording.Load(ctx, c, []string{path}, 20, 2, nil); err != nil || other.Fingerprint == d.Fingerprint {
		t.Errorf("another seed gives the same split: %v", err)
	}
	if _, err := recording.Load(ctx, c, []string{path}, 21, 1, nil); err == nil || !strings.Contains(err.Error(), "21 windows in a row") {
		t.Errorf("episodes that are too short: %v", err)
	}
}

// The ready configuration equals the default, and errors name the path of a value.
func TestCapacityOfflineConfig(t *testing.T) {
	c := DefaultCapacity()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	for path, change := range map[string]func(*CapacityConfig){
		"updates":           func(c *CapacityConfig) { c.Updates = 0 },
		"learner.algorithm": func(c *CapacityConfig) { c.Learner.Algorithm = "sac" },
		"learner.inputs":    func(c *CapacityConfig) { c.Learner.Inputs = []string{"weather"} },
		"learner.hidden":    func(c *CapacityConfig) { c.Learner.Hidden = nil },
		"learner.encoder[":  func(c *CapacityConfig) { c.Learner.Encoder = []int{0} },
		"learner.cql.box":   func(c *CapacityConfig) { c.Learner.CQL.Box = 0 },
		"model.windows":     func(c *CapacityConfig) { c.Model.Windows = 1 },
		"data.held_out":     func(c *CapacityConfig) { c.Data.HeldOut = 1 },
	} {
		c := DefaultCapacity()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
