package sim

import (
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/jobtest"
	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

func TestMain(m *testing.M) { jobtest.Main(m) }

// newSim makes a benchmark's job with 1 ms of work per record at speed 1.
func newSim(t testing.TB, rate float64, change func(*engine.Setup)) *Job {
	t.Helper()
	c := engine.Default()
	c.Workers = 4
	c.Costs = engine.Costs{Record: time.Millisecond}
	s := jobtest.Setup(t, "count", "hash", rate, c)
	if change != nil {
		change(&s)
	}
	j, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// Busy ratios are what queueing theory says: arrivals per second times service
// time over speed, whatever the order of arrivals.
func TestSimBusyRatios(t *testing.T) {
	j := newSim(t, 1000, func(s *engine.Setup) {
		s.Scheme = roundRobin()
		s.Config.Speeds = engine.Speeds{Kind: "list", List: []float64{1, 0.5, 2, 0.4}}
	})
	for range 3 {
		jobtest.NextWindow(t, j)
	}
	w := jobtest.NextWindow(t, j)
	for i, want := range []float64{0.25, 0.5, 0.125, 0.625} { // 250 records/s of 1 ms each
		if math.Abs(w.Busy[i]-want) > 0.002 {
			t.Errorf("worker %d is busy for %.4f, want %.4f", i, w.Busy[i], want)
		}
		if w.Counts[i] != 250 {
			t.Errorf("worker %d finished %d records, want 250", i, w.Counts[i])
		}
	}
	if w.Backpressured != 0 || w.ActualRate != 1000 || w.OfferedRate != 1000 {
		t.Errorf("actual %v of offered %v, backpressured %v; nothing held the records up", w.ActualRate, w.OfferedRate, w.Backpressured)
	}
	if got := w.LatencyP50; got < 500*time.Microsecond || got > 3*time.Millisecond {
		t.Errorf("median latency is %v; service takes 0.4 to 2.5 ms and no record waits", got)
	}
}

// A saturated worker holds the whole stream to its own speed, once its queue is
// full: head-of-line backpressure. The arrivals' clock continues, so latencies grow.
func TestSimBackpressure(t *testing.T) {
	j := newSim(t, 2000, func(s *engine.Setup) {
		s.Scheme = roundRobin()
		s.Config.Queue = 16
		s.Config.Speeds = engine.Speeds{Kind: "list", List: []float64{1, 1, 1, 0.25}}
	})
	var w *policy.Window
	for range 5 {
		before := w
		w = jobtest.NextWindow(t, j)
		if before != nil && w.LatencyP99 <= before.LatencyP99 {
			t.Errorf("window at %v: latency is %v, no more than %v before, though the job falls behind", w.Start, w.LatencyP99, before.LatencyP99)
		}
	}
	// The slow worker does 250 records/s and gets every fourth.
	if math.Abs(w.ActualRate-1000) > 5 {
		t.Errorf("the job takes %v records/s, the slow worker allows 1000", w.ActualRate)
	}
	if w.Busy[3] != 1 || math.Abs(w.Busy[0]-0.25) > 0.01 {
		t.Errorf("busy %v, want the slow worker at 1 and the others at 0.25", w.Busy)
	}
	if w.Queue[3] < 0.9 || w.Queue[0] > 0.1 {
		t.Errorf("queues are filled %v, want the slow worker's full and the others' empty", w.Queue)
	}
	if w.Backpressured < 0.9 {
		t.Errorf("backpressured for %v of the time; the subtask does nothing but wait", w.Backpressured)
	}
}

// A route announced between two windows holds for the whole next one; announced
// to a late job, the window in which it comes into force is mixed.
func TestSimRouteTakesHold(t *testing.T) {
	for _, c := range []struct {
		why   string
		rate  float64
		mixed bool
	}{
		{"no subtask is behind: the next window is the new route's alone", 1000, false},
		{"the subtask is behind: the slide boundary comes late", 9000, true},
	} {
		j := newSim(t, c.rate, func(s *engine.Setup) { s.Scheme = jobtest.TableScheme(t, 4) })
		for range 3 {
			jobtest.NextWindow(t, j)
		}
		r := policy.HashRoute(4)
		for i := range r.Slots {
			r.Slots[i] = 2
		}
		r.Version = 1
		if err := j.Apply(policy.Decision{Route: r}); err != nil {
			t.Fatal(err)
		}
		mixed := false
		for range 40 {
			w := jobtest.NextWindow(t, j)
			mixed = mixed || w.RouteNew
			if w.Route == r {
				break
			}
		}
		if mixed != c.mixed {
			t.Errorf("%s: a mixed window was %v", c.why, mixed)
		}
		if !c.mixed {
			w := jobtest.NextWindow(t, j)
			if w.Counts[2] != w.Records {
				t.Errorf("%s: counts %v, want all at worker 2", c.why, w.Counts)
			}
		}
	}
}

func TestSimRefusesRoutes(t *testing.T) {
	j := newSim(t, 1000, nil)
	bad := policy.HashRoute(4)
	bad.Keys = []policy.KeyRoute{{Workers: []uint16{0}, Shares: []float64{math.NaN()}}}
	for why, r := range map[string]*policy.Route{"made for another P": policy.HashRoute(5), "a share that is no number": bad} {
		if j.Apply(policy.Decision{Route: r}) == nil {
			t.Errorf("%s: the route was taken", why)
		}
	}
}

// The same seed gives the same windows, for every partitioner, with several
// subtasks.
func TestSimIsDeterministic(t *testing.T) {
	for _, name := range jobtest.SchemeNames() {
		run := func() []*policy.Window {
			c := engine.Default()
			c.Partitioners, c.Queue = 3, 64
			s := jobtest.Setup(t, "wordcount", "hash", 4_000, c)
			s.Scheme = jobtest.Scheme(t, name, c.Workers)
			j, err := New(s)
			if err != nil {
				t.Fatal(err)
			}
			var out []*policy.Window
			l := loop.New(loop.Config{Workers: s.Config.Workers, Controller: s.Scheme.Controller})
			for range 6 {
				w := jobtest.NextWindow(t, j)
				out = append(out, w)
				if err := j.Apply(l.Step(w)); err != nil {
					t.Fatal(err)
				}
			}
			return out
		}
		if a, b := run(), run(); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: two runs with one seed differ:\n%s", name, cmp.Diff(a, b))
		}
	}
}

// A reducer that can't keep up holds its workers up, and they the stream.
func TestSimReducersPushBack(t *testing.T) {
	j := newSim(t, 1000, func(s *engine.Setup) {
		s.Scheme = jobtest.FixedScheme(1 << 31)
		s.Config.Costs = engine.Costs{Record: time.Microsecond, Merge: 50 * time.Millisecond}
		s.Config.Queue, s.Config.Reducers = 4, 1
	})
	var w *policy.Window
	for range 8 {
		w = jobtest.NextWindow(t, j)
	}
	if w.Reducer[0] < 0.99 {
		t.Errorf("the reducer is busy for %v; it has more to do than it can", w.Reducer[0])
	}
	if w.Backpressured < 0.5 {
		t.Errorf("backpressured for %v; the reducer holds everything up", w.Backpressured)
	}
	for i, b := range w.Busy {
		if b > 0.1 {
			t.Errorf("worker %d is busy for %v; waiting for a reducer is not being busy", i, b)
		}
	}
}

// An interrupted job resumes where it was.
func TestSimGoesOnAfterCancel(t *testing.T) {
	j := newSim(t, 1000, nil)
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := j.Next(gone); !errors.Is(err, context.Canceled) {
		t.Fatalf("Next with a cancelled context: %v", err)
	}
	if w := jobtest.NextWindow(t, j); w.Step != 0 || w.ActualRate != 1000 {
		t.Errorf("the first window after it: step %d, rate %v", w.Step, w.ActualRate)
	}
}

// Switching the partitioner while the job runs keeps results exact.
func TestSimSwitch(t *testing.T) {
	c := engine.Default()
	c.Slide, c.Window, c.MetricSlides, c.Partitioners = 10*time.Millisecond, 30*time.Millisecond, 2, 3
	records := jobtest.RandomRecords(rand.New(rand.NewPCG(1, 2)), 2000, 40, 300*time.Millisecond)
	task := jobtest.NewTask(t, "wordcount")
	got := map[jobtest.ResultID]string{}
	j, err := New(jobtest.WithList(engine.Setup{Config: c, Task: task, Scheme: jobtest.FixedScheme(0), Results: jobtest.CollectResults(t, got)}, records))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for i := 0; ; i++ {
		w, err := j.Next(context.Background())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names[w.Partitioner] = true
		next := jobtest.Scatter()
		if i%2 == 1 {
			next = jobtest.FixedScheme(0)
		}
		if err := j.Switch(next); err != nil {
			t.Fatal(err)
		}
	}
	if len(names) < 2 {
		t.Errorf("windows name the partitioners %v, want both", names)
	}
	jobtest.SameResults(t, got, jobtest.NaiveReduce(&c, task, records))
}

// roundRobin deals records out in turn: a stream without skew.
func roundRobin() partition.Scheme {
	return partition.Scheme{Name: "turns", NewRouter: func(env partition.Env) partition.Router {
		return &turns{workers: env.Workers}
	}}
}

type turns struct{ workers, next int }

func (r *turns) Route(_ *stream.Batch, dst []partition.Dest) {
	for i := range dst {
		dst[i] = partition.Dest(r.next)
		r.next = (r.next + 1) % r.workers
	}
}
func (*turns) EndSlide(int64) {}
