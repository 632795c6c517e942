package engine_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/jobtest"
	"github.com/saspart/saspart/engine/local"
	"github.com/saspart/saspart/engine/sim"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// catchUps makes a scheme's routers count the routes that they adopt inside a slide. Each router counts for itself, in its own goroutine.
type catchUps struct{ routers []*catchUpRouter }

func (h *catchUps) wrap(s partition.Scheme) partition.Scheme {
	open := s.NewRouter
	s.NewRouter = func(env partition.Env) partition.Router {
		r := &catchUpRouter{Router: open(env), ended: -1}
		h.routers = append(h.routers, r)
		return r
	}
	return s
}

// inside is how many routes were adopted inside a slide, once the job has ended.
func (h *catchUps) inside() int {
	n := 0
	for _, r := range h.routers {
		n += r.inside
	}
	return n
}

type catchUpRouter struct {
	partition.Router
	ended  int64 // the last slide
	inside int
}

func (h *catchUpRouter) EndSlide(slide int64) {
	h.ended = slide
	h.Router.EndSlide(slide)
}

func (h *catchUpRouter) Follow(r *policy.Route, slide int64) {
	if slide > h.ended+1 {
		h.inside++
	}
	h.Router.(partition.RouteFollower).Follow(r, slide)
}

// randomRoutes is a controller that makes up another route after every window, with
// keys of randomRecords placed and split anyhow.
type randomRoutes struct {
	rng     *rand.Rand
	workers int
	keys    []uint64
}

func (c *randomRoutes) Decide(*policy.Window, *policy.Route) policy.Decision {
	r := policy.HashRoute(c.workers)
	for i := range r.Slots {
		r.Slots[i] = uint16(c.rng.IntN(c.workers))
	}
	for _, k := range c.keys {
		switch n := 1 + c.rng.IntN(c.workers); c.rng.IntN(3) {
		case 0: // not named
		case 1:
			r.Keys = append(r.Keys, policy.KeyRoute{Hash: k, Workers: []uint16{uint16(n - 1)}, Shares: []float64{1}})
		default:
			s := policy.KeyRoute{Hash: k}
			for w := range n {
				s.Workers, s.Shares = append(s.Workers, uint16(w)), append(s.Shares, 1/float64(n))
			}
			r.Keys = append(r.Keys, s)
		}
	}
	parts := make([]float64, c.workers)
	for w := range parts {
		parts[w] = c.rng.Float64()
	}
	return policy.Decision{Route: r, Capacities: policy.CapacitiesOf(parts)}
}

// Results stay exact when routes are adopted inside slides, by subtasks that are
// not equally far, in windows of one slide and of several; and no record is lost.
func TestCatchUpKeepsResultsExact(t *testing.T) {
	check := func(t *rapid.T, open func(engine.Setup) (engine.Job, error), slides int) int {
		c := engine.Default()
		c.Workers = rapid.IntRange(2, 9).Draw(t, "workers")
		c.Partitioners = rapid.SampledFrom([]int{1, 3}).Draw(t, "partitioners")
		c.Reducers = rapid.IntRange(1, 3).Draw(t, "reducers")
		c.Queue = rapid.SampledFrom([]int{1, 4, 16}).Draw(t, "queue")
		c.Slide, c.MetricSlides = 10*time.Millisecond, rapid.IntRange(1, 3).Draw(t, "metric")
		c.Window = c.Slide * time.Duration(slides)
		c.Costs.Record = time.Duration(rapid.SampledFrom([]int{1, 5}).Draw(t, "cost")) * time.Millisecond
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
		records := jobtest.RandomRecords(rng, 400, 40, 60*time.Millisecond)
		var count catchUps
		got := map[jobtest.ResultID]string{}
		j, err := open(jobtest.WithList(engine.Setup{Config: c, Task: jobtest.Count(), Scheme: count.wrap(jobtest.TableScheme(t, c.Workers)), Seed: 1, Results: jobtest.CollectResults(t, got)}, records))
		if err != nil {
			t.Fatal(err)
		}
		routes := &randomRoutes{rng: rng, workers: c.Workers}
		for i := range records {
			if h := records[i].Hash; !slices.Contains(routes.keys, h) {
				routes.keys = append(routes.keys, h)
			}
		}
		total := int64(0)
		for _, w := range jobtest.RunOut(t, j, routes) {
			total += w.Records
		}
		if total != int64(len(records)) {
			t.Fatalf("%d records went in, %d were finished", len(records), total)
		}
		jobtest.SameResults(t, got, jobtest.NaiveReduce(&c, jobtest.Count(), records))
		return count.inside()
	}
	for _, slides := range []int{1, 3} {
		name := map[int]string{1: "windows of one slide", 3: "windows of three"}[slides]
		t.Run("sim/"+name, func(t *testing.T) {
			inside := 0
			rapid.Check(t, func(t *rapid.T) {
				inside += check(t, func(s engine.Setup) (engine.Job, error) { return sim.New(s) }, slides)
			})
			if inside == 0 {
				t.Error("no route was taken up inside a slide")
			}
		})
		jobtest.InBubble(t, "local/"+name, func(t *testing.T) {
			inside, n := 0, 0
			rapid.Check(jobtest.Bubbled{T: t}, func(t *rapid.T) {
				if n++; n <= 12 || !testing.Short() {
					inside += check(t, func(s engine.Setup) (engine.Job, error) {
						jobtest.EndSoon(s)
						return local.New(s)
					}, slides)
				}
			})
			if inside == 0 {
				t.Error("no route was taken up inside a slide")
			}
		})
	}
}

