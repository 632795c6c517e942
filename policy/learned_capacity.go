package policy

import "math"

// learnedCapacity is the controller of a capacity policy: what waterfill is, with the
// network in place of its estimate of the speeds. Keys and slots are counted in every
// window; speeds are measured, and routes decided, only where one route was in force
// throughout.
//
// What a worker's busy time was spent on is measured: the records that it finished in
// the same window. So a delay, or a route that moves work later than announced, does
// not mislead the estimate; the route only says what share a worker is to get.
type learnedCapacity struct {
	config  LearnedConfig
	policy  *Capacity
	loads   *Loads
	planner Planner
	inForce

	in       PlanInput
	measured Measured
	assigned assigned
}

func newLearnedCapacity(p *Capacity, c LearnedConfig, workers int) *learnedCapacity {
	numbers := func() []float64 { return make([]float64, workers) }
	return &learnedCapacity{
		config: c, policy: p, loads: NewLoads(c.Load), planner: Planner{Config: c.Plan},
		inForce: inForce{HashRoute(workers)}, in: PlanInput{Capacity: numbers()},
		measured: Measured{Share: numbers(), Seen: numbers(), Queue: numbers()},
	}
}

// Decide implements Controller. A window of another number of workers is ignored.
func (f *learnedCapacity) Decide(w *Window) *Route {
	workers := len(f.in.Capacity)
	if len(w.Counts) != workers || len(w.Busy) != workers {
		return nil
	}
	f.loads.Observe(w)
	if w.RouteNew {
		return nil
	}
	f.observe(w)
	f.in.Keys, f.in.Slots = f.loads.Estimate(f.in.Keys, f.in.Slots, workers)
	f.measure(w)
	f.policy.Follow(&f.measured, f.in.Capacity)
	f.in.Prev = f.route
	next := f.planner.Plan(f.in)
	if next == f.route || f.busiest(f.route)-f.busiest(next) <= f.config.Gain+f.config.Noise*f.chance() {
		return nil
	}
	return f.propose(next)
}

// measure fills in what the policy sees of a window.
func (f *learnedCapacity) measure(w *Window) {
	m := &f.measured
	m.Busy, m.Records = w.Busy, 0
	for _, n := range w.Counts {
		m.Records += float64(max(0, n))
	}
	// Half a record more for each keeps workers that were busy with none, or idle,
	// within the numbers.
	workers := float64(len(w.Counts))
	all := m.Records + workers/2
	f.assigned.loads(m.Share, f.route, &f.in)
	load := 0.0
	for _, v := range m.Share {
		load += v
	}
	for i, n := range w.Counts {
		m.Seen[i] = (float64(n) + 0.5) / all
		if n < 0 {
			m.Seen[i] = -1
		}
		if load > 0 {
			m.Share[i] = max(m.Share[i]/load, leastCapacity/workers/10)
		} else {
			m.Share[i] = 1 / workers
		}
		m.Queue[i] = 0
		if len(w.Queue) == len(w.Counts) {
			m.Queue[i] = w.Queue[i]
		}
	}
	m.Records = max(m.Records, 1)
}

// chance is by how much the busiest of P workers would seem busier than the mean by
// the chance in the estimated loads: of P normal deviates the largest is about
// sqrt(2 ln P) standard deviations.
func (f *learnedCapacity) chance() float64 {
	workers := len(f.in.Capacity)
	return f.loads.Deviation(workers) * math.Sqrt(2*math.Log(float64(workers)))
}

// busiest is how busy a route makes its busiest worker, by the estimates: 1 where
// load matches capacity.
func (f *learnedCapacity) busiest(r *Route) float64 {
	f.assigned.loads(f.measured.Share, r, &f.in)
	busiest, load := 0.0, 0.0
	for w, c := range f.in.Capacity { // summing to 1
		busiest = max(busiest, f.measured.Share[w]/c)
		load += f.measured.Share[w]
	}
	if load == 0 {
		return 0
	}
	return busiest / load
}

// assigned adds up what a route gives each worker of estimated loads.
type assigned struct {
	named map[uint64]int32
	rest  []float64
}

// loads sets dst[w] to the load of worker w by route r, in the unit of the input's.
func (a *assigned) loads(dst []float64, r *Route, in *PlanInput) {
	a.named = emptied(a.named)
	for i := range r.Keys {
		a.named[r.Keys[i].Hash] = int32(i)
	}
	n := len(in.Slots)
	a.rest = append(a.rest[:0], in.Slots...)
	clear(dst)
	for _, k := range in.Keys {
		at, ok := a.named[k.Hash]
		if !ok {
			continue
		}
		kr := &r.Keys[at]
		for i, w := range kr.Workers {
			dst[w] += k.Load * kr.Shares[i]
		}
		s := SlotOf(k.Hash, n)
		a.rest[s] = max(0, a.rest[s]-k.Load)
	}
	for s, load := range a.rest {
		// The route may have more or fewer slots.
		dst[r.Slots[s*len(r.Slots)/n]] += load
	}
}
