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
	"github.com/saspart/saspart/internal/sums"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// Subject is a job to be measured: an experiment, whose rate is not looked at, on an
// engine.
type Subject struct {
	Experiment *config.Experiment
	Engine     string           // of experiment.Engines
	Now        func() time.Time // times routing
	Flink      *flink.Engine    // where jobs of that engine run; nil for others
}

// Reading is what a job did at one rate, over the measured windows.
type Reading struct {
	Rate      float64       `json:"rate"`      // records/s that were due
	Sent      float64       `json:"sent"`      // records/s that the partitioners sent on
	Done      float64       `json:"done"`      // records/s that the workers finished
	Held      bool          `json:"held"`      // the job kept up
	Blocked   float64       `json:"blocked"`   // share of the time the partitioners waited for full queues
	Busy      []float64     `json:"busy"`      // mean busy ratio of each worker
	Reducer   float64       `json:"reducer"`   // of the busiest reducer
	Imbalance float64       `json:"imbalance"` // mean over the windows
	FanOut    float64       `json:"fan_out"`   // workers per key, mean
	TopFanOut float64       `json:"top_fan_out"`
	Pairs     float64       `json:"pairs"`       // (key, worker) pairs with state, mean over the windows' ends
	Bytes     float64       `json:"state_bytes"` // that their state took at most, mean over the windows; 0: not measured
	CPU       CPU           `json:"cpu_seconds"` // per million records
	RouteNS   float64       `json:"route_ns"`    // wall-clock time to route a record, median over batches; 0: not measured, as on flink
	P50       time.Duration `json:"p50_ns"`      // from when a record was due to the end of its work
	P99       time.Duration `json:"p99_ns"`
	Routes    int           `json:"routes"` // that came into force
	// Top is where the heaviest keys went in the last window; only in Result.At.
	Top []TopKey `json:"top,omitempty"`
}

// TopKey is a heavy key.
type TopKey struct {
	Name    string    `json:"name"`    // bytes that are not UTF-8 show as U+FFFD in JSON
	Share   float64   `json:"share"`   // of the records sent
	Workers []float64 `json:"workers"` // part of its records that each worker finished
}

// Observe runs the job from its beginning at a rate, and measures it once it is warm. The
// first sixth of the warm-up runs at a tenth of the rate, the rest of its first half at
// half the rate. So a partitioner that learns knows the keys before there is a backlog.
//
// A rate is held under two conditions. Over the measured windows, all due records but for
// the slack were sent. The workers' queues did not grow by more than the slack, relative
// to the records served, neither together nor any alone. Queues also grow by chance, by
// the root of the records served; twice that is allowed.
//
// With behind, the last sixth of the warm-up runs at one and a half times the rate. Queues
// are then full when measuring begins, so their free space hides no shortfall. The rate is
// held if the job falls no further behind.
func Observe(ctx context.Context, s Subject, rate float64, c Config, behind bool) (Reading, error) {
	e := *s.Experiment
	e.Rate = warmRate(rate, &e, c, behind)
	g := newGauge(&e, s.Engine, rate, c)
	if err := g.run(ctx, &e, s, c.Warmup+c.Windows, g); err != nil {
		return Reading{}, err
	}
	if g.windows < c.Warmup+c.Windows {
		return Reading{}, fmt.Errorf("the source ended after %d of %d windows; let it start again (source.file.loop: true), or measure fewer", g.windows, c.Warmup+c.Windows)
	}
	return g.reading(), nil
}

// warmRate is the rate of a job that is to be measured at rate.
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

// gauge reads a job's windows.
type gauge struct {
	rate    float64
	slack   float64
	queue   float64 // records that fit one
	warmup  int
	windows int // seen, the warm-up's among them

	timer     *RouteTimer
	latency   *hdrhistogram.Histogram
	arrivals  func(subtask int) engine.Arrivals // nil: the experiment's
	due       float64                           // records/s, of a rate that changes
	seconds   float64
	sent      float64
	blocked   float64
	busy      []float64
	served    []float64
	before    []float64 // what waited in the queues when measuring began
	after     []float64
	reducer   float64
	imbalance float64
	fan       average
	top       average
	pairs     float64
	bytes     float64
	cpu       *CPUMeter
	routes    int
	route     *policy.Route
	last      *policy.Window
}

// average is a mean of some values.
type average struct{ sum, n float64 }

func (a *average) add(v float64) { a.sum, a.n = a.sum+v, a.n+1 }
func (a *average) mean() float64 { return a.sum / max(a.n, 1) }

func newGauge(e *config.Experiment, on string, rate float64, c Config) *gauge {
	p := e.Job.Workers
	return &gauge{
		rate: rate, slack: c.Slack, queue: float64(e.Job.Queue), warmup: c.Warmup,
		timer: &RouteTimer{}, cpu: NewCPUMeter(e, on), latency: hdrhistogram.New(1000, 1e14, 2),
		busy: make([]float64, p), served: make([]float64, p), before: make([]float64, p), after: make([]float64, p),
	}
}

