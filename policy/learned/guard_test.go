package learned

import (
	"math/rand/v2"
	"testing"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/internal/toy"
	"github.com/saspart/saspart/policy/plan"
)

// switched follows waterfill, or sends the whole job to two workers.
type switched struct {
	*plan.Waterfill
	bad bool
}

func (s *switched) Decide(w *policy.Window, latest *policy.Route) policy.Decision {
	d := s.Waterfill.Decide(w, latest)
	if s.bad {
		d.Route = policy.HashRoute(latest.Workers)
		for i := range d.Route.Slots {
			d.Route.Slots[i] = uint16(i % 2)
		}
	}
	return d
}

// TestGuard: a policy that goes wrong is followed for ten windows. Waterfill then decides until
// the policy is right again. A policy that is always right is never disturbed.
func TestGuard(t *testing.T) {
	j := toy.New(8, 1.2, 20000, 1)
	j.RNG = rand.New(rand.NewPCG(4, 4))
	p := &switched{Waterfill: plan.NewWaterfill(plan.DefaultWaterfill(), 8)}
	g := NewGuard(p, 0.25)
	j.Follow(t, g, 30)
	if g.Windows != 0 || g.row != 0 {
		t.Fatalf("a good policy: waterfill decided in %d windows", g.Windows)
	}
	p.bad = true
	j.Follow(t, g, guardWindows)
	if g.Windows > 0 || j.Busiest() < 2 {
		t.Fatalf("a bad one: %d windows, the busiest has %.2f of its part", g.Windows, j.Busiest())
	}
	j.Follow(t, g, 20)
	if g.analytic == nil || j.Busiest() > 1.15 {
		t.Fatalf("after it was found out: the busiest has %.2f of its part", j.Busiest())
	}
	p.bad = false
	j.Speeds[0] /= 2 // so that it has something to say
	j.Follow(t, g, 20)
	if g.analytic != nil || j.Busiest() > 1.15 {
		t.Errorf("right again: it does not decide, or the busiest has %.2f of its part", j.Busiest())
	}
}
