package registry

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/routertest"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/plan"
	"github.com/saspart/saspart/stream"
)

// BenchmarkBounded times bounded routing on the stream of BenchmarkRoute: with a route that is
// wrong for some tenth of the records, with one that a planner made of the true loads, and with
// one that does not know the key that has 39 % of the records. The last case has clocks of work.
// Sixteen passes over the batches are a slide.
func BenchmarkBounded(b *testing.B) {
	batches := routertest.ZipfBatches(16, 1024, 10000, 1.5, 3)
	dst := make([]partition.Dest, 1024)
	records := float64(len(batches) * len(dst))
	routes := []struct {
		name string
		of   func(workers int) *policy.Route
		work bool // records differ in cost, for all that the router knows
	}{
		{"ill-fitting", func(workers int) *policy.Route { return routertest.ThreeTiers(workers, 4*workers+16, 1.5) }, false},
		{"fitting", func(workers int) *policy.Route { return planned(batches, workers, 0) }, false},
		{"unknown-39%", func(workers int) *policy.Route { return planned(batches, workers, 1) }, false},
		{"ill-fitting-work", func(workers int) *policy.Route { return routertest.ThreeTiers(workers, 4*workers+16, 1.5) }, true},
	}
	for _, c := range routes {
		for _, workers := range []int{8, 64, 256, 1024} {
			b.Run(fmt.Sprintf("%s/P=%d", c.name, workers), func(b *testing.B) {
				r, hash := routerOf(b, "table", false, routertest.Env(workers)), routerOf(b, "hash", false, routertest.Env(workers))
				r.(partition.RouteFollower).Follow(c.of(workers), 0)
				capacities := policy.CapacitiesOf(slices.Repeat([]float64{1}, workers))
				if c.work {
					capacities.Costs = &policy.Costs{
						Workers: slices.Repeat([]float64{1}, workers),
						Slots:   slices.Repeat([]uint16{policy.CostUnit}, policy.SlotCount(workers)),
					}
					for _, k := range c.of(workers).Keys {
						capacities.Costs.Keys = append(capacities.Costs.Keys, policy.KeyCost{Hash: k.Hash, Cost: policy.CostUnit})
					}
				}
				passes := int64(0)
				pass := func(r partition.Router) time.Duration {
					start := time.Now()
					for i := range batches {
						r.Route(&batches[i], dst)
					}
					if passes++; passes%16 == 0 {
						r.EndSlide(passes / 16)
					}
					return time.Since(start)
				}
				for range 16 {
					pass(r) // how many records a slide has
				}
				r.(partition.CapacityFollower).SetCapacities(capacities)
				for range 32 {
					pass(r)
				}
				b.ReportAllocs()
				fastest, baseline := time.Hour, time.Hour
				for b.Loop() {
					pass(r) // the other's passes have used the caches
					fastest = min(fastest, pass(r))
					baseline = min(baseline, pass(hash))
				}
				b.ReportMetric(float64(fastest)/records, "ns/record")
				b.ReportMetric(float64(fastest)/float64(baseline), "x-hash")
				b.ReportMetric(0, "ns/op") // of all three passes: says nothing
			})
		}
	}
}

// planned is the route that a planner makes of the true loads of equal workers, of all but the
// first so many keys.
func planned(batches []stream.Batch, workers, unknown int) *policy.Route {
	in := plan.Input{Slots: make([]float64, policy.SlotCount(workers)), Capacity: make([]float64, workers)}
	for w := range in.Capacity {
		in.Capacity[w] = 1
	}
	_, hashes := routertest.Keys(10000)
	for i, p := range stream.ZipfPMF(10000, 1.5) {
		if i < unknown {
			continue
		}
		in.Slots[policy.SlotOf(hashes[i], len(in.Slots))] += p
		in.Keys = append(in.Keys, plan.KeyLoad{Hash: hashes[i], Load: p})
	}
	p := plan.Planner{Config: plan.Default()}
	return p.Plan(in)
}
