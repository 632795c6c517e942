//go:build torch

package offline

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/engine/fluid"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/runlog"
	"github.com/saspart/saspart/train"
)

// fluidTrace records a fluid job of 4 workers under random shares, anew in every
// window, and returns the file.
func fluidTrace(t *testing.T, episodes, windows int) string {
	t.Helper()
	speeds := []float64{0.8, 1, 1.2, 1}
	c := fluid.Default(speeds)
	c.Keys = fluid.ZipfKeys(100, 1.5, policy.SlotCount(4))
	path := filepath.Join(t.TempDir(), "fluid.arrow")
	out, err := dataset.Create(path, dataset.Meta{Workers: 4, Engine: "fluid"})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	shares := policy.Shares{Mask: policy.NewMask(c.Keys.Weights()[:10], 4, policy.DefaultMask()), Hot: c.Keys.Keys()[:10]}
	version := uint64(0)
	for episode := range episodes {
		job, err := fluid.NewJob(c)
		if err != nil {
			t.Fatal(err)
		}
		for step := range windows {
			action := make([]float64, shares.Dim())
			for i := range action {
				action[i] = rng.Float64()
			}
			route, err := shares.Route(action)
			if err != nil {
				t.Fatal(err)
			}
			version++
			route.Version = version
			if err := job.Apply(policy.Decision{Route: route}); err != nil {
				t.Fatal(err)
			}
			w, err := job.Next(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			w.Episode, w.Step = episode, step
			if err := out.Write(w); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// tinyOffline is a training that is soon over.
func tinyOffline(path, dir string, algorithm train.Algorithm, updates int) (*Training, error) {
	c := Default()
	c.Learner.Algorithm, c.Learner.Hidden, c.Learner.Batch, c.Learner.CQL.Actions = algorithm, []int{16, 16}, 16, 3
	c.Updates, c.CheckpointEvery, c.LogEvery, c.Normalise = updates, 7, 3, true
	data, err := dataset.Load{Config: c.Data, Files: []string{path}, Seed: 1}.Do(context.Background())
	return &Training{Config: c, Data: data, Seed: 1, Dir: dir}, err
}

func runTiny(t *testing.T, o *Training, err error) Outcome {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Data.Close()
	out, err := o.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// files are the contents of the files of a checkpoint.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if all[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func sameFiles(t *testing.T, a, b string) {
	t.Helper()
	one, other := files(t, a), files(t, b)
	for name, text := range one {
		if name != "manifest.json" && !bytes.Equal(text, other[name]) { // its configuration says how long it was to be
			t.Errorf("%s of %s and %s differ", name, a, b)
		}
	}
	if len(one) != 4 || len(other) != 4 {
		t.Errorf("checkpoints of %d and %d files, want 4", len(one), len(other))
	}
}

// TestOfflineResumes: 10 + 13 updates are 23, also where the first part ended by an
// interrupt between two checkpoints.
func TestOfflineResumes(t *testing.T) {
	path := fluidTrace(t, 4, 20)
	for _, row := range train.Algorithms() {
		algorithm := row.Name
		whole, parts := t.TempDir(), t.TempDir()
		o, err := tinyOffline(path, whole, algorithm, 23)
		runTiny(t, o, err)
		o, err = tinyOffline(path, parts, algorithm, 23)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		o.Watch = func(s train.Stats) {
			if s.Update == 10 {
				cancel()
			}
		}
		if out, err := o.Run(ctx); !errors.Is(err, context.Canceled) || out.Updates != 10 {
			t.Fatalf("interrupted after %d updates: %v", out.Updates, err)
		}
		o, err = tinyOffline(path, parts, algorithm, 23)
		o.Resume = true
		var done uint64
		o.Begin = func(n uint64) error { done = n; return nil }
		runTiny(t, o, err)
		if done != 10 {
			t.Errorf("%s went on after %d updates, want 10", algorithm, done)
		}
		sameFiles(t, filepath.Join(whole, train.Last), filepath.Join(parts, train.Last))
	}
}

// childVariable tells TestKilled's child what to do.
const childVariable = "SASPART_TRAIN_TEST_CHILD"

func TestKilled(t *testing.T) {
	const updates = 60
	if job := os.Getenv(childVariable); job != "" {
		args := strings.Split(job, "\n")
		o, err := tinyOffline(args[0], args[1], train.Algorithm(args[2]), updates)
		o.Config.CheckpointEvery = 1
		o.Resume = true
		o.Watch = func(train.Stats) { time.Sleep(time.Millisecond) }
		runTiny(t, o, err)
		return
	}
	if testing.Short() {
		t.Skip("starts 21 processes for each algorithm")
	}
	path := fluidTrace(t, 4, 20)
	for _, row := range train.Algorithms() {
		t.Run(string(row.Name), func(t *testing.T) { killed(t, path, row.Name, updates) })
	}
}

// killed kills a training at 20 random moments, and resumes it each time.
func killed(t *testing.T, path string, algorithm train.Algorithm, updates int) {
	dir := t.TempDir()
	start := func() *exec.Cmd {
		child := exec.Command(os.Args[0], "-test.run", "^TestKilled$")
		child.Env = append(os.Environ(), childVariable+"="+path+"\n"+dir+"\n"+string(algorithm))
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		return child
	}
	rng := rand.New(rand.NewPCG(4, 4))
	last := uint64(0)
	for range 20 {
		child := start()
		time.Sleep(time.Duration(rng.IntN(250)) * time.Millisecond)
		_ = child.Process.Kill() // it may have ended
		_ = child.Wait()
		s, err := train.ReadSaved(filepath.Join(dir, train.Last))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal("a kill left a checkpoint that is not whole: ", err)
		}
		if s.State.Updates < last {
			t.Fatalf("%d updates after %d", s.State.Updates, last)
		}
		last = s.State.Updates
	}
	if err := start().Wait(); err != nil {
		t.Fatal("resumed: ", err)
	}
	o, err := tinyOffline(path, t.TempDir(), algorithm, updates)
	o.Config.CheckpointEvery = 1
	runTiny(t, o, err)
	sameFiles(t, filepath.Join(o.Dir, train.Last), filepath.Join(dir, train.Last))
}

func TestOfflineRefuses(t *testing.T) {
	path, dir := fluidTrace(t, 4, 20), t.TempDir()
	o, err := tinyOffline(path, dir, train.CQL, 7)
	runTiny(t, o, err)
	for _, c := range []struct {
		why  string
		edit func(o *Training)
		want string
	}{
		{"other data", func(o *Training) { o.Data.Stats.Rows++ }, "on other data"},
		{"another network", func(o *Training) { o.Config.Learner.Hidden = []int{8} }, "configuration it was trained with"},
		{"no critics", func(o *Training) { o.Config.Learner.Critics = 0 }, "critics"},
		{"half a checkpoint", func(o *Training) {
			if err := os.Truncate(filepath.Join(dir, train.Last, "trainer.safetensors"), 100); err != nil {
				t.Fatal(err)
			}
		}, "damaged"},
		{"a checkpoint for serving only", func(o *Training) {
			if err := os.Remove(filepath.Join(dir, train.Last, "trainer.json")); err != nil {
				t.Fatal(err)
			}
		}, "cannot be resumed"},
	} {
		o, err := tinyOffline(path, dir, train.CQL, 9)
		if err != nil {
			t.Fatal(err)
		}
		o.Resume = true
		c.edit(o)
		if _, err := o.Run(context.Background()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", c.why, err, c.want)
		}
		if err := o.Data.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestBest: without rollouts the newest checkpoint is the best; with them, that of the
// lowest imbalance.
func TestBest(t *testing.T) {
	path := fluidTrace(t, 4, 20)
	for _, c := range []struct {
		why    string
		scores []float64
		want   float64 // updates of the best
	}{
		{"no rollouts", nil, 21},
		{"the second is the best", []float64{0.5, 0.2, 0.3}, 14},
	} {
		o, err := tinyOffline(path, t.TempDir(), train.BC, 21)
		scores := slices.Clone(c.scores)
		if scores != nil {
			o.Rollout = func(context.Context, *checkpoint.Checkpoint) (float64, error) {
				score := scores[0]
				scores = scores[1:]
				return score, nil
			}
		}
		rows := map[uint64]map[string]float64{}
		o.Record = func(update uint64, values map[string]float64) error {
			rows[update] = values
			return nil
		}
		runTiny(t, o, err)
		best, err := checkpoint.Load(filepath.Join(o.Dir, train.Best))
		if err != nil {
			t.Fatal(err)
		}
		if best.Metrics["updates"] != c.want {
			t.Errorf("%s: the best has %v updates, want %v", c.why, best.Metrics["updates"], c.want)
		}
		if len(rows) != 9 || rows[7][runlog.ActionDistance] <= 0 || rows[3][runlog.LossClone] == 0 {
			t.Errorf("%s: rows %v", c.why, rows)
		}
		for update, values := range rows {
			for name := range values {
				if !slices.Contains(train.Metrics(), name) {
					t.Errorf("row %d has %s, which is none of Metrics", update, name)
				}
			}
		}
	}
}
