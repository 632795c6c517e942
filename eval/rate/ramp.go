package rate

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// ramp raises the rate of one job, interval by interval, until an interval sends less
// than was due in the previous one (docs/algorithms.md, "Sustainable rate").
func (res *Result) ramp(ctx context.Context, s Subject, c Config, take func(Reading)) error {
	e := *s.Experiment
	start := e.Rate.Rate * c.Ramp.Start
	if b := res.Bounds.Fluid; b > 0 {
		start = min(start, b*c.Ramp.Start)
	}
	each := int(math.Round(float64(c.Ramp.Interval) / float64(e.Job.MetricWindow())))
	if each < 1 || time.Duration(each)*e.Job.MetricWindow() != c.Ramp.Interval {
		return fmt.Errorf("ramp: the interval of %v is not a multiple of the job's metric window of %v", c.Ramp.Interval, e.Job.MetricWindow())
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	e.Rate.Kind, e.Rate.Rate = stream.RateFixed, start
	g := &rampGauge{gauge: newGauge(&e, s.Engine, start, Config{Slack: c.Slack}), warm: c.Warmup, each: each, take: take, stop: stop}
	g.arrivals = func(subtask int) engine.Arrivals {
		return &rampArrivals{
			Arrivals: stream.NewArrivals(e.Rate, subtask, e.Job.Partitioners, e.Seed),
			warm:     c.Warmup, each: each, config: c.Ramp, rate: start,
		}
	}
	err := g.run(ctx, &e, s, c.Warmup+each*c.Ramp.Steps, g)
	switch {
	case g.failed > 0 && g.last.Rate == 0:
		return fmt.Errorf("ramp: the first rate, %.0f records/s, is not sustained; start lower (ramp.start)", start)
	case g.failed > 0:
		res.Held, res.Failed, res.At = g.last.Rate, g.failed, g.last
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("ramp: after %d steps the job sustains %.0f records/s; use larger steps (ramp.step)", c.Ramp.Steps, g.last.Rate)
}

// next returns the rate after an interval. busy is the mean busy ratio of the busiest worker
// or reducer:
//
//	rate + max(step, min(most, (rate*0.9/busy - rate)/10))
func (c *RampConfig) next(rate, busy float64) float64 {
	return rate + max(c.Step, min(c.Most, (rate*0.9/max(busy, 1e-3)-rate)/10))
}

// rampArrivals raise the rate after each interval. All subtasks see the same windows, so their
// rates are equal.
type rampArrivals struct {
	*stream.Arrivals
	warm, each int // windows
	config     RampConfig
	rate       float64
	seen       int
	busy       float64
}

// Observe implements engine.Arrivals.
func (a *rampArrivals) Observe(end time.Duration, busiest float64) {
	if a.seen++; a.seen <= a.warm {
		return
	}
	if busiest == busiest { // not NaN
		a.busy += busiest
	}
	if (a.seen-a.warm)%a.each == 0 {
		a.rate = a.config.next(a.rate, a.busy/float64(a.each))
		a.busy = 0
		a.Set(end, a.rate)
	}
}

// rampGauge measures the intervals of a ramp.
type rampGauge struct {
	*gauge
	warm, each int // windows
	last       Reading
	failed     float64 // the rate that was not sustained
	take       func(Reading)
	stop       func()
}

// Write implements collect.Sink.
func (g *rampGauge) Write(w *policy.Window) error {
	if g.warm > 0 {
		g.warm--
		g.restart(w)
		return nil
	}
	if g.failed > 0 {
		return nil // the window in which the ramp ends
	}
	g.due += w.OfferedRate / float64(g.each)
	if err := g.gauge.Write(w); err != nil || g.windows < g.each {
		return err
	}
	g.rate = g.due
	r := g.reading()
	// The previous rate is sustained if this interval sends at least what was due in it.
	r.Held = r.Sent >= max(g.last.Rate, g.rate*(1-10*g.slack))*(1-g.slack)
	g.take(r)
	if !r.Held {
		g.failed = r.Rate
		g.stop()
	} else {
		g.last = r
	}
	g.restart(w)
	return nil
}
