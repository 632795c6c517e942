package rate

import (
	"errors"
	"fmt"
	"slices"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/calibrate"
	"github.com/saspart/saspart/engine/fluid"
	"github.com/saspart/saspart/experiment"
	"github.com/saspart/saspart/internal/sums"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/plan"
	"github.com/saspart/saspart/stream"
)

// Bounds are rates that no partitioner of an experiment's job can exceed, and the rate of a
// planner with full knowledge, in records/s.
type Bounds struct {
	// Fluid is the sum of the workers' speeds over the cost of a record: every worker is
	// always busy, and nothing is emitted or merged. It is 0 for native workers, where
	// costs are unknown.
	Fluid float64 `json:"fluid"`
	// Analytic is the rate under a plan from the true frequencies (of the first records)
	// and speeds. Unlike in Fluid, every slot of cold keys goes to one worker.
	Analytic float64 `json:"analytic"`
	// State is like Fluid, but workers also emit a partial result per key and slide, which no
	// partitioner avoids; 0 where that is less than 1 % of the work.
	State float64 `json:"state,omitempty"`
	// Mask is the rate under the best route of a shares policy; 0 without one.
	Mask float64 `json:"mask,omitempty"`
	// Cost is the cost of a record on a worker of speed 1, in seconds.
	Cost float64 `json:"cost"`
	// Speeds are the workers', means over the measured windows.
	Speeds []float64 `json:"speeds"`
}

// Least is State or, where that is not known, Fluid: the lowest rate that bounds every
// partitioner.
func (b *Bounds) Least() float64 {
	if b.State > 0 {
		return b.State
	}
	return b.Fluid
}

// BoundsOf computes the bounds of an experiment's job in metric windows from one on, up to
// another. c is the checkpoint of the shares policy whose mask is asked about; nil, or one of
// capacities, leaves Mask 0.
func BoundsOf(e *config.Experiment, c *checkpoint.Checkpoint, from, to int) (Bounds, error) {
	fixed := *e
	fixed.Rate = stream.DefaultRate()
	model, err := experiment.Fluid(&fixed)
	if err != nil {
		return Bounds{}, fmt.Errorf("bounds: %w", err)
	}
	b := Bounds{Speeds: model.Speeds}
	if model.Drift != nil {
		b.Speeds = meanSpeeds(model, from, to)
	}
	if e.Job.Execution == engine.Native || model.Utilisation == 0 {
		return b, nil
	}
	b.Fluid = fixed.Rate.Rate / model.Utilisation
	b.Cost = fluid.Bound(model.Speeds, 1) / b.Fluid
	if model.Drift != nil {
		b.Fluid = fluid.Bound(b.Speeds, b.Cost)
	}
	b.Analytic = fluid.Throughput(b.Speeds, fluid.ExpectedLoads(AnalyticSplit(model.Keys, b.Speeds), model.Keys, nil), b.Cost)
	if c != nil && c.Kind == checkpoint.KindShares && c.Shares.Workers == len(b.Speeds) {
		b.Mask = MaskBound(c.Shares, model.Keys, b.Speeds) / b.Cost
	}
	if b.State, err = stateBound(e, &b); err != nil {
		return Bounds{}, fmt.Errorf("bounds: %w", err)
	}
	return b, nil
}

// Offer sets an experiment's rate to a part of the fluid bound at its start.
func Offer(e *config.Experiment, load float64) error {
	b, err := BoundsOf(e, nil, 0, 1)
	if err != nil {
		return err
	}
	return b.offer(e, load)
}

// offer sets the rate to a part of the fluid bound.
func (b *Bounds) offer(e *config.Experiment, load float64) error {
	if b.Fluid == 0 {
		return errors.New("what the workers can do is not known, because they are native or a record costs nothing; set the rate (load: 0 and rate.rate)")
	}
	e.Rate.Kind, e.Rate.Rate, e.Rate.Stages = stream.RateFixed, load*b.Fluid, nil
	return nil
}

// meanSpeeds are the workers' mean speeds over windows.
func meanSpeeds(model fluid.Config, from, to int) []float64 {
	mean, now, drift := make([]float64, len(model.Speeds)), make([]float64, len(model.Speeds)), model.Drift()
	for n := range to {
		drift(n, now)
		for w, v := range now {
			if n >= from {
				mean[w] += v / float64(to-from)
			}
		}
	}
	return mean
}

