package learned

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/saspart/saspart/internal/sums"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/filter"
	"github.com/saspart/saspart/policy/plan"
	"github.com/saspart/saspart/policy/scenario"
)

// learnedCapacity is the controller of a capacity policy: waterfill with a policy in place of
// its estimate of the speeds. It estimates the loads of keys and slots in every window. The policy does not
// decide in mixed windows; if backlog counts, the last capacities are then planned again.
//
// The filter compares busy times with the work that a worker finished in the same window.
// A delay, or a route that moves work later than announced, therefore does not mislead it.
// The route only says what part of the work a worker is expected to get.
type learnedCapacity struct {
	config   Config
	policy   scenario.Policy
	loads    *plan.Loads
	work     []float64 // scratch: finished by each worker
	share    []float64 // the latest capacities; nil before the first
	measured scenario.Measured
	sorted   []float64 // scratch
}

// NewCapacityController returns a controller for a job of P workers that makes routes
// of a policy's capacities, as New does of a checkpoint's: for callers that explore or
// observe. config must be valid.
func NewCapacityController(p scenario.Policy, config Config, workers int) (CapacityController, error) {
	if workers < 1 || workers > policy.MaxWorkers {
		return nil, fmt.Errorf("a job of %d workers; from 1 to %d are possible", workers, policy.MaxWorkers)
	}
	return newLearnedCapacity(p, config, workers), nil
}

func newLearnedCapacity(p scenario.Policy, c Config, workers int) *learnedCapacity {
	numbers := func() []float64 { return make([]float64, workers) }
	return &learnedCapacity{
		config: c, policy: p, loads: plan.NewLoads(c.Load), work: numbers(),
		measured: scenario.Measured{Share: numbers(), Seen: numbers(), Queue: numbers()},
	}
}

// Decide implements Controller. A window of another number of workers is ignored.
func (f *learnedCapacity) Decide(w *policy.Window, latest *policy.Route) (d policy.Decision) {
	workers := len(f.measured.Share)
	if len(w.Counts) != workers || len(w.Busy) != workers {
		return d
	}
	f.loads.Observe(w)
	if w.RouteNew && (f.config.Backlog == 0 || !plan.QueuesTold(w) || f.share == nil) {
		if f.share != nil {
			d.Capacities = f.loads.Capacities(f.share, latest)
		}
		return d
	}
	p := plan.Begin(f.config.Plan, f.loads, latest)
	defer p.Done()
	if !w.RouteNew {
		f.measure(w, p)
		if f.share == nil {
			f.share = make([]float64, workers)
		}
		f.policy.Decide(&f.measured, f.share)
	}
	copy(p.In.Capacity, f.share)
	plan.MakeUp(p.In.Capacity, w, f.config.Backlog)
	noise := plan.Chance(math.Hypot(estimated*f.uncertainty(), f.loads.Deviation(workers)), workers)
	d.Route = valid(p.Relief(f.config.Gain + f.config.Noise*noise))
	d.Capacities = f.loads.Capacities(f.share, cmp.Or(d.Route, latest))
	return d
}

// estimated is the part of the uncertainty that the dead band counts. The policy states how far
// speeds may be from capacities in the next window; most of that is what speeds will have done by
// then, and resting does not avoid it. docs/capacity.md, "The dead band", has measurements.
const estimated = 0.25

// uncertain is a policy that may state its uncertainty.
type uncertain interface {
	// Uncertainty is the standard deviation of each worker's log speed around its log capacity;
	// nil if the policy does not state it.
	Uncertainty() []float64
}

// uncertainty is the median uncertainty of the workers, which those that never report do not
// raise; 0 if the policy states none.
func (f *learnedCapacity) uncertainty() float64 {
	p, ok := f.policy.(uncertain)
	if !ok {
		return 0
	}
	f.sorted = append(f.sorted[:0], p.Uncertainty()...)
	if len(f.sorted) == 0 {
		return 0
	}
	slices.Sort(f.sorted)
	return f.sorted[len(f.sorted)/2]
}

// measure fills in what the policy sees of a window.
func (f *learnedCapacity) measure(w *policy.Window, p *plan.Planning) {
	m := &f.measured
	m.Busy, m.Records = w.Busy, max(scenario.Parts(f.loads.Work(f.work, w), m.Seen), 1)
	workers := float64(len(w.Counts))
	copy(m.Share, p.Carry)
	load := sums.Of(m.Share)
	for i := range m.Share {
		if load > 0 {
			m.Share[i] = max(m.Share[i]/load, filter.LeastCapacity/workers/10)
		} else {
			m.Share[i] = 1 / workers
		}
		m.Queue[i] = 0
		if len(w.Queue) == len(w.Counts) {
			m.Queue[i] = w.Queue[i]
		}
	}
}
