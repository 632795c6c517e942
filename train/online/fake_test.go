package online

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/runlog"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/replay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// climber is a learner small enough to be followed by hand: it acts the same whatever
// it sees, and moves towards the batch's best action. Like the trainer it draws from a
// generator of its own, which is part of its state.
type climber struct {
	mask    policy.Mask
	pcg     *rand.PCG
	rng     *rand.Rand
	mean    []float32 // before tanh
	updates uint64
	batch   *train.Batch

	broken uint64        // the update that fails; 0: none
	hold   chan struct{} // if not nil, an update waits for it
}

func newClimber(mask policy.Mask, seed uint64) *climber {
	pcg := rand.NewPCG(seed, 1)
	dims := dimsOf(mask)
	return &climber{mask: mask, pcg: pcg, rng: rand.New(pcg), mean: make([]float32, dims.Act), batch: train.NewBatch(16, dims)}
}

func dimsOf(mask policy.Mask) train.Dims {
	return train.Dims{Obs: 2 * mask.Workers, Act: mask.Pairs()}
}

func (c *climber) Act(_, act []float32, explore bool) {
	for i := range act {
		u := float64(c.mean[i])
		if explore {
			u += 0.3 * c.rng.NormFloat64()
		}
		act[i] = float32(math.Tanh(u))
	}
}

var errBroken = errors.New("the critics' loss is NaN")

func (c *climber) Update(src train.Source) (train.Stats, error) {
	if c.hold != nil {
		<-c.hold
	}
	if c.updates+1 == c.broken {
		return train.Stats{}, errBroken
	}
	if err := src.Sample(c.rng, c.batch); err != nil {
		return train.Stats{}, err
	}
	best := 0
	for i, r := range c.batch.Reward {
		if r > c.batch.Reward[best] {
			best = i
		}
	}
	for i := range c.mean {
		a := float64(c.batch.Act[best*len(c.mean)+i])
		c.mean[i] += 0.1 * (float32(math.Atanh(min(max(a, -0.99), 0.99))) - c.mean[i])
	}
	if l, ok := src.(train.Listener); ok {
		errs := make([]float32, len(c.batch.Reward))
		for i, r := range c.batch.Reward {
			errs[i] = float32(math.Abs(float64(r)))
		}
		l.Learned(errs)
	}
	c.updates++
	return train.Stats{Update: c.updates, Values: map[string]float64{runlog.Alpha: 1}}, nil
}

func (c *climber) State() (train.State, error) {
	generator, err := c.pcg.MarshalBinary()
	mean := train.Tensor{Name: "actor.mean", Shape: []int{len(c.mean)}, Data: slices.Clone(c.mean)}
	return train.State{Updates: c.updates, Generator: generator, Tensors: []train.Tensor{mean}}, err
}

func (c *climber) Restore(s train.State) error {
	c.updates = s.Updates
	copy(c.mean, s.Tensors[0].Data)
	return c.pcg.UnmarshalBinary(s.Generator)
}

// Policy is a network that does what Act does.
func (c *climber) Policy() []train.Tensor {
	d := dimsOf(c.mask)
	bias := make([]float32, 2*d.Act)
	for i := range d.Act {
		bias[i], bias[d.Act+i] = c.mean[i], float32(math.Log(0.3))
	}
	return []train.Tensor{
		{Name: "0.weight", Shape: []int{1, d.Obs, 1}, Data: make([]float32, d.Obs)}, {Name: "0.bias", Shape: []int{1, 1}, Data: []float32{0}},
		{Name: "1.weight", Shape: []int{1, 1, 2 * d.Act}, Data: make([]float32, 2*d.Act)}, {Name: "1.bias", Shape: []int{1, 2 * d.Act}, Data: bias},
	}
}

// learner is the shares learner of a climber.
func learner(c *climber, capacity int) *SharesLearner {
	cfg := replay.Default()
	cfg.Capacity = capacity
	return &SharesLearner{
		Trainer: c, Replay: replay.New(cfg, dimsOf(c.mask)),
		Template: checkpoint.Checkpoint{
			Kind:   checkpoint.KindShares,
			Shares: &checkpoint.SharesSpec{Workers: c.mask.Workers, Mask: c.mask.Keys, HotKeys: max(1, len(c.mask.Keys)), Hidden: []int{1}},
		},
	}
}

// clock ticks a millisecond per look.
func clock() func() time.Time {
	var mu sync.Mutex
	at := time.Unix(0, 0)
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		at = at.Add(time.Millisecond)
		return at
	}
}

// quick is a configuration for tests.
func quick() Config {
	c := Default()
	c.TargetImbalance, c.LearningStarts, c.Vary.Every = 0, 10, 0
	c.Evaluate = EvaluationConfig{Every: 20, Windows: 5, Settle: 1}
	c.CheckpointEvery, c.LogEvery, c.Episode = 50, 10, 16
	return c
}

// script is an Env with scripted results.
type script struct {
	measure func(window int) StepResult
	delay   func() // in Run
	learned func(window int)
	routes  RouteMap
	err     error // of Run, after the measures
	last    int   // windows before err; 0: any number

	begun, window int
}

func (s *script) Reset() error          { s.begun++; return nil }
func (s *script) Act(bool) error        { return nil }
func (s *script) Routes() RouteMap      { return s.routes }
func (s *script) Load([]byte) error     { return nil }
func (s *script) Close() error          { return nil }
func (s *script) Save() ([]byte, error) { return nil, nil }

func (s *script) Step(ctx context.Context) error {
	if s.delay != nil {
		s.delay()
	}
	if s.last > 0 && s.window == s.last {
		return s.err
	}
	return ctx.Err()
}

func (s *script) Observe(learn bool) (StepResult, error) {
	s.window++
	if learn && s.learned != nil {
		s.learned(s.window)
	}
	if s.measure == nil {
		return StepResult{Clean: true, Imbalance: 1}, nil
	}
	return s.measure(s.window), nil
}

// idle is a Learner that learns nothing and records what it saves.
type idle struct {
	updates uint64
	saved   []string
	fail    uint64 // the update that fails
	frozen  bool
}

func (s *idle) Learn(n int, each func(train.Stats)) error {
	for range n {
		if s.updates+1 == s.fail {
			return errBroken
		}
		s.updates++
		each(train.Stats{Update: s.updates})
	}
	return nil
}

func (s *idle) Freeze(on bool) { s.frozen = on }
func (s *idle) Close() error   { return nil }
func (s *idle) Save(folder string, _ bool, _ []byte, _ map[string]float64) error {
	s.saved = append(s.saved, folder)
	return nil
}
