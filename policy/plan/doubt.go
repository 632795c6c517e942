package plan

import "github.com/saspart/saspart/policy"

// Doubt recognises windows in which the routes of a controller are clearly worse than analytic
// ones. It processes only windows that are out of balance, so that others cost nothing.
type Doubt struct {
	Excess   float64    // imbalance beyond which analytic routes must be better by as much; 0: never
	analytic *Waterfill // nil: there was no such window
}

// Clear reports whether an analytic route may relieve the busiest worker under a route by more
// than Excess, beyond what may be chance. With sure, such a route is planned.
func (d *Doubt) Clear(w *policy.Window, r *policy.Route, sure bool) bool {
	if d.Excess == 0 || policy.Imbalance(w.Busy) <= d.Excess {
		return false
	}
	if d.analytic == nil {
		c := DefaultWaterfill()
		c.Gain = d.Excess
		d.analytic = NewWaterfill(c, r.Workers)
	}
	return d.analytic.Doubts(w, r) && (!sure || d.analytic.Relieves(w, r))
}
