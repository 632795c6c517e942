package client

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/serve/wire"
)

// Source says which controller decided on the route in force.
type Source string

// The sources of routes.
const (
	None     Source = "none"     // no controller yet: the job follows its first route
	Policy   Source = "policy"   // the server
	Analytic Source = "analytic" // this client, because the server does not answer
)

// Status is the state of a client's connection, and its counters.
type Status struct {
	Connected bool
	Source    Source
	Model     string // that decides at the server; "": unknown
	Reason    string // why the server's routes are analytic; "": they are the model's
	Error     string // of the last attempt to reach the server; "": it succeeded

	Attached  uint64 // streams that the server welcomed
	Reports   uint64 // passed to Report
	Dropped   uint64 // of them, never sent: the server was away or slow
	Answers   uint64 // windows that the server answered
	Routes    uint64 // routes adopted from the server
	Outdated  uint64 // answers that came too late, or whose route could not be followed
	Rejected  uint64 // reports that the server refused
	Fallbacks uint64 // times that the analytic controller took over
	Analytic  uint64 // routes adopted from the analytic controller
}

// capacities are those of the decision on a window.
type capacities struct {
	window uint64
	of     *policy.Capacities
}

// Client is attached to a policy server, or on its way there. Its methods may be
// called from any goroutine.
type Client struct {
	config Config
	route  atomic.Pointer[policy.Route]
	limits atomic.Pointer[capacities]
	done   chan struct{}
	close  func()
	work   chan struct{} // has an element when there is something to send

	rejected atomic.Bool // a report, since the last one was packed

	mu       sync.Mutex
	status   Status
	queue    []*report
	fallback *fallback
	tell     *policy.Route // a route in force that the server does not know yet; nil: none
	answered uint64        // number of the last window answered, plus 1
	changed  chan struct{} // closed and replaced by wake
}

// New returns a client that attaches in the background, and again whenever its stream
// ends. It must be closed.
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

// Close detaches from the server and frees the client's resources. Route keeps its value.
func (c *Client) Close() { c.close() }

// Route returns the route to follow; nil: the job's first route. It is one atomic load.
func (c *Client) Route() *policy.Route { return c.route.Load() }

// Capacities returns the capacities to keep the workers within, which change with nearly
// every window; nil: none is known. It is one atomic load.
func (c *Client) Capacities() *policy.Capacities {
	if l := c.limits.Load(); l != nil {
		return l.of
	}
	return nil
}

// Status returns the client's counters and the state of its connection.
func (c *Client) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// Report queues what subtasks measured in a slide; it does not wait for the server, and does
// not keep r. An impossible report is an error, and changes nothing.
//
// Report also watches over the server: once the server has not answered for StaleAfter,
// each report may compute an analytic route, which takes milliseconds. The client follows
// analytic routes until the server answers again.
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
		c.wake()
	}
	if next.Capacities != nil {
		c.limits.Store(&capacities{r.Slide / uint64(c.config.Shape.Slides), next.Capacities})
	}
	if next.Route != nil {
		c.status.Analytic++
		c.route.Store(next.Route)
		c.tell = next.Route
	}
	return nil
}

// wake wakes the goroutines that wait in Await or Attached. The caller holds the lock.
func (c *Client) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// decided processes the server's decision on a window.
func (c *Client) decided(d *wire.Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.wake()
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
	if d.Capacities != nil {
		c.limits.Store(&capacities{d.Window, d.Capacities})
	}
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

// next returns the oldest report to send, nil if there is none.
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

// Controller makes the client the controller of a job that measures in whole windows:
// Shape.Slides must be 1, and the client must report about all subtasks. Decide reports the
// window and waits for its answer for at most patience, or not at all while the server is
// away. It then returns Route if that is newer than the latest route, and Capacities if they
// are new. The route keeps the version that the server or the client gave it.
func (c *Client) Controller(patience time.Duration) policy.Controller {
	return &controller{client: c, patience: patience}
}

type controller struct {
	client   *Client
	patience time.Duration
	report   reports.Report
	limits   *capacities // that were returned last
}

// Decide implements policy.Controller.
func (d *controller) Decide(w *policy.Window, latest *policy.Route) policy.Decision {
	r := &d.report
	r.SetWindow(w, &d.client.config.Shape)
	if err := d.client.Report(r); err != nil {
		d.client.config.Log.Warn("a window cannot be reported", "error", err)
		return policy.Decision{}
	}
	d.client.Await(r.Slide, d.patience)
	var out policy.Decision
	if route := d.client.Route(); route != nil && route.Version > latest.Version {
		out.Route = route
	}
	if limits := d.client.limits.Load(); limits != d.limits {
		d.limits, out.Capacities = limits, limits.of
		if limits.window != r.Slide { // what waited, and the load, at the end of an earlier window say nothing about now
			out.Capacities = &policy.Capacities{Of: limits.of.Of}
		}
	}
	return out
}

// Await waits until the server has answered the window of that number or a later one, until
// patience is over, or until the server is away. Only clients with partitioners get answers.
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
