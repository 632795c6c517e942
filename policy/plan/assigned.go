package plan

import (
	"math"
	"sync"

	"github.com/saspart/saspart/internal/hashtable"
	"github.com/saspart/saspart/policy"
)

// assigned adds up what a route gives each worker of estimated loads.
type assigned struct {
	Carry []float64              // load of each worker by the route that was last weighed, in the unit of the input's
	named hashtable.Table[int32] // scratch: where keys are in the route's Keys
	rest  []float64              // scratch: slot loads without the named keys
}

// weigh sets carry to what the workers get by route r.
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

// busiest is how busy the route that was weighed makes its busiest worker, by estimated
// loads and capacities: 1 where load matches capacity.
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

// Planning is the memory that a decision on a route takes. Controllers share it: they
// are many in a server and decide one after the other, so that it stays in the caches.
type Planning struct {
	In Input
	assigned
	planner Planner
}

var plannings = sync.Pool{New: func() any { return new(Planning) }}

// Begin begins a decision for the loads by now, with the route in force weighed.
// The capacities of its input are still to be filled in.
func Begin(c Config, l *Loads, force *policy.Route) *Planning {
	p := plannings.Get().(*Planning)
	p.planner.Config, p.In.Prev = c, force
	p.In.Keys, p.In.Slots = l.Estimate(p.In.Keys, p.In.Slots, force.Workers)
	p.In.Capacity = sized(p.In.Capacity, force.Workers)
	p.weigh(force, &p.In)
	return p
}

// Done gives the memory to the next decision.
func (p *Planning) Done() {
	p.In.Prev = nil
	plannings.Put(p)
}

// Relief plans a route, and returns it if it relieves the busiest worker of the route in
// force by more than limit, nil if not. No route makes its busiest worker less busy than
// 1, so where the one in force is within the limit of that, nothing is planned: as a
// rule, for loads and speeds rest most of the time.
func (p *Planning) Relief(limit float64) *policy.Route {
	now := p.busiest(&p.In)
	if now-1 <= limit {
		return nil
	}
	next := p.planner.Plan(p.In)
	if next == p.In.Prev {
		return nil
	}
	if p.weigh(next, &p.In); now-p.busiest(&p.In) <= limit {
		return nil
	}
	return next
}

// Chance is by how much the busiest of P workers with equal loads and speeds would
// seem busier than the mean, given how uncertain the estimates are: of P normal
// deviates the largest is about sqrt(2 ln P) standard deviations.
func Chance(deviation float64, workers int) float64 {
	return deviation * math.Sqrt(2*math.Log(float64(workers)))
}
