// Package loop is the control loop around a running job: the job is measured in windows, a
// controller answers windows with routes and capacities, and the job applies them. The loop is pure: it has
// no clock, goroutine or lock, so that the same windows always give the same routes. Its
// drivers move windows and routes between it and the job: collections, the policy server, its
// client and online training.
package loop

import "github.com/saspart/saspart/policy"

// Config says what a Loop is made of.
type Config struct {
	Workers    int               // P
	Controller policy.Controller // decides; nil: no controller does
	Metrics    policy.BlurConfig // how well the controller sees windows; must be valid
	Seed       uint64            // of the noise and the gaps in Metrics
	// Gap is the distance between the versions of successive routes; 0 means 1. A loop
	// that may run beside another loop of the same job leaves a gap, so that no version is
	// used twice.
	Gap uint64
	// Failed, if not nil, is called when a controller panics, from the deferred function
	// that recovered the panic; the window is then answered with an empty decision. If it is nil,
	// the panic continues.
	Failed func(w *policy.Window, reason any)
}

// Loop decides on the routes of one job. For each window, its driver calls Observe and then
// Decide, Announce with the route that it is about to apply, and applies route and capacities. The loop numbers routes and
// knows the latest one, which need not be in force yet; controllers plan from that route and
// remember none themselves. A Loop must not be used concurrently.
type Loop struct {
	config     Config
	controller policy.Controller
	next       *handover // pending; nil: none
	metrics    *policy.Blur
	seen       *policy.Window // what controllers see of the last window; nil: nothing
	latest     *policy.Route
	newest     uint64 // the highest version announced or seen
	switched   bool   // since the last window began
}

// handover is the replacement of the controller by another one.
type handover struct {
	to    policy.Controller
	watch int // windows that it still watches
	begin func()
}

// New returns the loop of a job that starts with the hash route.
func New(c Config) *Loop {
	c.Gap = max(c.Gap, 1)
	return &Loop{
		config: c, controller: c.Controller, metrics: policy.NewBlur(c.Metrics, c.Seed), latest: policy.HashRoute(c.Workers),
	}
}

// Observe processes the window that has ended, and returns the window to record. That is w
// itself, or a copy marked as mixed if the partitioner was switched while the window ran. If
// the window reports a route with a higher version than all before, another controller
// announced it: it becomes the latest route.
func (l *Loop) Observe(w *policy.Window) *policy.Window {
	if l.switched {
		mixed := *w
		mixed.RouteNew, l.switched = true, false
		w = &mixed
	}
	l.Follow(w.Route)
	l.seen = l.metrics.See(w)
	return w
}

// Decide asks the controller to answer the last window, and returns its decision. The driver
// decides what becomes of it: a route that is not passed to Announce has no effect, so a driver
// that ignores the decision lets the controller only watch. Capacities are passed to the job as
// they are, every time, whether or not there is a route.
//
// Capacities come with what waits at the workers, and how busy they are, unless metrics are late.
// The length of a queue some windows ago says nothing about now, and where capacities are late
// workers have no time to spare.
func (l *Loop) Decide() policy.Decision {
	w := l.seen
	if l.seen = nil; w == nil {
		return policy.Decision{}
	}
	if n := l.next; n != nil && n.watch <= 0 {
		l.controller, l.next = n.to, nil
		n.begin()
	}
	d := l.ask(l.controller, w)
	if n := l.next; n != nil {
		l.ask(n.to, w)
		n.watch--
	}
	if c := d.Capacities; c != nil && l.config.Metrics.Delay == 0 {
		d.Capacities = &policy.Capacities{Of: c.Of, Waiting: policy.Waiting(w, c.Costs), Load: policy.Load(w, c.Of), Costs: c.Costs}
	}
	return d
}

// ask returns what a controller answers to a window.
func (l *Loop) ask(c policy.Controller, w *policy.Window) (d policy.Decision) {
	if c == nil {
		return d
	}
	if l.config.Failed != nil {
		defer func() {
			if reason := recover(); reason != nil {
				l.config.Failed(w, reason)
				d = policy.Decision{}
			}
		}()
	}
	return c.Decide(w, l.latest)
}

// Announce makes a copy of r the latest route, and returns it for the job to apply. Its
// version is higher than all announced or seen so far. A version of r that is high enough
// is kept: routes that another loop has numbered, such as a policy server's, keep their
// versions.
func (l *Loop) Announce(r *policy.Route) *policy.Route {
	next := *r
	next.Version = max(r.Version, l.newest+l.config.Gap)
	l.latest, l.newest = &next, next.Version
	return l.latest
}

// Step observes a window, decides, and announces the route if there is one: what a driver does
// that has no reason to do it in parts. It returns the decision to apply.
func (l *Loop) Step(w *policy.Window) policy.Decision {
	l.Observe(w)
	d := l.Decide()
	if d.Route != nil {
		d.Route = l.Announce(d.Route)
	}
	return d
}

// Latest returns the latest route; before any was announced, the hash route.
func (l *Loop) Latest() *policy.Route { return l.latest }

// Follow makes r the latest route, if its version is higher than all announced or seen so
// far: another controller announced it to the job. If r is nil, Follow does nothing.
func (l *Loop) Follow(r *policy.Route) {
	if r == nil || r.Version <= l.newest {
		return
	}
	l.newest = r.Version
	if r.Workers == l.config.Workers {
		l.latest = r
	}
}

// Switch says that the job's partitioner is being switched, to one whose routes c decides
// (nil: it follows none). The window that now begins will be mixed, and the new routers
// start with the hash route.
func (l *Loop) Switch(c policy.Controller) {
	l.controller, l.next = c, nil
	l.latest, l.switched = policy.HashRoute(l.config.Workers), true
}

// HandOver lets a controller watch the given number of windows, and then decide. It replaces
// a pending handover. begin is called when the controller is about to decide on its first
// window, which may be the next one.
func (l *Loop) HandOver(to policy.Controller, watch int, begin func()) {
	l.next = &handover{to, watch, begin}
}

// Keep cancels a pending handover.
func (l *Loop) Keep() { l.next = nil }
