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
	"github.com/saspart/saspart/partition/registry"
)

// With plan.max_workers_per_key 1 a key has one worker in every aggregation window, whatever
// routes are announced, and however late the subtasks are.
func TestAKeyKeepsItsWorker(t *testing.T) {
	check := func(t *rapid.T, open func(engine.Setup) (engine.Job, error)) {
		c := engine.Default()
		c.Workers = rapid.IntRange(2, 9).Draw(t, "workers")
		c.Partitioners = rapid.SampledFrom([]int{1, 3}).Draw(t, "partitioners")
		c.Queue = rapid.SampledFrom([]int{1, 4, 16}).Draw(t, "queue")
		c.Slide, c.MetricSlides = 10*time.Millisecond, rapid.IntRange(1, 3).Draw(t, "metric")
		c.Window = c.Slide * time.Duration(rapid.SampledFrom([]int{1, 3}).Draw(t, "slides"))
		c.Costs.Record = time.Duration(rapid.SampledFrom([]int{1, 5}).Draw(t, "cost")) * time.Millisecond
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
		records := jobtest.RandomRecords(rng, 400, 40, 60*time.Millisecond)
		settings := registry.Default()
		settings.Name, settings.Waterfill.Plan.MaxWorkersPerKey = "waterfill", 1
		scheme, err := registry.New(settings, c.Workers)
		if err != nil {
			t.Fatal(err)
		}
		got := map[jobtest.ResultID]string{}
		j, err := open(jobtest.WithList(engine.Setup{Config: c, Task: jobtest.Count(), Scheme: scheme, Seed: 1, Results: jobtest.CollectResults(t, got)}, records))
		if err != nil {
			t.Fatal(err)
		}
		routes := &randomRoutes{rng: rng, workers: c.Workers}
		for i := range records {
			if h := records[i].Hash; !slices.Contains(routes.keys, h) {
				routes.keys = append(routes.keys, h)
			}
		}
		for i, w := range jobtest.RunOut(t, j, routes) {
			if w.FanOut != 0 && w.FanOut != 1 { // 0: no window was reduced
				t.Fatalf("window %d: keys have %v workers in an aggregation window", i, w.FanOut)
			}
		}
		jobtest.SameResults(t, got, jobtest.NaiveReduce(&c, jobtest.Count(), records))
	}
	t.Run("sim", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) { check(t, func(s engine.Setup) (engine.Job, error) { return sim.New(s) }) })
	})
	jobtest.InBubble(t, "local", func(t *testing.T) {
		n := 0
		rapid.Check(jobtest.Bubbled{T: t}, func(t *rapid.T) {
			if n++; n <= 12 || !testing.Short() {
				check(t, func(s engine.Setup) (engine.Job, error) {
					jobtest.EndSoon(s)
					return local.New(s)
				})
			}
		})
	})
}