// mostSampled is how many records the emission is estimated from, at most.
const mostSampled = 1 << 19

// stateBound is the bound State, a fixed point: at lower rates a key has fewer records in a
// window, so that there is more to emit for each of them.
func stateBound(e *config.Experiment, b *Bounds) (float64, error) {
	task, err := stream.NewTask(e.Task)
	if err != nil {
		return 0, err
	}
	window, slide := e.Job.Window.Seconds(), e.Job.Slide.Seconds()
	able := fluid.Bound(b.Speeds, 1)
	// A record makes at most one partial result for each slide of a window, and has at most
	// as many entries in it as its work has units.
	c := &e.Job.Costs
	most := e.Job.StateScale() * float64(e.Job.WindowSlides()) * (c.Emit + c.Pane).Seconds()
	if c.Unit > 0 {
		most = e.Job.StateScale() * float64(e.Job.WindowSlides()) * (c.Emit.Seconds() + max(1, b.Cost/(c.Unit.Seconds()*max(e.Job.WorkRatio, 1e-9)))*c.Pane.Seconds())
	}
	if most < 0.01*b.Cost {
		return 0, nil
	}
	records, err := experiment.Records(e, min(mostSampled, int(b.Fluid*window)+1), b.Fluid)
	if err != nil {
		return 0, err
	}
	rate := b.Fluid
	for range 8 {
		emission := calibrate.Emission(&e.Job, task, records, int(rate*slide)) / slide
		if emission < 0.01*rate*b.Cost {
			return 0, nil
		}
		rate = able / (b.Cost + emission/rate)
	}
	return rate, nil
}

// AnalyticSplit is the planner's route for keys and speeds that are known.
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

// MaskBound is the highest throughput, in work per second, of any route of a shares
// policy. The mask's keys are split optimally over their workers. Hot keys past the mask
// are spread evenly over all workers; the others go by hash.
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

// bestSplit is the largest r for which keys of the given weights, each to be split over
// its own workers, fit beside the loads that are there:
//
//	for every worker w: r * (load[w] + what it gets of the keys) <= speed[w]
//
// Whether an r is possible is a question of maximum flow, from keys to workers; the
// largest is found by halving.
func bestSplit(weights []float64, allowed [][]uint16, loads, speeds []float64) float64 {
	total := sums.Of(weights)
	low, high := 0.0, sums.Of(speeds)/(total+sums.Of(loads))
	for range 60 {
		r := (low + high) / 2
		room := make([]float64, len(speeds))
		fits := true
		for w := range room {
			room[w] = speeds[w]/r - loads[w]
			fits = fits && room[w] >= 0
		}
		if fits && flow(weights, allowed, room) >= total*(1-1e-9) {
			low = r
		} else {
			high = r
		}
	}
	return low
}

// flow is how much of the keys' weights finds room at their workers: Ford and
// Fulkerson's augmenting paths, breadth first (Edmonds and Karp). room is used up.
func flow(weights []float64, allowed [][]uint16, room []float64) float64 {
	left := slices.Clone(weights)
	given := make([]map[uint16]float64, len(weights)) // by key and worker
	for k := range given {
		given[k] = map[uint16]float64{}
	}
	found := 0.0
	for {
		path := augment(left, allowed, given, room)
		if path == nil {
			return found
		}
		amount := min(left[path[0].key], room[path[len(path)-1].worker])
		for i := 1; i < len(path); i++ { // each but the first key takes the place of what another gave its worker
			amount = min(amount, given[path[i].key][path[i-1].worker])
		}
		left[path[0].key] -= amount
		room[path[len(path)-1].worker] -= amount
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

// augment finds a shortest path from a key with something left to a worker with room:
// the key pushes another out of a worker, which pushes the next; nil if there is none.
func augment(left []float64, allowed [][]uint16, given []map[uint16]float64, room []float64) []hop {
	from := make([]*hop, len(room)) // the key that reaches a worker first
	prior := make([]int, len(left)) // the worker that a key is pushed out of, -1: it has something left
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
			if room[w] > none {
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

// trace is the path that ends at a worker, from its first key on.
func trace(worker int, from []*hop, prior []int) []hop {
	var path []hop
	for worker >= 0 {
		path = append([]hop{*from[worker]}, path...)
		worker = prior[from[worker].key]
	}
	return path
}
