//go:build torch

package train

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/saspart/saspart/policy"
)

// tinyCapacity is a configuration that trains in no time, with every input.
func tinyCapacity() CapacityConfig {
	c := PrototypeCapacity()
	c.Inputs, c.Units, c.Workers, c.Batch, c.Updates = policy.CapacityInputs(), 4, [2]int{2, 9}, 8, 20
	return c
}

// perturb moves all parameters, so that no gradient is zero by the head's.
func perturb(t *Capacity, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range t.params.w {
		t.params.w[i] += float32(0.2 * rng.NormFloat64())
	}
}

// courseOf runs one scenario under the trainer's network and returns loss, imbalance
// per window summed over the windows, and the gradient.
func courseOf(t *Capacity, s *policy.Scenario, k float64) *group {
	g := &group{courses: make([]course, 1), grad: make([]float32, len(t.params.w))}
	g.courses[0].begin(s)
	w := t.net.views(t.params.w)
	t.pass(g, &w, k)
	return g
}

// The course of a scenario here is that of the policy that serves.
func TestCapacityCoursesAreThePolicys(t *testing.T) {
	for _, c := range []struct {
		why     string
		workers int
		change  func(*policy.ScenarioConfig)
	}{
		{"the scenarios of capacity.md", 8, func(*policy.ScenarioConfig) {}},
		{"more workers than a tile", 70, func(*policy.ScenarioConfig) {}},
		{"saturated and slowing the job down", 5, func(s *policy.ScenarioConfig) {
			s.Pressure, s.Utilisation = 1, [2]float64{0.9, 1.3}
		}},
		{"speeds so far apart that the least share counts", 4, func(s *policy.ScenarioConfig) {
			s.Jump, s.JumpTo = [2]float64{0.1, 0.1}, [2]float64{0.001, 1}
		}},
	} {
		cfg := tinyCapacity()
		c.change(&cfg.Scenarios)
		trainer, err := NewCapacity(cfg, 1)
		if err != nil {
			t.Fatal(err)
		}
		perturb(trainer, 2)
		follower, err := policy.NewCapacity(trainer.Checkpoint(), c.workers)
		if err != nil {
			t.Fatal(err)
		}
		for seed := range uint64(4) {
			scores, err := policy.EvaluateFollower(follower, cfg.Scenarios, c.workers, []uint64{seed})
			if err != nil {
				t.Fatal(err)
			}
			want := (8*scores[0].First + 56*scores[0].After) / 64
			got := courseOf(trainer, policy.NewScenario(cfg.Scenarios, c.workers, seed), 20).imbalance / 64
			if math.Abs(got-want) > 1e-5*(1+want) {
				t.Errorf("%s, seed %d: imbalance %v, the policy's is %v", c.why, seed, got, want)
			}
		}
	}
}

// naiveLoss is the mean loss of a course by the policy's own code, with an estimate
// network of float64: the gradient's other twin is its finite differences.
func TestCapacityGradient(t *testing.T) {
	for _, c := range []struct {
		why      string
		pressure float64
		rho      [2]float64
	}{
		{"nobody saturated", 0, [2]float64{0.3, 0.3}},
		{"many saturated", 0, [2]float64{0.95, 0.95}},
		{"and slowing the job down", 1, [2]float64{1.05, 1.05}},
	} {
		cfg := tinyCapacity()
		cfg.Scenarios.Windows, cfg.Scenarios.Pressure, cfg.Scenarios.Utilisation = 6, c.pressure, c.rho
		cfg.Batch = 1
		trainer, err := NewCapacity(cfg, 3)
		if err != nil {
			t.Fatal(err)
		}
		perturb(trainer, 4)
		off, checked := 0, 0
		for seed := range uint64(4) {
			s := policy.NewScenario(cfg.Scenarios, 5, seed)
			grad := courseOf(trainer, s, 20).grad
			w := trainer.params.w
			for i := range w {
				// Twice, to leave out where the loss has a kink within the step.
				slope := func(step float32) float64 {
					was := w[i]
					w[i] = was + step
					up, high := courseOf(trainer, s, 20).loss, w[i]
					w[i] = was - step
					down, low := courseOf(trainer, s, 20).loss, w[i]
					w[i] = was
					return (up - down) / float64(high-low) / float64(cfg.Scenarios.Windows)
				}
				wide, narrow := slope(2e-2), slope(1e-2)
				if math.Abs(wide-narrow) > 2e-3+0.05*math.Abs(narrow) {
					continue
				}
				checked++
				best := narrow + (narrow-wide)/3
				if math.Abs(float64(grad[i])-best) > 1e-3+0.02*math.Abs(best) {
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
