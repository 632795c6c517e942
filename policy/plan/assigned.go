package plan

import (
	"math"
	"sync"

	"github.com/saspart/saspart/internal/hashtable"
	"github.com/saspart/saspart/policy"
)

// assigned computes the load that a route assigns to each worker.
type assigned struct {
	Carry []float64              // load of each worker under the route last weighed, in the unit of the input
	named hashtable.Table[int32] // scratch: index of the route's keys
	rest  []float64              // scratch: slot loads without the named keys
}

// weigh sets Carry to the loads of the workers under route r.
func (a *assigned) weigh(r *policy.Route, in *Input) {
	a.named.Clear()
	for i := range r.Keys {
		a.named.Set(r.Keys[i].Hash, int32(i))
	}
	n := len(in.Slots)
	a.rest = append(a.rest[:0], in.Slots...)
	a.Carry = sized(a.Carry, len(in.Capacity))
	clear(a.Carry)
	for i := range in.Keys {
		k := &in.Keys[i]
		at, ok := a.named.Get(k.Hash)
		if !ok {
			continue
		}
		kr := &r.Keys[at]
		for i, w := range kr.Workers {
			a.Carry[w] += k.Load * kr.Shares[i]
		}
		s := policy.SlotOf(k.Hash, n)
		a.rest[s] = max(0, a.rest[s]-k.Load)
	}
	if len(r.Slots) == n {
		for s, w := range r.Slots {
			a.Carry[w] += a.rest[s]
		}
		return
	}
	for s, load := range a.rest { // the route has more or fewer slots
		a.Carry[r.Slots[s*len(r.Slots)/n]] += load
	}
}

// busiest returns the load over capacity of the busiest worker under the route last weighed,
// relative to the whole load over the whole capacity: 1 if all workers are equally busy.
func (a *assigned) busiest(in *Input) float64 {
	busiest, load, capacity := 0.0, 0.0, 0.0
	for w, c := range in.Capacity {
		busiest = max(busiest, a.Carry[w]/c)
		load += a.Carry[w]
		capacity += c
	}
	if load == 0 {
		return 0
	}
	return busiest * capacity / load
}

// Planning is the memory for planning one route. All controllers of a process share it:
// those of a server decide one after the other, and the memory stays in the CPU caches.
type Planning struct {
	In Input
	assigned
	planner Planner
}

var plannings = sync.Pool{New: func() any { return new(Planning) }}

// Begin starts planning from the estimated loads and the latest route, whose loads it
// computes. The caller then sets the capacities in In.
func Begin(c Config, l *Loads, latest *policy.Route) *Planning {
	p := plannings.Get().(*Planning)
	p.planner.Config, p.In.Prev = c, latest
	p.In.Keys, p.In.Slots = l.Estimate(p.In.Keys, p.In.Slots, latest.Workers)
	p.In.Capacity = sized(p.In.Capacity, latest.Workers)
	p.weigh(latest, &p.In)
	return p
}

// Done releases the memory. The Planning must not be used afterwards.
func (p *Planning) Done() {
	p.In.Prev = nil
	plannings.Put(p)
}

// excess is what the busiest worker of the latest route has beyond the least that it may have
// under any route, which is 1.
func (p *Planning) excess() float64 { return p.busiest(&p.In) - 1 }

// Relief plans a route, and returns it if it relieves the busiest worker of the latest route
// by more than limit; otherwise it returns nil. If the excess is within limit, as it usually
// is, nothing needs to be planned.
func (p *Planning) Relief(limit float64) *policy.Route {
	if p.excess() <= limit {
		return nil
	}
	next := p.planner.Plan(p.In)
	if next == p.In.Prev || p.Promise(next) <= limit {
		return nil
	}
	return next
}

// Promise returns by how much a route relieves the busiest worker of the latest route.
func (p *Planning) Promise(next *policy.Route) float64 {
	now := p.excess()
	p.weigh(next, &p.In)
	return now - p.excess()
}

// Chance returns the excess over the mean that the busiest of P equal workers seems to have
// because of estimation errors. deviation is their standard deviation. The largest of P
// normal deviates is about sqrt(2 ln P) standard deviations.
func Chance(deviation float64, workers int) float64 {
	return deviation * math.Sqrt(2*math.Log(float64(workers)))
}
