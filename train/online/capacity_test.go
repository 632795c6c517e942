package online

import (
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/saspart/saspart/engine/fluid"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/policy/scenario"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/recording"
	"github.com/saspart/saspart/train/replay"
)

// nudger is a capacity learner that changes its policy by drawing from the windows.
type nudger struct {
	pcg     *rand.PCG
	rng     *rand.Rand
	start   *checkpoint.Checkpoint
	bias    float32
	updates uint64
}

func newNudger(seed uint64) *nudger {
	pcg := rand.NewPCG(seed, 3)
	return &nudger{pcg: pcg, rng: rand.New(pcg), start: checkpoint.UntrainedCapacity(4, 1)}
}

func (n *nudger) Update(src recording.Stretches) (train.Stats, error) {
	batch, err := src.Sample(n.rng, 8, func(int) int { return 3 })
	if err != nil {
		return train.Stats{}, err
	}
	for _, s := range batch {
		n.bias += float32(s.From%5) * 1e-4
	}
	n.updates++
	return train.Stats{Update: n.updates}, nil
}

func (n *nudger) State() (train.State, error) {
	generator, err := n.pcg.MarshalBinary()
	return train.State{Updates: n.updates, Generator: generator, Tensors: []train.Tensor{{Name: "bias", Shape: []int{1}, Data: []float32{n.bias}}}}, err
}

func (n *nudger) Restore(s train.State) error {
	n.updates, n.bias = s.Updates, s.Tensors[0].Data[0]
	return n.pcg.UnmarshalBinary(s.Generator)
}

func (n *nudger) Checkpoint() *checkpoint.Checkpoint {
	c := *n.start
	c.Tensors = nil
	for _, t := range n.start.Tensors {
		t.Data = append([]float32(nil), t.Data...)
		if t.Name == "head.bias" {
			t.Data[0] += n.bias
		}
		c.Tensors = append(c.Tensors, t)
	}
	return &c
}

// capacityLoop is a loop on jobs in closed form with noise.
func capacityLoop(t *testing.T, dir string, c Config, parallel int) (*Training, *CapacityLearner) {
	t.Helper()
	return capacityLoopOn(t, dir, c, parallel, func(c *fluid.Config) { c.Noise = 0.05 })
}

