package tally

import (
	"math/bits"
	"math/rand/v2"
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
		k, naive := NewKeyCounts(1<<10), map[uint64]uint32{}
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			if rapid.IntRange(0, 50).Draw(t, "what") == 0 {
				k.Clear()
				clear(naive)
			}
			h := drawAlike(t)
			naive[h]++
			if got := k.Inc(h); got != naive[h] {
				t.Fatalf("key %#x counted %d times, is %d", h, naive[h], got)
			}
			if k.Len() != len(naive) {
				t.Fatalf("%d keys, are %d", len(naive), k.Len())
			}
		}
	})
}

func TestKeyCountsAtTheLimitKeepTheHeavyKeysExactly(t *testing.T) {
	const limit = 1 << 8
	k := NewKeyCounts(limit)
	rng := rand.New(rand.NewPCG(1, 2))
	heavy, n := uint64(12345), uint32(0)
	for i := range 100_000 {
		if i%10 == 0 {
			n++
			if got := k.Inc(heavy); got != n {
				t.Fatalf("after %d records the heavy key, %d of them, has count %d", i, n, got)
			}
		} else if got := k.Inc(rng.Uint64()); got != 1 {
			t.Fatalf("a key never seen before has count %d", got)
		}
	}
	if k.counts.Cells() != limit {
		t.Errorf("the table has %d cells, the limit is %d", k.counts.Cells(), limit)
	}
	if allocs := testing.AllocsPerRun(10, func() {
		for range 10_000 {
			k.Inc(rng.Uint64())
		}
	}); allocs != 0 {
		t.Errorf("%v allocations at the limit", allocs)
	}
}

func TestNumbersEqualAMapAndAFreeList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x Numbers
		naive, free := map[uint64]int32{}, []int32{}
		for range rapid.IntRange(0, 300).Draw(t, "steps") {
			h := drawAlike(t)
			if k, in := naive[h]; in {
				x.Remove(h, k)
				delete(naive, h)
				free = append(free, k)
			} else {
				want := int32(len(naive))
				if n := len(free); n > 0 {
					want, free = free[n-1], free[:n-1]
				}
				if got := x.Add(h); got != want {
					t.Fatalf("key %#x gets number %d, not %d", h, got, want)
				}
				naive[h] = want
			}
			for h := range uint64(41) {
				h <<= h % 3 * 24
				want, in := naive[h]
				if !in {
					want = -1
				}
				if got := x.Get(h); got != want {
					t.Fatalf("key %#x has number %d, not %d", h, got, want)
				}
			}
			if x.Len() != len(naive) {
				t.Fatalf("%d keys have numbers, not %d", x.Len(), len(naive))
			}
		}
	})
}

func TestCountMinIsNeverTooLow(t *testing.T) {
	c := NewCountMin(0.05, 0.9)
	if c.width != 40 || len(c.cells) != 4*40 {
		t.Errorf("%d columns and %d cells; epsilon 0.05 and confidence 0.9 make 40 columns and 4 rows", c.width, len(c.cells))
	}
	rng, naive, over := rand.New(rand.NewPCG(3, 4)), map[uint64]uint32{}, 0
	const records = 20_000
	for range records {
		h := uint64(rng.ExpFloat64() * 30)
		naive[h]++
		if got := c.Inc(h); got < naive[h] {
			t.Fatalf("key %d counted %d times, estimated %d", h, naive[h], got)
		}
	}
	for h, n := range naive {
		if c.Inc(h) > n+1+records/20 {
			over++
		}
	}
	if over > len(naive)/10 {
		t.Errorf("%d of %d estimates are over by more than epsilon; confidence 0.9 allows a tenth", over, len(naive))
	}
	c.Clear()
	if got := c.Inc(1); got != 1 {
		t.Errorf("estimate %d after clearing and one record", got)
	}
}

func TestMixIsABijectionThatSpreads(t *testing.T) {
	for bit := range 64 {
		flipped := bits.OnesCount64(Mix(0x0123456789abcdef) ^ Mix(0x0123456789abcdef^1<<bit))
		if flipped < 16 || flipped > 48 {
			t.Errorf("input bit %d flips %d output bits", bit, flipped)
		}
	}
}
