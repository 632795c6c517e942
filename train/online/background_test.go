package online

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/replay"
)

func twoKeys() policy.Mask { return policy.Mask{Workers: 2, Keys: [][]uint16{{0, 1}, {0, 1}}} }

func transition(reward float32) replay.Transition {
	return replay.Transition{Obs: make([]float32, 4), Act: make([]float32, 4), Reward: reward, Next: make([]float32, 4)}
}

// TestNeverWaits: everything that the job's side calls returns while a gradient step
// goes on, for as long as it takes.
func TestNeverWaits(t *testing.T) {
	c := newClimber(twoKeys(), 1)
	c.hold = make(chan struct{})
	b, err := NewBackgroundShares(learner(c, 100), 1)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	obs, act := make([]float32, 4), make([]float32, 4)
	none := func(train.Stats) { t.Error("an update was done") }
	for i := range 50 {
		b.Act(obs, act, true)
		if err := b.Remember(transition(float32(i))); err != nil {
			t.Fatal(err)
		}
		if err := b.Learn(1, none); err != nil { // the goroutine is stuck in the first one
			t.Fatal(err)
		}
		if err := b.Save(filepath.Join(dir, Best), false, nil, nil); err != nil {
			t.Fatal(err)
		}
		if err := b.Save(filepath.Join(dir, Last), true, []byte("{}"), nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, Best)); err != nil {
		t.Error(err)
	}
	close(c.hold)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	s := learner(newClimber(twoKeys(), 1), 100)
	cfg := replay.Default()
	cfg.Capacity = 100
	if _, err := s.Load(filepath.Join(dir, Last), cfg, dimsOf(twoKeys())); err != nil || s.Replay.Len() != 50 {
		t.Errorf("saved with %d of 50 transitions: %v", s.Replay.Len(), err)
	}
}

// TestBackground: what is allowed is learned, a snapshot of it acts, and a frozen
// policy stays as it is.
func TestBackground(t *testing.T) {
	c := newClimber(twoKeys(), 1)
	b, err := NewBackgroundShares(learner(c, 100), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	rng := rand.New(rand.NewPCG(1, 1))
	obs, act := make([]float32, 4), make([]float32, 4)
	b.Act(obs, act, false)
	if act[0] != 0 {
		t.Fatalf("before it has learned anything it acts %v", act)
	}
	updates := 0
	count := func(train.Stats) { updates++ }
	b.Freeze(true)
	for i := 0; updates < 100; i++ {
		tr := transition(rng.Float32())
		tr.Act[0] = tr.Reward // the more the better
		if err := b.Remember(tr); err != nil {
			t.Fatal(err)
		}
		n := 0
		if i < 100 {
			n = 1
		}
		if err := b.Learn(n, count); err != nil {
			t.Fatal(err)
		}
		if b.Act(obs, act, false); act[0] != 0 {
			t.Fatalf("while frozen it acts %v", act)
		}
	}
	b.Freeze(false)
	for act[0] < 0.3 { // until the last snapshot is there
		b.Act(obs, act, false)
	}
	if err := b.Learn(0, count); err != nil || updates != 100 {
		t.Errorf("%d updates, 100 were allowed: %v", updates, err)
	}
}

func TestBackgroundFails(t *testing.T) {
	c := newClimber(twoKeys(), 1)
	c.broken = 3
	b, err := NewBackgroundShares(learner(c, 100), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Remember(transition(1)); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		err = b.Learn(1, func(train.Stats) {})
	}
	if !errors.Is(err, errBroken) {
		t.Errorf("error %v", err)
	}
	dir := filepath.Join(t.TempDir(), Last)
	if err := errors.Join(b.Save(dir, true, []byte("{}"), nil), b.Close()); err != nil {
		t.Errorf("after a failure: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, statusFile)); err != nil {
		t.Errorf("what was learned before is not saved: %v", err)
	}
}

// TestBackgroundLoop: the whole loop with a job, a learner beside it, and evaluations
// on the same job.
func TestBackgroundLoop(t *testing.T) {
	c := quick()
	c.Windows = 300
	c.Safety = CarefulSafety()
	l := jobLoop(t, t.TempDir(), c)
	b, err := NewBackgroundShares(l.Learner.(*SharesLearner), 1)
	if err != nil {
		t.Fatal(err)
	}
	l.Learner = b
	l.EvalEnv.(*sharesEnv).Agent = b
	out, err := l.Run(t.Context())
	if err := errors.Join(err, b.Close()); err != nil {
		t.Fatal(err)
	}
	if out.Windows != 300 || out.Best == nil || out.Limited == 0 {
		t.Errorf("%+v", out)
	}
	for _, name := range []string{Best, Last} {
		c, err := checkpoint.Load(filepath.Join(l.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := learned.New(c, learned.Default(), 4); err != nil {
			t.Errorf("%s does not serve: %v", name, err)
		}
	}
}
