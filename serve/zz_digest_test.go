package serve_test

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/saspart/saspart/policy"
)

func TestZZDigest(t *testing.T) {
	f, _ := os.Create(os.Getenv("DIGEST"))
	defer f.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	for _, workers := range []int{3, 8, 64, 100} {
		for _, every := range []int{100, 20, 3} {
			for _, noise := range []float64{0, 0.05} {
				j := newToy(workers)
				m, _ := builtin(t).New(workers)
				wf := policy.NewWaterfill(policy.DefaultWaterfill(), workers)
				for i := range 300 {
					j.change(i, every)
					w := j.window().Clone()
					for s := range w.Slots {
						w.Slots[s] = int64(float64(w.Slots[s]) * (1 + noise*rng.NormFloat64()))
					}
					for s := range w.Hot {
						if noise > 0 && rng.IntN(30) == 0 {
							w.Hot[s].Hash = rng.Uint64()
						}
						w.Hot[s].Count = int64(float64(w.Hot[s].Count) * (1 + noise*rng.NormFloat64()))
					}
					for s := range w.Busy {
						w.Busy[s] = min(1, w.Busy[s]*(1+noise*rng.NormFloat64()))
					}
					r := m.Decide(w)
					h := fnv.New64a()
					fmt.Fprintf(h, "%+v", deref(r))
					j.follow(r)
					fmt.Fprintf(h, "%+v", deref(wf.Decide(w)))
					fmt.Fprintf(f, "%d %d %v %d %x\n", workers, every, noise, i, h.Sum64())
				}
			}
		}
	}
}

func deref(r *policy.Route) policy.Route {
	if r == nil {
		return policy.Route{}
	}
	return *r
}
