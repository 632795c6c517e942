package loop

import (
	"testing"

	"github.com/saspart/saspart/policy"
)

// mover moves slot 0 one worker on from the latest route with each window.
type mover struct{ seen []int }

func (m *mover) Decide(w *policy.Window, latest *policy.Route) *policy.Route {
	m.seen = append(m.seen, w.Step)
	return &policy.Route{Workers: latest.Workers, Slots: []uint16{(latest.Slots[0] + 1) % 8}}
}

func window(step int, version uint64, slot uint16) *policy.Window {
	return &policy.Window{Step: step, Route: &policy.Route{Version: version, Workers: 8, Slots: []uint16{slot}}}
}

// A controller that only watched leaves no trace in the routes: once it decides, it plans
// from the latest route, and from another controller's when there is a newer one.
func TestHandOver(t *testing.T) {
	for _, watched := range []int{0, 1, 5} {
		l := New(Config{Workers: 8})
		l.Follow(window(0, 20, 3).Route)
		begun := 0
		m := &mover{}
		l.HandOver(m, watched, func() { begun++ })
		for i := range watched {
			if r := l.Step(window(i, 20, 3)); r != nil || begun != 0 {
				t.Fatalf("window %d: route %v, begun %d, of a controller that watches", i, r, begun)
			}
		}
		for i, c := range []struct {
			why           string
			version, slot int // in force
			want, to      int
		}{
			{"from the latest route", 20, 3, 21, 4},
			{"its own is not in force yet", 20, 3, 22, 5},
			{"another controller announced one", 1000, 1, 1001, 2},
			{"an old one again", 22, 5, 1002, 3},
		} {
			w := window(watched+i, uint64(c.version), uint16(c.slot))
			r := l.Step(w)
			if r == nil || r.Version != uint64(c.want) || int(r.Slots[0]) != c.to {
				t.Fatalf("watched %d, %s: %+v, want %d to %d", watched, c.why, r, c.want, c.to)
			}
			if w.Route.Version != uint64(c.version) || w.RouteNew {
				t.Errorf("watched %d, %s: the window was changed", watched, c.why)
			}
		}
		if begun != 1 || len(m.seen) != watched+4 {
			t.Errorf("watched %d: begun %d times, %d windows seen", watched, begun, len(m.seen))
		}
	}
}
