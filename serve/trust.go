package serve

import (
	"fmt"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/plan"
)

// trust is what a job knows of the models that decided for it. A model whose windows are bad
// for long decides no more: the last good one does, or the analytic controller.
type trust struct {
	limit   float64 // imbalance beyond which a window is bad; 0: none
	excess  float64 // imbalance beyond which a row of them is if analytic routes are better by as much; 0: none
	windows int     // bad windows in a row that a model may have
	bad     *Model  // decides no more; nil: none
	good    *Model  // the last that had as many windows that were not bad; nil: none
	of      *Model  // that decided last; nil: none did
	row     int     // of it: bad windows in a row, or negative: others in a row
	why     string  // what was wrong with the last window
	failed  bool    // the last decision was none

	// analytic knows what analytic routes would do. It has only the windows that are out of
	// balance, and plans in the last of a row of them, so that a job that is relieved soon
	// costs little; nil: there was none.
	analytic *plan.Waterfill
}

// trustBusy is the mean busy ratio below which an imbalance does no harm.
const trustBusy = 0.05

// see processes a window under a route of a model, nil if no model decided, and reports
// whether the model decides no more from now on.
func (t *trust) see(m *Model, w *policy.Window, r *policy.Route) (lost bool) {
	failed := t.failed
	t.failed = false
	if m != t.of {
		t.of, t.row = m, 0
	}
	if m == nil || t.limit == 0 && t.excess == 0 {
		return false
	}
	busy, n := 0.0, 0
	for _, b := range w.Busy {
		if b == b {
			busy, n = busy+b, n+1
		}
	}
	imbalance := policy.Imbalance(w.Busy)
	switch {
	case failed:
		t.why = "it failed to decide"
	case busy <= trustBusy*float64(n):
		return t.fine(m)
	case t.limit > 0 && imbalance > t.limit:
		t.why = fmt.Sprintf("the imbalance was %.2f, beyond %.2f", imbalance, t.limit)
	case imbalance > t.excess && t.worse(w, r):
		t.why = fmt.Sprintf("the imbalance was %.2f, and analytic routes would relieve the busiest worker by %.2f", imbalance, t.excess)
	default:
		return t.fine(m)
	}
	if t.row = max(t.row, 0) + 1; t.row < t.windows {
		return false
	}
	t.bad, t.row = m, 0
	if t.good == m {
		t.good = nil
	}
	return true
}

// fine counts a window that is not bad.
func (t *trust) fine(m *Model) (lost bool) {
	if t.row = min(t.row, 0) - 1; -t.row >= t.windows {
		t.good = m
	}
	return false
}

// worse processes a window and reports whether an analytic route may relieve the busiest
// worker under a route by more than excess, beyond what may be chance. Before the model is
// lost, such a route is planned.
func (t *trust) worse(w *policy.Window, r *policy.Route) bool {
	if t.excess == 0 {
		return false
	}
	if t.analytic == nil {
		c := plan.DefaultWaterfill()
		c.Gain = t.excess
		t.analytic = plan.NewWaterfill(c, r.Workers)
	}
	return t.analytic.Doubts(w, r) && (t.row+1 < t.windows || t.analytic.Relieves(w, r))
}

// choose returns the model that decides where m is the newest; ok is false if none does.
func (t *trust) choose(m *Model) (of *Model, ok bool) {
	switch {
	case m != t.bad:
		return m, true
	case t.good != nil:
		return t.good, true
	}
	return m, false
}

// reason says why the model does not decide.
func (t *trust) reason() string { return fmt.Sprintf("in %d windows in a row %s", t.windows, t.why) }
