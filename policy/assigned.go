package policy

import "math"

// assigned adds up what a route gives each worker of estimated loads.
type assigned struct {
	named map[uint64]int32 // scratch: hash -> where in the route's Keys
	rest  []float64        // scratch: slot loads without the named keys
	carry []float64        // scratch: load of each worker
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

// busiest is how busy a route makes its busiest worker, by estimated loads and
// capacities: 1 where load matches capacity.
func (a *assigned) busiest(r *Route, in *PlanInput) float64 {
	a.carry = sized(a.carry, len(in.Capacity))
	a.loads(a.carry, r, in)
	busiest, load, capacity := 0.0, 0.0, 0.0
	for w, c := range in.Capacity {
		busiest = max(busiest, a.carry[w]/c)
		load += a.carry[w]
		capacity += c
	}
	if load == 0 {
		return 0
	}
	return busiest * capacity / load
}

// relief plans a route, and returns it if it relieves the busiest worker of in.Prev, the
// route in force, by more than limit, nil if not. No route makes its busiest worker less
// busy than 1, so where the one in force is within the limit of that, nothing is
// planned: as a rule, for loads and speeds rest most of the time.
func (a *assigned) relief(p *Planner, in *PlanInput, limit float64) *Route {
	now := a.busiest(in.Prev, in)
	if now-1 <= limit {
		return nil
	}
	next := p.Plan(*in)
	if next == in.Prev || now-a.busiest(next, in) <= limit {
		return nil
	}
	return next
}

// chance is by how much the busiest of P workers with equal loads and speeds would
// seem busier than the mean, given how uncertain the estimates are: of P normal
// deviates the largest is about sqrt(2 ln P) standard deviations.
func chance(deviation float64, workers int) float64 {
	return deviation * math.Sqrt(2*math.Log(float64(workers)))
}
