//go:build torch

package capacity

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/saspart/saspart/policy/filter"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/policy/scenario"
	"github.com/saspart/saspart/train"
)

// tinyCapacity is a configuration that trains in no time, with every input.
func tinyCapacity() Config {
	c := Prototype()
	c.Hedge, c.Pool, c.Muon = true, true, true
	c.Inputs, c.Units, c.Workers, c.Batch, c.Updates = filter.InputNames(), 4, [2]int{2, 9}, 8, 20
	return c
}

// perturb moves all parameters, so that no gradient is zero by the head's.
func perturb(t *ModelTrainer, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range t.params.W {
		t.params.W[i] += float32(0.2 * rng.NormFloat64())
	}
}

// rolloutOf runs one scenario under the trainer's network and returns loss, imbalance
// per window summed over the windows, and the gradient.
func rolloutOf(t *ModelTrainer, s *scenario.Scenario, k float64) *group {
	g := &group{rollouts: make([]rollout, 1), grad: make([]float32, len(t.params.W))}
	g.rollouts[0].begin(s)
	w := t.net.Views(t.params.W)
	t.pass(g, &w, k)
	return g
}

// The course of a scenario here is that of the policy that serves.
func TestRolloutIsThePolicys(t *testing.T) {
	for _, c := range []struct {
		why     string
		workers int
		change  func(*scenario.Config)
	}{
		{"the first scenarios", 8, func(*scenario.Config) {}},
		{"reports that are late, not work", 6, func(s *scenario.Config) { s.Reports = 1 }},
		{"more workers than a tile", 70, func(*scenario.Config) {}},
		{"saturated and slowing the job down", 5, func(s *scenario.Config) {
			s.Pressure, s.Utilisation = 1, [2]float64{0.9, 1.3}
		}},
		{"speeds so far apart that the least share counts", 4, func(s *scenario.Config) {
			s.Jump, s.JumpTo = [2]float64{0.1, 0.1}, [2]float64{0.001, 1}
		}},
		{"like a job, with lumps, chance and an uneven start", 5, func(s *scenario.Config) {
			s.Job = scenario.JobLike{Part: 1, Noise: [2]float64{0.01, 0.1}, Start: [2]float64{1, 2}, Lumps: [2]float64{0.1, 0.2}, Chance: [2]float64{0.1, 0.2}}
		}},
		{"reports that are missing, in some windows all", 3, func(s *scenario.Config) {
			s.Missing, s.MissingFor = [2]float64{0.4, 0.6}, [2]int{1, 5}
		}},
	} {
		cfg := tinyCapacity()
		c.change(&cfg.Scenarios.Laws[0].Config)
		trainer, err := NewModelTrainer(cfg, 1)
		if err != nil {
			t.Fatal(err)
		}
		perturb(trainer, 2)
		capacity, err := learned.NewCapacityPolicy(trainer.Checkpoint(), c.workers)
		if err != nil {
			t.Fatal(err)
		}
		for seed := range uint64(4) {
			scores, err := scenario.Evaluate(capacity, cfg.Scenarios.Laws[0].Config, c.workers, []uint64{seed})
			if err != nil {
				t.Fatal(err)
			}
			want := (8*scores[0].First + 56*scores[0].After) / 64
			got := rolloutOf(trainer, scenario.New(cfg.Scenarios.Laws[0].Config, c.workers, seed), 20).imbalance / 64
			if math.Abs(got-want) > 1e-5*(1+want) {
				t.Errorf("%s, seed %d: imbalance %v, the policy's is %v", c.why, seed, got, want)
			}
		}
	}
}

