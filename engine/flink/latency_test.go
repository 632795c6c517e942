//go:build flink

package flink

import (
	"slices"
	"testing"
	"time"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// A route soon shows in what workers do: with the buffers of `saspart flink up`, few records
// that were routed before are waiting. The time that this takes is logged and not asserted,
// because it depends on what else the machine does.
func (s *stage) followsRoutes() {
	changes := 20
	if testing.Short() {
		changes = 4
	}
	for _, c := range []struct {
		why       string
		rate      float64 // records/s; each of 8 workers can do 1000
		high, low float64 // parts of the records of the two workers that swap
		followed  float64 // records of a slide: at most this many of the one worker, at least this many of the other
	}{
		// At 0.95 and 0.48 of a worker's limit. The route is followed once the record counts are
		// nearer to the new parts than to the old.
		{"no worker is late", 5937, 0.16, 0.08, 178},
		// One worker gets twice what it can process, so that its queue is full and the source waits
		// for it. The route is followed once the queue is empty.
		{"a worker is relieved", 7600, 0.25, 0, 12},
	} {
		took := s.swaps(c.rate, c.high, c.low, changes, func(gave, took int64) bool {
			return float64(gave) <= c.followed && float64(took) >= c.followed
		})
		slices.Sort(took)
		s.t.Logf("%s: followed after %v at the median of %d changes, %v at most", c.why, took[len(took)/2], len(took), took[len(took)-1])
	}
}

// swaps runs a job in which the first and the last worker exchange their parts of the
// records, a high and a low one, for a number of changes. For each change it returns the time
// from announcing the route to the end of the first slide in which the record counts of both
// workers follow it.
func (s *stage) swaps(rate, high, low float64, changes int, followed func(gave, took int64) bool) []time.Duration {
	t := s.t
	e := usual("latency")
	e.Task.Name, e.Rate.Rate = stream.TaskCount, rate
	e.Source.Keys, e.Source.Exponent = 100_000, 0
	e.Config.Slide, e.Config.Window, e.Config.MetricSlides = 250*time.Millisecond, 500*time.Millisecond, 1
	e.Config.Speeds, e.Config.Costs, e.Config.WorkRatio = engine.Speeds{Kind: "equal"}, engine.Costs{Record: time.Millisecond}, 1
	f := s.engine()
	j := open(t, f, e, "table")
	defer func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}()
	many, few := 0, e.Config.Workers-1
	announce := func(version uint64) time.Time {
		many, few = few, many
		if err := j.Apply(policy.Decision{Route: unequal(e.Config.Workers, version, many, high, few, low)}); err != nil {
			t.Fatal(err)
		}
		return time.Now()
	}
	next(t, j)
	var took []time.Duration
	at, waiting, settled := announce(1), true, 0
	for version := uint64(1); len(took) <= changes; {
		w := next(t, j)
		switch end := time.Unix(0, int64(j.first)*int64(j.window)+int64(w.End)); {
		case waiting && followed(w.Counts[few], w.Counts[many]):
			took = append(took, end.Sub(at).Round(time.Millisecond))
			waiting, settled = false, 0
		case waiting && end.Sub(at) > 4*time.Minute:
			t.Fatalf("4 minutes after the route was announced workers do %v records a slide", w.Counts)
		case !waiting && settled < 8:
			settled++
		case !waiting:
			version++
			at, waiting = announce(version), true
		}
	}
	return took[1:] // the first is from hash
}

// unequal is a route that gives two workers these parts of the hash slots, and the others
// equal parts of the rest.
func unequal(workers int, version uint64, one int, high float64, other int, low float64) *policy.Route {
	r := &policy.Route{Version: version, Workers: workers, Slots: make([]uint16, policy.SlotCount(workers))}
	parts := make([]float64, workers)
	for i := range parts {
		parts[i] = (1 - high - low) / float64(workers-2)
	}
	parts[one], parts[other] = high, low
	worker, until := 0, parts[0]
	for i := range r.Slots {
		for float64(i) >= until*float64(len(r.Slots)) && worker < workers-1 {
			worker++
			until += parts[worker]
		}
		r.Slots[i] = uint16(worker)
	}
	return r
}

// engine runs jobs on the cluster, connected as from beyond loopback.
func (s *stage) engine() *Engine {
	s.t.Helper()
	status, err := s.cluster.Status(background)
	if err != nil {
		s.t.Fatal(err)
	}
	c := Default()
	c.Address, c.Jar = status.Address, s.jar
	f, err := New(c)
	if err != nil {
		s.t.Fatal(err)
	}
	f.encrypt = true
	s.t.Cleanup(func() {
		if err := f.Close(); err != nil {
			s.t.Error(err)
		}
	})
	return f
}
