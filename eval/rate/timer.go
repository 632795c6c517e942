package rate

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// RouteTimer times the routing of batches in all subtasks of a job.
type RouteTimer struct {
	mu      sync.Mutex
	routers []*timed
}

// leastTimed is the least length of a batch that is timed: reading the clock twice takes as
// long as routing some records.
const leastTimed = 64

// PerRecord returns the median over batches of the time to route a record, in ns; 0 if no
// batch was long enough. It is called after the job was closed.
func (t *RouteTimer) PerRecord() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := newTimes()
	for _, r := range t.routers {
		all.Merge(r.times)
	}
	if all.TotalCount() == 0 {
		return 0
	}
	return float64(all.ValueAtQuantile(50)) / 1000
}

// newTimes returns a histogram of ps per record.
func newTimes() *hdrhistogram.Histogram { return hdrhistogram.New(100, 1e12, 3) }

// Wrap times the routers that open makes.
func (t *RouteTimer) Wrap(open func(partition.Env) partition.Router, now func() time.Time) func(partition.Env) partition.Router {
	return func(env partition.Env) partition.Router {
		r := &timed{Router: open(env), now: now, times: newTimes()}
		t.mu.Lock()
		t.routers = append(t.routers, r)
		t.mu.Unlock()
		if s, ok := r.Router.(partition.Gossiper); ok {
			return &timedGossiper{r, s}
		}
		return r
	}
}

// timed is a router whose batches are timed. It follows routes and capacities and learns from
// windows if the router inside does.
type timed struct {
	partition.Router
	now   func() time.Time
	times *hdrhistogram.Histogram // ps per record
}

// Route implements partition.Router.
func (t *timed) Route(b *stream.Batch, dst []partition.Dest) {
	if len(dst) < leastTimed {
		t.Router.Route(b, dst)
		return
	}
	start := t.now()
	t.Router.Route(b, dst)
	// Times outside of the histogram, hours for a record, do not count.
	_ = t.times.RecordValue(t.now().Sub(start).Nanoseconds() * 1000 / int64(len(dst)))
}

// Follow implements partition.RouteFollower.
func (t *timed) Follow(r *policy.Route, slide int64) {
	if f, ok := t.Router.(partition.RouteFollower); ok {
		f.Follow(r, slide)
	}
}

// SetCapacities implements partition.CapacityFollower.
func (t *timed) SetCapacities(c *policy.Capacities) {
	if f, ok := t.Router.(partition.CapacityFollower); ok {
		f.SetCapacities(c)
	}
}

// KeepsKeys implements partition.KeyKeeper.
func (t *timed) KeepsKeys() bool {
	k, ok := t.Router.(partition.KeyKeeper)
	return ok && k.KeepsKeys()
}

// MayMove implements partition.KeyKeeper.
func (t *timed) MayMove(slide int64) bool {
	k, ok := t.Router.(partition.KeyKeeper)
	return !ok || k.MayMove(slide)
}

// Observe implements partition.Learner.
func (t *timed) Observe(w *policy.Window) {
	if l, ok := t.Router.(partition.Learner); ok {
		l.Observe(w)
	}
}

// timedGossiper is a timed router that gossips.
type timedGossiper struct {
	*timed
	partition.Gossiper
}
