package minheap

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The first item of a heap is that of a sorted slice, whatever is done to the two.
func TestHeapIsASortedSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h Heap[int8, int]
		twin := []Item[int8, int]{}
		key := rapid.Int8Range(-5, 5) // few, so that some are equal
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				k := key.Draw(t, "key")
				id := rapid.IntRange(0, 1000).Draw(t, "id")
				h.Push(k, id)
				twin = append(twin, Item[int8, int]{k, id})
			},
			"pop": func(t *rapid.T) {
				if len(h) > 0 {
					h.Pop()
					twin = twin[1:]
				}
			},
			"change the first": func(t *rapid.T) {
				if len(h) > 0 {
					h[0].Key = key.Draw(t, "key")
					twin[0].Key = h[0].Key
					h.FixFirst()
				}
			},
			"change all": func(t *rapid.T) {
				for i := range h {
					h[i].Key = -h[i].Key
					twin[i].Key = -twin[i].Key
				}
				h.Fix()
			},
			"": func(t *rapid.T) {
				slices.SortFunc(twin, func(a, b Item[int8, int]) int {
					return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.ID, b.ID))
				})
				if len(h) != len(twin) {
					t.Fatalf("%d items, not %d", len(h), len(twin))
				}
				if len(h) > 0 && h[0] != twin[0] {
					t.Fatalf("%v is first, not %v", h[0], twin[0])
				}
			},
		})
	})
}

func TestHeapAllocatesOnlyToGrow(t *testing.T) {
	h := make(Heap[float64, int32], 0, 64)
	rng := rand.New(rand.NewPCG(1, 2))
	if n := testing.AllocsPerRun(20, func() {
		h = h[:0]
		for i := range int32(64) {
			h.Push(rng.Float64(), i)
		}
		for range 100 {
			h[0].Key += rng.Float64()
			h.FixFirst()
		}
		h.Fix()
		for len(h) > 0 {
			h.Pop()
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
