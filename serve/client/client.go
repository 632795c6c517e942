package client

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/serve/wire"
)

// Source is who decided on the route in force.
type Source string

// The sources of routes.
const (
	None     Source = "none"     // nobody yet: the job follows the route that it started with
	Policy   Source = "policy"   // the server
	Analytic Source = "analytic" // this client, because the server does not answer
)

// Status is how a client is doing.
type Status struct {
	Connected bool
	Source    Source
	Model     string // what decides at the server, "" unknown
	Reason    string // why the server's routes are analytic; "": they are the model's
	Error     string // why the last attempt to reach the server failed; "": it did not

	Attached  uint64 // streams that the server welcomed
	Reports   uint64 // handed to Report
	Dropped   uint64 // of them, never sent: the server was away or slow
	Answers   uint64 // windows that the server answered
	Routes    uint64 // routes of the server taken up
	Outdated  uint64 // answers of the server that came too late, or whose route could not be followed
	Rejected  uint64 // reports that the server did not take
	Fallbacks uint64 // times that the analytic route took over
	Analytic  uint64 // routes of this client taken up
}

// Client is attached to a policy server, or on its way there. Its methods may be
// called from any goroutine.
type Client struct {
	config Config
	route  atomic.Pointer[policy.Route]
	done   chan struct{}
	close  func()
	work   chan struct{} // has an element when there is something to send

	mu       sync.Mutex
	status   Status
	queue    []*report
	fallback *fallback
	tell     *policy.Route // the route in force, where the server cannot know it
	answered uint64        // number of the last window answered, plus 1
	changed  chan struct{} // closed, and made anew, when there is an answer or the stream begins or ends
}

// New returns a client that attaches in the background, and again whenever the server
// has been away. It must be closed.
func New(config Config) (*Client, error) {
	config.complete()
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("policy server client: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Client{
		config: config, done: make(chan struct{}), work: make(chan struct{}, 1),
		status: Status{Source: None}, fallback: newFallback(&config), changed: make(chan struct{}),
	}
	c.close = sync.OnceFunc(func() {
		cancel()
		<-c.done
	})
	go c.run(ctx)
	return c, nil
}

// Close detaches and frees what the client holds. Route keeps its value.
func (c *Client) Close() { c.close() }

// Route is the route to follow; nil while there is none but the one that the job
// started with. It is one atomic load.
func (c *Client) Route() *policy.Route { return c.route.Load() }

// Status is how the client is doing.
func (c *Client) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// Report hands over what subtasks measured in a slide, which is the caller's again
// afterwards. It does not wait for the server. A report that cannot have been
// measured is an error, and changes nothing.
//
// It is also what time is told by: when the server has not answered for StaleAfter,
// Report computes an analytic route, which takes milliseconds, and the route is the
// client's own until the server answers again.
func (c *Client) Report(r *reports.Report) error {
	if err := r.Check(&c.config.Shape); err != nil {
		return fmt.Errorf("report: slide %d: %w", r.Slide, err)
	}
	e := encode(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Reports++
	if len(c.queue) == c.config.Queue {
		c.queue = slices.Delete(c.queue, 0, 1)
		c.status.Dropped++
	}
	c.queue = append(c.queue, e)
	select {
	case c.work <- struct{}{}:
	default:
	}
	next, began := c.fallback.report(c.config.Now(), e, c.route.Load())
	if began {
		c.status.Fallbacks++
		c.status.Source = Analytic
		c.config.Log.Warn("the policy server does not answer; routes are analytic", "stale_after", c.config.StaleAfter)
		c.turn()
	}
	if next != nil {
		c.status.Analytic++
		c.route.Store(next)
		c.tell = next
	}
	return nil
}

// turn wakes up who waits for an answer.
func (c *Client) turn() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// decided takes up a decision of the server.
func (c *Client) decided(d *wire.Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.turn()
	if d.Err != nil { // a route that cannot be followed is no answer
		c.status.Outdated++
		c.config.Log.Warn("the policy server sent a route that cannot be followed", "error", d.Err)
		return
	}
	c.status.Answers++
	c.answered = max(c.answered, d.Window+1)
	fresh, ended := c.fallback.answered(c.config.Now(), d.Window)
	if !fresh {
		c.status.Outdated++
		return
	}
	if ended {
		c.config.Log.Info("the policy server answers again")
	}
	c.status.Source = Policy
	route := d.Route
	if route == nil {
		return
	}
	if now := c.route.Load(); now != nil && route.Version <= now.Version {
		c.status.Outdated++
		return
	}
	c.status.Routes++
	c.route.Store(route)
	c.tell = nil
}

// next is the oldest report to send, nil if there is none.
func (c *Client) next() wire.Frame {
	c.mu.Lock()
	if len(c.queue) == 0 {
		c.mu.Unlock()
		return nil
	}
	r := c.queue[0]
	c.queue = slices.Delete(c.queue, 0, 1)
	tell := c.tell
	c.tell = nil
	c.mu.Unlock()
	if tell != nil && !r.routed {
		return wire.AddRoute(r.frame, tell)
	}
	return r.frame
}

// Attached waits until the server has welcomed the client.
func (c *Client) Attached(ctx context.Context) error {
	for {
		c.mu.Lock()
		s, changed := c.status, c.changed
		c.mu.Unlock()
		if s.Connected {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if s.Error != "" {
				return fmt.Errorf("policy server %s: %s", c.config.Address, s.Error)
			}
			return fmt.Errorf("policy server %s: %w", c.config.Address, ctx.Err())
		}
	}
}

// Controller is the client as the controller of a job that measures in whole windows:
// Shape.Slides must be 1 and the client report about all subtasks. Decide reports the
// window and waits for its answer, but no longer than patience, and not at all while
// the server is away; then it returns Route, if that is newer than the latest route. Its
// version is the one that server and client know it by.
func (c *Client) Controller(patience time.Duration) policy.Controller {
	return &controller{client: c, patience: patience}
}

type controller struct {
	client   *Client
	patience time.Duration
	report   reports.Report
}

// Decide implements policy.Controller.
func (d *controller) Decide(w *policy.Window, latest *policy.Route) *policy.Route {
	r := &d.report
	r.SetWindow(w, &d.client.config.Shape)
	if err := d.client.Report(r); err != nil {
		d.client.config.Log.Warn("a window cannot be reported", "error", err)
		return nil
	}
	d.client.Await(r.Slide, d.patience)
	route := d.client.Route()
	if route == nil || route.Version <= latest.Version {
		return nil
	}
	return route
}

// Await returns once the server has answered the window of that number, or a later one,
// or there is no use in waiting: patience is over, or the server is away. Only clients
// with partitioners get answers.
func (c *Client) Await(window uint64, patience time.Duration) {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		c.mu.Lock()
		over := c.answered > window || !c.status.Connected || c.status.Source == Analytic
		changed := c.changed
		c.mu.Unlock()
		if over {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			return
		}
	}
}

func randomName() string { return rand.Text() }
