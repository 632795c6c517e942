package rate

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/experiment"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// job is a small experiment: 4 workers that do 1,000 records/s each and emit for free.
func job(shape func(e *config.Experiment)) *config.Experiment {
	e := config.Default()
	e.Task.Name = stream.TaskCount
	e.Source.Keys, e.Source.Exponent = 500, 1.2
	e.Job.Workers, e.Job.Queue = 4, 64
	e.Job.Costs = engine.Costs{Record: time.Millisecond}
	if shape != nil {
		shape(&e)
	}
	return &e
}

func measure(t testing.TB, e *config.Experiment, c Config) *Result {
	t.Helper()
	if err := e.Validate(); err != nil {
		t.Fatal(err)
	}
	r, err := Measure(context.Background(), Subject{Experiment: e, Engine: experiment.Sim, Now: time.Now}, nil, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// loads are what hash puts on each worker, in expectation.
func loads(e *config.Experiment) []float64 {
	out := make([]float64, e.Job.Workers)
	model, err := experiment.Fluid(e)
	if err != nil {
		panic(err)
	}
	for i, k := range model.Keys.Keys() {
		out[k.Hash%uint64(len(out))] += model.Keys.Weights()[i]
	}
	return out
}

func TestMeasure(t *testing.T) {
	c := Default()
	for _, test := range []struct {
		why      string
		shape    func(e *config.Experiment)
		want     float64 // records/s
		within   float64
		fan, top float64 // at least
	}{
		{"a single worker holds what it can do", func(e *config.Experiment) { e.Job.Workers = 1 }, 1000, 0.015, 1, 1},
		{"hash holds what its heaviest worker can do", nil, 1000 / slices.Max(loads(job(nil))), 0.03, 1, 1},
		{"pkg on keys that are all light is even", func(e *config.Experiment) { e.Partitioner.Name, e.Source.Exponent = "pkg", 0 }, 4000, 0.02, 1.5, 1},
		{"waterfill gets most of what unequal workers can do, out of 1,000 records a window each", func(e *config.Experiment) {
			e.Partitioner.Name = "waterfill"
			e.Job.Speeds = engine.Speeds{Kind: "list", List: []float64{1, 1, 0.5, 1.5}}
		}, 4000, 0.1, 1, 1},
	} {
		e := job(test.shape)
		r := measure(t, e, c)
		if math.Abs(r.Held-test.want) > test.within*test.want {
			t.Errorf("%s: %.0f records/s; it should be %.0f", test.why, r.Held, test.want)
		}
		if r.Failed/r.Held-1 > c.Tolerance*1.01 || !r.At.Held || r.At.Rate != r.Held {
			t.Errorf("%s: held %v, not held %v, reading at %v", test.why, r.Held, r.Failed, r.At.Rate)
		}
		if r.At.FanOut < test.fan || r.At.TopFanOut < test.top || r.At.TopFanOut > 4 || r.At.Pairs < 120 {
			t.Errorf("%s: fan-out %v, of the top key %v, %v pairs", test.why, r.At.FanOut, r.At.TopFanOut, r.At.Pairs)
		}
		if l := r.Latency[0]; l.Part != 0.8 || !l.Reading.Held || l.Reading.P50 < time.Millisecond/2 || l.Reading.P99 < l.Reading.P50 {
			t.Errorf("%s: latency %+v", test.why, l)
		}
		if sum := r.Loss.Used + r.Loss.Idle + r.Loss.Extra; math.Abs(sum-1) > 0.01 || math.Abs(r.Loss.Used-r.Held/r.Bounds.Fluid) > 0.03 {
			t.Errorf("%s: %+v sums to %v", test.why, r.Loss, sum)
		}
	}
}

// TestRampAgrees holds SaSPartitioner's ramp against the search.
func TestRampAgrees(t *testing.T) {
	e := job(nil)
	c := Default()
	want := measure(t, e, c).Held
	c.Method, c.Ramp.Step, c.Ramp.Interval = Ramped, 20, 12*time.Second
	r := measure(t, e, c)
	if math.Abs(r.Held-want) > 0.04*want || r.Failed <= r.Held {
		t.Errorf("the ramp finds %.0f (%.0f fails), the search %.0f", r.Held, r.Failed, want)
	}
	rates := map[float64]bool{}
	for _, o := range r.Readings[:len(r.Readings)-1] {
		rates[o.Rate] = true
	}
	if len(rates) < 5 {
		t.Errorf("only %d rates on the way", len(rates))
	}
	c.Ramp.Interval = 1500 * time.Millisecond
	if _, err := Measure(context.Background(), Subject{Experiment: e, Engine: experiment.Sim, Now: time.Now}, nil, c, nil); err == nil || !strings.Contains(err.Error(), "multiple") {
		t.Errorf("an interval that is no multiple of the metric window: %v", err)
	}
}

func TestRampFormula(t *testing.T) {
	c := Default().Ramp
	for _, r := range []struct {
		why              string
		rate, busy, want float64
	}{
		{"a tenth of the way to 0.9 busy", 10000, 0.5, 10800},
		{"at least a step", 10000, 0.95, 10200},
		{"at most so much", 1e6, 0.1, 1e6 + 10000},
		{"nothing measured", 1000, 0, 11000},
	} {
		if got := c.next(r.rate, r.busy); math.Abs(got-r.want) > 1e-6 {
			t.Errorf("%s: %v", r.why, got)
		}
	}
}

func TestMeasureRefuses(t *testing.T) {
	ended := job(func(e *config.Experiment) {
		e.Source.Kind = stream.KindFile
		e.Source.File.Path, e.Source.File.Key = "../../testdata/flights.csv.gz", "dest"
		e.Job.Costs.Record = time.Microsecond
	})
	gone := job(func(e *config.Experiment) {
		e.Source.Kind, e.Source.File.Path, e.Source.File.Key = stream.KindFile, "/nowhere.csv", "k"
	})
	other := job(func(e *config.Experiment) {
		e.Partitioner.Name, e.Partitioner.SaSPartitioner.Checkpoint = "saspartitioner", "/nowhere"
	})
	for why, test := range map[string]struct {
		e    *config.Experiment
		want string
	}{
		"a source that ends":       {ended, "loop"},
		"a file that is not there": {gone, "/nowhere.csv"},
		"no checkpoint there":      {other, "/nowhere"},
	} {
		_, err := Measure(context.Background(), Subject{Experiment: test.e, Engine: experiment.Sim, Now: time.Now}, nil, Default(), nil)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v", why, err)
		}
	}
	stopped, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Measure(stopped, Subject{Experiment: job(nil), Engine: experiment.Sim, Now: time.Now}, nil, Default(), nil); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("an interrupt: error %v", err)
	}
	c := Default()
	c.Windows, c.LatencyAt, c.Method = 0, []float64{2}, "guess"
	if err := c.Validate(); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("impossible values: %v", err)
	}
}

