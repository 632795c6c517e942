package standin

import (
	"testing"

	"github.com/saspart/saspart/policy"
)

// planner is a controller as those of package plan are: it goes on from its own last
// route unless the window's is newer, and moves slot 0 one worker on with each window.
type planner struct{ route *policy.Route }

func (p *planner) Decide(w *policy.Window) *policy.Route {
	if w.Route.Version > p.route.Version {
		p.route = w.Route
	}
	next := *p.route
	next.Version++
	next.Slots = []uint16{(p.route.Slots[0] + 1) % 8}
	p.route = &next
	return &next
}

func window(version uint64, slot uint16) *policy.Window {
	return &policy.Window{Route: &policy.Route{Version: version, Workers: 8, Slots: []uint16{slot}}}
}

// A stand-in forgets what it would have decided while it watched, and once it decides
// goes on from its own routes, numbered after the true ones.
func TestStandin(t *testing.T) {
	for _, watched := range []int{0, 1, 5} {
		p := &planner{route: policy.HashRoute(8)}
		s := New(p)
		for i := range watched {
			s.Watch(window(uint64(20+i%2), 3)) // in force: 3, whatever p thought of
		}
		w := window(21, 5)
		r := s.Decide(w)
		if r.Version != 22 || r.Slots[0] != 6 {
			t.Errorf("watched %d: route %d to %d, want 22 to 6", watched, r.Version, r.Slots[0])
		}
		if w.Route.Version != 21 {
			t.Errorf("the window was changed: version %d", w.Route.Version)
		}
		// The job is slow to take it up: 22 is still announced, so 7 is next.
		if r = s.Decide(window(21, 5)); r.Version != 23 || r.Slots[0] != 7 {
			t.Errorf("watched %d: route %d to %d, want 23 to 7", watched, r.Version, r.Slots[0])
		}
		// Somebody else decided meanwhile.
		if r = s.Decide(window(1000, 1)); r.Version != 1001 || r.Slots[0] != 2 {
			t.Errorf("watched %d: route %d to %d, want 1001 to 2", watched, r.Version, r.Slots[0])
		}
	}
}
