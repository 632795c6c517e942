// Package serve is the policy server. It receives the reports of jobs in other processes,
// joins them into windows, and answers each window with a route. PROTOCOL.md describes the
// protocol between job and server; package serve/client implements the job's side.
package serve

import (
	"errors"
	"math"
	"time"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
)

// Config configures a server.
type Config struct {
	Window    reports.Config // how long windows wait for reports
	Limits    Limits
	Keepalive Keepalive
	Hello     time.Duration // time for a new stream to send its hello
	Linger    time.Duration // time until a job without streams is dropped
	Drain     time.Duration // time that Stop gives streams to end
	Decide    time.Duration // time from the end of a window to its answer; then it is answered by the latest route
	Warm      int           // windows that a new model watches before it takes over

	// KeyDistance is the largest distance between a job's hot keys and those that the model
	// was trained on (plan.KeyDistance); beyond it, routes are analytic. 0: any distance.
	// The imbalance of a shares policy grows by about 0.9 times the distance. A policy that
	// was trained on zipf 1.5 for 8 workers had an imbalance of 0.02 at distance 0, 0.05 at
	// 0.06, 0.09 at 0.12 and 0.19 at 0.30 (zipf 1.0). Analytic routes had 0.03 at each.
	KeyDistance float64

	// MaxImbalance is the imbalance that no job should have for Warm windows in a row under a
	// model's routes. A model that causes it decides no more for the job: the last good one
	// does, or the analytic controller. 0: any imbalance.
	MaxImbalance float64

	// MaxExcess is the imbalance that no job should have for Warm windows in a row under a
	// model's routes if analytic routes would relieve the busiest worker by as much. A model that
	// causes it decides no more, either. 0: any imbalance.
	MaxExcess float64
}

// Limits bounds what clients may use.
type Limits struct {
	Message         int     // bytes of one message
	Connections     int     // with a stream that is attached to a job, at a time
	Strangers       int     // connections without one; for more, the oldest is closed
	HTTP            int     // connections for the pages; for more, the oldest is closed
	Streams         int     // at a time, over all connections
	PerClient       int     // streams on one connection
	Jobs            int     // remembered at a time; for more, the one without streams for longest is dropped
	HostJobs        int     // of one host
	HostConnections int     // of one host
	Workers         int     // of one job
	Pairs           int     // workers times hot keys of one job, which the time and memory of decisions grow with
	Memory          int64   // bytes that jobs and streams are expected to take together
	Reports         float64 // per second and stream; more are rejected
	PerSecond       float64 // reports, over all streams of a connection
}

// Keepalive detects dead connections.
type Keepalive struct {
	Time    time.Duration // a connection that has been silent for this time is pinged
	Timeout time.Duration // and closed if it does not answer within this time
	Idle    time.Duration // a connection that has been without streams for this time is closed; 0: never
	Age     time.Duration // a connection is closed after this time, so that its job shows its token again; 0: never
}

// Default suits some hundred jobs of some hundred workers.
func Default() Config {
	return Config{
		Window:    reports.Default(),
		Limits:    Limits{Message: 4 << 20, Connections: 4096, Strangers: 256, HTTP: 128, Streams: 16384, PerClient: 256, Jobs: 1024, HostJobs: 256, HostConnections: 1024, Workers: 4096, Pairs: 1 << 27, Memory: 8 << 30, Reports: 1000, PerSecond: 10000},
		Keepalive: Keepalive{Time: 10 * time.Second, Timeout: 5 * time.Second, Idle: 30 * time.Second, Age: 24 * time.Hour},
		Hello:     5 * time.Second, Linger: time.Minute, Drain: 5 * time.Second, Decide: 250 * time.Millisecond, Warm: 8,
		KeyDistance: 0.1, MaxImbalance: 2, MaxExcess: 0.25,
	}
}

// Validate reports every impossible value by its path.
func (c *Config) Validate() error {
	l := &c.Limits
	errs := []error{
		field.Whole("window.ahead", c.Window.Ahead, 1, 1024),
		field.Whole("limits.message", l.Message, 1<<10, 1<<30),
		field.Whole("limits.connections", l.Connections, 1, 1<<20),
		field.Whole("limits.strangers", l.Strangers, 1, 1<<20),
		field.Whole("limits.http", l.HTTP, 1, 1<<20),
		field.Whole("limits.host_jobs", l.HostJobs, 1, 1<<16),
		field.Whole("limits.host_connections", l.HostConnections, 1, 1<<20),
		field.Whole("limits.streams", l.Streams, 1, 1<<20),
		field.Whole("limits.per_client", l.PerClient, 1, 1<<20),
		field.Whole("limits.jobs", l.Jobs, 1, 1<<16),
		field.Whole("limits.workers", l.Workers, 1, policy.MaxWorkers),
		field.Whole("limits.pairs", l.Pairs, 1, math.MaxInt),
		field.Check(l.Memory >= 1<<20, "limits.memory", "is %d bytes; it must be at least 1 MiB", l.Memory),
		field.Finite("limits.reports", l.Reports, 0.1, 1e9),
		field.Finite("limits.per_second", l.PerSecond, 0.1, 1e9),
		field.Whole("warm", c.Warm, 0, 1<<16),
		field.Finite("max_imbalance", c.MaxImbalance, 0, 1e6),
		field.Finite("max_excess", c.MaxExcess, 0, 1e6),
		field.Finite("key_distance", c.KeyDistance, 0, math.Sqrt2),
	}
	for _, d := range []struct {
		path     string
		value    time.Duration
		shortest time.Duration
	}{
		{"window.deadline", c.Window.Deadline, time.Millisecond}, {"window.silence", c.Window.Silence, 0},
		{"keepalive.time", c.Keepalive.Time, time.Second}, {"keepalive.timeout", c.Keepalive.Timeout, 10 * time.Millisecond},
		{"keepalive.idle", c.Keepalive.Idle, 0}, {"keepalive.age", c.Keepalive.Age, 0},
		{"hello", c.Hello, time.Millisecond}, {"linger", c.Linger, 0}, {"drain", c.Drain, 0}, {"decide", c.Decide, time.Millisecond},
	} {
		errs = append(errs, field.Check(d.value >= d.shortest, d.path, "is %v; it must be at least %v", d.value, d.shortest))
	}
	return errors.Join(errs...)
}