// The gradient is what finite differences of the loss say.
func TestCapacityGradient(t *testing.T) {
	for _, c := range []struct {
		why      string
		pressure float64
		rho      [2]float64
		lumps    float64
		missing  float64
	}{
		{"nobody saturated", 0, [2]float64{0.3, 0.3}, 0, 0},
		{"many saturated", 0, [2]float64{0.95, 0.95}, 0, 0},
		{"and slowing the job down", 1, [2]float64{1.05, 1.05}, 0, 0},
		{"like a job", 0, [2]float64{0.3, 0.3}, 0.1, 0},
		{"with missing reports", 0, [2]float64{0.3, 0.3}, 0, 0.4},
	} {
		cfg := tinyCapacity()
		law := &cfg.Scenarios.Laws[0]
		law.Windows, law.Pressure, law.Utilisation = 6, c.pressure, c.rho
		if around := [2]float64{c.lumps, c.lumps}; c.lumps > 0 {
			law.Job = scenario.JobLike{Part: 1, Noise: around, Start: around, Lumps: around, Chance: around}
		}
		law.Missing, law.MissingFor = scenario.Range{c.missing, c.missing}, scenario.Count{1, 2}
		cfg.Batch = 1
		trainer, err := NewModelTrainer(cfg, 3)
		if err != nil {
			t.Fatal(err)
		}
		perturb(trainer, 4)
		off, checked := 0, 0
		for seed := range uint64(4) {
			s := scenario.New(cfg.Scenarios.Laws[0].Config, 5, seed)
			grad := rolloutOf(trainer, s, 20).grad
			w := trainer.params.W
			for i := range w {
				// Twice, to leave out where the loss has a kink within the step.
				slope := func(step float32) float64 {
					was := w[i]
					w[i] = was + step
					up, high := rolloutOf(trainer, s, 20).loss, w[i]
					w[i] = was - step
					down, low := rolloutOf(trainer, s, 20).loss, w[i]
					w[i] = was
					return (up - down) / float64(high-low) / float64(law.Windows)
				}
				wide, narrow := slope(4e-3), slope(2e-3)
				if math.Abs(wide-narrow) > 1e-4+0.02*math.Abs(narrow) {
					continue
				}
				checked++
				best := narrow + (narrow-wide)/3
				// A kink close by bends both alike: nearer, and rougher, it is past.
				near := slope(1e-4)
				if math.Abs(float64(grad[i])-best) > 5e-5+0.01*math.Abs(best) && math.Abs(float64(grad[i])-near) > 1e-4+0.005*math.Abs(near) {
					off++
					t.Logf("%s, seed %d: gradient %d is %v, differences give %v", c.why, seed, i, grad[i], best)
				}
			}
		}
		if off > 0 || checked < 300 {
			t.Errorf("%s: %d of %d gradients are off", c.why, off, checked)
		}
	}
}

// learn does so many updates.
func learn(t *testing.T, c *ModelTrainer, updates int) {
	t.Helper()
	for range updates {
		if _, err := c.Update(); err != nil {
			t.Fatal(err)
		}
	}
}

