package rate

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/experiment"
	"github.com/saspart/saspart/policy"
)

// Processor time is what the costs say: a record on a worker of half the speed takes twice as
// long, and what a reducer merges counts too.
func TestCPUOfTheCostModel(t *testing.T) {
	for _, c := range []struct {
		why               string
		shape             func(e *config.Experiment)
		workers, reducers float64 // seconds per million records
		routing           float64 // 0: as measured
	}{
		{"a millisecond a record", nil, 1000, 0, 0},
		{"half the speed", func(e *config.Experiment) {
			e.Job.Speeds = engine.Speeds{Kind: "list", List: []float64{0.5, 0.5, 0.5, 0.5}}
		}, 2000, 0, 0},
		{"routing at a known cost", func(e *config.Experiment) { e.Job.Costs.Route = 30 * time.Microsecond }, 1000, 0, 30},
		{"one key on four workers: four partial results a slide of 250 records, on the workers and on a reducer", func(e *config.Experiment) {
			e.Source.Keys, e.Partitioner.Name = 1, "wchoices"
			e.Job.Costs.Emit, e.Job.Costs.Merge, e.Job.Costs.Entry = 2*time.Millisecond, 3*time.Millisecond, time.Millisecond
		}, 1000 + 4*2000/250., 4 * 4000 / 250., 0},
	} {
		e := job(c.shape)
		r, err := Observe(context.Background(), Subject{Experiment: e, Engine: experiment.Sim, Now: time.Now}, 500, Default(), false)
		if err != nil {
			t.Fatal(err)
		}
		routing := c.routing
		if routing == 0 {
			routing = r.RouteNS / 1000
		}
		got := r.CPU
		if math.Abs(got.Workers-c.workers) > 0.01*c.workers || math.Abs(got.Reducers-c.reducers) > 0.02*c.reducers || got.Routing != routing {
			t.Errorf("%s: %+v, want %v, %v and %v", c.why, got, c.workers, c.reducers, routing)
		}
		if got.Total() != got.Workers+got.Reducers+got.Routing || got.Process != 0 {
			t.Errorf("%s: %v of %+v", c.why, got.Total(), got)
		}
	}
}

// What native workers take is read from the process: their busy times include waiting for a
// core.
func TestCPUOfNativeWorkers(t *testing.T) {
	e := job(func(e *config.Experiment) { e.Job.Execution = engine.Native })
	m := NewCPUMeter(e, experiment.Local)
	spent := time.Duration(0)
	m.process = func() time.Duration { return spent }
	m.Reset()
	spent = 3 * time.Second
	m.Add(&policy.Window{End: time.Second, Records: 2e6, Busy: []float64{1, math.NaN(), 1}, Reducer: []float64{0.5}})
	if got, want := m.CPU(100), (CPU{Workers: 1, Reducers: 0.25, Routing: 0.1, Process: 1.5}); got != want || got.Total() != 1.5 {
		t.Errorf("%+v, want %+v", got, want)
	}
	if NewCPUMeter(e, experiment.Sim).process != nil || NewCPUMeter(job(nil), experiment.Local).process != nil {
		t.Error("emulated work is not what the process takes")
	}
}
