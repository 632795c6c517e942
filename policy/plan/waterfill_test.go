package plan_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/internal/toy"
	"github.com/saspart/saspart/policy/plan"
)

// With counts that scatter by chance, routes become good and then rest; when a
// worker slows down, its load leaves within a few windows.
func TestWaterfillSettles(t *testing.T) {
	for _, p := range []int{8, 64} {
		j := toy.New(p, 1.2, 20000, 1)
		j.RNG = rand.New(rand.NewPCG(4, 4))
		f := plan.NewWaterfill(plan.DefaultWaterfill(), p)
		j.Follow(t, f, 20)
		// By chance a worker of 64 is some 2 % off with 100,000 records remembered.
		limit := 1 + 4*math.Sqrt(float64(p)/1e5)
		if got := j.Busiest(); got > limit {
			t.Errorf("%d workers: after 20 windows the busiest has %.3f of its part, more than %.3f", p, got, limit)
		}
		if n := j.Follow(t, f, 30); n > 6 {
			t.Errorf("%d workers: %d new routes in 30 windows in which nothing changed", p, n)
		}
		j.Speeds[2] *= 0.4
		slow := j.Busiest()
		j.Follow(t, f, 6)
		if got := j.Busiest(); got > limit+0.25*(slow-1) {
			t.Errorf("%d workers: 6 windows after one slowed down the busiest has %.3f, from %.3f", p, got, slow)
		}
	}
}

// Exact windows in which nothing changes need one route, or a second one once the
// workers that had little to do are measured.
func TestWaterfillRests(t *testing.T) {
	j := toy.New(16, 1.5, 1e9, 2)
	f := plan.NewWaterfill(plan.DefaultWaterfill(), 16)
	routes := j.Follow(t, f, 30)
	if got := j.Busiest(); routes > 2 || got > 1.01 {
		t.Errorf("%d routes, the busiest has %.4f of its part", routes, got)
	}
}

func TestWaterfillWhenToDecide(t *testing.T) {
	j := toy.New(8, 1.5, 1e6, 3)
	f := plan.NewWaterfill(plan.DefaultWaterfill(), 8)
	w := j.Window()
	w.RouteNew = true
	if f.Decide(w, j.Route).Route != nil {
		t.Error("it decides on a window of two routes")
	}
	w.RouteNew = false
	w.Busy = w.Busy[:7]
	if f.Decide(w, j.Route).Route != nil {
		t.Error("it decides on a window of 7 workers")
	}
	r := f.Decide(j.Window(), j.Route).Route
	if r == nil || r.Version != 0 {
		t.Fatalf("the first route is %v", r)
	}
	// It plans from the latest route, whatever is in force.
	if again := f.Decide(j.Window(), r).Route; again != nil {
		t.Errorf("while its route is not in force yet it decides on %v", again)
	}
	if again := f.Decide(j.Window(), j.Route).Route; again == nil {
		t.Error("another controller took its route back, and it does not decide again")
	}
}

// Whatever a window claims, the answer is a valid route or none.
func TestWaterfillWithstands(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.IntRange(1, 20).Draw(t, "workers")
		c := plan.DefaultWaterfill()
		c.Speed.Smoothing = rapid.SampledFrom([]plan.Smoothing{plan.Fixed, plan.Kalman}).Draw(t, "smoothing")
		f := plan.NewWaterfill(c, p)
		number := rapid.OneOf(rapid.Float64Range(0, 1), rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 0, 2, 1e300, 5e-324}))
		count := rapid.OneOf(rapid.Int64Range(0, 1e6), rapid.SampledFrom([]int64{-5, 0, math.MaxInt64, math.MinInt64}))
		slots := rapid.SampledFrom([]int{0, 1, 16}).Draw(t, "slots")
		for range rapid.IntRange(1, 5).Draw(t, "windows") {
			w := &policy.Window{
				Records: count.Draw(t, "records"), Counts: rapid.SliceOfN(count, p, p).Draw(t, "counts"),
				Busy: rapid.SliceOfN(number, p, p).Draw(t, "busy"), Slots: rapid.SliceOfN(count, slots, slots).Draw(t, "slot"),
			}
			for i := range rapid.IntRange(0, 5).Draw(t, "hot") {
				w.Hot = append(w.Hot, policy.HotKey{Hash: uint64(i%3) << 62, Count: count.Draw(t, "hot count"), Error: count.Draw(t, "error")})
			}
			if r := f.Decide(w, policy.HashRoute(p)).Route; r != nil {
				if err := r.Validate(); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestWaterfillConfigValidate(t *testing.T) {
	if c := plan.DefaultWaterfill(); c.Validate() != nil {
		t.Errorf("the default does not validate: %v", c.Validate())
	}
	for why, change := range map[string]func(*plan.WaterfillConfig){
		"gain": func(c *plan.WaterfillConfig) { c.Gain = math.NaN() }, "noise": func(c *plan.WaterfillConfig) { c.Noise = -1 },
		"speed": func(c *plan.WaterfillConfig) { c.Speed.Alpha = 2 }, "load": func(c *plan.WaterfillConfig) { c.Load.Alpha = 0 },
		"plan": func(c *plan.WaterfillConfig) { c.Plan.Slack = -1 }, "jump": func(c *plan.WaterfillConfig) { c.Load.Jump = math.Inf(-1) },
	} {
		c := plan.DefaultWaterfill()
		if change(&c); c.Validate() == nil {
			t.Errorf("%s: validates", why)
		}
	}
}