// Interrupted or not, on one thread or three: the same parameters, bit for bit.
func TestCapacityResumesExactly(t *testing.T) {
	fresh := func(threads int, seed uint64) *ModelTrainer {
		cfg := tinyCapacity()
		cfg.Batch, cfg.Threads, cfg.Average = 2*groupScenarios+1, threads, 0.9
		c, err := NewModelTrainer(cfg, seed)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	whole, half, resumed := fresh(1, 7), fresh(3, 7), fresh(2, 8)
	learn(t, whole, 6)
	learn(t, half, 3)
	state, err := half.State()
	if err != nil {
		t.Fatal(err)
	}
	learn(t, half, 1) // what the state holds is a copy
	if err := resumed.Restore(state); err != nil {
		t.Fatal(err)
	}
	learn(t, resumed, 3)
	if !slices.Equal(whole.params.W, resumed.params.W) || !slices.Equal(whole.policy.W, resumed.policy.W) || whole.Updates() != resumed.Updates() {
		t.Error("a resumed run ends elsewhere")
	}
	other := fresh(1, 8)
	learn(t, other, 6)
	if slices.Equal(whole.params.W, other.params.W) {
		t.Error("another seed ends at the same place")
	}
}

// The policy is the moving average of the parameters, which it does not change.
func TestPolicyIsTheAverage(t *testing.T) {
	cfg := tinyCapacity()
	plain, err := NewModelTrainer(cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Average = 0.75
	averaged, err := NewModelTrainer(cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(plain.params.W)
	for range 4 {
		learn(t, plain, 1)
		learn(t, averaged, 1)
		for i, v := range plain.params.W {
			want[i] += 0.25 * (v - want[i])
		}
	}
	if !slices.Equal(plain.params.W, averaged.params.W) {
		t.Error("the average changed what is learned")
	}
	at := 0
	for _, tensor := range averaged.Checkpoint().Tensors {
		for i, v := range tensor.Data {
			if math.Abs(float64(v-want[at])) > 1e-6 {
				t.Fatalf("number %d of %s is %v, the average is %v", i, tensor.Name, v, want[at])
			}
			at++
		}
	}
	again, err := NewModelTrainer(cfg, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.StartFrom(averaged.Checkpoint()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(again.Checkpoint().Tensors[0].Data, averaged.Checkpoint().Tensors[0].Data) {
		t.Error("the average does not begin where the training starts from")
	}
}

func TestCapacityRestoreRefuses(t *testing.T) {
	c, err := NewModelTrainer(tinyCapacity(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for why, change := range map[string]func(*train.State){
		"a tensor less":            func(s *train.State) { s.Tensors = s.Tensors[1:] },
		"a tensor of another name": func(s *train.State) { s.Tensors[0].Name = "actor.0.weight" },
		"another shape":            func(s *train.State) { s.Tensors[0].Shape = []int{1, 1} },
		"no generator":             func(s *train.State) { s.Generator = nil },
	} {
		s, err := c.State()
		if err != nil {
			t.Fatal(err)
		}
		before := slices.Clone(c.params.W)
		s.Tensors[len(s.Tensors)-1].Data[0] = 1
		s.Updates = 99
		change(&s)
		if err := c.Restore(s); err == nil || c.Updates() != 0 || !slices.Equal(before, c.params.W) {
			t.Errorf("%s: %v", why, err)
		}
	}
}

// From a fixed smoothing it becomes better than the best of them in a hundred updates.
func TestCapacityLearns(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	cfg := Prototype()
	cfg.Workers, cfg.Batch, cfg.Updates, cfg.Rate = [2]int{4, 12}, 24, 120, [2]float64{1e-2, 1e-3}
	c, err := NewModelTrainer(cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	score := func(f scenario.Starter) float64 {
		seeds := make([]uint64, 128)
		for i := range seeds {
			seeds[i] = uint64(i)
		}
		scores, err := scenario.Evaluate(f, cfg.Scenarios.Laws[0].Config, 8, seeds)
		if err != nil {
			t.Fatal(err)
		}
		mean, _ := scenario.MeanScore(scores)
		return mean.After
	}
	best := math.Inf(1)
	for _, alpha := range []float64{0.1, 0.2, 0.3, 0.4} {
		best = min(best, score(&scenario.Smoothed{Alpha: alpha}), score(&scenario.Smoothed{Alpha: alpha, Overload: 0.2}))
	}
	learn(t, c, cfg.Updates)
	f, err := learned.NewCapacityPolicy(c.Checkpoint(), 8)
	if err != nil {
		t.Fatal(err)
	}
	got := score(f)
	t.Logf("imbalance %.4f after %d updates; the best fixed smoothing's is %.4f", got, cfg.Updates, best)
	if got > 0.95*best {
		t.Errorf("imbalance %.4f, not clearly below the best fixed smoothing's %.4f", got, best)
	}
}

// Recorded jobs are learned from like drawn scenarios; others than asked for are refused.
func TestCapacityUpdateOn(t *testing.T) {
	cfg := tinyCapacity()
	cfg.Batch, cfg.Rate = 2, [2]float64{1e-2, 1e-2}
	c, err := NewModelTrainer(cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	s := cfg.Scenarios.Laws[0].Config
	s.Noise, s.Utilisation = [2]float64{0, 0}, [2]float64{0.2, 0.2}
	recorded := scenario.New(s, 3, 5)
	recorded.Delay = 1
	first, err := c.UpdateOn([]*scenario.Scenario{recorded, recorded})
	if err != nil {
		t.Fatal(err)
	}
	last := first
	for range 40 {
		if last, err = c.UpdateOn([]*scenario.Scenario{recorded, recorded}); err != nil {
			t.Fatal(err)
		}
	}
	if !(last.Loss < first.Loss) {
		t.Errorf("the loss went from %v to %v", first.Loss, last.Loss)
	}
	if _, err := c.UpdateOn([]*scenario.Scenario{recorded}); err == nil || !strings.Contains(err.Error(), "1 scenarios") {
		t.Errorf("half a batch: %v", err)
	}
	s.Windows = 9
	short := scenario.New(s, 3, 5)
	if _, err := c.UpdateOn([]*scenario.Scenario{recorded, short}); err == nil || !strings.Contains(err.Error(), "9 windows") {
		t.Errorf("a short scenario: %v", err)
	}
}

// A gradient that is not finite stops the run and leaves the network as it was.
func TestCapacityStopsAtNaN(t *testing.T) {
	c, err := NewModelTrainer(tinyCapacity(), 1)
	if err != nil {
		t.Fatal(err)
	}
	c.params.W[0] = float32(math.NaN())
	before := slices.Clone(c.params.W[1:])
	if _, err := c.Update(); err == nil || !strings.Contains(err.Error(), "update 1") {
		t.Errorf("update with a NaN: %v", err)
	}
	if !slices.Equal(before, c.params.W[1:]) || c.Updates() != 0 {
		t.Error("it changed something")
	}
}
