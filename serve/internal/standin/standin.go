// Package standin lets a controller learn from a running job while another one
// decides, and then take over from the route in force without a jolt.
package standin

import "github.com/saspart/saspart/policy"

// Standin is a controller that first watches, then decides. Watching, it sees every
// window's route as the newest there is, so that what it would have decided itself is
// forgotten with the next window; it does so by counting the versions it is shown
// ahead of the true ones. It is for one goroutine.
type Standin struct {
	controller policy.Controller
	top        uint64 // no route that the controller knows of has a larger version
	shift      uint64 // of the versions shown to it against the true ones
	deciding   bool
}

// New returns a stand-in that has not seen a window yet.
func New(c policy.Controller) *Standin { return &Standin{controller: c} }

// Watch lets it learn from a window that another controller answers. After the first
// Decide it must not be called any more.
func (s *Standin) Watch(w *policy.Window) {
	s.top++
	s.decide(w, s.top)
}

// Decide implements policy.Controller. Its routes have versions past the one in force.
func (s *Standin) Decide(w *policy.Window) *policy.Route {
	version := uint64(0)
	if w.Route != nil {
		version = w.Route.Version
	}
	if !s.deciding {
		s.deciding, s.shift = true, s.top+1-version // may wrap around, and back below
	}
	next := s.decide(w, version+s.shift)
	if next == nil {
		return nil
	}
	out := *next
	out.Version -= s.shift
	return &out
}

// decide shows a window with its route under another version.
func (s *Standin) decide(w *policy.Window, version uint64) *policy.Route {
	if w.Route != nil && w.Route.Version != version {
		shown, route := *w, *w.Route
		route.Version = version
		shown.Route = &route
		w = &shown
	}
	next := s.controller.Decide(w)
	if next != nil {
		s.top = max(s.top, next.Version)
	}
	return next
}
