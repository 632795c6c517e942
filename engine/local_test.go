package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openLocal makes a job whose listed arrivals go on for a millisecond only, so
// that it learns of its sources' end right after their last record.
func openLocal(s Setup) (*Local, error) {
	for _, r := range s.Rates {
		if l, ok := r.(*listArrivals); ok {
			end := int64(0)
			if n := len(l.times); n > 0 {
				end = l.times[n-1]
			}
			l.times = append(l.times, end+int64(time.Millisecond))
		}
	}
	return NewLocal(s)
}

// inBubble runs a test on a clock that moves only when every goroutine waits
// (testing/synctest), so that emulated jobs take no longer than their work.
func inBubble(t *testing.T, name string, run func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, run) })
}

// bubbled keeps rapid from asking for the deadline, which a test in a bubble must
// not.
type bubbled struct{ *testing.T }

// steady are arrivals at equal gaps, a subtask's share of the job's rate.
type steady struct {
	rate           float64 // of the whole job, records/s
	subtask, tasks int
	n              int64 // records so far
}

func (s *steady) Fill(times []int64, until int64) int {
	for i := range times {
		k := s.n*int64(s.tasks) + int64(s.subtask)
		t := int64(float64(k) / s.rate * 1e9)
		if t >= until {
			return i
		}
		times[i] = t
		s.n++
	}
	return len(times)
}
func (s *steady) Observe(time.Duration, float64) {}
func (s *steady) RateAt(time.Duration) float64   { return s.rate }

// skewed is a source of keys k0, k1, ... of which low numbers are heavier, with
// a payload for wordcount; it never ends.
type skewed struct {
	rng  *rand.Rand
	keys []string
	hash []uint64
	pow  float64
}

func newSkewed(keys int, pow float64, seed uint64) *skewed {
	s := &skewed{rng: rand.New(rand.NewPCG(seed, 7)), pow: pow}
	for i := range keys {
		k := fmt.Sprintf("k%d", i)
		s.keys, s.hash = append(s.keys, k), append(s.hash, stream.Hash(k))
	}
	return s
}

func (s *skewed) Fill(b *stream.Batch) (int, error) {
	for i := range b.Records {
		k := int(float64(len(s.keys)) * math.Pow(s.rng.Float64(), s.pow))
		b.Records[i].Key, b.Records[i].Hash, b.Hashes[i] = s.keys[k], s.hash[k], s.hash[k]
		b.Records[i].Text = "to be or not to be"
	}
	return len(b.Records), nil
}

// steadySetup is a job of the given shape at a rate, of the task count.
func steadySetup(c Config, sc partition.Scheme, rate, pow float64) Setup {
	s := Setup{Config: c, Task: countTask{}, Scheme: sc, Seed: 1}
	for i := range c.Partitioners {
		s.Sources = append(s.Sources, newSkewed(1000, pow, uint64(i)))
		s.Rates = append(s.Rates, &steady{rate: rate, subtask: i, tasks: c.Partitioners})
	}
	return s
}

// countTask counts records.
type countTask struct{}

type countState int64

func (countTask) Name() string                     { return "count" }
func (countTask) NewState() stream.State           { return new(countState) }
func (countTask) Units(*stream.Record) int         { return 0 }
func (c *countState) Add(*stream.Record)           { *c++ }
func (c *countState) Merge(o stream.State)         { *c += *o.(*countState) }
func (c *countState) Reset()                       { *c = 0 }
func (c *countState) Count() int64                 { return int64(*c) }
func (c *countState) Size() int                    { return 1 }
func (c *countState) AppendText(dst []byte) []byte { return fmt.Append(dst, int64(*c)) }

// onWallClock gives a check on the real clock three chances: a machine with other
// things to do may spoil one.
func onWallClock(t *testing.T, check func(t testing.TB)) {
	t.Helper()
	for range 2 {
		a := &attempt{T: t}
		if check(a); !a.failed {
			return
		}
	}
	check(t)
}

// attempt notes errors that are not final.
type attempt struct {
	*testing.T
	failed bool
}

func (a *attempt) Errorf(format string, args ...any) {
	a.failed = true
	a.Logf("will try again: "+format, args...)
}

