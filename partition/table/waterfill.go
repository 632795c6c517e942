package table

import (
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/plan"
)

// NewWaterfill makes the controller of the waterfill partitioner: its routers are those
// of `table`, and the analytic controller of package plan decides their routes.
//
// Source: docs/algorithms.md, "Waterfill, the analytic controller".
//
// Rule: each worker's speed is its finished records over its busy time, smoothed in
// the log; keys and slots are counted by the partitioners; the planner fills the
// workers up to their speeds, splitting only keys that do not fit, and a new route
// is followed when it relieves the busiest worker by more than the noise.
//
// Constants: plan.DefaultWaterfill, all of them options. Routing costs what it
// costs with `table`; a decision takes about a millisecond per metric window.
//
// Deviations: none, it is our own. It needs hot keys and slot counts in the
// windows; the more keys are named there (4 per worker), the finer its routes.
func NewWaterfill(c plan.WaterfillConfig, workers int) policy.Controller {
	return plan.NewWaterfill(c, workers)
}
