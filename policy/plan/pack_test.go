package plan

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestSortRanks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		load := rapid.OneOf(rapid.Uint64Range(0, 3), rapid.Uint64Range(0, whole), rapid.Just(uint64(whole)))
		loads := rapid.SliceOfN(load, 0, 300).Draw(t, "loads")
		ranks := make([]uint64, len(loads))
		for s, l := range loads {
			ranks[s] = l<<slotBits | uint64(s)
		}
		want := slices.Clone(ranks)
		slices.Sort(want)
		if got, _ := sortRanks(ranks, nil); !slices.Equal(got, want) {
			t.Fatalf("%x, want %x", got, want)
		}
	})
}
