package rate

import (
	"fmt"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/fluid"
	"github.com/saspart/saspart/experiment"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/plan"
	"github.com/saspart/saspart/stream"
)

// Bounds are rates to compare a sustainable rate with, in records/s: upper bounds, and the
// rate of a planner that knows the keys and the speeds.
type Bounds struct {
	// Fluid is the fluid bound, the sum of the workers' speeds over the cost of a record.
	// It assumes that every worker is always busy, and that nothing is emitted or merged.
	// 0: the cost of a record is unknown, as for native workers.
	Fluid float64 `json:"fluid"`
	// Analytic is the rate of the planner's route for the true key frequencies (of the
	// first records) and worker speeds. Each slot goes to one worker, so it is below Fluid.
	Analytic float64 `json:"analytic"`
	// Mask is the rate of the best route of a shares policy; 0 without one.
	Mask float64 `json:"mask,omitempty"`
	// Cost is the cost of a record in seconds.
	Cost float64 `json:"cost"`
	// Speeds are the workers'.
	Speeds []float64 `json:"speeds"`
}

// BoundsOf computes the bounds of an experiment's job. c is the checkpoint of a shares policy,
// for Mask; if it is nil or of another kind, Mask is 0.
func BoundsOf(e *config.Experiment, c *checkpoint.Checkpoint) (Bounds, error) {
	fixed := *e
	fixed.Rate = stream.DefaultRate()
	model, err := experiment.Fluid(&fixed)
	if err != nil {
		return Bounds{}, fmt.Errorf("bounds: %w", err)
	}
	b := Bounds{Speeds: model.Speeds}
	if e.Job.Execution == engine.Native || model.Utilisation == 0 {
		return b, nil
	}
	b.Fluid = fixed.Rate.Rate / model.Utilisation
	b.Cost = fluid.Bound(model.Speeds, 1) / b.Fluid
	b.Analytic = fluid.Throughput(model.Speeds, fluid.ExpectedLoads(AnalyticSplit(model.Keys, model.Speeds), model.Keys, nil), b.Cost)
	if c != nil && c.Kind == checkpoint.KindShares && c.Shares.Workers == len(model.Speeds) {
		b.Mask = MaskBound(c.Shares, model.Keys, model.Speeds) / b.Cost
	}
	return b, nil
}

// AnalyticSplit returns the planner's route for known keys and speeds.
func AnalyticSplit(keys *fluid.KeySpace, speeds []float64) *policy.Route {
	in := plan.Input{Slots: make([]float64, policy.SlotCount(len(speeds))), Capacity: speeds}
	for i, k := range keys.Keys() {
		load := keys.Weights()[i]
		in.Keys = append(in.Keys, plan.KeyLoad{Hash: k.Hash, Name: k.Name, Load: load})
		in.Slots[policy.SlotOf(k.Hash, len(in.Slots))] += load
	}
	planner := plan.Planner{Config: plan.Default()}
	return planner.Plan(in)
}

// MaskBound returns the highest throughput, in work per second, of any route of a shares
// policy. Such a route splits the mask's keys over their workers, and hot keys beyond the mask
// evenly over all workers; other keys go by hash.
func MaskBound(spec *checkpoint.SharesSpec, keys *fluid.KeySpace, speeds []float64) float64 {
	hash := fluid.ExpectedLoads(policy.HashRoute(len(speeds)), keys, nil)
	hot := min(spec.HotKeys, len(keys.Weights()))
	masked := min(len(spec.Mask), hot)
	route := policy.HashRoute(len(speeds))
	for i := range hot {
		w := keys.Weights()[i]
		k := keys.Keys()[i].Hash
		hash[route.Slots[policy.SlotOf(k, len(route.Slots))]] -= w
		if i >= masked {
			for j := range hash {
				hash[j] += w / float64(len(speeds))
			}
		}
	}
	return bestSplit(keys.Weights()[:masked], spec.Mask[:masked], hash, speeds)
}

// bestSplit returns the largest r for which keys of the given weights, each split over its
// allowed workers, fit beside the loads:
//
//	for every worker w: r * (load[w] + its part of the keys) <= speed[w]
//
// Whether an r is possible is a maximum flow problem, from keys to workers. The largest is
// found by bisection.
func bestSplit(weights []float64, allowed [][]uint16, loads, speeds []float64) float64 {
	total, sum := 0.0, 0.0
	for _, w := range weights {
		total += w
	}
	high := 0.0
	for w, load := range loads {
		sum += load
		high += speeds[w]
	}
	low, high := 0.0, high/(total+sum)
	for range 60 {
		r := (low + high) / 2
		headroom := make([]float64, len(speeds))
		fits := true
		for w := range headroom {
			headroom[w] = speeds[w]/r - loads[w]
			fits = fits && headroom[w] >= 0
		}
		if fits && flow(weights, allowed, headroom) >= total*(1-1e-9) {
			low = r
		} else {
			high = r
		}
	}
	return low
}

// flow returns how much of the keys' weights fits at their workers, by the algorithm of
// Edmonds and Karp. It lowers headroom.
func flow(weights []float64, allowed [][]uint16, headroom []float64) float64 {
	left := append([]float64{}, weights...)
	given := make([]map[uint16]float64, len(weights)) // by key and worker
	for k := range given {
		given[k] = map[uint16]float64{}
	}
	found := 0.0
	for {
		path := augment(left, allowed, given, headroom)
		if path == nil {
			return found
		}
		amount := min(left[path[0].key], headroom[path[len(path)-1].worker])
		for i := 1; i < len(path); i++ { // each key after the first gives up its part at the previous worker
			amount = min(amount, given[path[i].key][path[i-1].worker])
		}
		left[path[0].key] -= amount
		headroom[path[len(path)-1].worker] -= amount
		for i, s := range path {
			given[s.key][s.worker] += amount
			if i > 0 {
				given[s.key][path[i-1].worker] -= amount
			}
		}
		found += amount
	}
}

// hop is a key's use of a worker.
type hop struct {
	key    int
	worker uint16
}

// none is a flow too small to matter.
const none = 1e-12

// augment finds a shortest augmenting path, from a key with remaining weight to a worker with
// headroom: on the way each key pushes another out of a worker. It returns nil if there is
// none.
func augment(left []float64, allowed [][]uint16, given []map[uint16]float64, headroom []float64) []hop {
	from := make([]*hop, len(headroom)) // the key that reaches a worker first
	prior := make([]int, len(left))     // the worker that a key is pushed out of; -1: the key has remaining weight
	seen := make([]bool, len(left))
	var queue []int
	for k, w := range left {
		if w > none {
			queue, seen[k], prior[k] = append(queue, k), true, -1
		}
	}
	for len(queue) > 0 {
		k := queue[0]
		queue = queue[1:]
		for _, w := range allowed[k] {
			if from[w] != nil {
				continue
			}
			from[w] = &hop{k, w}
			if headroom[w] > none {
				return trace(int(w), from, prior)
			}
			for other := range given {
				if !seen[other] && given[other][w] > none {
					queue, seen[other], prior[other] = append(queue, other), true, int(w)
				}
			}
		}
	}
	return nil
}

// trace returns the path that ends at a worker, from its first key.
func trace(worker int, from []*hop, prior []int) []hop {
	var path []hop
	for worker >= 0 {
		path = append([]hop{*from[worker]}, path...)
		worker = prior[from[worker].key]
	}
	return path
}
