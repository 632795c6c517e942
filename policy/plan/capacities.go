package plan

import "github.com/saspart/saspart/policy"

// Capacities returns what routers keep every worker within, of workers that can do the given
// parts of the work. Where records differ in cost, it says what they cost; a worker's part is
// that of the records, of the cost that route r gives it.
func (l *Loads) Capacities(work []float64, r *policy.Route) *policy.Capacities {
	if !l.costs.differ {
		return policy.CapacitiesOf(work)
	}
	p := plannings.Get().(*Planning)
	defer p.Done()
	p.In.Capacity = sized(p.In.Capacity, r.Workers)
	p.In.Keys, p.In.Slots = l.counts(p.In.Keys, p.In.Slots, r.Workers)
	p.weigh(r, &p.In)
	records := append([]float64(nil), p.Carry...)
	p.In.Keys, p.In.Slots = l.Estimate(p.In.Keys, p.In.Slots, r.Workers)
	p.weigh(r, &p.In)
	costs := make([]float64, len(work))
	for w, part := range work {
		// A worker without records, as far as is known, may get ones of mean cost.
		costs[w] = 1
		if records[w] > 0 && p.Carry[w] > 0 {
			costs[w] = p.Carry[w] / records[w]
		}
		records[w] = part / costs[w]
	}
	c := policy.CapacitiesOf(records)
	if c != nil {
		c.Costs = l.costs.whole(costs)
	}
	return c
}

// whole returns the costs of slots and listed keys, and those of workers, for routers.
func (c *costs) whole(workers []float64) *policy.Costs {
	to := &policy.Costs{Workers: workers, Slots: make([]uint16, c.slots)}
	for s := range to.Slots {
		cost, _ := c.slot(s)
		to.Slots[s] = policy.WholeCost(cost)
	}
	for _, u := range c.units[c.ofKeys:] {
		to.Keys = append(to.Keys, policy.KeyCost{Hash: u.id, Cost: policy.WholeCost(u.cost)})
	}
	return to
}
