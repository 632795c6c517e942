package engine_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/jobtest"
	"github.com/saspart/saspart/engine/local"
	"github.com/saspart/saspart/engine/sim"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
)

func TestMain(m *testing.M) { jobtest.Main(m) }

// agreement is a job that sim and local are to agree on.
type agreement struct {
	why         string
	task        string
	partitioner string
	rate        float64 // far above what the job can do
	shape       func(*engine.Config)
	route       func(workers int) *policy.Route
}

// agreements differ in what bounds them: the worker of the heaviest key, a
// straggler that holds up three subtasks, or emission and reducers.
func agreements() []agreement {
	return []agreement{
		{why: "one key's worker is the bottleneck", task: "count", partitioner: "hash", rate: 500_000,
			shape: func(c *engine.Config) {
				c.Costs.Record = 20 * time.Microsecond
				c.Speeds = engine.Speeds{Kind: "uniform", Low: 0.5, High: 1.5}
			}},
		{why: "a straggler holds up three subtasks", task: "wordcount", partitioner: "wchoices", rate: 500_000,
			shape: func(c *engine.Config) {
				c.Workers, c.Partitioners, c.Queue = 16, 3, 256
				c.Costs.Record, c.Costs.Unit = 50*time.Microsecond, 20*time.Microsecond
				c.Speeds = engine.Speeds{Kind: "straggler", Worker: 3, Factor: 0.4}
			}},
		{why: "emission and merging take their share", task: "count", partitioner: "table", rate: 1_000_000, route: jobtest.SplitRoute,
			shape: func(c *engine.Config) {
				c.Workers, c.Partitioners, c.Reducers = 64, 2, 4
				c.Costs = engine.Costs{
					Record: 200 * time.Microsecond, Emit: 20 * time.Microsecond, Pane: 2 * time.Microsecond,
					Merge: 500 * time.Microsecond, Entry: 20 * time.Microsecond,
				}
			}},
	}
}

// setup is the job at a rate, with the route, if there is one, in force from the
// first record.
func (a *agreement) setup(t testing.TB, c engine.Config, rate float64) engine.Setup {
	s := jobtest.Setup(t, a.task, a.partitioner, rate, c)
	if a.route != nil {
		route, open := a.route(c.Workers), s.Scheme.NewRouter
		s.Scheme.NewRouter = func(env partition.Env) partition.Router {
			r := open(env)
			r.(partition.RouteFollower).Follow(route, 0)
			return r
		}
	}
	return s
}

// measured is a job's mean over some windows.
type measured struct {
	rate, held    float64
	busy, reducer []float64
}

// measureJob skips the windows before a job has reached its rate, and measures the
// next few.
func measureJob(t testing.TB, j engine.Job) measured {
	t.Helper()
	defer j.Close()
	const skipped, windows = 2, 3
	for range skipped {
		jobtest.NextWindow(t, j)
	}
	var m measured
	for range windows {
		w := jobtest.NextWindow(t, j)
		m.rate += float64(w.Records) / (w.End - w.Start).Seconds() / windows
		m.held += w.Backpressured / windows
		m.busy, m.reducer = plus(m.busy, w.Busy, windows), plus(m.reducer, w.Reducer, windows)
	}
	return m
}

func plus(sum, list []float64, n float64) []float64 {
	if sum == nil {
		sum = make([]float64, len(list))
	}
	for i, v := range list {
		sum[i] += v / n
	}
	return sum
}

// within fails unless got is within 5 % of want, or a hundredth for ratios so
// small that a window's ends show.
func within(t testing.TB, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= max(0.05*want, 0.01)) {
		t.Errorf("%s: local %.4f, sim %.4f", what, got, want)
	}
}

// The engines sim and local agree on the highest rate and, at 0.7 of it, on busy ratios:
// on the wall clock, and on a virtual clock that stands still while goroutines work.
func TestSimAndLocalAgree(t *testing.T) {
	for _, a := range agreements() {
		c := engine.Default()
		c.MetricSlides = 2
		a.shape(&c)
		computed := func(t testing.TB, rate float64) measured {
			j, err := sim.New(a.setup(t, c, rate))
			if err != nil {
				t.Fatal(err)
			}
			return measureJob(t, j)
		}
		compare := func(t testing.TB, calm bool) {
			live := func(rate float64) measured {
				j, err := local.New(a.setup(t, c, rate))
				if err != nil {
					t.Fatal(err)
				}
				return measureJob(t, j)
			}
			want, got := computed(t, a.rate), live(a.rate)
			t.Logf("highest rate: sim %.0f, local %.0f records/s", want.rate, got.rate)
			within(t, "highest rate", got.rate, want.rate)
			within(t, "backpressure at the highest rate", got.held, want.held)
			low := 0.7 * want.rate
			want, got = computed(t, low), live(low)
			within(t, "rate", got.rate, want.rate)
			if calm { // a machine that is held up makes a burst of the due records, for which a queue may be too short
				within(t, "backpressure", got.held, want.held)
			}
			for i := range want.busy {
				within(t, fmt.Sprintf("busy ratio of worker %d", i), got.busy[i], want.busy[i])
			}
			for i := range want.reducer {
				within(t, fmt.Sprintf("busy ratio of reducer %d", i), got.reducer[i], want.reducer[i])
			}
			t.Logf("busiest: sim %.3f, local %.3f; reducers sim %.3f, local %.3f",
				slices.Max(want.busy), slices.Max(got.busy), slices.Max(want.reducer), slices.Max(got.reducer))
		}
		jobtest.InBubble(t, a.why+"/virtual clock", func(t *testing.T) { compare(t, true) })
		t.Run(a.why+"/wall clock", func(t *testing.T) {
			t.Parallel() // emulated workers wait for most of the time
			jobtest.OnWallClock(t, func(t testing.TB) { compare(t, false) })
		})
	}
}

// TestCombineOnBothEngines: they agree on the rate of a saturated job.
func TestCombineOnBothEngines(t *testing.T) {
	c := engine.Default()
	c.Workers, c.Partitioners, c.Queue, c.MetricSlides, c.Combine = 8, 2, 256, 2, engine.CombineLocal
	c.Costs = engine.Costs{Record: time.Millisecond, Merge: 10 * time.Microsecond, Entry: 10 * time.Microsecond}
	s := jobtest.Setup(t, "count", "hash", 30_000, c)
	computed, err := sim.New(s)
	if err != nil {
		t.Fatal(err)
	}
	want := measureJob(t, computed)
	jobtest.InBubble(t, "virtual clock", func(t *testing.T) {
		live, err := local.New(jobtest.Setup(t, "count", "hash", 30_000, c))
		if err != nil {
			t.Fatal(err)
		}
		got := measureJob(t, live)
		if math.Abs(got.rate-want.rate) > 0.05*want.rate {
			t.Errorf("local holds %.0f records/s, sim %.0f", got.rate, want.rate)
		}
		for w := range want.busy {
			within(t, "busy ratio", got.busy[w], want.busy[w])
		}
	})
}