// recovery is what a job with a new heavy key does from the window on in which its
// route is announced.
type recovery struct {
	taken   int // windows until the route is in force
	settled int // windows until the source is held up no longer
	mixed   bool
	calm    bool // a window of the new route alone followed
}

// recoverFrom lets one key take 0.89 of a stream that 64 workers could do twice, and
// after two windows announces a route that splits it. Its one worker does 50 records
// a second, so the first slide, of 800, would take 14 windows to end.
func recoverFrom(t *testing.T, open func(engine.Setup) (engine.Job, error)) recovery {
	t.Helper()
	c := engine.Default()
	c.Workers, c.Queue, c.MetricSlides = 64, 64, 2
	c.Slide, c.Window = 500*time.Millisecond, time.Second
	c.Costs = engine.Costs{Record: 20 * time.Millisecond}
	j, err := open(jobtest.SteadySetup(c, jobtest.TableScheme(t, c.Workers), 1600, 60))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	jobtest.NextWindow(t, j)
	jobtest.NextWindow(t, j)
	route := policy.HashRoute(c.Workers)
	route.Version = 1
	heavy := policy.KeyRoute{Hash: stream.Hash("k0")}
	for w := range c.Workers {
		heavy.Workers, heavy.Shares = append(heavy.Workers, uint16(w)), append(heavy.Shares, 1/float64(c.Workers))
	}
	route.Keys = []policy.KeyRoute{heavy}
	if err := j.Apply(policy.Decision{Route: route}); err != nil {
		t.Fatal(err)
	}
	var r recovery
	for n := 1; n <= 40; n++ {
		w := jobtest.NextWindow(t, j)
		if r.taken == 0 && w.Route == route {
			r.taken = n
		}
		r.mixed = r.mixed || w.Route == route && w.RouteNew
		r.calm = r.calm || r.mixed && !w.RouteNew
		if r.settled == 0 && r.taken > 0 && w.Backpressured < 0.05 {
			r.settled = n
		}
	}
	return r
}

// A job that a new heavy key holds up recovers within a few windows of the route that
// splits the key, not after the slide in which it came; sim and local agree.
func TestCatchUpRelievesSource(t *testing.T) {
	jobtest.InBubble(t, "both", func(t *testing.T) {
		computed := recoverFrom(t, func(s engine.Setup) (engine.Job, error) { return sim.New(s) })
		live := recoverFrom(t, func(s engine.Setup) (engine.Job, error) { return local.New(s) })
		for name, r := range map[string]recovery{"sim": computed, "local": live} {
			if r.taken != 1 {
				t.Errorf("%s: the route is in force in window %d after it was announced, want the first", name, r.taken)
			}
			if r.settled == 0 || r.settled > 8 {
				t.Errorf("%s: the source was held up until window %d, want 8 at most (0: until the end)", name, r.settled)
			}
			if !r.mixed || !r.calm {
				t.Errorf("%s: a window of two routes said so: %v; one of the new route alone followed: %v", name, r.mixed, r.calm)
			}
		}
		if d := computed.settled - live.settled; d < -2 || d > 2 {
			t.Errorf("sim settles in window %d, local in window %d", computed.settled, live.settled)
		}
	})
}

// A late subtask adopts the latest route alone, once, and no older one after it. A route
// behind a switch waits for the switch.
func TestCatchUpTakesNewest(t *testing.T) {
	for name, open := range map[string]func(engine.Setup) (engine.Job, error){
		"sim":   func(s engine.Setup) (engine.Job, error) { return sim.New(s) },
		"local": func(s engine.Setup) (engine.Job, error) { return local.New(s) },
	} {
		jobtest.InBubble(t, name, func(t *testing.T) {
			c := engine.Default()
			c.Workers, c.Queue, c.MetricSlides = 4, 16, 2
			c.Slide, c.Window = 500*time.Millisecond, time.Second
			c.Costs = engine.Costs{Record: 10 * time.Millisecond}
			first, second := jobtest.NewFollowLog(1), jobtest.NewFollowLog(1)
			j, err := open(jobtest.SteadySetup(c, first.Scheme(), 4000, 60))
			if err != nil {
				t.Fatal(err)
			}
			apply := func(version uint64) {
				r := policy.HashRoute(c.Workers)
				r.Version = version
				if err := j.Apply(policy.Decision{Route: r}); err != nil {
					t.Fatal(err)
				}
			}
			jobtest.NextWindow(t, j)
			jobtest.NextWindow(t, j)
			apply(1)
			apply(2)
			if err := j.(engine.Switcher).Switch(second.Scheme()); err != nil {
				t.Fatal(err)
			}
			jobtest.NextWindow(t, j)
			apply(3)
			for range 30 { // slide 0 takes some 18 s
				jobtest.NextWindow(t, j)
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			for why, c := range map[string]struct{ got, want []jobtest.Taken }{
				"inside slide 0 only the newest of two":      {first.Taken[0], []jobtest.Taken{{Version: 2, Slide: 1}}},
				"by the router it is for, at the next slide": {second.Taken[0], []jobtest.Taken{{Version: 3, Slide: 1}}},
			} {
				if !slices.Equal(c.got, c.want) {
					t.Errorf("%s: %v taken up, want %v (version, first slide of its own)", why, c.got, c.want)
				}
			}
		})
	}
}
