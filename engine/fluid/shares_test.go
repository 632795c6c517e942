package fluid

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/saspart/saspart/policy"
)

// TestSharesEnvIsTheJob: without windows and routes, the job in closed form measures what
// it does with them, noise and delay included.
func TestSharesEnvIsTheJob(t *testing.T) {
	c := Default([]float64{1, 0.5, 1, 2})
	c.Keys = ZipfKeys(100, 1.5, policy.SlotCount(4))
	c.Records, c.HotKeys, c.Noise, c.Delay = 1e9, 20, 0.1, 2
	const hot = 6
	mask := policy.NewMask(c.Keys.Weights()[:hot], 4, policy.MaskConfig{TrueHot: 4})
	model, err := NewSharesEnv(c, mask, hot, false, policy.DefaultP0)
	if err != nil {
		t.Fatal(err)
	}
	job, err := NewJob(c)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 1))
	s := policy.Shares{Mask: mask, Hot: c.Keys.Keys()[:hot]}
	action, obs := make([]float64, mask.Pairs()), make([]float64, 8)
	for step := range 50 {
		for i := range action {
			action[i] = rng.Float64()
		}
		r, err := s.Route(action)
		if err != nil {
			t.Fatal(err)
		}
		r.Version = uint64(step + 1)
		if err := job.Apply(policy.Decision{Route: r}); err != nil {
			t.Fatal(err)
		}
		w, err := job.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		imbalance, _, backpressured := model.Step(action, obs)
		counts := make([]float64, 4)
		for i, n := range w.Counts {
			counts[i] = float64(n)
		}
		want := policy.Observation{}.Of(nil, counts, w.Busy)
		for i := range want {
			if math.Abs(obs[i]-want[i]) > 1e-6 {
				t.Fatalf("step %d: observed %v, of the job's window %v", step, obs, want)
			}
		}
		if math.Abs(imbalance-policy.Imbalance(w.Busy)) > 1e-9 || math.Abs(backpressured-w.Backpressured) > 1e-9 {
			t.Fatalf("step %d: imbalance %v, backpressure %v; the job: imbalance %v, backpressure %v", step, imbalance, backpressured, policy.Imbalance(w.Busy), w.Backpressured)
		}
	}
}
