package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// benchSetup is a job over zipf 1.5 keys with one-word sentences out of 1,000 words.
func benchSetup(tb testing.TB, task, partitioner string, rate float64, c Config) Setup {
	tb.Helper()
	return benchWords(tb, task, partitioner, rate, c, 1000)
}

// benchWords is benchSetup with a vocabulary of so many words.
func benchWords(tb testing.TB, task, partitioner string, rate float64, c Config, vocabulary int) Setup {
	tb.Helper()
	tc := stream.DefaultTask()
	tc.Name = task
	tk, err := stream.NewTask(tc)
	if err != nil {
		tb.Fatal(err)
	}
	sc := stream.DefaultSource()
	sc.Kind, sc.Keys, sc.Exponent = stream.KindZipf, 10_000, 1.5
	sc.Sentences.Words, sc.Sentences.Vocabulary = 1, vocabulary
	sources, err := stream.OpenSources(sc, stream.SourceEnv{Subtasks: c.Partitioners, Seed: 1, Task: task})
	if err != nil {
		tb.Fatal(err)
	}
	pc := partition.Default()
	pc.Name = partitioner
	scheme, err := partition.New(pc, c.Workers)
	if err != nil {
		tb.Fatal(err)
	}
	s := Setup{Config: c, Task: tk, Sources: sources, Scheme: scheme, Seed: 1}
	rc := stream.DefaultRate()
	rc.Rate = rate
	for i := range c.Partitioners {
		s.Rates = append(s.Rates, stream.NewArrivals(rc, i, c.Partitioners, 1))
	}
	return s
}

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
			c := Default()
			c.Workers, c.Reducers, c.Slide, c.Window = 64, 4, time.Second, time.Second
			c.MetricSlides = 1
			c.Costs.Record = 2 * time.Nanosecond // nobody waits: what is timed is the machinery
			j, err := NewSim(benchWords(b, k.task, k.partitioner, 1e6, c, k.words))
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
func planned(tb testing.TB, j *Sim, workers int) {
	w := policy.NewWaterfill(policy.DefaultWaterfill(), workers)
	for range 4 {
		if r := w.Decide(nextWindow(tb, j)); r != nil {
			if err := j.Apply(r); err != nil {
				tb.Fatal(err)
			}
		}
	}
}

// splitRoute splits the ten heaviest keys of the benchmark's source over all
// workers and places the next 100.
func splitRoute(workers int) *policy.Route {
	r := policy.HashRoute(workers)
	for i := range 110 {
		k := policy.KeyRoute{Hash: stream.Hash(fmt.Sprintf("key-%04d", i))}
		if i < 10 {
			for w := range workers {
				k.Workers, k.Shares = append(k.Workers, uint16(w)), append(k.Shares, 1/float64(workers))
			}
		} else {
			k.Workers, k.Shares = []uint16{uint16(i % workers)}, []float64{1}
		}
		r.Keys = append(r.Keys, k)
	}
	r.Version = 1
	return r
}
