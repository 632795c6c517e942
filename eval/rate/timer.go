package rate

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// routeTimer times the routing of batches, of all subtasks of a job.
type routeTimer struct {
	mu      sync.Mutex
	routers []*timed
}

// leastTimed is how long a batch must be for its time to be worth something: reading
// the clock twice takes as long as routing some records.
const leastTimed = 64

// perRecord is the median over batches of the time to route a record, in ns; 0 if no
// batch was long enough. Called when the job is closed.
func (t *routeTimer) perRecord() float64 {
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

// newTimes is a histogram of ps per record.
func newTimes() *hdrhistogram.Histogram { return hdrhistogram.New(100, 1e12, 3) }

// wrap has the routers that open makes timed.
func (t *routeTimer) wrap(open func(partition.Env) partition.Router, now func() time.Time) func(partition.Env) partition.Router {
	return func(env partition.Env) partition.Router {
		r := &timed{Router: open(env), now: now, times: newTimes()}
		t.mu.Lock()
		t.routers = append(t.routers, r)
		t.mu.Unlock()
		if s, ok := r.Router.(partition.Gossiper); ok {
			return &timedSharer{r, s}
		}
		return r
	}
}

// timed is a router whose batches are timed. It follows and learns if the router
// inside does.
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
	// What lies outside of the histogram, hours for a record, does not count.
	_ = t.times.RecordValue(t.now().Sub(start).Nanoseconds() * 1000 / int64(len(dst)))
}

// Follow implements partition.RouteFollower.
func (t *timed) Follow(r *policy.Route, slide int64) {
	if f, ok := t.Router.(partition.RouteFollower); ok {
		f.Follow(r, slide)
	}
}

// Observe implements partition.Learner.
func (t *timed) Observe(w *policy.Window) {
	if l, ok := t.Router.(partition.Learner); ok {
		l.Observe(w)
	}
}

// timedSharer is a timed router that shares what it learned.
type timedSharer struct {
	*timed
	partition.Gossiper
}
