package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/policy"
)

// FeedConfig configures a Feed.
type FeedConfig struct {
	Workers  int           // P; a job with another number of workers gets analytic routes
	Patience time.Duration // longest wait for the consumer's route; a later one is sent with the next answer
	Quiet    time.Duration // time without a window after which the job counts as gone
	Limit    time.Duration // time without a window after which Next returns io.EOF; 0: never
	Queue    int           // windows that wait for the consumer at most; then the oldest are dropped

	// Tell, if not nil, is called when the job counts as gone, and when windows arrive
	// again.
	Tell func(gone bool)
}

// DefaultFeed answers within a tenth of a second and waits ten minutes for a job.
func DefaultFeed(workers int) FeedConfig {
	return FeedConfig{Workers: workers, Patience: 100 * time.Millisecond, Quiet: 5 * time.Second, Limit: 10 * time.Minute, Queue: 16}
}

// Validate reports every impossible value by its path.
func (c *FeedConfig) Validate() error {
	return errors.Join(
		field.Whole("workers", c.Workers, 1, policy.MaxWorkers), field.Whole("queue", c.Queue, 1, 1<<16),
		field.NotNegative("patience", c.Patience), field.NotNegative("quiet", c.Quiet), field.NotNegative("limit", c.Limit),
	)
}

// Feed connects a job behind a server with a consumer of its windows in the same process,
// such as a training. To the consumer the feed is a job like any other, with Next, Apply and
// Close; to the server it is a model. It serves one job at a time, the latest that asked for
// a controller. Its methods may be called from any goroutine.
type Feed struct {
	config FeedConfig
	over   context.Context // when it is done, Next returns its cause

	mu         sync.Mutex
	queue      []*policy.Window
	working    bool               // the consumer has a window, and has not called Next again
	route      *policy.Route      // the latest that has not been sent to the job; nil: none
	capacities *policy.Capacities // the latest that have not been sent to the job; nil: none
	newest     uint64             // the highest version that the consumer has seen or announced
	dropped    uint64
	changed    chan struct{} // closed and replaced by wake
}

// NewFeed returns a feed without windows. Next returns when ctx is done. c must be valid.
func NewFeed(ctx context.Context, c FeedConfig) *Feed {
	return &Feed{config: c, over: ctx, changed: make(chan struct{})}
}

// Model returns the feed as a model for the jobs of a server.
func (f *Feed) Model(name string) *Model {
	return &Model{Name: name, New: func(workers int) (policy.Controller, error) {
		if workers != f.config.Workers {
			return nil, fmt.Errorf("%s is made for %d workers, the job has %d", name, f.config.Workers, workers)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.queue, f.route, f.capacities = nil, nil, nil // of the job before
		return &feedController{feed: f}, nil
	}}
}

// feedController is the controller of one job behind a feed. The route that the job starts
// with must be newer to the consumer's loop than the routes of the jobs before: routes with
// versions below first are shown as version first.
type feedController struct {
	feed  *Feed
	first uint64 // 0: the job has had no window
}

// Decide implements policy.Controller. The route has the version that the consumer's loop
// gave it.
func (c *feedController) Decide(w *policy.Window, _ *policy.Route) policy.Decision {
	shown := w.Clone() // the consumer keeps it beyond this call
	f := c.feed
	f.mu.Lock()
	if c.first == 0 {
		c.first = f.newest + 1
	}
	if w.Route != nil {
		route := *w.Route
		route.Version = max(route.Version, c.first)
		shown.Route, f.newest = &route, max(f.newest, route.Version)
	}
	if len(f.queue) == f.config.Queue {
		f.queue = slices.Delete(f.queue, 0, 1)
		f.dropped++
	}
	f.queue = append(f.queue, shown)
	f.wake()
	f.mu.Unlock()
	return f.answer()
}

// Dropped returns how many windows were dropped because the consumer was too slow.
func (f *Feed) Dropped() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dropped
}

// answer waits, for at most Patience, until the consumer has processed all windows. It returns
// the latest route and capacities that have not been sent to the job.
func (f *Feed) answer() policy.Decision {
	patience := time.NewTimer(f.config.Patience)
	defer patience.Stop()
	for waiting := true; ; {
		f.mu.Lock()
		if !waiting || !f.working && len(f.queue) == 0 {
			next := policy.Decision{Route: f.route, Capacities: f.capacities}
			f.route, f.capacities = nil, nil
			f.mu.Unlock()
			return next
		}
		changed := f.changed
		f.mu.Unlock()
		select {
		case <-changed:
		case <-patience.C:
			waiting = false
		case <-f.over.Done():
			waiting = false
		}
	}
}

// Next waits for the job's next window. It returns io.EOF after Limit without a window, and
// the cause of a context that is done.
func (f *Feed) Next(ctx context.Context) (*policy.Window, error) {
	f.mu.Lock()
	f.working = false
	f.wake()
	f.mu.Unlock()
	quiet := time.NewTimer(f.config.Quiet)
	defer quiet.Stop()
	var limit <-chan time.Time
	if f.config.Limit > 0 {
		t := time.NewTimer(f.config.Limit)
		defer t.Stop()
		limit = t.C
	}
	gone := false
	for {
		w, changed := f.take()
		if w != nil {
			if gone {
				f.tell(false)
			}
			return w, nil
		}
		select {
		case <-changed:
		case <-quiet.C:
			gone = true
			f.tell(true)
		case <-limit:
			return nil, io.EOF
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-f.over.Done():
			return nil, context.Cause(f.over)
		}
	}
}

// take returns the oldest window. If there is none, it returns a channel that is closed when
// there may be one.
func (f *Feed) take() (*policy.Window, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == 0 {
		return nil, f.changed
	}
	w := f.queue[0]
	f.queue = slices.Delete(f.queue, 0, 1)
	f.working = true
	return w, nil
}

// Apply sends a decision to the job with the answer to the window at hand or, if that was
// answered, to the next one.
func (f *Feed) Apply(d policy.Decision) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d.Route != nil {
		f.route, f.newest = d.Route, max(f.newest, d.Route.Version)
	}
	if d.Capacities != nil { // the server's loop knows what waits now
		f.capacities = &policy.Capacities{Of: d.Capacities.Of}
	}
	return nil
}

// Close does nothing: the job does not belong to the feed.
func (f *Feed) Close() error { return nil }

func (f *Feed) tell(gone bool) {
	if f.config.Tell != nil {
		f.config.Tell(gone)
	}
}

// wake wakes the goroutines that wait in Next or for an answer. The caller holds the lock.
func (f *Feed) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}
