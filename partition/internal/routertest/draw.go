package routertest

import (
	"math"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/policy"
)

// DrawRoute draws a valid route whose keys come from few hashes, so that several
// fall into one slot and routes have keys in common.
func DrawRoute(t *rapid.T, workers int) *policy.Route {
	slots := 1 << rapid.IntRange(0, 5).Draw(t, "slots")
	r := &policy.Route{Workers: workers, Slots: make([]uint16, slots)}
	for i := range r.Slots {
		r.Slots[i] = uint16(rapid.IntRange(0, workers-1).Draw(t, "slot"))
	}
	for _, h := range rapid.SliceOfNDistinct(DrawHash(), 0, 30, rapid.ID).Draw(t, "keys") {
		k := policy.KeyRoute{Hash: h}
		n := rapid.IntRange(1, min(workers, 6)).Draw(t, "fan-out")
		first := rapid.IntRange(0, workers-n).Draw(t, "first")
		for i := range n {
			k.Workers = append(k.Workers, uint16(first+i))
			k.Shares = append(k.Shares, 1/float64(n))
		}
		r.Keys = append(r.Keys, k)
	}
	if err := r.Validate(); err != nil {
		t.Fatal(err)
	}
	return r
}

// DrawHash draws one of a few hashes: small, equal but for the top bits, the
// extremes, and well mixed ones.
func DrawHash() *rapid.Generator[uint64] {
	return rapid.OneOf(
		rapid.Uint64Range(0, 15),
		rapid.Map(rapid.Uint64Range(0, 15), func(k uint64) uint64 { return k << 60 }),
		rapid.Map(rapid.Uint64Range(0, 15), func(k uint64) uint64 { return math.MaxUint64 - k }),
		rapid.Map(rapid.Uint64Range(0, 31), func(k uint64) uint64 { return (k + 1) * 0x9ddfea08eb382d69 }),
	)
}

// DrawStream draws a stream over few keys, some of whose hashes collide in all
// but a few bits.
func DrawStream(t *rapid.T, label string) []uint64 {
	key := rapid.OneOf(
		rapid.Uint64Range(0, 30),
		rapid.Map(rapid.Uint64Range(0, 8), func(k uint64) uint64 { return k << 60 }),
		rapid.Map(rapid.IntRange(0, 40), func(k int) uint64 { return uint64(k) * 0x0123456789abcdef }),
	)
	return rapid.SliceOfN(key, 0, 400).Draw(t, label)
}
