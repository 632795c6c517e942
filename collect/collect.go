package collect

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/registry"
	"github.com/saspart/saspart/policy"
)

// Sink receives windows as they are measured; dataset.Writer is one.
type Sink interface {
	Write(w *policy.Window) error
}

// Run is a collection.
type Run struct {
	Config  Config // with at least one behaviour (WithDefault)
	Workers int    // P
	Seed    uint64
	// Open starts the job under its first behaviour. With several behaviours the job must be
	// an engine.Switcher.
	Open func(first partition.Scheme) (engine.Job, error)
	Sink Sink
	// Metrics says how well controllers see windows; the sink gets them unchanged.
	Metrics policy.BlurConfig
	// Controller, if not nil, decides in place of the behaviours' controllers.
	Controller policy.Controller
	// Watch, if not nil, is called with each window after the sink. It must not keep or change
	// the window.
	Watch func(w *policy.Window)
}

// Result counts what was collected.
type Result struct {
	Windows  int
	Episodes int  // started
	Ended    bool // the source ended before any limit was reached
}

// Do collects until a limit is reached, the source ends, something fails or ctx is
// cancelled. A cancelled collection completes its window first, so that no record is lost,
// and returns an error that is context.Canceled. The result counts the windows in the sink,
// also if there is an error. Do always closes the job; it does not close the sink.
func (r Run) Do(ctx context.Context) (res Result, err error) {
	if err := errors.Join(r.Config.Validate(), r.Metrics.Validate()); err != nil {
		return res, err
	}
	if len(r.Config.Behaviours) == 0 {
		return res, errors.New("collect: no behaviour to collect under")
	}
	c := collector{Run: r, plan: newSchedule(r.Config.Behaviours, r.Seed)}
	for i, b := range r.Config.Behaviours {
		s, err := registry.New(b.Partitioner, r.Workers)
		if err != nil {
			return res, fmt.Errorf("collect: behaviour %d: %w", i, err)
		}
		c.schemes = append(c.schemes, s)
	}
	c.now = c.plan.next()
	c.control = loop.New(loop.Config{Workers: r.Workers, Controller: c.controller(), Metrics: r.Metrics, Seed: r.Seed})
	if c.job, err = r.Open(c.schemes[c.now]); err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, c.job.Close()) }()
	if c.switcher, _ = c.job.(engine.Switcher); c.switcher == nil && len(c.schemes) > 1 {
		return res, fmt.Errorf("collect: this engine cannot change its partitioner while it runs: collect the %d behaviours one by one", len(c.schemes))
	}
	c.res.Episodes = 1
	err = c.run(ctx)
	return c.res, err
}

// collector is the state of a collection.
type collector struct {
	Run
	plan     *schedule
	schemes  []partition.Scheme // one per behaviour
	job      engine.Job
	switcher engine.Switcher
	control  *loop.Loop
	res      Result

	now  int // behaviour of this episode
	step int // window within it
}

func (c *collector) run(ctx context.Context) error {
	uncancelled := context.WithoutCancel(ctx)
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("interrupted after %d windows: %w", c.res.Windows, err)
		}
		w, err := c.job.Next(uncancelled)
		if err == io.EOF {
			c.res.Ended = true
			return nil
		}
		if err != nil {
			return fmt.Errorf("window %d: %w", c.res.Windows, err)
		}
		w = c.control.Observe(c.label(w))
		if err := c.Sink.Write(w); err != nil {
			return err
		}
		c.res.Windows++
		if c.Watch != nil {
			c.Watch(w)
		}
		if c.full(w) {
			return nil
		}
		if err := c.act(); err != nil {
			return fmt.Errorf("after window %d: %w", c.res.Windows-1, err)
		}
	}
}

// label returns a copy of w with its place in the collection.
func (c *collector) label(w *policy.Window) *policy.Window {
	l := *w
	l.Episode, l.Step = c.res.Episodes-1, c.step
	l.Partitioner = c.schemes[c.now].Name
	c.step++
	return &l
}

// full reports whether w reached a limit.
func (c *collector) full(w *policy.Window) bool {
	cfg := &c.Config
	return cfg.Windows > 0 && c.res.Windows >= cfg.Windows ||
		cfg.Duration > 0 && w.End >= cfg.Duration ||
		cfg.Episodes > 0 && c.res.Episodes >= cfg.Episodes && c.step >= c.episodeLen()
}

func (c *collector) episodeLen() int {
	if n := c.Config.Behaviours[c.now].Windows; n > 0 {
		return n
	}
	return c.Config.EpisodeWindows
}

// act begins the next episode if this one is over, under the behaviour that comes next,
// and otherwise applies the decision that answers the last window.
func (c *collector) act() error {
	if c.step >= c.episodeLen() {
		c.res.Episodes++
		c.step = 0
		if next := c.plan.next(); next != c.now {
			c.now = next
			c.control.Switch(c.controller())
			return c.switcher.Switch(c.schemes[next])
		}
	}
	d := c.control.Decide()
	if d.Route != nil {
		d.Route = c.control.Announce(d.Route)
	}
	return c.job.Apply(d)
}

// controller returns what decides in this episode; nil: the routers follow no routes.
func (c *collector) controller() policy.Controller {
	if c.Controller != nil {
		return c.Controller
	}
	return c.schemes[c.now].Controller
}
