package learned

import (
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/plan"
)

// Guard is a controller that follows a policy, and Waterfill while the policy is clearly worse.
// The policy sees every window. Waterfill decides once its routes would have relieved the
// busiest worker by more than the excess in guardWindows windows in a row. The policy decides
// again when it proposes a route that is at most half as bad.
type Guard struct {
	policy   policy.Controller
	doubt    plan.Doubt
	row      int             // windows in a row in which the policy was clearly worse
	analytic *plan.Waterfill // decides; nil: the policy does
	Windows  int             // in which Waterfill decided
}

// guardWindows is how many windows in a row are evidence against a policy.
const guardWindows = 10

// NewGuard returns a guard of p. excess, above 0, is as plan.Doubt has it.
func NewGuard(p policy.Controller, excess float64) *Guard {
	return &Guard{policy: p, doubt: plan.Doubt{Excess: excess}}
}

// Decide implements policy.Controller.
func (g *Guard) Decide(w *policy.Window, latest *policy.Route) policy.Decision {
	d := g.policy.Decide(w, latest)
	if g.analytic != nil {
		analytic := g.analytic.Decide(w, latest)
		if w.RouteNew || d.Route == nil || g.analytic.Burdens(w, latest, d.Route) > g.doubt.Excess/2 {
			g.Windows++
			return analytic
		}
		g.analytic = nil
		return d
	}
	switch {
	case w.RouteNew:
	case !g.doubt.Clear(w, latest, g.row+1 >= guardWindows):
		g.row = 0
	default:
		g.row++
	}
	if g.row < guardWindows {
		return d
	}
	g.row, g.Windows = 0, g.Windows+1
	g.analytic = plan.NewWaterfill(plan.DefaultWaterfill(), latest.Workers)
	return g.analytic.Decide(w, latest)
}
