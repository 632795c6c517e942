package fluid

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/plan"
)

// On expected loads, without noise, waterfill gets within 1 % of the fluid bound in
// less than 30 windows from the hash route, whatever the skew, the number of
// workers and their speeds.
func TestWaterfillReachesTheFluidBound(t *testing.T) {
	speeds := map[string]func(p int) []float64{
		"equal": func(p int) []float64 { return constant(p, 1) },
		"+-50%": func(p int) []float64 {
			v, rng := constant(p, 1), rand.New(rand.NewPCG(1, 9))
			for w := range v {
				v[w] = 0.5 + rng.Float64()
			}
			return v
		},
		"straggler": func(p int) []float64 {
			v := constant(p, 1)
			v[1] = 0.3
			return v
		},
	}
	workers, exponents := []int{8, 16, 32, 64, 128}, []float64{0.8, 1, 1.2, 1.5, 2}
	if testing.Short() {
		workers, exponents = []int{8, 64}, []float64{0.8, 2}
	}
	worst, fanOut := 1.0, 0.0
	for _, z := range exponents {
		for _, p := range workers {
			for name, make := range speeds {
				c := Default(make(p))
				c.Keys = ZipfKeys(10000, z, policy.SlotCount(p))
				c.Records = 1e9 // counts are whole; large enough for that not to show
				job, err := NewJob(c)
				if err != nil {
					t.Fatal(err)
				}
				l := loop.New(loop.Config{Workers: p, Controller: plan.NewWaterfill(plan.DefaultWaterfill(), p)})
				var w *policy.Window
				for range 30 {
					if w, err = job.Next(context.Background()); err != nil {
						t.Fatal(err)
					}
					if err := job.Apply(l.Step(w)); err != nil {
						t.Fatal(err)
					}
				}
				got := Throughput(job.Speeds(), job.Loads(), 1) / Bound(job.Speeds(), 1)
				if got < 0.99 {
					t.Errorf("zipf %v, %d workers, %s speeds: %.4f of the fluid bound", z, p, name, got)
				}
				worst, fanOut = min(worst, got), max(fanOut, w.FanOut)
			}
		}
	}
	t.Logf("worst %.4f of the fluid bound; largest mean fan-out %.4f over all keys", worst, fanOut)
}
