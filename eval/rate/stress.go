package rate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/experiment"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// StressConfig says how a job is stressed: a fixed rate through a distribution that
// shifts (docs/algorithms.md, "Sustainable rate").
type StressConfig struct {
	Load     float64       `yaml:"load"`     // the rate, as a part of the fluid bound; 0: the experiment's own rate
	Duration time.Duration `yaml:"duration"` // of the job's time
	Warmup   int           `yaml:"warmup"`   // metric windows that are left out of what is summed up
}

// DefaultStress is three minutes at 70 % of what the workers can do.
func DefaultStress() StressConfig {
	return StressConfig{Load: 0.7, Duration: 3 * time.Minute, Warmup: 12}
}

// Validate reports every impossible value by its path.
func (c *StressConfig) Validate() error {
	return errors.Join(
		field.Finite("load", c.Load, 0, 10),
		field.Whole("warmup", c.Warmup, 0, 1<<20),
		field.Lasting("duration", c.Duration),
	)
}

// Stressed is how a job came through.
type Stressed struct {
	Bounds    Bounds        `json:"bounds"`
	Rate      float64       `json:"rate"` // records/s that were due
	Sent      float64       `json:"sent"` // records/s that were sent on
	Imbalance float64       `json:"imbalance"`
	Blocked   time.Duration `json:"blocked_ns"` // of the job's time, that the partitioners waited for room
	P50       time.Duration `json:"p50_ns"`
	P99       time.Duration `json:"p99_ns"`
	FanOut    float64       `json:"fan_out"`
	Pairs     float64       `json:"pairs"`       // (key, worker) pairs with state, mean
	Bytes     float64       `json:"state_bytes"` // that their state took at most, mean over the windows; 0: not measured
	CPU       CPU           `json:"cpu_seconds"` // per million records
	PairsMost int           `json:"pairs_most"`  //
	HeapMost  uint64        `json:"heap_most"`   // bytes: of the whole process, at windows' ends
	Shifts    []Shift       `json:"shifts"`
	Windows   []Moment      `json:"windows"`
}

// Shift is a change of the distribution, and how long it took to get over it.
type Shift struct {
	At        float64 `json:"at"`        // seconds
	Windows   int     `json:"windows"`   // until the job was settled again; those of the whole phase if it never was
	Recovered bool    `json:"recovered"` // it was, before the next shift
	Settled   float64 `json:"settled"`   // the imbalance that it settled at
}

// Moment is a metric window of a stressed job.
type Moment struct {
	At        float64       `json:"at"` // its end, in seconds
	Imbalance float64       `json:"imbalance"`
	Blocked   float64       `json:"blocked"`
	Sent      float64       `json:"sent"`
	P99       time.Duration `json:"p99_ns"`
	Pairs     int           `json:"pairs"`
	Heap      uint64        `json:"heap"`
}

// Stress runs the subject's job at a fixed rate. heap reads the process's memory in
// use, in bytes; each takes every window as it comes, and may be nil.
func Stress(ctx context.Context, s Subject, c StressConfig, heap func() uint64, each func(Moment)) (*Stressed, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	e := *s.Experiment
	windows := int(math.Ceil(float64(c.Duration) / float64(e.Job.MetricWindow())))
	if windows <= c.Warmup {
		return nil, fmt.Errorf("stress: the warm-up of %d windows leaves nothing of %v, which is %d", c.Warmup, c.Duration, windows)
	}
	bounds, err := BoundsOf(&e, nil, c.Warmup, windows)
	if err != nil {
		return nil, err
	}
	if c.Load > 0 {
		if err := bounds.offer(&e, c.Load); err != nil {
			return nil, fmt.Errorf("stress: %w", err)
		}
	}
	g := &strain{res: &Stressed{Bounds: bounds}, timer: &RouteTimer{}, cpu: NewCPUMeter(&e, s.Engine), warmup: c.Warmup, heap: heap, each: each, latency: hdrhistogram.New(1000, 1e14, 2)}
	if err := s.run(ctx, &e, windows, g, experiment.Options{Latency: g.observe}, g.timer); err != nil {
		return nil, err
	}
	if g.counted == 0 {
		return nil, errors.New("stress: the source ended within the warm-up; let it start again (source.file.loop: true)")
	}
	return g.sum(shifts(&e)), nil
}

