package sketch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/partition/internal/routertest"
	"github.com/saspart/saspart/partition/internal/tally"
	"github.com/saspart/saspart/policy"
)

func TestSketchEqualsItsNaiveTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.IntRange(1, 20).Draw(t, "counters")
		fast, slow := NewSpaceSaving(m), &routertest.NaiveSketch{M: m}
		heavy := rapid.Bool().Draw(t, "weighted")
		for i, h := range routertest.DrawStream(t, "stream") {
			n := int64(1)
			if heavy {
				n = int64(i%7 + 1)
			}
			fast.ObserveN(h, fmt.Sprint(h), n)
			slow.Observe(h, fmt.Sprint(h), n)
		}
		for _, k := range []int{0, 1, m / 2, m, m + 5} {
			if diff := cmp.Diff(heaviest(slow.Keys, k), fast.Top(k, nil), cmpEmpty); diff != "" {
				t.Fatalf("top %d differs from the naive twin (-naive +fast):\n%s", k, diff)
			}
		}
	})
}

// cmpEmpty holds an empty slice equal to a nil one.
var cmpEmpty = cmp.Transformer("empty", func(keys []policy.HotKey) []policy.HotKey {
	if len(keys) == 0 {
		return nil
	}
	return keys
})

// checkGuarantees checks the three of the doc comment.
func checkGuarantees(t *rapid.T, s *SpaceSaving, m int, streams ...[]uint64) {
	truth := map[uint64]int64{}
	total := int64(0)
	for _, hashes := range streams {
		for _, h := range hashes {
			truth[h]++
			total++
		}
	}
	if s.Total() != total {
		t.Fatalf("Total is %d after %d records", s.Total(), total)
	}
	if s.Len() > m || s.Floor() > total/int64(m) {
		t.Fatalf("%d counters and a floor of %d after %d records in %d counters", s.Len(), s.Floor(), total, m)
	}
	for h, n := range truth {
		count, err, ok := s.Estimate(h)
		switch {
		case !ok && n > s.Floor():
			t.Fatalf("key %d had %d records and has no counter; floor %d", h, n, s.Floor())
		case ok && (count < n || count-err > n):
			t.Fatalf("key %d had %d records; estimated at %d less up to %d", h, n, count, err)
		}
	}
	for _, k := range s.Top(m, nil) {
		if k.Name != fmt.Sprint(k.Hash) {
			t.Fatalf("key %d is named %q", k.Hash, k.Name)
		}
	}
}

func TestSketchGuarantees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.IntRange(1, 20).Draw(t, "counters")
		s := NewSpaceSaving(m)
		hashes := routertest.DrawStream(t, "stream")
		s.ObserveBatch(routertest.BatchOf(hashes))
		checkGuarantees(t, s, m, hashes)
	})
}

func TestSketchGuaranteesAfterMerging(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.IntRange(1, 12).Draw(t, "counters")
		s := NewSpaceSaving(m)
		var streams [][]uint64
		for range rapid.IntRange(1, 4).Draw(t, "sketches") {
			hashes := routertest.DrawStream(t, "stream")
			other := NewSpaceSaving(m)
			other.ObserveBatch(routertest.BatchOf(hashes))
			s.Merge(other)
			streams = append(streams, hashes)
		}
		hashes := routertest.DrawStream(t, "after") // a merged sketch continues like any other
		s.ObserveBatch(routertest.BatchOf(hashes))
		checkGuarantees(t, s, m, append(streams, hashes)...)
	})
}

func TestSketchResetForgetsEverything(t *testing.T) {
	s, fresh := NewSpaceSaving(8), NewSpaceSaving(8)
	for i := range 1000 {
		s.ObserveN(uint64(i%37), fmt.Sprint(i), int64(i%5))
	}
	s.Reset()
	if s.Total() != 0 || s.Len() != 0 || s.Floor() != 0 || len(s.Top(8, nil)) != 0 {
		t.Fatalf("a reset sketch has %d records and %d keys", s.Total(), s.Len())
	}
	for i := range 500 {
		s.Observe(uint64(i*i%41), fmt.Sprint(i))
		fresh.Observe(uint64(i*i%41), fmt.Sprint(i))
	}
	if diff := cmp.Diff(fresh.Top(8, nil), s.Top(8, nil)); diff != "" {
		t.Errorf("a reset sketch differs from a new one (-new +reset):\n%s", diff)
	}
}

func TestSketchAllocatesNothing(t *testing.T) {
	batches := routertest.ZipfBatches(8, 1024, 10000, 0.8, 1)
	s := NewSpaceSaving(256)
	top := make([]policy.HotKey, 0, 64)
	i := 0
	if n := testing.AllocsPerRun(50, func() {
		s.ObserveBatch(&batches[i%len(batches)])
		top = s.Top(64, top)
		if i++; i%20 == 0 {
			s.Reset()
		}
	}); n != 0 {
		t.Errorf("%v allocations per batch; want none", n)
	}
}

// A sketch of 1024 counters names the true heavy hitters of a zipf stream, in
// order where they are far enough apart.
func TestSketchFindsTheHotKeys(t *testing.T) {
	s := NewSpaceSaving(1024)
	for _, b := range routertest.ZipfBatches(200, 1024, 10000, 1.2, 7) {
		s.ObserveBatch(&b)
	}
	names, _ := routertest.Keys(10)
	for i, k := range s.Top(10, nil) {
		if k.Name != names[i] {
			t.Errorf("rank %d is %s, want %s", i, k.Name, names[i])
		}
	}
}

// BenchmarkSketch times counting with 1024 counters; ns/record is the fastest of
// many passes over 16 batches.
func BenchmarkSketch(b *testing.B) {
	for _, z := range []float64{0.8, 1.0, 1.5} {
		batches := routertest.ZipfBatches(256, 1024, 10000, z, 3)
		b.Run(fmt.Sprintf("z=%.1f", z), func(b *testing.B) {
			s := NewSpaceSaving(1024)
			for i := range batches {
				s.ObserveBatch(&batches[i])
			}
			b.ReportAllocs()
			fastest := time.Hour
			for i := 0; b.Loop(); i += 16 {
				start := time.Now()
				for j := range 16 {
					s.ObserveBatch(&batches[(i+j)%len(batches)])
				}
				fastest = min(fastest, time.Since(start))
			}
			b.ReportMetric(float64(fastest)/16/1024, "ns/record")
		})
	}
}

func BenchmarkSketchTop(b *testing.B) {
	s := NewSpaceSaving(1024)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 100000 {
		s.Observe(rng.Uint64N(3000)*tally.Fib, "")
	}
	top := make([]policy.HotKey, 0, 256)
	for b.Loop() {
		top = s.Top(256, top)
	}
}

// heaviest is what Top should say of a naive sketch's keys.
func heaviest(keys []policy.HotKey, k int) []policy.HotKey {
	keys = slices.Clone(keys)
	slices.SortFunc(keys, heavier)
	return keys[:min(k, len(keys))]
}
