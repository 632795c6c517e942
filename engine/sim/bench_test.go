package sim

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/jobtest"
	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/policy/plan"
)

// BenchmarkSim reports real records/s of the virtual-clock job at P 64. With one
// word per key, as when a text is counted by word, states are small; with 1,000
// words the split keys' tables outgrow the caches.
func BenchmarkSim(b *testing.B) {
	for _, k := range []struct {
		task, partitioner string
		words             int
	}{
		{"count", "hash", 1}, {"count", "table", 1},
		{"wordcount", "hash", 1}, {"wordcount", "table", 1},
		{"wordcount", "hash", 1000}, {"wordcount", "table", 1000},
	} {
		b.Run(fmt.Sprintf("%s/%s/words=%d", k.task, k.partitioner, k.words), func(b *testing.B) {
			c := engine.Default()
			c.Workers, c.Reducers, c.Slide, c.Window = 64, 4, time.Second, time.Second
			c.MetricSlides = 1
			c.Costs.Record = 2 * time.Nanosecond // nothing waits: the engine itself is timed
			j, err := New(jobtest.Words(b, k.task, k.partitioner, 1e6, c, k.words))
			if err != nil {
				b.Fatal(err)
			}
			defer j.Close()
			if k.partitioner == "table" {
				planned(b, j, c.Workers)
			}
			records := int64(0)
			for b.Loop() {
				w, err := j.Next(context.Background())
				if err != nil {
					b.Fatal(err)
				}
				records += w.Records
			}
			b.ReportMetric(float64(records)/b.Elapsed().Seconds()/1e6, "Mrecords/s")
		})
	}
}

// planned gives a job the route that waterfill finds for it within a few windows.
func planned(tb testing.TB, j *Job, workers int) {
	l := loop.New(loop.Config{Workers: workers, Controller: plan.NewWaterfill(plan.DefaultWaterfill(), workers)})
	for range 4 {
		if err := j.Apply(l.Step(jobtest.NextWindow(tb, j))); err != nil {
			tb.Fatal(err)
		}
	}
}