// restart forgets what was measured up to the end of w.
func (g *gauge) restart(w *policy.Window) {
	fresh := gauge{
		timer: g.timer, cpu: g.cpu, slack: g.slack, queue: g.queue, latency: g.latency, arrivals: g.arrivals, route: w.Route,
		busy: g.busy, served: g.served, before: g.before, after: g.after,
	}
	fresh.latency.Reset()
	fresh.cpu.Reset()
	clear(fresh.busy)
	clear(fresh.served)
	g.waiting(w)
	copy(fresh.before, g.after)
	*g = fresh
}

// waiting notes what waits in the queues at the end of a window.
func (g *gauge) waiting(w *policy.Window) {
	for i, q := range w.Queue {
		if q == q { // NaN: it did not report
			g.after[i] = q * g.queue
		}
	}
}

// run runs the job of e and gives its windows to sink.
func (g *gauge) run(ctx context.Context, e *config.Experiment, s Subject, windows int, sink collect.Sink) error {
	return s.run(ctx, e, windows, sink, experiment.Options{Latency: g.observe, Arrivals: g.arrivals}, g.timer)
}

// run runs the job of e under its partitioner for a number of windows, and times its routers.
func (s Subject) run(ctx context.Context, e *config.Experiment, windows int, sink collect.Sink, o experiment.Options, timer *RouteTimer) error {
	o.Flink = s.Flink
	_, err := collect.Run{
		Config:  collect.Config{Windows: windows, EpisodeWindows: collect.Endless}.WithDefault(e.Partitioner),
		Workers: e.Job.Workers, Seed: e.Seed, Metrics: e.Job.Metrics, Sink: sink,
		Open: func(p partition.Scheme) (engine.Job, error) {
			p.NewRouter = timer.Wrap(p.NewRouter, s.Now)
			return experiment.Open(e, s.Engine, p, o)
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
		g.cpu.Reset()
		return nil
	}
	g.last = w
	length := (w.End - w.Start).Seconds()
	g.seconds += length
	g.sent += w.ActualRate * length
	g.blocked += w.Backpressured
	g.imbalance += policy.Imbalance(w.Busy)
	g.pairs += float64(w.Pairs)
	g.bytes += float64(w.Bytes)
	g.cpu.Add(w)
	for i, n := range w.Counts {
		g.served[i] += float64(n)
		if b := w.Busy[i]; b == b {
			g.busy[i] += b
		}
	}
	busiest := 0.0
	for _, b := range w.Reducer {
		if b > busiest { // NaN, of one that did not report, stays out; max would keep it
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

// version is a route's: what comes from another process is a copy each time.
func version(r *policy.Route) uint64 {
	if r == nil {
		return 0
	}
	return r.Version
}

// fanOut is how many workers finished records of a key in a window: 1 if the
// partitioner promised not to split it.
func fanOut(w *policy.Window, hash uint64) float64 {
	n := 0.0
	for _, r := range w.Realised {
		if r.Hash == hash {
			n++
		}
	}
	return max(1, n)
}

// topCount is how many keys a reading names.
const topCount = 12

// topKeys returns where the heaviest keys of a window went. Keys that may be split are
// counted in the window; the workers of placed keys are known from the route.
func topKeys(w *policy.Window) []TopKey {
	sent := sums.Of(w.Slots)
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
			w.Route.SharesOf(k.Hash, t.Workers)
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

// reading sums up.
func (g *gauge) reading() Reading {
	n, route := float64(g.windows-g.warmup), g.timer.PerRecord()
	r := Reading{
		Rate: g.rate, Sent: g.sent / g.seconds, Held: g.held(), Blocked: g.blocked / n, Reducer: g.reducer / n,
		Imbalance: g.imbalance / n, FanOut: g.fan.mean(), TopFanOut: g.top.mean(), Pairs: g.pairs / n, Bytes: g.bytes / n,
		CPU: g.cpu.CPU(route), RouteNS: route, Routes: g.routes, Top: topKeys(g.last),
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
	// While a backlog of the warm-up is worked off more is sent than is due, and queues
	// fill that would not at the rate.
	pace := min(1, due/g.sent)
	served := 0.0
	for w, n := range g.served {
		if grown := (n+g.after[w]-g.before[w])*pace - n; grown > g.allowed(n) {
			return false
		}
		served += n
	}
	// Of all queues together: partial results that senders aggregated wait in them beside
	// records, and a queue that exchanges the ones for the others does not seem to grow.
	return g.sent*pace-served <= g.allowed(served)
}

// allowed is by how much queues may grow while so much is served.
func (g *gauge) allowed(served float64) float64 { return g.slack*served + 2*math.Sqrt(served) }
