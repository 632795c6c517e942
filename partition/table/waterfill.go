package table

import (
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/plan"
)

// NewWaterfill makes the controller of the waterfill partitioner. Its routers are those of
// `table`; the analytic controller of package plan computes their routes.
//
// Source: docs/algorithms.md, "Waterfill, the analytic controller".
//
// Rule: a worker's speed is its finished records over its busy time, smoothed in the
// logarithm. The partitioner subtasks count keys and hash slots. The planner fills the
// workers up to their speeds and splits only keys that do not fit. A new route is applied
// when it relieves the busiest worker by more than the noise.
//
// Constants: plan.DefaultWaterfill, all of them options. Routing costs as much as with
// `table`; a decision takes about a millisecond per metric window.
//
// Deviations: none, it is our own. It needs hot keys and slot counts in the windows; the more
// keys are named there (4 per worker), the finer its routes.
func NewWaterfill(c plan.WaterfillConfig, workers int) policy.Controller {
	return plan.NewWaterfill(c, workers)
}
