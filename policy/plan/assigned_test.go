package plan

import (
	"math/rand/v2"
	"testing"

	"github.com/saspart/saspart/policy"
)

// Not planning where no plan could be worth it changes no decision: relief gives what
// planning every time and looking afterwards gives.
func TestReliefIsPlanningEveryTime(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	planned, kept := 0, 0
	for range 300 {
		workers := 1 + rng.IntN(16)
		in := Input{Capacity: make([]float64, workers), Slots: make([]float64, policy.SlotCount(workers)), Prev: policy.HashRoute(workers)}
		for i := range in.Slots {
			in.Slots[i] = rng.ExpFloat64()
		}
		for i := range 20 {
			k := KeyLoad{Hash: rng.Uint64(), Load: 500 / float64(i+1) * rng.Float64()}
			in.Keys = append(in.Keys, k)
			in.Slots[policy.SlotOf(k.Hash, len(in.Slots))] += k.Load
		}
		draw := func(spread float64) {
			for w := range in.Capacity {
				in.Capacity[w] = 1 + spread*rng.Float64()
			}
		}
		draw(1)
		p := Planner{Config: Default()}
		if rng.IntN(2) == 0 { // some time later
			in.Prev = p.Plan(in)
			draw(rng.Float64())
		}
		limit := rng.Float64() * 0.4
		a := Planning{In: in, planner: p}
		want := (&Planner{Config: Default()}).Plan(in)
		busiest := func(r *policy.Route) float64 {
			a.weigh(r, &in)
			return a.busiest(&in)
		}
		if want == in.Prev || busiest(in.Prev)-busiest(want) <= limit {
			want = nil
		}
		a.weigh(in.Prev, &in)
		got := a.Relief(limit)
		if (got == nil) != (want == nil) {
			t.Fatalf("%d workers, limit %v: a route is worth it: %v, want %v", workers, limit, got != nil, want != nil)
		}
		if got != nil {
			planned++
		} else {
			kept++
		}
	}
	if planned < 50 || kept < 50 {
		t.Errorf("%d routes are worth it and %d are not: one side was hardly looked at", planned, kept)
	}
}
