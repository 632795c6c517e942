package local

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/jobtest"
	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
)

// Routes and partitioners may change at any time; results stay exact, and the
// windows tell. All subtasks change at the same slide where none is behind, as on a
// clock that waits for them; on the wall clock the machine may hold one up.
func TestLocalChangesWhileRunning(t *testing.T) {
	for _, execution := range []engine.Execution{engine.Emulated, engine.Native} {
		t.Run(string(execution), func(t *testing.T) { changeWhileRunning(t, execution).CheckOrder(t) })
	}
	jobtest.InBubble(t, "no subtask behind", func(t *testing.T) {
		log := changeWhileRunning(t, engine.Emulated)
		log.CheckOrder(t)
		log.CheckSame(t)
	})
}

// changeWhileRunning announces three routes after every window, and once another
// router.
func changeWhileRunning(t *testing.T, execution engine.Execution) *jobtest.FollowLog {
	t.Helper()
	c := engine.Default()
	c.Workers, c.Partitioners, c.Queue, c.Execution = 4, 3, 64, execution
	c.Slide, c.Window, c.MetricSlides = 2*time.Millisecond, 8*time.Millisecond, 1
	records := jobtest.RandomRecords(rand.New(rand.NewPCG(5, 6)), 20_000, 60, 200*time.Millisecond)
	got := map[jobtest.ResultID]string{}
	log := jobtest.NewFollowLog(c.Partitioners)
	j, err := openLocal(jobtest.WithList(engine.Setup{Config: c, Task: jobtest.Count(), Scheme: log.Scheme(), Seed: 1, Results: jobtest.CollectResults(t, got)}, records))
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
			if err := j.Apply(policy.Decision{Route: r}); err != nil {
				t.Fatal(err)
			}
		}
		if w.Step == 20 {
			if err := j.Switch(log.Scheme()); err != nil {
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
	jobtest.SameResults(t, got, jobtest.NaiveReduce(&c, jobtest.Count(), records))
	return log
}

// Every partitioner may follow every other in a running job, while gossip and routes are
// pending.
func TestLocalSwitchesThroughAll(t *testing.T) {
	jobtest.InBubble(t, "all", func(t *testing.T) {
		c := engine.Default()
		c.Workers, c.Partitioners, c.Slide, c.Window, c.MetricSlides = 4, 3, 5*time.Millisecond, 15*time.Millisecond, 2
		all := map[string]partition.Scheme{}
		var names []string
		for _, name := range jobtest.SchemeNames() {
			all[name] = jobtest.Scheme(t, name, c.Workers)
			names = append(names, name, "dalton-original", "hash") // so that all pairs with the most talkative occur
		}
		records := jobtest.RandomRecords(rand.New(rand.NewPCG(8, 9)), 20_000, 60, time.Duration(len(names))*10*time.Millisecond)
		got := map[jobtest.ResultID]string{}
		j, err := openLocal(jobtest.WithList(engine.Setup{Config: c, Task: jobtest.Count(), Scheme: all["hash"], Seed: 1, Results: jobtest.CollectResults(t, got)}, records))
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		inForce := map[string]bool{}
		l := loop.New(loop.Config{Workers: c.Workers})
		for {
			w, err := j.Next(context.Background())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			inForce[w.Partitioner] = true
			if err := j.Apply(l.Step(w)); err != nil {
				t.Fatal(err)
			}
			if len(names) > 0 {
				current := all[names[0]]
				names = names[1:]
				l.Switch(current.Controller)
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
		jobtest.SameResults(t, got, jobtest.NaiveReduce(&c, jobtest.Count(), records))
	})
}

// A route announced before the job starts is in force from its first record, and
// one announced later makes exactly the windows new in which it took over.
func TestLocalRouteNew(t *testing.T) {
	jobtest.InBubble(t, "routes", func(t *testing.T) {
		c := engine.Default()
		c.Partitioners, c.Slide, c.Window, c.MetricSlides = 2, 100*time.Millisecond, 100*time.Millisecond, 2
		log := jobtest.NewFollowLog(2)
		j := mustLocal(t, jobtest.SteadySetup(c, log.Scheme(), 10_000, 1))
		route := func(v uint64) {
			r := policy.HashRoute(c.Workers)
			r.Version = v
			if err := j.Apply(policy.Decision{Route: r}); err != nil {
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
			w := jobtest.NextWindow(t, j)
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