// capacityLoopOn is a loop on jobs in closed form, each with a seed of its own.
func capacityLoopOn(t *testing.T, dir string, c Config, parallel int, change func(*fluid.Config)) (*Training, *CapacityLearner) {
	t.Helper()
	config, _ := fluidJob(t, change)
	s := &CapacityLearner{Trainer: newNudger(5), Windows: replay.NewRecordings(600, 4, c.P0), Least: 9}
	l := &Training{Config: c, Learner: s, Dir: dir, Now: clock()}
	for i := range parallel + 1 {
		config := config
		config.Seed = uint64(i)
		job := CapacityJob{
			Open: func() (Job, error) { return fluid.NewJob(config) }, Index: i, Workers: 4,
			Learned: learned.Default(), P0: c.P0, Agent: s, Safety: c.Safety, Seed: uint64(i),
		}
		job.Restart = i == parallel
		if job.Restart {
			job.Index = -1
		}
		e := NewCapacityEnv[fluid.JobState](job)
		t.Cleanup(func() {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
		if l.EvalEnv = e; i < parallel {
			l.Envs = append(l.Envs, e)
		}
	}
	return l, s
}

// TestCapacityLoop: windows become stretches, updates become routes, and what is saved
// serves and can be gone on from.
func TestCapacityLoop(t *testing.T) {
	c := quick()
	c.Windows, c.LearningStarts, c.Evaluate.Settle = 120, 20, 12
	dir := t.TempDir()
	l, s := capacityLoop(t, dir, c, 2)
	var routes RouteMap
	l.Evaluated = func(_ Evaluation, r RouteMap) error {
		routes = r
		return nil
	}
	out, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if out.Updates != 100 || s.Windows.Windows() != 120 {
		t.Errorf("%d updates, %d windows remembered: %+v", out.Updates, s.Windows.Windows(), out)
	}
	if out.Last.Imbalance > 0.3 { // a fixed smoothing finds the speeds in the first windows
		t.Errorf("imbalance %.3f", out.Last.Imbalance)
	}
	if len(routes.Keys) != mapped || math.Abs(sum(routes.Shares[0])-1) > 1e-9 {
		t.Errorf("routes %+v", routes)
	}
	for _, name := range []string{Best, Last} {
		saved, err := checkpoint.Load(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := learned.New(saved, learned.Default(), 9); err != nil {
			t.Errorf("%s does not serve a job of 9 workers: %v", name, err)
		}
	}
	l, s = capacityLoop(t, dir, c, 2)
	status, err := s.Load(filepath.Join(dir, Last), 600, 4, c.P0)
	if err != nil || status.Windows != 120 || s.Windows.Windows() != 120 || s.Trainer.(*nudger).updates != 100 {
		t.Fatalf("%+v with %d windows: %v", status, s.Windows.Windows(), err)
	}
	l.Status, l.Config.Windows = status, 160
	if out, err = l.Run(t.Context()); err != nil || out.Windows != 160 || out.Updates != 140 {
		t.Errorf("resumed: %+v, error %v", out, err)
	}
}

// TestCapacityBackground: the same with the learner beside the job.
func TestCapacityBackground(t *testing.T) {
	c := quick()
	c.Windows, c.Safety = 150, CarefulSafety()
	l, s := capacityLoop(t, t.TempDir(), c, 1)
	b, err := NewBackgroundCapacity(s)
	if err != nil {
		t.Fatal(err)
	}
	l.Learner, l.EvalEnv = b, l.Envs[0]
	l.Envs[0].(*capacityEnv[fluid.JobState]).Agent = b
	_, err = l.Run(t.Context())
	if err := errors.Join(err, b.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(l.Dir, Last, replay.File)); err != nil {
		t.Error(err)
	}
}

// TestShortStep bounds a follower's shares.
func TestShortStep(t *testing.T) {
	wants := [][]float64{{0.5, 0.5}, {0.52, 0.48}, {0.9, 0.1}, {0.9, 0.1}}
	s := &stepLimit{Policy: &scripted{shares: wants}, most: 0.1}
	for i, want := range []struct {
		share   float64
		limited bool
	}{{0.5, false}, {0.52, false}, {0.62, true}, {0.72, true}} {
		share := make([]float64, 2)
		s.Decide(nil, share)
		if math.Abs(share[0]-want.share) > 1e-12 || math.Abs(sum(share)-1) > 1e-12 || s.limited != want.limited {
			t.Errorf("step %d: %v, shortened %v; want %v, %v", i, share, s.limited, want.share, want.limited)
		}
	}
}

type scripted struct{ shares [][]float64 }

func (s *scripted) Decide(_ *scenario.Measured, share []float64) bool {
	copy(share, s.shares[0])
	s.shares = s.shares[1:]
	return true
}

// TestCapacityReturns: a window beyond the limits brings back the last good route.
func TestCapacityReturns(t *testing.T) {
	s := &CapacityLearner{Trainer: newNudger(5), Windows: replay.NewRecordings(600, 2, 0.6), Least: 9}
	job := &late{}
	e := NewCapacityEnv[fluid.JobState](CapacityJob{
		Open: func() (Job, error) { return job, nil }, Workers: 2, Learned: learned.Default(), P0: 0.6, Agent: s,
		Safety: Safety{MaxStep: 1, MaxImbalance: 0.3},
	}).(*capacityEnv[fluid.JobState])
	if err := e.Reset(); err != nil {
		t.Fatal(err)
	}
	good := policy.HashRoute(2)
	good.Version = 7
	e.good = good
	latest := policy.HashRoute(2)
	latest.Version = 9
	e.loop.Follow(latest)
	e.window = &policy.Window{Counts: []int64{100, 100}, Busy: []float64{0.9, 0.1}, Records: 200, Route: &policy.Route{Version: 9, Workers: 2}}
	m, err := e.Observe(true)
	if err != nil || !m.Returned {
		t.Fatalf("%+v, error %v", m, err)
	}
	e.window.Route = policy.HashRoute(2)
	if err := e.Act(true); err != nil {
		t.Fatal(err)
	}
	if n := len(job.coming); n != 1 || job.coming[0].Version < 10 || &job.coming[0].Slots[0] != &good.Slots[0] {
		t.Errorf("announced %+v", job.coming)
	}
}
