package serve

import (
	"fmt"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/plan"
)

// trust is what a job knows of the models that decided for it. A model whose windows are bad
// for long decides no more: the last good one does, or the analytic controller.
type trust struct {
	limit   float64    // imbalance beyond which a window is bad; 0: none
	doubt   plan.Doubt // finds windows that are bad because analytic routes are better
	windows int        // bad windows in a row that a model may have
	bad     *Model     // decides no more; nil: none
	good    *Model     // the last that had as many windows that were not bad; nil: none
	of      *Model     // that decided last; nil: none did
	row     int        // of it: bad windows in a row, or negative: others in a row
	why     string     // what was wrong with the last window
	failed  bool       // the last decision was none
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
	if m == nil || t.limit == 0 && t.doubt.Excess == 0 {
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
	case t.doubt.Clear(w, r, t.row+1 >= t.windows): // a route is planned only in the last of a row
		t.why = fmt.Sprintf("the imbalance was %.2f, and analytic routes would relieve the busiest worker by %.2f", imbalance, t.doubt.Excess)
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
