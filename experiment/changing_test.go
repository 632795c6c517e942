package experiment

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/engine/fluid"
	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/policy/plan"
)

// If speeds change and measurements are noisy and late, the built-in policy is better than
// waterfill on whole jobs too. Those have keys, routes, and loads that must be learned;
// scenarios have capacities alone.
func TestBuiltinFollowsChangingSpeeds(t *testing.T) {
	checkpoint, err := checkpoint.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	seeds := uint64(8)
	if testing.Short() {
		seeds = 4
	}
	for _, c := range []struct {
		noise float64
		delay int
		most  float64 // of waterfill's imbalance
	}{{0, 0, 1.05}, {0.05, 0, 0.88}, {0.1, 0, 0.82}, {0.1, 2, 0.92}} {
		var ours, rivals, squares float64
		for seed := uint64(1); seed <= seeds; seed++ {
			e, _, err := config.Load("../configs/changing-speeds.yaml", nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			e.Seed, e.Fluid.Noise, e.Fluid.Delay = seed, c.noise, c.delay
			model, err := Fluid(e)
			if err != nil {
				t.Fatal(err)
			}
			learned, err := learned.New(checkpoint, learned.Default(), e.Job.Workers)
			if err != nil {
				t.Fatal(err)
			}
			a := trueImbalance(t, model, learned)
			b := trueImbalance(t, model, plan.NewWaterfill(plan.DefaultWaterfill(), e.Job.Workers))
			ours, rivals, squares = ours+a/float64(seeds), rivals+b/float64(seeds), squares+(a-b)*(a-b)/float64(seeds)
		}
		off := ours - rivals
		t.Logf("noise %v, %d windows late: the built-in policy %.4f, waterfill %.4f, difference %+.4f ± %.4f",
			c.noise, c.delay, ours, rivals, off, math.Sqrt((squares-off*off)/float64(seeds-1)))
		if ours > c.most*rivals {
			t.Errorf("noise %v, %d windows late: %.4f is not below %v of %.4f", c.noise, c.delay, ours, c.most, rivals)
		}
	}
}

// trueImbalance is the mean imbalance max/mean - 1 of true load per speed under a
// controller, in windows 16 to 143.
func trueImbalance(t *testing.T, model fluid.Config, c policy.Controller) float64 {
	job, err := fluid.NewJob(model)
	if err != nil {
		t.Fatal(err)
	}
	defer job.Close()
	l := loop.New(loop.Config{Workers: len(job.Speeds()), Controller: c})
	const settle, windows = 16, 128
	total := 0.0
	for n := range settle + windows {
		w, err := job.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if n >= settle {
			times, sum := slices.Clone(job.Loads()), 0.0
			for i, v := range job.Speeds() {
				times[i] /= v
				sum += times[i]
			}
			total += slices.Max(times)/sum*float64(len(times)) - 1
		}
		if err := job.Apply(l.Step(w)); err != nil {
			t.Fatal(err)
		}
	}
	if mean := total / windows; !math.IsNaN(mean) {
		return mean
	}
	t.Fatal("the imbalance is no number")
	return 0
}