func mustLocal(t testing.TB, s Setup) *Local {
	t.Helper()
	j, err := NewLocal(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

// The reduced results are those of one worker, whatever the partitioner, the
// task, the number of subtasks and the size of queues.
func TestLocalResultsEqualOneWorkers(t *testing.T) {
	for name := range schemes(t, 2) {
		inBubble(t, name, func(t *testing.T) {
			n := 0
			rapid.Check(bubbled{t}, func(t *rapid.T) {
				task := rapid.SampledFrom(stream.TaskNames()).Draw(t, "task")
				if n++; n <= 12 || !testing.Short() {
					checkExact(t, func(s Setup) (Job, error) { return openLocal(s) }, name, task)
				}
			})
		})
	}
}

// On the real clock, with workers that really take the time or none, results are
// just as exact. Run under -race this is where goroutines meet.
func TestLocalResultsOnTheWallClock(t *testing.T) {
	for _, capacity := range []Capacity{Emulated, Native} {
		for name, sc := range schemes(t, 5) {
			t.Run(string(capacity)+"/"+name, func(t *testing.T) {
				t.Parallel()
				c := Default()
				c.Workers, c.Partitioners, c.Queue, c.Capacity = 5, 3, 16, capacity
				c.Slide, c.Window, c.MetricSlides = 5*time.Millisecond, 10*time.Millisecond, 2
				records := randomRecords(rand.New(rand.NewPCG(3, 4)), 3000, 60, 60*time.Millisecond)
				got := map[resultID]string{}
				j, err := openLocal(withList(Setup{Config: c, Task: countTask{}, Scheme: sc, Seed: 1, Results: collectResults(t, got)}, records))
				if err != nil {
					t.Fatal(err)
				}
				total := int64(0)
				for _, w := range runOut(t, j, sc.Controller) {
					total += w.Records
				}
				if total != int64(len(records)) {
					t.Errorf("%d records went in, %d were finished", len(records), total)
				}
				sameResults(t, got, naiveReduce(&c, countTask{}, records))
			})
		}
	}
}

// A saturated job runs at the speed of its workers over the cost of a record, no
// matter how late goroutines wake up.
func TestLocalSaturatedRate(t *testing.T) {
	check := func(t testing.TB, c Config, pow float64, want float64) {
		j := mustLocal(t, steadySetup(c, fixedScheme(0), 4*want, pow))
		nextWindow(t, j)
		var got, held float64
		const windows = 3
		for range windows {
			w := nextWindow(t, j)
			got += float64(w.Records) / (w.End - w.Start).Seconds() / windows
			held += w.Backpressured / windows
			if top := busiest(w); top < 0.97 {
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
	c := Default()
	c.Workers, c.Queue, c.MetricSlides = 4, 256, 1
	c.Slide, c.Window = 200*time.Millisecond, 200*time.Millisecond
	c.Costs = Costs{Record: 20 * time.Microsecond}
	// One key: everything goes to one worker.
	one := func(c Config) Config { c.Workers = 1; return c }
	inBubble(t, "virtual clock", func(t *testing.T) { check(t, one(c), 1, 50_000) })
	inBubble(t, "slow worker", func(t *testing.T) {
		c := one(c)
		c.Speeds = Speeds{Kind: "list", List: []float64{0.5}}
		check(t, c, 1, 25_000)
	})
	inBubble(t, "tiny queue", func(t *testing.T) { // a queue of 80 us against a clock of 1 ms
		c := one(c)
		c.Queue = 4
		check(t, c, 1, 50_000)
	})
	inBubble(t, "costly routing", func(t *testing.T) {
		c := c
		c.Costs = Costs{Record: time.Microsecond, Route: 50 * time.Microsecond}
		j := mustLocal(t, steadySetup(c, fixedScheme(0), 100_000, 1))
		nextWindow(t, j)
		if w := nextWindow(t, j); math.Abs(w.ActualRate-20_000) > 1000 {
			t.Errorf("%.0f records/s sent at 50 us each", w.ActualRate)
		}
	})
	t.Run("wall clock", func(t *testing.T) {
		onWallClock(t, func(t testing.TB) { check(t, one(c), 1, 50_000) })
	})
}

// Below saturation the busy ratio of each worker is its load over its speed.
func TestLocalBusyRatios(t *testing.T) {
	check := func(t testing.TB, tolerance float64) {
		c := Default()
		c.Workers, c.Partitioners, c.MetricSlides = 3, 2, 2
		c.Costs = Costs{Record: 10 * time.Microsecond}
		c.Speeds = Speeds{Kind: "list", List: []float64{1, 2, 0.5}}
		j := mustLocal(t, steadySetup(c, fixedScheme(0), 100_000, 1))
		nextWindow(t, j)
		w := nextWindow(t, j)
		length := (w.End - w.Start).Seconds()
		for i, speed := range c.Speeds.List {
			want := min(1, float64(w.Counts[i])*10e-6/speed/length)
			if math.Abs(w.Busy[i]-want) > tolerance {
				t.Errorf("worker %d finished %d records in %.3f s: busy %.3f, want %.3f", i, w.Counts[i], length, w.Busy[i], want)
			}
		}
	}
	inBubble(t, "virtual clock", func(t *testing.T) { check(t, 0.005) })
	t.Run("wall clock", func(t *testing.T) {
		onWallClock(t, func(t testing.TB) { check(t, 0.03) })
	})
}

// A native worker that is given time-consuming work is busy, and work ratio
// makes it so.
func TestLocalNativeWorkRatio(t *testing.T) {
	busy := func(ratio float64) float64 {
		c := Default()
		c.Workers, c.Capacity, c.WorkRatio = 1, Native, ratio
		c.Slide, c.Window = 20*time.Millisecond, 20*time.Millisecond
		j := mustLocal(t, steadySetup(c, fixedScheme(0), 20_000, 1))
		nextWindow(t, j)
		w := nextWindow(t, j)
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
	inBubble(t, "straggler", func(t *testing.T) {
		c := Default()
		c.Workers, c.Queue, c.MetricSlides = 4, 64, 1
		c.Costs = Costs{Record: 10 * time.Microsecond}
		c.Speeds = Speeds{Kind: "straggler", Worker: 0, Factor: 0.1}
		j := mustLocal(t, steadySetup(c, fixedScheme(0), 200_000, 1))
		nextWindow(t, j)
		w := nextWindow(t, j)
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

// Routes and partitioners may change at any time; results stay exact, all
// subtasks change at the same slide, and the windows tell.
func TestLocalChangesWhileRunning(t *testing.T) {
	for _, capacity := range []Capacity{Emulated, Native} {
		t.Run(string(capacity), func(t *testing.T) {
			c := Default()
			c.Workers, c.Partitioners, c.Queue, c.Capacity = 4, 3, 64, capacity
			c.Slide, c.Window, c.MetricSlides = 2*time.Millisecond, 8*time.Millisecond, 1
			records := randomRecords(rand.New(rand.NewPCG(5, 6)), 20_000, 60, 200*time.Millisecond)
			got := map[resultID]string{}
			log := newFollowLog(c.Partitioners)
			j, err := openLocal(withList(Setup{Config: c, Task: countTask{}, Scheme: log.scheme(), Seed: 1, Results: collectResults(t, got)}, records))
			if err != nil {
				t.Fatal(err)
			}
			version, total, seen := uint64(0), int64(0), uint64(0)
			for {
				w, err := j.Next(context.Background())
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				total += w.Records
				if w.Route != nil {
					if w.Route.Version < seen {
						t.Errorf("route %d in force after %d", w.Route.Version, seen)
					}
					seen = w.Route.Version
				}
				for range 3 { // the last of these counts
					version++
					r := policy.HashRoute(c.Workers)
					r.Version = version
					if err := j.Apply(r); err != nil {
						t.Fatal(err)
					}
				}
				if w.Step == 20 {
					if err := j.Switch(log.scheme()); err != nil {
						t.Fatal(err)
					}
				}
			}
			if total != int64(len(records)) {
				t.Errorf("%d records went in, %d were finished", len(records), total)
			}
			if seen == 0 {
				t.Error("no window names a route")
			}
			log.check(t)
			sameResults(t, got, naiveReduce(&c, countTask{}, records))
		})
	}
}

// Every partitioner may follow every other in a running job, with what its
// subtasks tell each other and its routes under way.
func TestLocalSwitchesThroughAll(t *testing.T) {
	inBubble(t, "all", func(t *testing.T) {
		c := Default()
		c.Workers, c.Partitioners, c.Slide, c.Window, c.MetricSlides = 4, 3, 5*time.Millisecond, 15*time.Millisecond, 2
		all := schemes(t, c.Workers)
		var names []string
		for name := range all {
			names = append(names, name, "dalton-original", "hash") // so that all pairs with the most talkative occur
		}
		records := randomRecords(rand.New(rand.NewPCG(8, 9)), 20_000, 60, time.Duration(len(names))*10*time.Millisecond)
		got := map[resultID]string{}
		j, err := openLocal(withList(Setup{Config: c, Task: countTask{}, Scheme: all["hash"], Seed: 1, Results: collectResults(t, got)}, records))
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		inForce, current := map[string]bool{}, all["hash"]
		for {
			w, err := j.Next(context.Background())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			inForce[w.Partitioner] = true
			if current.Controller != nil {
				if r := current.Controller.Decide(w); r != nil {
					if err := j.Apply(r); err != nil {
						t.Fatal(err)
					}
				}
			}
			if len(names) > 0 {
				current, names = all[names[0]], names[1:]
				if err := j.Switch(current); err != nil {
					t.Fatal(err)
				}
			}
		}
		for name := range all {
			if !inForce[name] {
				t.Errorf("%s was never in force", name)
			}
		}
		sameResults(t, got, naiveReduce(&c, countTask{}, records))
	})
}

// followLog is a partitioner that notes which subtask takes up which route when.
type followLog struct{ taken [][]string }

func newFollowLog(subtasks int) *followLog { return &followLog{make([][]string, subtasks)} }

func (l *followLog) scheme() partition.Scheme {
	return partition.Scheme{Name: "log", NewRouter: func(env partition.Env) partition.Router {
		return &followRouter{fixedRouter{uint64(env.Workers), 0}, env.Subtask, l}
	}}
}

type followRouter struct {
	fixedRouter
	subtask int
	log     *followLog
}

func (r *followRouter) Follow(route *policy.Route, slide int64) {
	l := &r.log.taken[r.subtask] // each subtask's own
	*l = append(*l, fmt.Sprintf("route %d at slide %d", route.Version, slide))
}

// check compares what the subtasks took up, as far as all of them came.
func (l *followLog) check(t *testing.T) {
	t.Helper()
	for i, other := range l.taken {
		n := min(len(other), len(l.taken[0]))
		if n == 0 {
			t.Errorf("subtask %d took up no route", i)
		}
		for k := range n {
			if other[k] != l.taken[0][k] {
				t.Fatalf("subtask 0 took up %s, subtask %d %s", l.taken[0][k], i, other[k])
			}
		}
	}
}

// A route announced before the job starts is in force from its first record, and
// one announced later makes exactly the windows new in which it took over.
func TestLocalRouteNew(t *testing.T) {
	inBubble(t, "routes", func(t *testing.T) {
		c := Default()
		c.Partitioners, c.Slide, c.Window, c.MetricSlides = 2, 100*time.Millisecond, 100*time.Millisecond, 2
		log := newFollowLog(2)
		j := mustLocal(t, steadySetup(c, log.scheme(), 10_000, 1))
		route := func(v uint64) {
			r := policy.HashRoute(c.Workers)
			r.Version = v
			if err := j.Apply(r); err != nil {
				t.Fatal(err)
			}
		}
		route(1)
		for step, want := range []struct {
			version uint64
			isNew   bool
			why     string
		}{
			{1, false, "announced before the start"},
			{1, false, "nothing has changed"},
			{2, true, "announced after the window had begun"},
			{2, false, "in force from the window's beginning"},
		} {
			w := nextWindow(t, j)
			if w.Route == nil || w.Route.Version != want.version || w.RouteNew != want.isNew {
				t.Errorf("window %d: route %+v, new %v; want version %d, new %v: %s", step, w.Route.Version, w.RouteNew, want.version, want.isNew, want.why)
			}
			if w.Partitioner != "log" {
				t.Errorf("window %d: partitioner %q", step, w.Partitioner)
			}
			if step == 1 {
				route(2)
			}
		}
	})
}

// Whatever a job is doing, it ends when told to: TestMain sees what stays behind.
func TestLocalEnds(t *testing.T) {
	c := Default()
	c.Queue, c.Slide, c.Window, c.MetricSlides = 4, 5*time.Millisecond, 5*time.Millisecond, 1
	c.Costs.Record = time.Second // workers asleep, subtasks blocked
	t.Run("never started", func(t *testing.T) {
		j := mustLocal(t, steadySetup(c, fixedScheme(0), 100_000, 1))
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := j.Next(context.Background()); err == nil {
			t.Error("a closed job goes on")
		}
	})
	t.Run("closed", func(t *testing.T) {
		j := mustLocal(t, steadySetup(c, fixedScheme(0), 100_000, 1))
		if w := nextWindow(t, j); w.Backpressured < 0.5 {
			t.Errorf("blocked %.3f of the time", w.Backpressured)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		j := mustLocal(t, steadySetup(c, fixedScheme(0), 100_000, 1))
		nextWindow(t, j)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		for range 2 {
			if _, err := j.Next(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		}
	})
	t.Run("source fails", func(t *testing.T) {
		s := steadySetup(c, fixedScheme(0), 100_000, 1)
		s.Sources[0] = brokenSource{}
		j := mustLocal(t, s)
		var err error
		for err == nil {
			_, err = j.Next(context.Background())
		}
		if !strings.Contains(err.Error(), "partitioner subtask 0: line 7") {
			t.Errorf("got %v", err)
		}
	})
}

type brokenSource struct{}

func (brokenSource) Fill(*stream.Batch) (int, error) { return 0, errors.New("line 7: no such word") }

// Who does not report in time is missing from the window, not made up, and what
// was counted meanwhile is in a later one.
func TestLocalMissingReport(t *testing.T) {
	inBubble(t, "stalled", func(t *testing.T) {
		c := Default()
		c.Workers, c.MetricSlides = 1, 1
		s := steadySetup(c, fixedScheme(0), 1000, 1)
		s.Task = &stallingTask{at: 300, length: 3 * time.Second}
		j := mustLocal(t, s)
		total, missed := int64(0), 0
		for w := nextWindow(t, j); ; w = nextWindow(t, j) {
			total += w.Records
			stalled := w.End > 300*time.Millisecond && w.End < 3300*time.Millisecond
			if math.IsNaN(w.Busy[0]) != stalled {
				t.Errorf("window %v to %v: busy %v; stalled from 0.3 s to 3.3 s", w.Start, w.End, w.Busy[0])
			}
			if stalled {
				missed++
				if w.Records != 0 {
					t.Errorf("window %v to %v: %d records of a worker that has not reported", w.Start, w.End, w.Records)
				}
			}
			if w.End >= 4*time.Second {
				break
			}
		}
		if missed == 0 {
			t.Error("no window was missed")
		}
		if due := int64(1000 * j.clock.now() / 1e9); total < due-10 || total > due {
			t.Errorf("%d records are in the windows, %d were due", total, due)
		}
	})
}

// stallingTask counts, and stalls once.
type stallingTask struct {
	countTask
	at, n  int
	length time.Duration
}

func (s *stallingTask) Units(*stream.Record) int {
	if s.n++; s.n == s.at {
		time.Sleep(s.length)
	}
	return 0
}

// A Next that is called late makes a longer window, and says so.
func TestLocalLateNext(t *testing.T) {
	inBubble(t, "late", func(t *testing.T) {
		c := Default()
		j := mustLocal(t, steadySetup(c, fixedScheme(0), 1000, 1))
		nextWindow(t, j)
		time.Sleep(2700 * time.Millisecond)
		for _, want := range []time.Duration{3700 * time.Millisecond, 5 * time.Second, 6 * time.Second} {
			w := nextWindow(t, j)
			if w.End != want {
				t.Errorf("window %v to %v, want its end at %v", w.Start, w.End, want)
			}
			if rate := float64(w.Records) / (w.End - w.Start).Seconds(); math.Abs(rate-1000) > 10 || math.Abs(w.ActualRate-1000) > 10 {
				t.Errorf("window %v to %v: %.0f records/s finished, %.0f sent, want 1000", w.Start, w.End, rate, w.ActualRate)
			}
		}
	})
}

// Impossible routes and schemes are refused.
func TestLocalRefuses(t *testing.T) {
	j := mustLocal(t, steadySetup(Default(), fixedScheme(0), 1000, 1))
	for name, err := range map[string]error{
		"a route for another number of workers": j.Apply(policy.HashRoute(3)),
		"a route that is none":                  j.Apply(&policy.Route{Workers: 8}),
		"a scheme without routers":              j.Switch(partition.Scheme{}),
	} {
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := NewLocal(Setup{}); err == nil {
		t.Error("a job of nothing is started")
	}
}