// strain reads the windows of a stressed job.
type strain struct {
	res     *Stressed
	timer   *RouteTimer
	cpu     *CPUMeter
	warmup  int
	heap    func() uint64
	each    func(Moment)
	latency *hdrhistogram.Histogram
	seen    int
	counted float64
	seconds float64
	due     float64
	sent    float64
	fan     average
}

func (g *strain) observe(h *hdrhistogram.Histogram) {
	if g.seen >= g.warmup {
		g.latency.Merge(h)
	}
}

// Write implements collect.Sink.
func (g *strain) Write(w *policy.Window) error {
	m := Moment{
		At: w.End.Seconds(), Imbalance: policy.Imbalance(w.Busy), Blocked: w.Backpressured, Sent: w.ActualRate,
		P99: w.LatencyP99, Pairs: w.Pairs, Heap: g.heap(),
	}
	g.res.Windows = append(g.res.Windows, m)
	if g.each != nil {
		g.each(m)
	}
	if g.seen++; g.seen <= g.warmup {
		g.cpu.Reset()
		return nil
	}
	g.cpu.Add(w)
	length := (w.End - w.Start).Seconds()
	r := g.res
	g.counted++
	g.seconds += length
	g.due += w.OfferedRate * length
	g.sent += w.ActualRate * length
	r.Imbalance += m.Imbalance
	r.Blocked += time.Duration(m.Blocked * float64(w.End-w.Start))
	r.Pairs += float64(m.Pairs)
	r.Bytes += float64(w.Bytes)
	r.PairsMost = max(r.PairsMost, m.Pairs)
	r.HeapMost = max(r.HeapMost, m.Heap)
	if w.FanOut > 0 {
		g.fan.add(w.FanOut)
	}
	return nil
}

func (g *strain) sum(shifts func(until float64) []float64) *Stressed {
	r := g.res
	r.Rate, r.Sent = g.due/g.seconds, g.sent/g.seconds
	r.Imbalance /= g.counted
	r.Pairs /= g.counted
	r.Bytes /= g.counted
	r.CPU = g.cpu.CPU(g.timer.PerRecord())
	r.FanOut = g.fan.mean()
	if g.latency.TotalCount() > 0 {
		r.P50, r.P99 = time.Duration(g.latency.ValueAtQuantile(50)), time.Duration(g.latency.ValueAtQuantile(99))
	}
	at := shifts(r.Windows[len(r.Windows)-1].At)
	for i, from := range at {
		until := math.Inf(1)
		if i+1 < len(at) {
			until = at[i+1]
		}
		if s, ok := recovery(r.Windows, from, until); ok {
			r.Shifts = append(r.Shifts, s)
		}
	}
	return r
}

// shifts lists when the distribution of an experiment changes at once, in seconds: at
// the changes of a sequence; a key that drifts does so all the time.
func shifts(e *config.Experiment) func(until float64) []float64 {
	return func(until float64) []float64 {
		if e.Source.Kind != stream.KindZipfSequence {
			return nil
		}
		var at []float64
		step := e.Source.Sequence.Interval.Seconds()
		for i := 1; float64(i)*step < until; i++ {
			at = append(at, float64(i)*step)
		}
		return at
	}
}

// A job has settled if, for two windows, its imbalance is not above settledTimes the
// phase's final imbalance plus settledPlus, and it is hardly blocked.
const (
	settledTimes   = 1.5
	settledPlus    = 0.02
	settledBlocked = 0.01
)

// recovery finds how many windows a job took to settle after a shift. It is false for
// a phase too short to tell.
func recovery(windows []Moment, from, until float64) (Shift, bool) {
	first := slices.IndexFunc(windows, func(m Moment) bool { return m.At > from+1e-9 })
	last := slices.IndexFunc(windows, func(m Moment) bool { return m.At > until+1e-9 })
	if last < 0 {
		last = len(windows)
	}
	if first < 0 || last-first < 4 {
		return Shift{}, false
	}
	phase := windows[first:last]
	var late []float64
	for _, m := range phase[len(phase)/2:] {
		late = append(late, m.Imbalance)
	}
	slices.Sort(late)
	s := Shift{At: from, Windows: len(phase), Settled: late[len(late)/2]}
	calm := func(m Moment) bool {
		return m.Imbalance <= settledTimes*s.Settled+settledPlus && m.Blocked <= settledBlocked
	}
	for i := range phase[:len(phase)-1] {
		if calm(phase[i]) && calm(phase[i+1]) {
			s.Windows, s.Recovered = i, true
			break
		}
	}
	return s, true
}
