package rate

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/saspart/saspart/collect"
	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/flink"
	"github.com/saspart/saspart/experiment"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// Subject is the job to measure: an experiment, whose rate is ignored, on an engine.
type Subject struct {
	Experiment *config.Experiment
	Engine     string           // of experiment.Engines
	Now        func() time.Time // the clock by which routing is timed
	Flink      *flink.Engine    // runs the jobs of that engine; nil for others
}

// Reading has the measurements of a job at one rate, over the measured windows.
type Reading struct {
	Rate      float64       `json:"rate"`      // due records/s
	Sent      float64       `json:"sent"`      // records/s that the partitioners sent on
	Done      float64       `json:"done"`      // records/s that the workers finished
	Held      bool          `json:"held"`      // the job sustained the rate
	Blocked   float64       `json:"blocked"`   // part of the time that the partitioners were blocked
	Busy      []float64     `json:"busy"`      // mean busy ratio of each worker
	Reducer   float64       `json:"reducer"`   // of the busiest reducer
	Imbalance float64       `json:"imbalance"` // mean over the windows
	FanOut    float64       `json:"fan_out"`   // workers per key, mean
	TopFanOut float64       `json:"top_fan_out"`
	Pairs     float64       `json:"pairs"`    // (key, worker) pairs with state, mean over the windows' ends
	RouteNS   float64       `json:"route_ns"` // wall-clock time to route a record, median over batches; 0: not measured
	P50       time.Duration `json:"p50_ns"`   // from the time when a record was due to the end of its service
	P99       time.Duration `json:"p99_ns"`
	Routes    int           `json:"routes"` // that came into force
	// Top has the workers of the heaviest keys in the last window; only in Result.At.
	Top []TopKey `json:"top,omitempty"`
}

// TopKey is a heavy key.
type TopKey struct {
	Name    string    `json:"name"`    // bytes that are not UTF-8 show as U+FFFD in JSON
	Share   float64   `json:"share"`   // of the records sent
	Workers []float64 `json:"workers"` // part of its records that each worker finished
}

// Observe starts the job at a rate and returns its measurements after the warm-up. The first
// sixth of the warm-up has a tenth of the rate, and the rest of its first half has half of
// it. A partitioner that learns thus knows the keys before there is a backlog.
//
// A rate is sustained if two conditions hold over the measured windows. The records not sent
// are at most the slack times the due records. And the queues grow by at most the slack times
// the records served, each by itself and all together. Queues also grow by chance, by the
// square root of the records served: twice that is allowed in addition.
//
// With behind, the last sixth of the warm-up has 1.5 times the rate, so that queues are full
// and there is a backlog when measuring begins. Then queues cannot absorb an overload: the
// rate is sustained if the backlog does not grow.
func Observe(ctx context.Context, s Subject, rate float64, c Config, behind bool) (Reading, error) {
	e := *s.Experiment
	e.Rate = warmRate(rate, &e, c, behind)
	g := newGauge(&e, rate, c)
	if err := g.run(ctx, &e, s, c.Warmup+c.Windows, g); err != nil {
		return Reading{}, err
	}
	if g.windows < c.Warmup+c.Windows {
		return Reading{}, fmt.Errorf("the source ended after %d of %d windows; let it start again (source.file.loop: true), or measure fewer", g.windows, c.Warmup+c.Windows)
	}
	return g.reading(), nil
}

// warmRate returns the rate of a job with its warm-up.
func warmRate(rate float64, e *config.Experiment, c Config, behind bool) stream.RateConfig {
	r := e.Rate
	r.Kind, r.Rate, r.Stages = stream.RateStaged, rate, nil
	stage := func(rate float64, windows int) {
		if windows > 0 {
			r.Stages = append(r.Stages, stream.Stage{Rate: rate, Duration: time.Duration(windows) * e.Job.MetricWindow()})
		}
	}
	first, slow, fast := c.Warmup/6, c.Warmup/2, 0
	if behind {
		fast = (c.Warmup + 5) / 6
	}
	stage(rate/10, first)
	stage(rate/2, slow-first)
	stage(rate, c.Warmup-slow-fast)
	stage(1.5*rate, fast)
	stage(rate, c.Windows)
	return r
}

