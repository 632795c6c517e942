package stream

import (
	"math/rand/v2"
	"testing"
)

// testBatch is a batch of n records whose times are gap ns apart.
func testBatch(n int, gap int64) *Batch {
	b := new(Batch)
	b.Resize(n)
	for i := range b.Records {
		b.Records[i].Time = int64(i) * gap
	}
	return b
}

func openOne(tb testing.TB, cfg SourceConfig, task string) Source {
	tb.Helper()
	s, err := OpenSources(cfg, SourceEnv{Subtasks: 1, Seed: 1, Task: task})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := CloseSources(s); err != nil {
			tb.Error(err)
		}
	})
	return s[0]
}

func BenchmarkZipfFill(b *testing.B) {
	for _, task := range TaskNames() {
		b.Run(task, func(b *testing.B) { benchmarkFill(b, DefaultSource(), task) })
	}
	for _, kind := range []string{KindZipfSequence, KindDrift} {
		b.Run(kind, func(b *testing.B) {
			cfg := DefaultSource()
			cfg.Kind = kind
			benchmarkFill(b, cfg, TaskCount)
		})
	}
}

func benchmarkFill(b *testing.B, cfg SourceConfig, task string) {
	const size = 512
	s, batch := openOne(b, cfg, task), testBatch(size, 1000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Fill(batch); err != nil {
			b.Fatal(err)
		}
	}
	perRecord(b, size)
}

// perRecord reports the time per record of a loop that handles n at a time.
func perRecord(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/record")
}

func BenchmarkArrivals(b *testing.B) {
	for _, spacing := range []string{SpacingEven, SpacingPoisson} {
		b.Run(spacing, func(b *testing.B) {
			cfg := DefaultRate()
			cfg.Spacing = spacing
			a, times := NewArrivals(cfg, 0, 1, 1), make([]int64, 512)
			b.ReportAllocs()
			for b.Loop() {
				a.Fill(times, 1<<62)
			}
			perRecord(b, len(times))
		})
	}
}

// benchmarkAdd adds records of the default source to one state.
func benchmarkAdd(b *testing.B, task string, source SourceConfig) {
	batch := testBatch(512, 1000)
	if _, err := openOne(b, source, task).Fill(batch); err != nil {
		b.Fatal(err)
	}
	s := newState(b, task)
	b.ReportAllocs()
	for b.Loop() {
		for i := range batch.Records {
			s.Add(&batch.Records[i])
		}
	}
	perRecord(b, len(batch.Records))
}

func newState(tb testing.TB, task string) State {
	tb.Helper()
	cfg := DefaultTask()
	cfg.Name = task
	t, err := NewTask(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return t.NewState()
}

func BenchmarkCountAdd(b *testing.B) { benchmarkAdd(b, TaskCount, DefaultSource()) }

func BenchmarkWordcountAdd(b *testing.B) {
	b.Run("8-words", func(b *testing.B) { benchmarkAdd(b, TaskWordcount, DefaultSource()) })
	b.Run("1-word", func(b *testing.B) {
		cfg := DefaultSource()
		cfg.Sentences.Words = 1
		benchmarkAdd(b, TaskWordcount, cfg)
	})
}

func BenchmarkTDigestAdd(b *testing.B) { benchmarkAdd(b, TaskTDigest, DefaultSource()) }

func BenchmarkTDigestMerge(b *testing.B) {
	x, y := newState(b, TaskTDigest), newState(b, TaskTDigest)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		y.Add(&Record{Values: []float64{rng.NormFloat64()}})
	}
	b.ReportMetric(float64(y.Size()), "centroids")
	for b.Loop() {
		x.Reset()
		x.Merge(y)
	}
}
