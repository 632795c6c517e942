package table_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/registry"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// The loop closed: records routed by the scheme's routers, measured as a job would,
// and its controller's routes followed. Worker 0 is half as fast as the others.
func TestWaterfillScheme(t *testing.T) {
	const workers, records = 8, 50000
	c := registry.Default()
	c.Name = "waterfill"
	scheme, err := registry.New(c, workers)
	if err != nil {
		t.Fatal(err)
	}
	router := scheme.NewRouter(partition.Env{Workers: workers, Subtasks: 1, WindowSlides: 1})
	rng := rand.New(rand.NewPCG(1, 1))
	zipf := rand.NewZipf(rng, 1.3, 1, 9999)
	batch, dst := stream.Batch{}, make([]partition.Dest, records)
	batch.Resize(records)
	busiest, latest := 0.0, policy.HashRoute(workers)
	for slide := range int64(12) {
		w := &policy.Window{Records: records, Slots: make([]int64, policy.SlotCount(workers))}
		keys := map[uint64]int64{}
		for i := range batch.Hashes {
			h := (zipf.Uint64() + 1) * 0x9e3779b97f4a7c15
			batch.Hashes[i] = h
			keys[h]++
			w.Slots[policy.SlotOf(h, len(w.Slots))]++
		}
		router.Route(&batch, dst)
		w.Counts, w.Busy = make([]int64, workers), make([]float64, workers)
		for _, d := range dst {
			w.Counts[d.Worker()]++
		}
		busiest = 0
		for i, n := range w.Counts {
			speed := 1.0
			if i == 0 {
				speed = 0.5
			}
			w.Busy[i] = float64(n) / speed / records
			busiest = max(busiest, w.Busy[i]*7.5)
		}
		for h, n := range keys {
			w.Hot = append(w.Hot, policy.HotKey{Hash: h, Count: n})
		}
		slices.SortFunc(w.Hot, func(a, b policy.HotKey) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Hash, b.Hash))
		})
		w.Hot = w.Hot[:min(64, len(w.Hot))]
		if slide == 0 && busiest < 2 {
			t.Fatalf("by hash the busiest worker has %.2f of its part; the test needs skew", busiest)
		}
		router.EndSlide(slide)
		if r := scheme.Controller.Decide(w, latest).Route; r != nil {
			latest = r
			router.(partition.RouteFollower).Follow(r, slide+1)
		}
	}
	if busiest > 1.06 {
		t.Errorf("after 12 windows the busiest worker has %.3f of its part", busiest)
	}
}
