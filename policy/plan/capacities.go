package plan

import "github.com/saspart/saspart/policy"

// Capacities returns what routers keep every worker within, of workers that can do the given
// parts of the work. Routers count records. So where records differ in cost, a worker's part is
// that of the records of the cost that route r gives it.
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
	for w, part := range work {
		// A worker without records, as far as is known, may get ones of mean cost.
		cost := 1.0
		if records[w] > 0 && p.Carry[w] > 0 {
			cost = p.Carry[w] / records[w]
		}
		records[w] = part / cost
	}
	return policy.CapacitiesOf(records)
}
