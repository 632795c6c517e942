package table

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// costJob routes slides of records of 2,000 keys, whose costs differ, to 8 workers, and returns
// the destinations, and the work that each worker got after the first slide.
func costJob(t *testing.T, costs func(cost func(hash uint64) float64) *policy.Costs) (all []partition.Dest, work []float64) {
	const workers, perSlide = 8, 1 << 14
	r := New(Default(), partition.Env{Workers: workers, ExpectedCount: perSlide, Seed: 1, WindowSlides: 1})
	rng := rand.New(rand.NewPCG(1, 1))
	hashes, weights := make([]uint64, 2000), []float64{}
	for i := range hashes {
		hashes[i] = rng.Uint64()
		for range 1 + 2000/(i+1) {
			weights = append(weights, float64(i))
		}
	}
	// A key's slot decides on its cost, so that slots say all.
	cost := func(hash uint64) float64 {
		return math.Exp(1.2 * rand.New(rand.NewPCG(uint64(policy.SlotOf(hash, 4096)), 7)).NormFloat64())
	}
	c := policy.CapacitiesOf(slices.Repeat([]float64{1}, workers))
	c.Costs = costs(cost)
	r.(partition.CapacityFollower).SetCapacities(c)
	work = make([]float64, workers)
	for slide := range int64(6) {
		var b stream.Batch
		for range perSlide / 512 {
			b.Resize(512)
			for i := range b.Hashes {
				b.Hashes[i] = hashes[int(weights[rng.IntN(len(weights))])]
				b.Records[i].Hash = b.Hashes[i]
			}
			dst := make([]partition.Dest, 512)
			r.Route(&b, dst)
			all = append(all, dst...)
			for i, d := range dst {
				if slide > 0 {
					work[d.Worker()] += cost(b.Hashes[i])
				}
			}
		}
		r.EndSlide(slide)
	}
	return all, work
}

// TestBoundedWork: with costs, workers are kept within their capacities by work. Without, they
// are by records, and their work differs.
func TestBoundedWork(t *testing.T) {
	excess := func(work []float64) float64 {
		sum := 0.0
		for _, v := range work {
			sum += v
		}
		return slices.Max(work)/sum*float64(len(work)) - 1
	}
	_, work := costJob(t, func(cost func(uint64) float64) *policy.Costs {
		c := &policy.Costs{Workers: slices.Repeat([]float64{1}, 8)}
		for s := range uint64(4096) {
			c.Slots = append(c.Slots, policy.WholeCost(cost(s<<52)))
		}
		return c
	})
	if got := excess(work); got > 0.03 {
		t.Errorf("the busiest worker has %.3f more than the mean", got)
	}
	_, work = costJob(t, func(func(uint64) float64) *policy.Costs { return nil })
	if got := excess(work); got < 0.1 {
		t.Errorf("without costs, the busiest worker has %.3f more than the mean: the keys do not differ", got)
	}
}

// TestCostsOfOne: where every record costs 1, costs change no destination.
func TestCostsOfOne(t *testing.T) {
	want, _ := costJob(t, func(func(uint64) float64) *policy.Costs { return nil })
	got, _ := costJob(t, func(func(uint64) float64) *policy.Costs {
		c := &policy.Costs{Workers: slices.Repeat([]float64{1}, 8), Slots: slices.Repeat([]uint16{policy.CostUnit}, 4096)}
		for h := range uint64(3000) {
			c.Keys = append(c.Keys, policy.KeyCost{Hash: h << 50, Cost: policy.CostUnit})
		}
		return c
	})
	if !slices.Equal(got, want) {
		t.Error("costs of 1 change destinations")
	}
}

// TestKeyCosts: a listed key's cost is its own, others' are their slots'.
func TestKeyCosts(t *testing.T) {
	var c costs
	c.set(&policy.Costs{
		Workers: []float64{1, 1}, Slots: []uint16{100, 200}, Keys: []policy.KeyCost{{Hash: 5, Cost: 700}},
	}, 2)
	for _, k := range []struct {
		hash uint64
		want int64
	}{{5, 700}, {6, 100}, {1 << 63, 200}, {0, 100}} {
		if got := c.of(k.hash); got != k.want {
			t.Errorf("key %d costs %d, want %d", k.hash, got, k.want)
		}
	}
	if c.set(nil, 2); c.slots != nil {
		t.Error("costs stay after capacities without costs")
	}
}
