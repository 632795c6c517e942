package serve

import (
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/serve/wire"
)

// window is a window of a job from its end until it is decided on.
type window struct {
	*reports.Assembled
	answer   *decision // before anything was decided
	ended    time.Time
	answered bool
}

// lane bounds how many decisions are made at a time. Decisions get their places in the order
// in which they ask.
type lane chan struct{}

func (l lane) enter() { l <- struct{}{} }
func (l lane) leave() { <-l }

// lanes are two, so that jobs with long decisions wait for each other only. The Go scheduler
// divides the processors between the lanes.
type lanes struct {
	fast, slow lane
	overdue    lane // decisions in no lane: they have left the fast one because they take long
}

func newLanes() lanes {
	n := runtime.GOMAXPROCS(0)
	return lanes{fast: make(lane, n), slow: make(lane, max(1, n/2)), overdue: make(lane, n)}
}

// longPairs is the product of workers and hot keys beyond which decisions are expected to
// take long: a new route for 1024 workers with 4096 keys takes about 10 ms.
const longPairs = 1 << 22

// pairs is the product of a job's workers and hot keys, which decisions grow with.
func pairs(s *reports.Shape) int { return s.Workers * max(s.HotKeys(), 1) }

// assemble queues the windows that are over by now for decisions. If it returns true, the
// caller must call begin, without the lock that it holds now.
func (j *job) assemble(now time.Time) (begins bool) {
	for a := j.assembler.Next(now); a != nil; a = j.assembler.Next(now) {
		if j.server.watch != nil {
			j.server.watch(j.name, a)
		}
		d := &decision{Decision: wire.Decision{Window: a.Number, Incomplete: !a.Complete(), Shares: a.Shares}, learned: a.Learns}
		if seen := j.learn.See(a.Window); seen != nil {
			d.Busy = measured(seen.Busy)
		}
		if len(j.queue) == j.server.config.Window.Ahead {
			j.skip()
		}
		j.queue = append(j.queue, &window{Assembled: a, answer: d, ended: now})
	}
	begins = len(j.queue) > 0 && !j.deciding
	j.deciding = j.deciding || begins
	j.wait()
	return begins
}

// skip drops the oldest window of the queue without a decision.
func (j *job) skip() {
	w := j.queue[0]
	j.queue = slices.Delete(j.queue, 0, 1)
	j.late(w)
	w.Release()
}

// begin starts to decide on the windows in the queue. Quick decisions are made at once, by
// the goroutine that has the last report of the window: handing them over takes as long.
func (j *job) begin() {
	fast := j.server.lanes.fast
	if !j.isLong() {
		select {
		case fast <- struct{}{}:
			if !j.decide(fast) {
				return
			}
		default:
		}
	}
	j.server.deciders.Go(func() {
		for more := true; more; {
			l := fast
			if j.isLong() {
				l = j.server.lanes.slow
			}
			l.enter()
			more = j.decide(l)
		}
	})
}

// isLong reports whether the decisions of the job take long.
func (j *job) isLong() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.long
}

// decide decides on the oldest window in the queue, in a lane that it leaves, and reports
// whether there are more. No lock is held meanwhile: keys, loop and upcoming belong to the
// one goroutine that is deciding.
func (j *job) decide(l lane) (more bool) {
	w, heard := j.next(l)
	if w == nil {
		l.leave()
		return false
	}
	began := j.server.now()
	j.loop.Follow(heard)
	of, under := j.decider, j.loop.Latest()
	j.refresh(w.Window)
	j.loop.Observe(w.Window)
	d := j.loop.Decide()
	if d.Route != nil {
		if err := d.Route.Validate(); err != nil { // a network of huge weights may make numbers that are none
			j.failed(w.Window, err)
			d = policy.Decision{}
		} else {
			d.Route = j.loop.Announce(d.Route)
		}
	}
	j.decided(w, d)
	j.judge(w.Window, &of, under) // after the answer, which does not wait for it
	return j.over(w, j.server.now().Sub(began) > j.server.config.Decide/2)
}

// next takes the next window to decide on out of the queue, with the latest route that was
// reported since the last decision. Windows that were answered without a decision are
// skipped if there are later ones. Without windows, w is nil and deciding ends.
func (j *job) next(l lane) (w *window, heard *policy.Route) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.queue) > 1 && j.queue[0].answered {
		j.skip()
	}
	if len(j.queue) == 0 || j.gone {
		j.deciding = false
		return nil, nil
	}
	w, heard = j.queue[0], j.heard
	j.queue, j.heard = slices.Delete(j.queue, 0, 1), nil
	j.running, j.lane, j.began = w, l, j.server.now()
	j.wait()
	return w, heard
}

// decided answers a window with its decision. A route that comes too late is sent with the
// next answer.
func (j *job) decided(w *window, d policy.Decision) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if d.Route != nil {
		j.assembler.Know(d.Route)
		j.unsent = d.Route
	}
	if !w.answered {
		w.answer.Capacities = d.Capacities
		j.answer(w)
	}
}

// over ends the work on a window, and reports whether there are more windows.
func (j *job) over(w *window, long bool) (more bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	w.Release()
	j.lane.leave()
	j.running, j.lane, j.long = nil, nil, long || pairs(&j.shape) > longPairs
	j.distance = j.keys.distance()
	if len(j.queue) == 0 || j.gone {
		j.deciding = false
	}
	j.wait()
	return j.deciding
}

// answer answers a window with the latest route that has not been sent.
func (j *job) answer(w *window) {
	w.answered = true
	route := j.unsent
	if j.unsent = nil; route != nil {
		w.answer.Route, w.answer.Start = route, min(j.assembler.Latest(), math.MaxUint64-2)+2
	}
	for _, s := range j.streams {
		if len(s.hello.Partitioners) > 0 && s.out.decide(w.answer) {
			j.server.metrics.unsent.Inc()
		}
	}
	j.view.add(w.Assembled, route)
	j.server.metrics.answered(j, j.server.now().Sub(w.ended))
}

// late answers a window whose decision takes too long, unless it is answered already.
func (j *job) late(w *window) {
	if !w.answered {
		j.answer(w)
		j.view.late++
	}
}

// hurry answers the windows whose decisions take too long, and takes a decision that takes
// too long out of the fast lane. The caller holds the lock.
func (j *job) hurry(now time.Time) {
	old := now.Add(-j.server.config.Decide)
	if w := j.running; w != nil {
		if !w.ended.After(old) {
			j.late(w)
		}
		if fast := j.server.lanes.fast; j.lane == fast && !j.began.After(old) {
			select {
			case j.server.lanes.overdue <- struct{}{}:
				j.lane = j.server.lanes.overdue
				fast.leave()
			default: // too many of them
			}
		}
	}
	for _, w := range j.queue {
		if !w.ended.After(old) {
			j.late(w)
		}
	}
}

// dueDecision returns when hurry must be called; false if no window waits for a decision.
func (j *job) dueDecision() (due time.Time, ok bool) {
	sooner := func(t time.Time) {
		if t = t.Add(j.server.config.Decide); !ok || t.Before(due) {
			due, ok = t, true
		}
	}
	if j.running != nil {
		if !j.running.answered {
			sooner(j.running.ended)
		}
		if j.lane == j.server.lanes.fast && j.server.now().Before(j.began.Add(j.server.config.Decide)) {
			sooner(j.began)
		}
	}
	for _, w := range j.queue {
		if !w.answered {
			sooner(w.ended)
			break // later ones have ended later
		}
	}
	return due, ok
}