// gauge measures a job by its windows.
type gauge struct {
	rate    float64
	slack   float64
	queue   float64 // records that fit in one
	warmup  int
	windows int // so far, including the warm-up

	timer     *routeTimer
	latency   *hdrhistogram.Histogram
	arrivals  func(subtask int) engine.Arrivals // nil: the experiment's
	due       float64                           // records/s, of a rate that changes
	seconds   float64
	sent      float64
	blocked   float64
	busy      []float64
	served    []float64
	before    []float64 // records in each queue when measuring began
	after     []float64
	reducer   float64
	imbalance float64
	fan       average
	top       average
	pairs     float64
	routes    int
	route     *policy.Route
	last      *policy.Window
}

// average is a mean of some values.
type average struct{ sum, n float64 }

func (a *average) add(v float64) { a.sum, a.n = a.sum+v, a.n+1 }
func (a *average) mean() float64 { return a.sum / max(a.n, 1) }

func newGauge(e *config.Experiment, rate float64, c Config) *gauge {
	p := e.Job.Workers
	return &gauge{
		rate: rate, slack: c.Slack, queue: float64(e.Job.Queue), warmup: c.Warmup,
		timer: &routeTimer{}, latency: hdrhistogram.New(1000, 1e14, 2),
		busy: make([]float64, p), served: make([]float64, p), before: make([]float64, p), after: make([]float64, p),
	}
}

// restart resets the gauge to measure from the end of w.
func (g *gauge) restart(w *policy.Window) {
	fresh := gauge{
		timer: g.timer, slack: g.slack, queue: g.queue, latency: g.latency, arrivals: g.arrivals, route: w.Route,
		busy: g.busy, served: g.served, before: g.before, after: g.after,
	}
	fresh.latency.Reset()
	clear(fresh.busy)
	clear(fresh.served)
	g.waiting(w)
	copy(fresh.before, g.after)
	*g = fresh
}

// waiting records the queue lengths at the end of a window.
func (g *gauge) waiting(w *policy.Window) {
	for i, q := range w.Queue {
		if q == q { // not NaN
			g.after[i] = q * g.queue
		}
	}
}

// run runs the job of e and gives its windows to sink.
func (g *gauge) run(ctx context.Context, e *config.Experiment, s Subject, windows int, sink collect.Sink) error {
	return s.run(ctx, e, windows, sink, experiment.Options{Latency: g.observe, Arrivals: g.arrivals}, g.timer)
}

// run runs the job of e under its partitioner for a number of windows. timer, if not nil,
// times its routers.
func (s Subject) run(ctx context.Context, e *config.Experiment, windows int, sink collect.Sink, o experiment.Options, timer *routeTimer) error {
	o.Flink = s.Flink
	_, err := collect.Run{
		Config:  collect.Config{Windows: windows, EpisodeWindows: collect.Endless}.WithDefault(e.Partitioner),
		Workers: e.Job.Workers, Seed: e.Seed, Metrics: e.Job.Metrics, Sink: sink,
		Open: func(p partition.Scheme) (engine.Job, error) {
			if timer != nil {
				p.NewRouter = timer.wrap(p.NewRouter, s.Now)
			}
			return experiment.OpenWith(e, s.Engine, p, o)
		},
	}.Do(ctx)
	return err
}

// observe implements engine.LatencyFunc.
func (g *gauge) observe(h *hdrhistogram.Histogram) {
	if g.windows >= g.warmup {
		g.latency.Merge(h)
	}
}

// Write implements collect.Sink.
func (g *gauge) Write(w *policy.Window) error {
	g.windows++
	g.waiting(w)
	if g.windows <= g.warmup {
		copy(g.before, g.after)
		g.route = w.Route
		return nil
	}
	g.last = w
	length := (w.End - w.Start).Seconds()
	g.seconds += length
	g.sent += w.ActualRate * length
	g.blocked += w.Backpressured
	g.imbalance += policy.Imbalance(w.Busy)
	g.pairs += float64(w.Pairs)
	for i, n := range w.Counts {
		g.served[i] += float64(n)
		if b := w.Busy[i]; b == b {
			g.busy[i] += b
		}
	}
	busiest := 0.0
	for _, b := range w.Reducer {
		if b > busiest { // false for NaN, which max would keep
			busiest = b
		}
	}
	g.reducer += busiest
	if w.FanOut > 0 {
		g.fan.add(w.FanOut)
	}
	if len(w.Hot) > 0 {
		g.top.add(fanOut(w, w.Hot[0].Hash))
	}
	if version(w.Route) != version(g.route) {
		g.route = w.Route
		g.routes++
	}
	return nil
}

