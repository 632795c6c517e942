package index

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// An index is a map: whatever is set, overwritten and cleared, in whatever order.
func TestIndexIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x Index
		if rapid.Bool().Draw(t, "about to wrap") {
			x.round = math.MaxUint32 - 1
		}
		twin := map[uint64]int{}
		// Few hashes, so that keys meet; some that differ in one end only.
		hash := rapid.OneOf(rapid.Uint64Range(0, 40), rapid.Map(rapid.Uint64Range(0, 40), func(v uint64) uint64 { return v << 58 }), rapid.Uint64())
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				h, at := hash.Draw(t, "hash"), rapid.IntRange(0, math.MaxInt32).Draw(t, "at")
				x.Set(h, at)
				twin[h] = at
			},
			"clear": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "really") == 0 {
					x.Clear()
					clear(twin)
				}
			},
			"": func(t *rapid.T) {
				h := hash.Draw(t, "hash")
				at, ok := x.Get(h)
				want, there := twin[h]
				if ok != there || ok && at != want {
					t.Fatalf("hash %#x is at %d (%v), not %d (%v)", h, at, ok, want, there)
				}
				if x.Len() != len(twin) {
					t.Fatalf("%d keys, not %d", x.Len(), len(twin))
				}
			},
		})
	})
}

// Keys made to meet in one cell do so where their maker knows how hashes are spread, and
// nowhere else.
func TestIndexIsNotFlooded(t *testing.T) {
	cells := func(spread uint64) int {
		inverse := spread // by Newton's iteration, each step of which doubles the right bits
		for range 6 {
			inverse *= 2 - spread*inverse
		}
		var x Index
		for i := range 1000 {
			x.Set(uint64(i)*inverse, i)
		}
		seen := map[uint64]bool{}
		for i := range uint64(1000) {
			seen[i*inverse*secret>>x.shift] = true
		}
		return len(seen)
	}
	if n := cells(secret); n != 1 {
		t.Errorf("whoever knows the secret fills %d cells", n)
	}
	// The multiplier of other people's indices. One secret in some hundred thousand happens
	// to be so close to it, or to a simple fraction of it, that there are fewer.
	if n := cells(0x9e3779b97f4a7c15); n < 4 {
		t.Errorf("1000 keys begin in %d cells", n)
	}
}