// TestReadingsAreReproducible also says that results are written to JSON as they are.
func TestReadingsAreReproducible(t *testing.T) {
	e := job(func(e *config.Experiment) { e.Partitioner.Name = "dalton-original" })
	var texts [2]string
	for i := range texts {
		r := measure(t, e, Default())
		for _, reading := range append(r.Readings, r.At, r.Latency[0].Reading) {
			if !(reading.RouteNS > 0) {
				t.Errorf("routing a record took %v ns", reading.RouteNS)
			}
		}
		r.At.RouteNS, r.Latency[0].Reading.RouteNS = 0, 0 // the only wall-clock times
		r.At.CPU.Routing, r.Latency[0].Reading.CPU.Routing = 0, 0
		for k := range r.Readings {
			r.Readings[k].RouteNS, r.Readings[k].CPU.Routing = 0, 0
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(text)
	}
	if texts[0] != texts[1] {
		t.Error("two measurements of one job differ")
	}
}

// TestQueuesHideNothing: a job whose queues swallow all that is too much for minutes is
// not taken for one that keeps up.
// Subtasks that did not report leave no hole in a reading, which goes into files that
// know no NaN.
func TestMissingReports(t *testing.T) {
	e := job(nil)
	g := newGauge(e, experiment.Sim, 1000, Config{Windows: 2})
	nan := math.NaN()
	for i := range 2 {
		w := &policy.Window{
			Start: time.Duration(i) * time.Second, End: time.Duration(i+1) * time.Second, ActualRate: 1000,
			Counts: make([]int64, e.Job.Workers), Busy: make([]float64, e.Job.Workers), Queue: make([]float64, e.Job.Workers),
			Reducer: []float64{0.3, nan},
		}
		w.Busy[0], w.Queue[0] = nan, nan
		if err := g.Write(w); err != nil {
			t.Fatal(err)
		}
	}
	r := g.reading()
	if _, err := json.Marshal(r); err != nil || r.Reducer != 0.3 {
		t.Errorf("%v; the busiest reducer is at %v", err, r.Reducer)
	}
}

func TestQueuesHideNothing(t *testing.T) {
	e := job(func(e *config.Experiment) { e.Job.Queue = 1 << 16; e.Job.Workers = 1 })
	r, err := Observe(context.Background(), Subject{Experiment: e, Engine: experiment.Sim, Now: time.Now}, 1050, Default(), false)
	if err != nil || r.Held || math.Abs(r.Sent-1050) > 2 {
		t.Errorf("5 %% too much: %+v, error %v", r, err)
	}
}

// TestBacklogIsNoOverload: what a slow start left behind is worked off while the rate
// is held.
func TestBacklogIsNoOverload(t *testing.T) {
	e := job(func(e *config.Experiment) { e.Partitioner.Name, e.Source.Exponent = "waterfill", 2 })
	c := Default()
	c.Warmup, c.Windows = 1, 8
	r, err := Observe(context.Background(), Subject{Experiment: e, Engine: experiment.Sim, Now: time.Now}, 3500, c, false)
	if err != nil || !r.Held || r.Sent < 3520 {
		t.Errorf("%+v, error %v", r, err)
	}
}

func TestBoundsOfMasks(t *testing.T) {
	e := job(func(e *config.Experiment) { e.Job.Workers = 8 })
	spec := &checkpoint.SharesSpec{Workers: 8, HotKeys: 10, Mask: policy.NewMask(stream.ZipfPMF(10, 1.2), 8, policy.DefaultMask()).Keys}
	b, err := BoundsOf(e, &checkpoint.Checkpoint{Kind: checkpoint.KindShares, Shares: spec}, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	if !(b.Mask > 0.3*b.Fluid && b.Mask < b.Fluid) || b.Analytic < 0.99*b.Fluid || b.Analytic > b.Fluid*(1+1e-9) || math.Abs(b.Fluid-8000) > 1 {
		t.Errorf("%+v", b)
	}
	e.Job.Execution = engine.Native
	if b, err = BoundsOf(e, nil, 0, 1); err != nil || b.Fluid != 0 {
		t.Errorf("native workers: %+v, %v", b, err)
	}
}

// Routes that come from another process are copies in every window, and no new ones.
func TestRoutesAreCountedByVersion(t *testing.T) {
	e := config.Default()
	g := newGauge(&e, experiment.Sim, 1000, Config{Warmup: 1})
	for i, version := range []uint64{3, 3, 3, 5, 5, 6} {
		p := e.Job.Workers
		w := &policy.Window{
			Step: i, End: time.Second, Counts: make([]int64, p), Busy: make([]float64, p),
			Route: &policy.Route{Version: version, Workers: p},
		}
		if err := g.Write(w); err != nil {
			t.Fatal(err)
		}
	}
	if g.routes != 2 {
		t.Errorf("%d routes came into force after the warm-up, not 2", g.routes)
	}
}
