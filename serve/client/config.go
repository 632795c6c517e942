// Package client attaches a Go streaming program to the policy server: it reports what
// subtasks measured, and holds the route to follow. It never blocks the program. Without a
// server the program keeps the last route at first, and then follows analytic routes that
// the client computes itself.
//
// A program calls Report once a slide and has its partitioners follow Route, which is
// one atomic load. A job that measures in whole windows uses Client.Controller as its
// policy.Controller instead.
package client

import (
	"cmp"
	crand "crypto/rand"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy/plan"
	"github.com/saspart/saspart/serve/wire"
)

// Config configures a client. Zero values of the fields after Shape mean the value that
// Default has.
type Config struct {
	Address  string        // of the server, host:port
	Job      string        // the job's name
	Instance string        // identifies this run of the job, the same in all of its processes; "": random
	Program  string        // program and version, for people
	Shape    reports.Shape // of the whole job

	// The subtasks that this client reports about; all three empty: all subtasks. The server
	// answers only clients with partitioners.
	Workers, Partitioners, Reducers wire.Ranges

	Token string                           // sent to the server; "": none
	TLS   credentials.TransportCredentials // nil: no encryption

	StaleAfter time.Duration        // time without an answer after which a client with partitioners falls back to analytic routes
	BackOff    BackOff              // between attempts to reach the server
	Queue      int                  // reports that wait to be sent at most; then the oldest are dropped
	Waterfill  plan.WaterfillConfig // of the analytic controller
	Window     reports.Config       // how reports become windows for the analytic controller

	// Control, if not nil, is called when the server's owner wants to change the job's rate or
	// its partitioner, or to end it. One goroutine calls it, in order; it must not block.
	Control func(wire.Control)

	Log    *slog.Logger     // nil: nothing is logged
	Now    func() time.Time // the clock for StaleAfter; nil: time.Now
	Jitter *rand.Rand       // of the back-off, used by one goroutine; nil: seeded at random
}

// BackOff is how long a client waits before it tries again. The time grows by half with each
// failure, from First up to Most. It varies at random by up to a fifth, so that the clients
// of a restarted server do not all return at once.
type BackOff struct{ First, Most time.Duration }

// Default waits 5 s for answers.
func Default() Config {
	return Config{
		StaleAfter: 5 * time.Second, BackOff: BackOff{First: 100 * time.Millisecond, Most: 5 * time.Second}, Queue: 8,
		Waterfill: plan.DefaultWaterfill(), Window: reports.Default(),
	}
}

// Validate reports every impossible value by its path.
func (c *Config) Validate() error {
	_, err := wire.ReadHello(wire.WriteHello(c.hello()))
	return errors.Join(
		field.Check(c.Address != "", "address", "is empty; it must be the server's host:port"),
		field.Lasting("stale_after", c.StaleAfter),
		field.Check(c.BackOff.First > 0 && c.BackOff.Most >= c.BackOff.First,
			"back_off", "is from %v to %v; both must be above 0, the second not below the first", c.BackOff.First, c.BackOff.Most),
		field.Whole("queue", c.Queue, 1, 1<<16), field.In("waterfill", c.Waterfill.Validate()), err,
	)
}

// hello returns the first message of the client's streams.
func (c *Config) hello() *wire.Hello {
	h := &wire.Hello{
		Client: c.Program, Job: c.Job, Instance: c.Instance, Shape: c.Shape, Compact: true,
		Workers: c.Workers, Partitioners: c.Partitioners, Reducers: c.Reducers,
	}
	if len(h.Workers)+len(h.Partitioners)+len(h.Reducers) == 0 {
		h.Workers, h.Partitioners = wire.Ranges{{First: 0, Count: c.Shape.Workers}}, wire.Ranges{{First: 0, Count: c.Shape.Partitioners}}
		if n := c.Shape.Reducers; n > 0 {
			h.Reducers = wire.Ranges{{First: 0, Count: n}}
		}
	}
	return h
}

// complete sets the fields that are zero to their defaults.
func (c *Config) complete() {
	d := Default()
	c.Instance = cmp.Or(c.Instance, crand.Text())
	c.StaleAfter = cmp.Or(c.StaleAfter, d.StaleAfter)
	c.BackOff = cmp.Or(c.BackOff, d.BackOff)
	c.Queue = cmp.Or(c.Queue, d.Queue)
	c.Waterfill = cmp.Or(c.Waterfill, d.Waterfill)
	c.Window = cmp.Or(c.Window, d.Window)
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	c.Jitter = cmp.Or(c.Jitter, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())))
	if c.Now == nil {
		c.Now = time.Now
	}
}

// wait returns how long to wait after a number of failures in a row, counted from 0.
func (b BackOff) wait(failures int, jitter *rand.Rand) time.Duration {
	w := math.Min(float64(b.Most), float64(b.First)*math.Pow(1.5, float64(failures)))
	return time.Duration(w * (0.8 + 0.4*jitter.Float64()))
}
