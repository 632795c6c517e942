package serve

import (
	"fmt"

	"github.com/saspart/saspart/policy"
)

// trust is what a job knows of the models that decided for it. A model whose windows are bad
// for long decides no more: the last good one does, or the analytic controller.
type trust struct {
	limit   float64 // imbalance beyond which a window is bad; 0: none
	windows int     // bad windows in a row that a model may have
	bad     *Model  // decides no more; nil: none
	good    *Model  // the last that had as many windows that were not bad; nil: none
	row     int     // of the deciding model: bad windows in a row, or negative: others in a row
	why     string  // what was wrong with the last window
	failed  bool    // the last decision was none
}

// trustBusy is the mean busy ratio below which an imbalance does no harm.
const trustBusy = 0.05

// see processes a window under routes of a model, nil if no model decided, and reports
// whether the model decides no more from now on.
func (t *trust) see(m *Model, w *policy.Window) (lost bool) {
	failed := t.failed
	t.failed = false
	if m == nil || t.limit == 0 {
		t.row = 0
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
	case n > 0 && busy > trustBusy*float64(n) && imbalance > t.limit:
		t.why = fmt.Sprintf("the imbalance was %.2f, beyond %.2f", imbalance, t.limit)
	default:
		if t.row = min(t.row, 0) - 1; -t.row >= t.windows {
			t.good = m
		}
		return false
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
