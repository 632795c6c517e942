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

// FeedConfig is how a Feed waits.
type FeedConfig struct {
	Workers  int           // P: of a job of another number the routes are analytic
	Patience time.Duration // a window is answered without a new route after so long, which goes with the answer to the next
	Quiet    time.Duration // without a window for so long, the job counts as gone
	Limit    time.Duration // after so long without a window, there will be none; 0: never
	Queue    int           // windows that wait for who takes them; beyond these the oldest are dropped

	// Tell, if not nil, is called when the job counts as gone, and when there are
	// windows again.
	Tell func(gone bool)
}

// DefaultFeed answers within a tenth of a second and waits ten minutes for a job.
func DefaultFeed(workers int) FeedConfig {
	return FeedConfig{Workers: workers, Patience: 100 * time.Millisecond, Quiet: 5 * time.Second, Limit: 10 * time.Minute, Queue: 16}
}

// Validate reports every impossible value by its path.
func (c *FeedConfig) Validate() error {
	errs := []error{field.Whole("workers", c.Workers, 1, policy.MaxWorkers), field.Whole("queue", c.Queue, 1, 1<<16)}
	for path, d := range map[string]time.Duration{"patience": c.Patience, "quiet": c.Quiet, "limit": c.Limit} {
		if d < 0 {
			errs = append(errs, field.Errorf(path, "is %v; it must not be negative", d))
		}
	}
	return errors.Join(errs...)
}

// Feed hands the windows of a server's job to somebody else, such as a training, and
// the routes that come back to the job. To who takes the windows it is a job like any
// other, with Next, Apply and Close; to the server it is a model. It is for one job at
// a time: the newest takes over. Its methods may be called from any goroutine.
type Feed struct {
	config FeedConfig
	over   context.Context // when it is done, Next returns its cause

	mu      sync.Mutex
	queue   []*policy.Window
	working bool          // a window was taken, and the next one not asked for yet
	route   *policy.Route // the newest that the job has not been given
	top     uint64        // the highest version that the consumer has seen or announced
	dropped uint64
	changed chan struct{} // closed, and made anew, when any of these changes
}

// NewFeed returns a feed without windows. Next ends with ctx. c must be valid.
func NewFeed(ctx context.Context, c FeedConfig) *Feed {
	return &Feed{config: c, over: ctx, changed: make(chan struct{})}
}

// Model is the feed as what decides for the jobs of a server.
func (f *Feed) Model(name string) *Model {
	return &Model{Name: name, New: func(workers int) (policy.Controller, error) {
		if workers != f.config.Workers {
			return nil, fmt.Errorf("%s is made for %d workers, the job has %d", name, f.config.Workers, workers)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.queue, f.route = nil, nil // of the job before
		return &fedJob{feed: f}, nil
	}}
}

// fedJob is the controller of one job behind a feed. Its windows never report a route of a
// version below first, which is higher than those of the jobs before it: so the consumer
// takes the route that the job starts with for the latest one.
type fedJob struct {
	feed  *Feed
	begun bool
	first uint64
}

// Decide implements policy.Controller. The consumer has numbered the route.
func (j *fedJob) Decide(w *policy.Window, _ *policy.Route) *policy.Route {
	if !j.begun {
		j.begun, j.first = true, j.feed.newest()+1
	}
	shown := w.Clone() // the consumer keeps it beyond this call
	if w.Route != nil && w.Route.Version < j.first {
		route := *w.Route
		route.Version = j.first
		shown.Route = &route
	}
	return j.feed.decide(shown)
}

func (f *Feed) newest() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.top
}

// Dropped is how many windows nobody took in time.
func (f *Feed) Dropped() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dropped
}

// decide hands out a window, and waits until it was worked through, for Patience at
// most.
func (f *Feed) decide(w *policy.Window) *policy.Route {
	f.mu.Lock()
	if w.Route != nil {
		f.top = max(f.top, w.Route.Version)
	}
	if len(f.queue) == f.config.Queue {
		f.queue = slices.Delete(f.queue, 0, 1)
		f.dropped++
	}
	f.queue = append(f.queue, w)
	f.turn()
	f.mu.Unlock()
	patience := time.NewTimer(f.config.Patience)
	defer patience.Stop()
	for waiting := true; ; {
		f.mu.Lock()
		if !waiting || !f.working && len(f.queue) == 0 {
			route := f.route
			f.route = nil
			f.mu.Unlock()
			return route
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

// Next waits for the job's next window. It returns io.EOF when there has been none for
// the limit, and why the feed is over when it is.
func (f *Feed) Next(ctx context.Context) (*policy.Window, error) {
	f.mu.Lock()
	f.working = false
	f.turn()
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

// take returns the oldest window, nil if there is none, and what is closed when that
// changes.
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

// Apply has the job follow a route from the answer to its next window on.
func (f *Feed) Apply(r *policy.Route) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.route, f.top = r, max(f.top, r.Version)
	return nil
}

// Close does nothing: the job is not the feed's to end.
func (f *Feed) Close() error { return nil }

func (f *Feed) tell(gone bool) {
	if f.config.Tell != nil {
		f.config.Tell(gone)
	}
}

// turn wakes up who waits. The caller has the lock.
func (f *Feed) turn() {
	close(f.changed)
	f.changed = make(chan struct{})
}
