package jobtest

import (
	"math/rand/v2"
	"time"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/internal/sums"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/registry"
)

// Combining is the name of hash behind aggregation at the senders (CombineLocal).
const Combining = "combining"

// SchemeNames are all partitioners, Combining, and one that splits keys without saying so.
func SchemeNames() []string { return append(registry.Names(), "scatter", Combining) }

// Scheme makes the partitioner of a name.
func Scheme(t tester, name string, workers int) partition.Scheme {
	cfg := registry.Default()
	switch cfg.Name = name; name {
	case "scatter":
		return Scatter()
	case Combining:
		cfg.Name = "hash"
	}
	s, err := registry.New(cfg, workers)
	if err != nil {
		t.Fatal(err)
	}
	s.Name = name
	return s
}

// CheckExact runs one job of a drawn shape to its end and holds every result against the
// naive reduction of the same records.
func CheckExact(t *rapid.T, open func(engine.Setup) (engine.Job, error), scheme, taskName string) {
	c := engine.Default()
	c.Workers = rapid.OneOf(rapid.IntRange(1, 9), rapid.IntRange(1, 257)).Draw(t, "workers")
	c.Partitioners = rapid.SampledFrom([]int{1, 3}).Draw(t, "partitioners")
	c.Reducers = rapid.IntRange(1, 3).Draw(t, "reducers")
	c.Queue = rapid.SampledFrom([]int{1, 2, 16, 1024}).Draw(t, "queue")
	c.Slide = 10 * time.Millisecond
	c.Window = c.Slide * time.Duration(rapid.IntRange(1, 4).Draw(t, "window"))
	c.MetricSlides = rapid.IntRange(1, 3).Draw(t, "metric")
	c.Costs.Record = time.Duration(rapid.SampledFrom([]int{200, 20_000, 300_000}).Draw(t, "cost")) // the last overloads a worker
	seed := rapid.Uint64().Draw(t, "seed")
	records := RandomRecords(rand.New(rand.NewPCG(seed, 1)), rapid.IntRange(0, 400).Draw(t, "records"), 40, 100*time.Millisecond)
	task := NewTask(t, taskName)
	if scheme == Combining {
		c.Combine = engine.CombineLocal
		c.CombineKeys = rapid.SampledFrom([]int{1, 3, 1000}).Draw(t, "combine keys")
		c.CombineAge = time.Duration(rapid.SampledFrom([]int{1, 3, 1000}).Draw(t, "combine age")) * time.Millisecond
	}
	s := Scheme(t, scheme, c.Workers)
	got := map[ResultID]string{}
	setup := WithList(engine.Setup{Config: c, Task: task, Scheme: s, Seed: seed, Results: CollectResults(t, got)}, records)
	if rapid.IntRange(0, 7).Draw(t, "idle") > 0 { // else there is a second of empty windows before the end
		EndSoon(setup)
	}
	j, err := open(setup)
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, w := range RunOut(t, j, s.Controller) {
		total += w.Records
		sum := sums.Of(w.Counts)
		if sum != w.Records {
			t.Fatalf("window at %v: workers finished %d records, the window says %d", w.Start, sum, w.Records)
		}
	}
	if total != int64(len(records)) {
		t.Fatalf("%d records went in, %d were finished", len(records), total)
	}
	SameResults(t, got, NaiveReduce(&c, task, records))
}
