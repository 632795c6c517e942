package loop

import (
	"slices"
	"time"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
)

// Announcements passes routes, routers, capacities, gossip and windows to the partitioner subtasks of
// one job, each of which adopts them when it begins a slide. The file
// testdata/loop/announcements.json has its rules as cases, for implementations in other
// languages.
//
// A route or a switch to another partitioner holds from the first slide that no subtask has
// begun, so that all subtasks route a slide alike. What is announced before the first slide
// holds from the first record. A route replaces an earlier route for the same slide and the
// same router. A switch replaces an earlier switch for the same slide, and the routes for
// its routers. Announcements are adopted in order: a route behind a switch is for the new
// routers.
//
// Capacities are adopted with each subtask's next slide, whichever that is: they need not hold
// from the same slide everywhere. Only the latest ones are. Behind a switch they are for the new
// routers.
//
// A late subtask (Late) does not wait for the boundary. It adopts the latest capacities and the
// latest route inside its slide and skips the earlier ones. What is behind a switch waits for
// the switch.
//
// A gossip round is complete once every subtask whose source has not ended has contributed.
// Each subtask absorbs it when it begins its next slide. Rounds of the routers before a
// switch are dropped, and so is a round that a later one overtakes. Windows to learn from
// are adopted with each subtask's next slide.
//
// Announcements is not safe for concurrent use. A job on several goroutines calls it under
// one lock, so that an announcement chooses its slide while no subtask begins one.
type Announcements struct {
	metrics  *policy.Blur
	begun    int64 // the latest slide that any subtask has begun; -1: none
	sequence int   // routes and switches announced since the first slide began
	switches int
	subtasks []listener
	rounds   map[int64]*gossipRound // by slide
}

// listener is a subtask as Announcements knows it.
type listener struct {
	pending  []Announcement // in the order in which they were announced
	switches int            // how many it has adopted
	ended    bool
}

// gossipRound collects the snapshots of one slide.
type gossipRound struct {
	switches  int // that the routers of the round have seen
	snapshots []any
	told      []bool
}

// Announcement is one thing for a subtask to adopt. Exactly one of Route, Router, Capacities,
// Gossip and Window is not nil.
type Announcement struct {
	Slide       int64              // the first slide it holds for
	Sequence    int                // of a route or switch: how many had been announced, this one included; 0: in force from the first record
	Route       *policy.Route      // to follow
	Router      partition.Router   // to route by
	Partitioner string             // the router's name
	Capacities  *policy.Capacities // to keep the workers within
	Gossip      []any              // to absorb, by subtask; nil for one that has ended
	Window      *policy.Window     // that was measured
	Seen        *policy.Window     // with Window: what routers that learn see of it; nil: nothing
	switches    int                // of a switch or gossip
}

// nextSlide is the slide of announcements that no two subtasks need to adopt together.
const nextSlide = -1 << 62

// NewAnnouncements returns those of a job whose subtasks have not begun a slide. Routers that
// learn see windows as a Loop's controller does that has the same metrics and seed.
func NewAnnouncements(subtasks int, metrics policy.BlurConfig, seed uint64) *Announcements {
	return &Announcements{metrics: policy.NewBlur(metrics, seed), begun: -1, subtasks: make([]listener, subtasks), rounds: map[int64]*gossipRound{}}
}

// Late reports whether a slide should have ended more than a slide before now, the time
// since the job's start: its subtask catches up.
func Late(slide int64, length, now time.Duration) bool {
	return int64(now) > (slide+2)*int64(length)
}

// Next is the first slide that no subtask has begun.
func (a *Announcements) Next() int64 { return a.begun + 1 }

// number counts an announcement.
func (a *Announcements) number() int {
	if a.begun >= 0 {
		a.sequence++
	}
	return a.sequence
}

// Route announces a route to all subtasks.
func (a *Announcements) Route(r *policy.Route) {
	n := Announcement{Slide: a.Next(), Sequence: a.number(), Route: r}
	for i := range a.subtasks {
		l := &a.subtasks[i]
		if l.ended {
			continue
		}
		l.replace(l.lastSwitch()+1, n.Slide)
		l.pending = append(l.pending, n)
	}
}

// Switch announces the routers of another partitioner, one for each subtask.
func (a *Announcements) Switch(partitioner string, routers []partition.Router) {
	a.switches++
	clear(a.rounds)
	n := Announcement{Slide: a.Next(), Sequence: a.number(), Partitioner: partitioner, switches: a.switches}
	for i, r := range routers {
		l := &a.subtasks[i]
		if l.ended {
			continue
		}
		if last := l.lastSwitch(); last >= 0 && l.pending[last].Slide == n.Slide {
			l.replace(last, n.Slide)
		}
		n.Router = r
		l.pending = append(l.pending, n)
	}
}

// lastSwitch is the index of the last switch that is pending, -1 without one.
func (l *listener) lastSwitch() int {
	for i := len(l.pending) - 1; i >= 0; i-- {
		if l.pending[i].Router != nil {
			return i
		}
	}
	return -1
}

// replace removes the routes and switches for a slide that stand at index from or later.
func (l *listener) replace(from int, slide int64) {
	kept := slices.DeleteFunc(l.pending[from:], func(n Announcement) bool {
		return n.Slide == slide && (n.Route != nil || n.Router != nil)
	})
	l.pending = l.pending[:from+len(kept)]
}

// Capacities announces capacities to all subtasks.
func (a *Announcements) Capacities(c *policy.Capacities) {
	for i := range a.subtasks {
		l := &a.subtasks[i]
		if l.ended {
			continue
		}
		from := l.lastSwitch() + 1
		kept := slices.DeleteFunc(l.pending[from:], func(n Announcement) bool { return n.Capacities != nil })
		l.pending = append(l.pending[:from+len(kept)], Announcement{Slide: nextSlide, Capacities: c})
	}
}