// version returns a route's version. Routes from another process are a new copy each time, so
// pointers cannot be compared.
func version(r *policy.Route) uint64 {
	if r == nil {
		return 0
	}
	return r.Version
}

// fanOut returns how many workers finished records of a key in a window: 1 for a key that
// the partitioner never splits.
func fanOut(w *policy.Window, hash uint64) float64 {
	n := 0.0
	for _, r := range w.Realised {
		if r.Hash == hash {
			n++
		}
	}
	return max(1, n)
}

// topCount is how many of the heaviest keys a reading has.
const topCount = 12

// topKeys returns the workers of the heaviest keys of a window, as far as they are known:
// from the counts of keys that may be split, and from the route for placed keys.
func topKeys(w *policy.Window) []TopKey {
	sent := int64(0)
	for _, n := range w.Slots {
		sent += n
	}
	var out []TopKey
	for _, k := range w.Hot[:min(topCount, len(w.Hot))] {
		t := TopKey{Name: k.Name, Share: float64(k.Count) / float64(max(sent, k.Count, 1)), Workers: make([]float64, len(w.Counts))}
		sum := 0.0
		for _, r := range w.Realised {
			if r.Hash == k.Hash {
				t.Workers[r.Worker] += float64(r.Count)
				sum += float64(r.Count)
			}
		}
		if sum == 0 && w.Route != nil {
			place(w.Route, k.Hash, t.Workers)
			sum = 1
		}
		if sum == 0 {
			continue
		}
		for i := range t.Workers {
			t.Workers[i] /= sum
		}
		out = append(out, t)
	}
	return out
}

// place sets the share that each worker has of a key under a route.
func place(r *policy.Route, hash uint64, workers []float64) {
	for _, k := range r.Keys {
		if k.Hash == hash {
			for i, w := range k.Workers {
				workers[w] = k.Shares[i]
			}
			return
		}
	}
	workers[r.Slots[policy.SlotOf(hash, len(r.Slots))]] = 1
}

// reading returns the measurements so far.
func (g *gauge) reading() Reading {
	n := float64(g.windows - g.warmup)
	r := Reading{
		Rate: g.rate, Sent: g.sent / g.seconds, Held: g.held(), Blocked: g.blocked / n, Reducer: g.reducer / n,
		Imbalance: g.imbalance / n, FanOut: g.fan.mean(), TopFanOut: g.top.mean(), Pairs: g.pairs / n,
		RouteNS: g.timer.perRecord(), Routes: g.routes, Top: topKeys(g.last),
	}
	for i, b := range g.busy {
		r.Busy = append(r.Busy, b/n)
		r.Done += g.served[i] / g.seconds
	}
	if g.latency.TotalCount() > 0 {
		r.P50 = time.Duration(g.latency.ValueAtQuantile(50))
		r.P99 = time.Duration(g.latency.ValueAtQuantile(99))
	}
	return r
}

func (g *gauge) held() bool {
	due := g.rate * g.seconds
	if due-g.sent > g.slack*due {
		return false
	}
	// While the warm-up's backlog shrinks, more is sent than is due, and queues may grow that
	// would not grow at the rate.
	pace := min(1, due/g.sent)
	served := 0.0
	for w, n := range g.served {
		if grown := (n+g.after[w]-g.before[w])*pace - n; grown > g.allowed(n) {
			return false
		}
		served += n
	}
	// All queues together, by records sent and served: partial results also wait in queues, so
	// a queue may hold more records without becoming longer.
	return g.sent*pace-served <= g.allowed(served)
}

// allowed returns by how much queues may grow while a number of records is served.
func (g *gauge) allowed(served float64) float64 { return g.slack*served + 2*math.Sqrt(served) }
