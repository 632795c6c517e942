package flink

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"go.uber.org/goleak"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/registry"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// asGuard makes this test's program the guard of the cluster at the address that it names.
const asGuard = "SASPART_TEST_GUARD"

func TestMain(m *testing.M) {
	if address := os.Getenv(asGuard); address != "" {
		if err := RunGuard(os.Stdin, address); err != nil {
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// trial is a job of a test.
type trial struct {
	Setup
	Rate stream.RateConfig
}

// under returns the setup with a partitioner.
func (e *trial) under(t *testing.T, partitioner string) Setup {
	s := e.Setup
	s.Scheme, s.Spacing = scheme(t, partitioner, e.Config.Workers), e.Rate.Spacing
	s.Arrivals = stream.NewArrivals(e.Rate, 0, e.Config.Partitioners, e.Seed)
	return s
}

// usual is a job with the defaults of experiments.
func usual(name string) *trial {
	return &trial{
		Setup{Name: name, Seed: 1, Config: engine.Default(), Task: stream.DefaultTask(), Source: stream.DefaultSource()},
		stream.DefaultRate(),
	}
}

// quick is a job of short slides.
func quick() *trial {
	e := usual("clicks")
	e.Config.Workers, e.Config.Reducers = 4, 2
	e.Config.Slide, e.Config.Window = 100*time.Millisecond, 200*time.Millisecond
	e.Rate.Rate = 2000
	return e
}

func engineOn(t *testing.T, f *fakeFlink, set func(*Config)) *Engine {
	t.Helper()
	jar := filepath.Join(t.TempDir(), "saspart-flink-jobs-1.jar")
	if err := os.WriteFile(jar, []byte("a program"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := Default()
	c.Address, c.Jar = f.URL, jar
	if set != nil {
		set(&c)
	}
	e, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func scheme(t *testing.T, name string, workers int) partition.Scheme {
	t.Helper()
	c := registry.Default()
	c.Name = name
	s, err := registry.New(c, workers)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t *testing.T, f *Engine, e *trial, partitioner string) *Job {
	t.Helper()
	j, err := f.Open(e.under(t, partitioner))
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func next(t *testing.T, j *Job) *policy.Window {
	t.Helper()
	ctx, cancel := context.WithTimeout(background, 60*time.Second)
	defer cancel()
	w, err := j.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestJobGivesWindowsAndFollowsRoutes(t *testing.T) {
	f := newFakeFlink(t)
	e := quick()
	e.Config.Partitioners = 2
	const long = 200 * time.Millisecond
	var timed int64
	e.Latency = func(h *hdrhistogram.Histogram) { timed += h.TotalCount() }
	j := open(t, engineOn(t, f, nil), e, "table")
	for n := range 3 {
		w := next(t, j)
		if w.Step != n || w.Start != time.Duration(n)*long || w.End != w.Start+long {
			t.Errorf("window %d is %d, from %v to %v", n, w.Step, w.Start, w.End)
		}
		// On a busy machine the rate may come late.
		if n > 0 && (w.OfferedRate < 1990 || w.OfferedRate > 2010) || w.Partitioner != "table" || len(w.Reducer) != 2 || w.Pairs != 12 || w.FanOut != 2 {
			t.Errorf("window %d of %s: %v records/s due, reducers %v, %d pairs, fan-out %v", n, w.Partitioner, w.OfferedRate, w.Reducer, w.Pairs, w.FanOut)
		}
		if w.Route == nil || w.Route.Version >= 7 || !slices.Equal(w.Route.Slots, policy.HashRoute(4).Slots) {
			t.Errorf("window %d does not follow the route that jobs start with", n)
		}
		if w.LatencyMax != 2*time.Millisecond {
			t.Errorf("window %d has latency %v", n, w.LatencyMax)
		}
	}
	if timed == 0 {
		t.Error("no latencies are reported")
	}
	route := policy.HashRoute(4)
	route.Version = 7
	for i := range route.Slots {
		route.Slots[i] = uint16(3)
	}
	if err := j.Apply(policy.Decision{Route: route}); err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		w := next(t, j)
		if w.Route != nil && w.Route.Version == 7 && w.Busy[3] > 0.9 && w.Busy[0] == 0 {
			break
		}
		if n == 50 {
			t.Fatalf("the route is not followed: busy %v", w.Busy)
		}
	}
	for _, bad := range []*policy.Route{policy.HashRoute(5), {Workers: 4}} {
		if j.Apply(policy.Decision{Route: bad}) == nil {
			t.Errorf("a route for %d workers with %d slots is taken", bad.Workers, len(bad.Slots))
		}
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	if s := f.job().status(); s != "CANCELED" {
		t.Errorf("the job is %s after its end", s)
	}
	if _, err := j.Next(background); err == nil {
		t.Error("a closed job gives a window")
	}
}

// The settings that the job reads are those of the setup.
func TestSettings(t *testing.T) {
	f := newFakeFlink(t)
	e := quick()
	e.Task.Name, e.Seed = stream.TaskTDigest, 1<<63+5
	e.Config.Speeds = engine.Speeds{Kind: "straggler", Worker: 1, Factor: 0.5}
	e.Config.Costs.Unit = 30 * time.Microsecond
	j := open(t, engineOn(t, f, nil), e, "dalton-metrics")
	defer j.Close()
	s := f.job()
	c := &s.conf
	if s.class != "io.github.saspart.flink.jobs.TDigestJob" || c.Job != "clicks" || c.Workers != 4 || c.SlideMS != 100 || c.WindowMS != 200 {
		t.Errorf("%s: %+v", s.class, c)
	}
	if c.Rate != 0 || c.HashSlots != 4096 || c.HotKeys != 64 || c.Costs.Unit != 30_000 || uint64(c.Seed) != e.Seed || c.Token == "" {
		t.Errorf("%+v", c)
	}
	if !slices.Equal(c.Speeds, []float64{1, 0.5, 1, 1}) {
		t.Errorf("speeds %v", c.Speeds)
	}
	for text, want := range map[string]string{string(c.Partitioner): `"name":"dalton-metrics","published":false`, string(c.Source): `"interval":"30s"`, string(c.Task): `"compression":20`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
}

// A job gets the settings of its own partitioner alone: the connector refuses settings that
// it does not know.
func TestSettingsOfOnePartitioner(t *testing.T) {
	e := quick()
	setup := e.under(t, "wchoices")
	s, err := newSettings(&setup)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"choices":{"counters":0,"epsilon":0.0001,"head":5,"refresh":0.0625},"name":"wchoices","published":false}`
	if got := string(s.Partitioner); got != want {
		t.Errorf("the job gets %s, want %s", got, want)
	}
}

// A staged rate is sent in time, each stage for whole slides.
func TestRates(t *testing.T) {
	f := newFakeFlink(t)
	e := quick()
	e.Rate.Kind, e.Rate.Stages = stream.RateStaged, []stream.Stage{
		{Rate: 100, Duration: 600 * time.Millisecond}, {Rate: 0, Duration: 400 * time.Millisecond}, {Rate: 300, Duration: 800 * time.Millisecond}, {Rate: 50},
	}
	j := open(t, engineOn(t, f, nil), e, "hash")
	for range 11 {
		next(t, j)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	fake := f.job()
	fake.mu.Lock() // the job may be in its last slide still
	got := slices.Clone(fake.rates)
	fake.mu.Unlock()
	seen := slices.Compact(slices.Clone(got))
	if !slices.Equal(seen, []float64{100, 300, 50}) {
		t.Errorf("rates were %v", got)
	}
	for rate, want := range map[float64]int{100: 6, 300: 8} {
		n := 0
		for _, r := range got {
			if r == rate {
				n++
			}
		}
		if n < want-3 || n > want+3 { // on a busy machine orders may come late
			t.Errorf("%v records/s were in force for %d slides, not %d", rate, n, want)
		}
	}
}

// An adaptive rate goes up while workers idle.
func TestAdaptiveRate(t *testing.T) {
	f := newFakeFlink(t)
	e := quick()
	e.Rate.Kind, e.Rate.Rate = stream.RateAdaptive, 400
	e.Rate.Adaptive = stream.AdaptiveConfig{Interval: 400 * time.Millisecond, High: 0.9, Low: 0.7, Step: 100}
	j := open(t, engineOn(t, f, nil), e, "hash")
	defer j.Close()
	for n := 0; ; n++ {
		if w := next(t, j); w.OfferedRate >= 600 {
			break
		}
		if n == 100 {
			t.Fatal("the rate stays low")
		}
	}
}

func TestSwitch(t *testing.T) {
	f := newFakeFlink(t)
	e := quick()
	j := open(t, engineOn(t, f, nil), e, "hash")
	defer j.Close()
	if w := next(t, j); w.Partitioner != "hash" {
		t.Errorf("the partitioner is %q", w.Partitioner)
	}
	if err := j.Switch(scheme(t, "fish", 4)); err == nil || !strings.Contains(err.Error(), "wchoices") {
		t.Errorf("a partitioner that Flink has not: %v", err)
	}
	if err := j.Switch(scheme(t, "pkg", 4)); err != nil {
		t.Fatal(err)
	}
	for n := 0; next(t, j).Partitioner != "pkg"; n++ {
		if n == 50 {
			t.Fatal("the partitioner stays")
		}
	}
}
