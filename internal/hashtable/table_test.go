package hashtable

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// drawHash draws from few hashes, so that keys meet, and some that differ at one end only.
var drawHash = rapid.OneOf(
	rapid.Uint64Range(0, 40),
	rapid.Map(rapid.Uint64Range(0, 40), func(v uint64) uint64 { return v << 58 }),
	rapid.Uint64(),
)

// A table is a map, whatever is done to it in whatever order.
func TestTableIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x Table[int32]
		if rapid.Bool().Draw(t, "made with a size") {
			x = New[int32](1 << rapid.IntRange(1, 7).Draw(t, "cells"))
		}
		if rapid.Bool().Draw(t, "about to wrap") {
			x.Clear() // zero cells are of no round but 0
			x.round = math.MaxUint32 - 1
		}
		twin := map[uint64]int32{}
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				h, v := drawHash.Draw(t, "hash"), rapid.Int32().Draw(t, "value")
				x.Set(h, v)
				twin[h] = v
			},
			"add": func(t *rapid.T) {
				h := drawHash.Draw(t, "hash")
				was, there := twin[h]
				full := len(twin) == x.Cells()*5/8
				switch v := x.Add(h); {
				case v == nil && (there || !full):
					t.Fatalf("hash %#x cannot be added to %d keys in %d cells", h, len(twin), x.Cells())
				case v != nil && !there && full:
					t.Fatalf("%d keys in %d cells and yet room for one more", len(twin), x.Cells())
				case v != nil && *v != was:
					t.Fatalf("hash %#x has %d, not %d", h, *v, was)
				case v != nil:
					*v++
					twin[h] = was + 1
				}
			},
			"delete": func(t *rapid.T) {
				h := drawHash.Draw(t, "hash")
				x.Delete(h)
				delete(twin, h)
			},
			"retain": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "really") > 0 {
					return
				}
				keep := func(_ uint64, v int32) bool { return v%3 != 0 }
				x.Retain(keep)
				for h, v := range twin {
					if !keep(h, v) {
						delete(twin, h)
					}
				}
			},
			"grow": func(t *rapid.T) {
				if x.Cells() < 1<<10 {
					x.Grow()
				}
			},
			"clear": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "really") == 0 {
					x.Clear()
					clear(twin)
				}
			},
			"": func(t *rapid.T) {
				for h, want := range twin {
					if v, ok := x.Get(h); !ok || v != want {
						t.Fatalf("hash %#x has %d (%v), not %d", h, v, ok, want)
					}
				}
				h := drawHash.Draw(t, "hash")
				v := x.Find(h)
				if want, there := twin[h]; (v != nil) != there || v != nil && *v != want {
					t.Fatalf("hash %#x is found at %v; should it be there? %v", h, v, there)
				}
				if x.Len() != len(twin) {
					t.Fatalf("%d keys, not %d", x.Len(), len(twin))
				}
			},
		})
	})
}

// Keys made to meet in one cell do so only where their maker knows how hashes are spread.
func TestTableIsNotFlooded(t *testing.T) {
	cells := func(spread uint64) int {
		inverse := spread // by Newton's iteration, each step of which doubles the right bits
		for range 6 {
			inverse *= 2 - spread*inverse
		}
		var x Table[int32]
		for i := range 1000 {
			x.Set(uint64(i)*inverse, int32(i))
		}
		seen := map[uint64]bool{}
		for i := range uint64(1000) {
			seen[x.home(i*inverse)] = true
		}
		return len(seen)
	}
	if n := cells(secret); n != 1 {
		t.Errorf("an adversary who knows the secret fills %d cells", n)
	}
	// The multiplier that Fibonacci hashing uses elsewhere. One secret in some hundred
	// thousand happens to be so close to it, or to a simple fraction of it, that there are
	// fewer.
	if n := cells(0x9e3779b97f4a7c15); n < 4 {
		t.Errorf("1000 keys begin in %d cells", n)
	}
}

func TestTableAllocatesOnlyToGrow(t *testing.T) {
	x := New[uint32](1 << 10)
	rng := rand.New(rand.NewPCG(1, 2))
	if n := testing.AllocsPerRun(20, func() {
		x.Clear()
		for range 10_000 {
			h := rng.Uint64()
			if v := x.Add(h); v != nil {
				*v++
			} else {
				x.Retain(func(h uint64, _ uint32) bool { return h&1 == 0 })
			}
			x.Delete(h >> 1)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkTable times lookups among 10,000 keys, one in two of them there.
func BenchmarkTable(b *testing.B) {
	var x Table[int32]
	rng := rand.New(rand.NewPCG(1, 2))
	hashes := make([]uint64, 20_000)
	for i := range hashes {
		hashes[i] = rng.Uint64()
		if i%2 == 0 {
			x.Set(hashes[i], int32(i))
		}
	}
	rng.Shuffle(len(hashes), func(i, j int) { hashes[i], hashes[j] = hashes[j], hashes[i] })
	at, sum := 0, int32(0)
	for b.Loop() {
		if v := x.Find(hashes[at]); v != nil {
			sum += *v
		}
		if at++; at == len(hashes) {
			at = 0
		}
	}
}
