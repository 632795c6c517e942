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
