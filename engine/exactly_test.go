package engine

import (
	"math/rand/v2"
	"time"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/stream"
)

// schemes are all partitioners there are, and the worst there could be.
func schemes(t tester, workers int) map[string]partition.Scheme {
	out := map[string]partition.Scheme{"scatter": scatter()}
	for _, name := range partition.Names() {
		cfg := partition.Default()
		cfg.Name = name
		s, err := partition.New(cfg, workers)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = s
	}
	hash := out["hash"]
	hash.Name = combining
	out[combining] = hash
	return out
}

// combining is the name of hash behind aggregation at the senders (CombineLocal).
const combining = "combining"

func checkExact(t *rapid.T, open func(Setup) (Job, error), scheme, taskName string) {
	c := Default()
	c.Workers = rapid.OneOf(rapid.IntRange(1, 9), rapid.IntRange(1, 257)).Draw(t, "workers")
	c.Partitioners = rapid.SampledFrom([]int{1, 3}).Draw(t, "partitioners")
	c.Reducers = rapid.IntRange(1, 3).Draw(t, "reducers")
	c.Queue = rapid.SampledFrom([]int{1, 2, 16, 1024}).Draw(t, "queue")
	c.Slide = 10 * time.Millisecond
	c.Window = c.Slide * time.Duration(rapid.IntRange(1, 4).Draw(t, "window"))
	c.MetricSlides = rapid.IntRange(1, 3).Draw(t, "metric")
	c.Costs.Record = time.Duration(rapid.SampledFrom([]int{200, 20_000, 300_000}).Draw(t, "cost")) // the last overloads a worker
	seed := rapid.Uint64().Draw(t, "seed")
	records := randomRecords(rand.New(rand.NewPCG(seed, 1)), rapid.IntRange(0, 400).Draw(t, "records"), 40, 100*time.Millisecond)
	cfg := stream.DefaultTask()
	cfg.Name = taskName
	task, err := stream.NewTask(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if scheme == combining {
		c.Combine = CombineLocal
		c.CombineKeys = rapid.SampledFrom([]int{1, 3, 1000}).Draw(t, "combine keys")
		c.CombineAge = time.Duration(rapid.SampledFrom([]int{1, 3, 1000}).Draw(t, "combine age")) * time.Millisecond
	}
	s := schemes(t, c.Workers)[scheme]
	got := map[resultID]string{}
	j, err := open(withList(Setup{Config: c, Task: task, Scheme: s, Seed: seed, Results: collectResults(t, got)}, records))
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, w := range runOut(t, j, s.Controller) {
		total += w.Records
		sum := int64(0)
		for _, n := range w.Counts {
			sum += n
		}
		if sum != w.Records {
			t.Fatalf("window at %v: workers finished %d records, the window says %d", w.Start, sum, w.Records)
		}
	}
	if total != int64(len(records)) {
		t.Fatalf("%d records went in, %d were finished", len(records), total)
	}
	sameResults(t, got, naiveReduce(&c, task, records))
}