// Decide announces a decision: its capacities and its route, as far as it has them.
func (a *Announcements) Decide(d policy.Decision) {
	if d.Capacities != nil {
		a.Capacities(d.Capacities)
	}
	if d.Route != nil {
		a.Route(d.Route)
	}
}

// Window announces the window that has ended to all subtasks, for routers that learn from
// windows.
func (a *Announcements) Window(w *policy.Window) { a.announceNext(a.Measured(w)) }

// Measured processes the window that has ended, and returns its announcement for a driver
// whose subtasks adopt it at once. Each window is either measured or announced, once.
func (a *Announcements) Measured(w *policy.Window) Announcement {
	return Announcement{Slide: nextSlide, Window: w, Seen: a.metrics.See(w)}
}

// announceNext announces to all subtasks what each adopts with its next slide.
func (a *Announcements) announceNext(n Announcement) {
	for i := range a.subtasks {
		if l := &a.subtasks[i]; !l.ended {
			l.pending = append(l.pending, n)
		}
	}
}

// Gossip records the snapshot that a subtask's router gives when its slide ends, and
// announces the round if it is now complete.
func (a *Announcements) Gossip(subtask int, slide int64, snapshot any) {
	r := a.rounds[slide]
	if r == nil {
		n := len(a.subtasks)
		r = &gossipRound{switches: a.subtasks[subtask].switches, snapshots: make([]any, n), told: make([]bool, n)}
		a.rounds[slide] = r
	}
	r.snapshots[subtask], r.told[subtask] = snapshot, true
	for i := range a.subtasks {
		if !r.told[i] && !a.subtasks[i].ended {
			return
		}
	}
	for earlier := range a.rounds { // an earlier round may lack a subtask that has ended
		if earlier <= slide {
			delete(a.rounds, earlier)
		}
	}
	a.announceNext(Announcement{Slide: nextSlide, Gossip: r.snapshots, switches: r.switches})
}

// End says that a subtask's source has ended: it adopts no more.
func (a *Announcements) End(subtask int) {
	a.subtasks[subtask] = listener{ended: true}
}

// Begin says that a subtask begins a slide, and appends what it has to adopt, in order,
// to dst.
func (a *Announcements) Begin(subtask int, slide int64, dst []Announcement) []Announcement {
	a.begun = max(a.begun, slide)
	l := &a.subtasks[subtask]
	l.pending = slices.DeleteFunc(l.pending, func(n Announcement) bool {
		switch {
		case n.Slide > slide:
			return false
		case n.Gossip != nil && n.switches != l.switches: // of routers that are gone
			return true
		case n.Router != nil:
			l.switches = n.switches
		}
		dst = append(dst, n)
		return true
	})
	return dst
}

// CatchUp appends to dst what a late subtask adopts inside its slide: the latest capacities and
// the latest route, as far as there are any.
func (a *Announcements) CatchUp(subtask int, dst []Announcement) []Announcement {
	var capacities, route Announcement
	behind := false // a switch
	l := &a.subtasks[subtask]
	l.pending = slices.DeleteFunc(l.pending, func(n Announcement) bool {
		behind = behind || n.Router != nil
		switch {
		case behind:
			return false
		case n.Capacities != nil:
			capacities = n
		case n.Route != nil:
			route = n
		default:
			return false
		}
		return true
	})
	if capacities.Capacities != nil {
		dst = append(dst, capacities)
	}
	if route.Route != nil {
		dst = append(dst, route)
	}
	return dst
}

// Subtask is one partitioner subtask's router and what it has adopted.
type Subtask struct {
	Router      partition.Router
	Partitioner string        // the router's name
	Route       *policy.Route // that the router follows; nil: none yet
	Sequence    int           // of the last route or switch adopted
}

// Adopt applies an announcement to the router. slide is the slide that begins or, for a late
// subtask, the next slide: the first that is routed by a new route alone. The result reports
// whether records are routed differently from here on, by another router or another route.
func (s *Subtask) Adopt(n *Announcement, slide int64) bool {
	switch {
	case n.Router != nil:
		s.Router, s.Partitioner, s.Route = n.Router, n.Partitioner, nil
	case n.Route != nil:
		f, ok := s.Router.(partition.RouteFollower)
		if k, keeps := s.Router.(partition.KeyKeeper); !ok || keeps && !k.MayMove(slide) {
			return false
		}
		f.Follow(n.Route, slide)
		s.Route = n.Route
	case n.Capacities != nil:
		if f, ok := s.Router.(partition.CapacityFollower); ok {
			f.SetCapacities(n.Capacities)
		}
		return false
	case n.Window != nil:
		if l, ok := s.Router.(partition.Learner); ok && n.Seen != nil {
			l.Observe(n.Seen)
		}
		return false
	default:
		if g, ok := s.Router.(partition.Gossiper); ok {
			g.Absorb(n.Gossip)
		}
		return false
	}
	s.Sequence = max(s.Sequence, n.Sequence)
	return true
}

// CatchesUp reports whether the subtask may adopt a route inside a slide.
func (s *Subtask) CatchesUp() bool {
	k, ok := s.Router.(partition.KeyKeeper)
	return !ok || !k.KeepsKeys()
}

// EndSlide ends a slide at the router and returns its snapshot for the gossip round of
// the slide; nil from a router without gossip.
func (s *Subtask) EndSlide(slide int64) any {
	s.Router.EndSlide(slide)
	if g, ok := s.Router.(partition.Gossiper); ok {
		return g.Gossip()
	}
	return nil
}
