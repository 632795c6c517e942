package local

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/jobtest"
	"github.com/saspart/saspart/stream"
)

func TestMain(m *testing.M) { jobtest.Main(m) }

// openLocal makes a job that learns of its listed sources' end right after their last
// record.
func openLocal(s engine.Setup) (*Job, error) {
	jobtest.EndSoon(s)
	return New(s)
}

func mustLocal(t testing.TB, s engine.Setup) *Job {
	t.Helper()
	j, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

// The reduced results are those of one worker, whatever the partitioner, the
// task, the number of subtasks and the size of queues.
func TestLocalResultsEqualOneWorkers(t *testing.T) {
	for _, name := range jobtest.SchemeNames() {
		jobtest.InBubble(t, name, func(t *testing.T) {
			n := 0
			rapid.Check(jobtest.Bubbled{T: t}, func(t *rapid.T) {
				task := rapid.SampledFrom(stream.TaskNames()).Draw(t, "task")
				if n++; n <= 12 || !testing.Short() {
					jobtest.CheckExact(t, func(s engine.Setup) (engine.Job, error) { return openLocal(s) }, name, task)
				}
			})
		})
	}
}

// On the real clock, with workers that really take the time or none, results are
// just as exact. Run under -race this is where goroutines meet.
func TestLocalResultsOnTheWallClock(t *testing.T) {
	for _, execution := range []engine.Execution{engine.Emulated, engine.Native} {
		for _, name := range jobtest.SchemeNames() {
			t.Run(string(execution)+"/"+name, func(t *testing.T) {
				t.Parallel()
				c := engine.Default()
				c.Workers, c.Partitioners, c.Queue, c.Execution = 5, 3, 16, execution
				if name == jobtest.Combining {
					c.Combine, c.CombineKeys, c.CombineAge = engine.CombineLocal, 10, 2*time.Millisecond
				}
				c.Slide, c.Window, c.MetricSlides = 5*time.Millisecond, 10*time.Millisecond, 2
				scheme := jobtest.Scheme(t, name, c.Workers)
				records := jobtest.RandomRecords(rand.New(rand.NewPCG(3, 4)), 3000, 60, 60*time.Millisecond)
				got := map[jobtest.ResultID]string{}
				j, err := openLocal(jobtest.WithList(engine.Setup{Config: c, Task: jobtest.Count(), Scheme: scheme, Seed: 1, Results: jobtest.CollectResults(t, got)}, records))
				if err != nil {
					t.Fatal(err)
				}
				total := int64(0)
				for _, w := range jobtest.RunOut(t, j, scheme.Controller) {
					total += w.Records
				}
				if total != int64(len(records)) {
					t.Errorf("%d records went in, %d were finished", len(records), total)
				}
				jobtest.SameResults(t, got, jobtest.NaiveReduce(&c, jobtest.Count(), records))
			})
		}
	}
}

// A saturated job runs at the speed of its workers over the cost of a record, no
// matter how late goroutines wake up.
func TestLocalSaturatedRate(t *testing.T) {
	check := func(t testing.TB, c engine.Config, pow float64, want float64) {
		j := mustLocal(t, jobtest.SteadySetup(c, jobtest.FixedScheme(0), 4*want, pow))
		jobtest.NextWindow(t, j)
		var got, held float64
		const windows = 3
		for range windows {
			w := jobtest.NextWindow(t, j)
			got += float64(w.Records) / (w.End - w.Start).Seconds() / windows
			held += w.Backpressured / windows
			if top := engine.Busiest(w); top < 0.97 {
				t.Errorf("the busiest worker is busy %.3f of the time", top)
			}
		}
		if got < 0.95*want || got > 1.05*want {
			t.Errorf("%.0f records/s, want %.0f", got, want)
		}
		if held < 0.9 {
			t.Errorf("subtasks were blocked %.3f of the time, at four times the rate they can send", held)
		}
	}
	c := engine.Default()
	c.Workers, c.Queue, c.MetricSlides = 4, 256, 1
	c.Slide, c.Window = 200*time.Millisecond, 200*time.Millisecond
	c.Costs = engine.Costs{Record: 20 * time.Microsecond}
	// One key: everything goes to one worker.
	one := func(c engine.Config) engine.Config { c.Workers = 1; return c }
	jobtest.InBubble(t, "virtual clock", func(t *testing.T) { check(t, one(c), 1, 50_000) })
	jobtest.InBubble(t, "slow worker", func(t *testing.T) {
		c := one(c)
		c.Speeds = engine.Speeds{Kind: "list", List: []float64{0.5}}
		check(t, c, 1, 25_000)
	})
	jobtest.InBubble(t, "tiny queue", func(t *testing.T) { // a queue of 80 us against a clock of 1 ms
		c := one(c)
		c.Queue = 4
		check(t, c, 1, 50_000)
	})
	jobtest.InBubble(t, "costly routing", func(t *testing.T) {
		c := c
		c.Costs = engine.Costs{Record: time.Microsecond, Route: 50 * time.Microsecond}
		j := mustLocal(t, jobtest.SteadySetup(c, jobtest.FixedScheme(0), 100_000, 1))
		jobtest.NextWindow(t, j)
		if w := jobtest.NextWindow(t, j); math.Abs(w.ActualRate-20_000) > 1000 {
			t.Errorf("%.0f records/s sent at 50 us each", w.ActualRate)
		}
	})
	t.Run("wall clock", func(t *testing.T) {
		jobtest.OnWallClock(t, func(t testing.TB) { check(t, one(c), 1, 50_000) })
	})
}

// Below saturation the busy ratio of each worker is its load over its speed.
func TestLocalBusyRatios(t *testing.T) {
	check := func(t testing.TB, tolerance float64) {
		c := engine.Default()
		c.Workers, c.Partitioners, c.MetricSlides = 3, 2, 2
		c.Costs = engine.Costs{Record: 10 * time.Microsecond}
		c.Speeds = engine.Speeds{Kind: "list", List: []float64{1, 2, 0.5}}
		j := mustLocal(t, jobtest.SteadySetup(c, jobtest.FixedScheme(0), 100_000, 1))
		jobtest.NextWindow(t, j)
		w := jobtest.NextWindow(t, j)
		length := (w.End - w.Start).Seconds()
		for i, speed := range c.Speeds.List {
			want := min(1, float64(w.Counts[i])*10e-6/speed/length)
			if math.Abs(w.Busy[i]-want) > tolerance {
				t.Errorf("worker %d finished %d records in %.3f s: busy %.3f, want %.3f", i, w.Counts[i], length, w.Busy[i], want)
			}
		}
	}
	jobtest.InBubble(t, "virtual clock", func(t *testing.T) { check(t, 0.005) })
	t.Run("wall clock", func(t *testing.T) {
		jobtest.OnWallClock(t, func(t testing.TB) { check(t, 0.03) })
	})
}

// A native worker that is given time-consuming work is busy, and work ratio
// makes it so.
func TestLocalNativeWorkRatio(t *testing.T) {
	busy := func(ratio float64) float64 {
		c := engine.Default()
		c.Workers, c.Execution, c.WorkRatio = 1, engine.Native, ratio
		c.Slide, c.Window = 20*time.Millisecond, 20*time.Millisecond
		j := mustLocal(t, jobtest.SteadySetup(c, jobtest.FixedScheme(0), 20_000, 1))
		jobtest.NextWindow(t, j)
		w := jobtest.NextWindow(t, j)
		return w.Busy[0]
	}
	one, many := busy(1), busy(2000)
	if one <= 0 || many < 2*one {
		t.Errorf("busy %.4f at work ratio 1, %.4f at 2000", one, many)
	}
}

// A slow worker holds up the others when its queue is full: the head of the line
// blocks.
func TestLocalHeadOfLine(t *testing.T) {
	jobtest.InBubble(t, "straggler", func(t *testing.T) {
		c := engine.Default()
		c.Workers, c.Queue, c.MetricSlides = 4, 64, 1
		c.Costs = engine.Costs{Record: 10 * time.Microsecond}
		c.Speeds = engine.Speeds{Kind: "straggler", Worker: 0, Factor: 0.1}
		j := mustLocal(t, jobtest.SteadySetup(c, jobtest.FixedScheme(0), 200_000, 1))
		jobtest.NextWindow(t, j)
		w := jobtest.NextWindow(t, j)
		share := float64(w.Counts[0]) / float64(w.Records)
		if want := 10_000 / share; math.Abs(w.ActualRate-want) > 0.05*want {
			t.Errorf("%.0f records/s; worker 0, which does 10000/s, has %.3f of them", w.ActualRate, share)
		}
		if w.Queue[0] < 0.5 || w.Queue[1] > 0.5 {
			t.Errorf("queues are filled %v", w.Queue)
		}
		if w.LatencyP50 < 100*time.Millisecond {
			t.Errorf("median latency is %v in a job that falls behind: it must count from the intended arrival", w.LatencyP50)
		}
	})
}
