package partition

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawAlike draws from few hashes, some of which agree in many bits.
func drawAlike(t *rapid.T) uint64 {
	h := rapid.Uint64Range(0, 40).Draw(t, "hash")
	return h << (h % 3 * 24)
}

func TestKeyCountsEqualAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k, naive := newKeyCounts(1<<10), map[uint64]uint32{}
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			if rapid.IntRange(0, 50).Draw(t, "what") == 0 {
				k.clear()
				clear(naive)
			}
			h := drawAlike(t)
			naive[h]++
			if got := k.inc(h); got != naive[h] {
				t.Fatalf("key %#x counted %d times, is %d", h, naive[h], got)
			}
			if k.n != len(naive) {
				t.Fatalf("%d keys, are %d", len(naive), k.n)
			}
		}
	})
}

func TestKeyCountsAtTheLimitKeepTheHeavyKeysExactly(t *testing.T) {
	const limit = 1 << 8
	k := newKeyCounts(limit)
	rng := rand.New(rand.NewPCG(1, 2))
	heavy, n := uint64(12345), uint32(0)
	for i := range 100_000 {
		if i%10 == 0 {
			n++
			if got := k.inc(heavy); got != n {
				t.Fatalf("after %d records the heavy key, %d of them, has count %d", i, n, got)
			}
		} else if got := k.inc(rng.Uint64()); got != 1 {
			t.Fatalf("a key never seen before has count %d", got)
		}
	}
	if len(k.slots) != limit {
		t.Errorf("the table has %d slots, the limit is %d", len(k.slots), limit)
	}
	if allocs := testing.AllocsPerRun(10, func() {
		for range 10_000 {
			k.inc(rng.Uint64())
		}
	}); allocs != 0 {
		t.Errorf("%v allocations at the limit", allocs)
	}
}

func TestKeyCountsOutliveTheirGenerations(t *testing.T) {
	k := newKeyCounts(16)
	k.gen = ^uint32(0)
	k.inc(7)
	k.clear()
	k.inc(8)
	if got := k.inc(7); got != 1 {
		t.Errorf("a key counted before the last clear has count %d", got)
	}
}

func TestHashIndexEqualsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, naive := newHashIndex(), map[uint64]int32{}
		for i := range int32(rapid.IntRange(0, 300).Draw(t, "steps")) {
			h := drawAlike(t)
			if _, in := naive[h]; in || rapid.IntRange(0, 3).Draw(t, "what") == 0 {
				x.del(h)
				delete(naive, h)
			} else {
				x.put(h, i)
				naive[h] = i
			}
			for h := range uint64(41) {
				h <<= h % 3 * 24
				want, in := naive[h]
				if !in {
					want = -1
				}
				if got := x.get(h); got != want {
					t.Fatalf("key %#x has number %d, is %d", h, want, got)
				}
			}
		}
	})
}

func TestCountMinIsNeverTooLow(t *testing.T) {
	c := newCountMin(0.05, 0.9)
	if c.width != 40 || len(c.cells) != 4*40 {
		t.Errorf("%d columns and %d cells; epsilon 0.05 and confidence 0.9 make 40 columns and 4 rows", c.width, len(c.cells))
	}
	rng, naive, over := rand.New(rand.NewPCG(3, 4)), map[uint64]uint32{}, 0
	const records = 20_000
	for range records {
		h := uint64(rng.ExpFloat64() * 30)
		naive[h]++
		if got := c.inc(h); got < naive[h] {
			t.Fatalf("key %d counted %d times, estimated %d", h, naive[h], got)
		}
	}
	for h, n := range naive {
		if c.inc(h) > n+1+records/20 {
			over++
		}
	}
	if over > len(naive)/10 {
		t.Errorf("%d of %d estimates are over by more than epsilon; confidence 0.9 allows a tenth", over, len(naive))
	}
	c.clear()
	if got := c.inc(1); got != 1 {
		t.Errorf("estimate %d after clearing and one record", got)
	}
}

func TestWorkerSetEqualsItsHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := rapid.SampledFrom([]int{1, 5, 64, 70, 130}).Draw(t, "workers")
		slides := rapid.IntRange(1, 3).Draw(t, "slides")
		keep := rapid.Bool().Draw(t, "keep")
		s, row := newWorkerSets(2, workers, slides, keep)[1], 0
		last := make([]int, workers) // slide of the latest mark, from 1
		now := 1
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
				row, now = (row+1)%slides, now+1
				s.endSlide(row)
			} else {
				w := rapid.IntRange(0, workers-1).Draw(t, "worker")
				before := s.has(w)
				last[w] = now
				if s.mark(w, row) == before {
					t.Fatalf("worker %d: news although known, or the other way round", w)
				}
			}
			var known, used []int
			for w, at := range last {
				if at > 0 && now-at < slides {
					used = append(used, w)
				}
				if at > 0 && (keep || now-at < slides) {
					known = append(known, w)
				}
			}
			var got []int
			s.each(func(w int) { got = append(got, w) })
			if !slices.Equal(got, known) || s.n != len(known) {
				t.Fatalf("%d known: %v, want %v", s.n, got, known)
			}
			for j, w := range known {
				if s.pick(j) != w {
					t.Fatalf("pick(%d) is %d, want %d", j, s.pick(j), w)
				}
			}
			for w := range workers {
				only := len(used) == 0 || len(used) == 1 && used[0] == w
				if s.only(w) != only {
					t.Fatalf("only(%d) is %v with %v used", w, s.only(w), used)
				}
			}
		}
	})
}

func TestBestTreeEqualsAScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := make([]float64, rapid.IntRange(1, 20).Draw(t, "arms"))
		first := rapid.IntRange(-1, len(values)-1).Draw(t, "first")
		var tree bestTree
		tree.reset(values, first)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			arm := rapid.IntRange(0, len(values)-1).Draw(t, "arm")
			values[arm] = float64(rapid.IntRange(0, 4).Draw(t, "value"))
			tree.update(values, arm)
			want := max(first, 0)
			for i, v := range values {
				if v > values[want] {
					want = i
				}
			}
			if got := tree.best(); got != want {
				t.Fatalf("best of %v is %d, a scan from %d finds %d", values, got, first, want)
			}
		}
	})
}

func TestWeightTreeDrawsByWeight(t *testing.T) {
	for _, weights := range [][]float64{
		{1},
		{0, 0, 5},
		{1, 2, 3, 4, 5, 6, 7},
		{1e-300, 1, 0, 1e-300, 2},
		{3, 0, 0, 0},
	} {
		var tree weightTree
		tree.reset(len(weights))
		sum := 0.0
		for i, w := range weights {
			tree.set(i, w)
			sum += w
		}
		// Laid end to end, arm i reaches from at to at + its share.
		at := 0.0
		for i, w := range weights {
			if share := w / sum; share > 1e-9 {
				for _, part := range []float64{0.001, 0.5, 0.999} {
					if got := tree.draw(at + part*share); got != i {
						t.Errorf("weights %v at %v: arm %d, want %d", weights, at+part*share, got, i)
					}
				}
				at += share
			}
		}
		if last := tree.draw(1 - 1.0/(1<<53)); weights[last] == 0 {
			t.Errorf("weights %v: drew arm %d, which has none", weights, last)
		}
	}
}

func TestMixIsABijectionThatSpreads(t *testing.T) {
	for bit := range 64 {
		flipped := bits.OnesCount64(mix(0x0123456789abcdef) ^ mix(0x0123456789abcdef^1<<bit))
		if flipped < 16 || flipped > 48 {
			t.Errorf("input bit %d flips %d output bits", bit, flipped)
		}
	}
}
