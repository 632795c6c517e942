package local

import (
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/jobtest"
	"github.com/saspart/saspart/engine/internal/operator"
	"github.com/saspart/saspart/engine/sim"
	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/serve/wire"
)

// Windows are made in one place. The reports of a sim job give the windows that the job
// returned through this engine's measurements, an assembler, and the wire. Over the wire latencies are missing, because sim does not
// report them by worker.
func TestSameReportsGiveSameWindows(t *testing.T) {
	c := engine.Default()
	c.Workers, c.Partitioners, c.Reducers, c.Queue, c.HotKeys = 4, 3, 2, 64, 10
	c.Speeds = engine.Speeds{Kind: "list", List: []float64{1, 0.7, 1.3, 0.9}}
	setup := func() engine.Setup { return jobtest.Setup(t, "wordcount", "table", 4_000, c) }
	other, err := New(setup()) // never started
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	shape := operator.ShapeOf(&c)
	direct, over := reports.NewAssembler(shape, reports.Default()), reports.NewAssembler(shape, reports.Default())
	hello := &wire.Hello{
		Shape: shape, Workers: wire.Ranges{{Count: c.Workers}}, Partitioners: wire.Ranges{{Count: c.Partitioners}}, Reducers: wire.Ranges{{Count: c.Reducers}},
	}
	route := jobtest.SplitRoute(c.Workers)
	over.Know(route)
	got := map[string]*policy.Window{}
	assembled := func(a *reports.Assembler) *policy.Window {
		out := a.Next(time.Unix(0, 0))
		if out == nil || !out.Complete() {
			t.Fatalf("%+v is assembled, want a complete window", out)
		}
		defer out.Release()
		return out.Window.Clone()
	}
	s := setup()
	s.Reports = func(r *reports.Report) {
		if err := direct.Add(time.Unix(0, 0), r); err != nil {
			t.Fatal(err)
		}
		got["assembler"] = assembled(direct)
		take := func(r *reports.Report) error { return over.Add(time.Unix(0, 0), r) }
		if _, err := wire.TakeReport(wire.AppendReport(nil, r), hello, nil, take); err != nil {
			t.Fatal(err)
		}
		got["wire"] = assembled(over)
		got["local"] = other.window(answersOf(other, r), r.Whole.End.Nanoseconds())
	}
	job, err := sim.New(s)
	if err != nil {
		t.Fatal(err)
	}
	mixed := 0
	for step := range 8 {
		want := jobtest.NextWindow(t, job)
		for name, w := range got {
			var ignore gocmp.Options
			if name == "wire" {
				ignore = gocmp.Options{cmpopts.IgnoreFields(policy.Window{}, "LatencyP50", "LatencyP99", "LatencyMax", "Times", "Bytes")}
			}
			if diff := gocmp.Diff(want, w, ignore); diff != "" {
				t.Fatalf("window %d, %s (-sim +%s):\n%s", step, name, name, diff)
			}
		}
		if len(want.Hot) != 10 || step > 3 && len(want.Realised) < 30 || want.FanOut < 1 {
			t.Errorf("window %d names %d keys, %d realised shares, fan-out %v: nothing is shown", step, len(want.Hot), len(want.Realised), want.FanOut)
		}
		if want.RouteNew {
			mixed++
		}
		if step == 2 {
			if err := job.Apply(policy.Decision{Route: route}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if mixed > 0 {
		t.Errorf("%d windows are mixed; the job is never late", mixed)
	}
}

// answersOf is a measurement of j in which every actor has answered what r says.
func answersOf(j *Job, r *reports.Report) *measurement {
	m := newMeasurement(len(r.Workers), len(r.Partitioners), len(r.Reducers))
	j.shared.fan = operator.FanOut{Pairs: r.Reducers[0].Pairs, Keys: r.Reducers[0].Keys}
	for i, w := range r.Workers {
		m.workers[i] = workerAnswer{Worker: w, changed: operator.NoSlide}
	}
	for i, p := range r.Partitioners {
		m.partitioners[i] = partitionerAnswer{Partitioner: p, route: r.Whole.Route, changed: operator.NoSlide}
	}
	copy(m.reducers, r.Reducers)
	m.workers[0].latency = operator.NewLatency()
	m.workers[0].latency.Merge(r.Whole.Latency)
	for i := range m.answered {
		m.answered[i] = true
	}
	return m
}

// An actor that does not answer in time is unmeasured; its counts are in the next window
// in which it is measured.
func TestLateAnswersCount(t *testing.T) {
	c := engine.Default()
	c.Workers, c.Partitioners, c.Reducers = 2, 2, 1
	j, err := New(jobtest.Setup(t, "count", "hash", 1000, c))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	answers := func(step int64, actors ...int) *measurement {
		m := newMeasurement(2, 2, 1)
		for i := range m.workers {
			m.workers[i].Worker = reports.Worker{Index: i, Records: step, Busy: float64(step) / 10, Realised: []reports.Realised{{Hash: 7, Count: step}}}
		}
		for i := range m.partitioners {
			m.partitioners[i].Partitioner = reports.Partitioner{
				Index: i, Sent: step, Offered: float64(step), Hot: []policy.HotKey{{Hash: 7, Count: step}}, Slots: make([]int64, j.shape.Slots),
			}
		}
		for _, a := range actors {
			m.answered[a] = true
		}
		return m
	}
	first := answers(1, 1, 3, 4) // worker 0 and subtask 0 are held up
	w := j.window(first, int64(time.Second))
	if w.Records != 1 || w.Busy[0] == w.Busy[0] || w.ActualRate != 1 || w.OfferedRate != 1 {
		t.Errorf("window 0: %d records, busy %v, rates %v and %v", w.Records, w.Busy, w.ActualRate, w.OfferedRate)
	}
	first.answered[0], first.answered[2] = true, true
	j.late = append(j.late, first)
	w = j.window(answers(2, 1, 3, 4), 2*int64(time.Second))
	if w.Records != 2 || w.Busy[0] == w.Busy[0] {
		t.Errorf("window 1, worker 0 is still held up: %d records, busy %v", w.Records, w.Busy)
	}
	w = j.window(answers(3, 0, 1, 2, 3, 4), 3*int64(time.Second))
	if w.Records != 7 || w.Counts[0] != 4 || w.Busy[0] != 0.3 || w.ActualRate != 7 || w.OfferedRate != 6 {
		t.Errorf("window 2: counts %v, busy %v, rates %v and %v", w.Counts, w.Busy, w.ActualRate, w.OfferedRate)
	}
	if want := []policy.HotKey{{Hash: 7, Count: 7}}; !gocmp.Equal(w.Hot, want) {
		t.Errorf("window 2 names %v, want %v", w.Hot, want)
	}
	if want := []policy.RealisedShare{{Hash: 7, Worker: 0, Count: 4}, {Hash: 7, Worker: 1, Count: 3}}; !gocmp.Equal(w.Realised, want) {
		t.Errorf("window 2: realised %v, want %v", w.Realised, want)
	}
	w = j.window(answers(4, 0, 1, 2, 3, 4), 4*int64(time.Second))
	if w.Records != 8 {
		t.Errorf("window 3: %d records, want 8: a late answer counts once", w.Records)
	}
}
