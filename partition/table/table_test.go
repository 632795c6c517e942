package table

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/routertest"
	"github.com/saspart/saspart/policy"
)

// naiveTable follows routes by maps and remembers where everything went: the
// twin of router in where a record may go and what has to be marked.
type naiveTable struct {
	window int64
	route  *policy.Route
	past   []pastRoute
}

// pastRoute is a route and the first slide it was not in force any more.
type pastRoute struct {
	route *policy.Route
	end   int64
}

// workersOf lists where a route may send a key.
func workersOf(r *policy.Route, hash uint64) []uint16 {
	for _, k := range r.Keys {
		if k.Hash == hash {
			return k.Workers
		}
	}
	return []uint16{r.Slots[policy.SlotOf(hash, len(r.Slots))]}
}

func (n *naiveTable) follow(r *policy.Route, slide int64) {
	if slide > 0 {
		n.past = append(n.past, pastRoute{n.route, slide})
	}
	n.route = r
}

// marked reports whether a record of a key in slide has to be marked: whether some window
// over that slide and an earlier one contains the key on two workers.
func (n *naiveTable) marked(hash uint64, slide int64) bool {
	now := workersOf(n.route, hash)
	if len(now) > 1 {
		return true
	}
	later := now
	for i := len(n.past) - 1; i >= 0 && slide-n.past[i].end < n.window-1; i-- {
		before := workersOf(n.past[i].route, hash)
		if !cmp.Equal(before, later) {
			return true
		}
		later = before
	}
	return false
}

func TestTableEqualsItsNaiveTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := rapid.IntRange(1, 20).Draw(t, "workers")
		env := routertest.Env(workers)
		env.WindowSlides = rapid.IntRange(1, 5).Draw(t, "window")
		r := newRouter(Default(), env)
		slow := &naiveTable{window: int64(env.WindowSlides), route: policy.HashRoute(workers)}
		for slide := range int64(rapid.IntRange(1, 12).Draw(t, "slides")) {
			if rapid.IntRange(0, 2).Draw(t, "new route") == 0 {
				route := routertest.DrawRoute(t, workers)
				r.Follow(route, slide)
				slow.follow(route, slide)
			}
			hashes := rapid.SliceOfN(routertest.DrawHash(), 0, 60).Draw(t, "batch")
			for _, k := range slow.route.Keys {
				hashes = append(hashes, k.Hash)
			}
			dst := make([]partition.Dest, len(hashes))
			r.Route(routertest.BatchOf(hashes), dst)
			for i, h := range hashes {
				allowed := workersOf(slow.route, h)
				ok := false
				for _, w := range allowed {
					ok = ok || int(w) == dst[i].Worker()
				}
				if !ok {
					t.Fatalf("slide %d: key %#x went to worker %d, not one of %v", slide, h, dst[i].Worker(), allowed)
				}
				if got, want := dst[i]&partition.Merge != 0, slow.marked(h, slide); got != want {
					t.Fatalf("slide %d: key %#x at %v, merge %v, want %v", slide, h, allowed, got, want)
				}
			}
			r.EndSlide(slide)
		}
	})
}

// shareRoute splits key 1 by shares over all workers.
func shareRoute(shares []float64) *policy.Route {
	r := policy.HashRoute(len(shares))
	k := policy.KeyRoute{Hash: 1, Shares: shares}
	for w := range shares {
		k.Workers = append(k.Workers, uint16(w))
	}
	r.Keys = []policy.KeyRoute{k}
	return r
}

// The realised counts stay within two records of the shares of the sequence, and these within
// 1/128 of the mean share of the route's. That holds wherever a subtask starts, and however
// often the same route is applied again.
func TestTableRealisesShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shares := drawShares(t, 40)
		env := routertest.Env(len(shares))
		env.Subtasks = rapid.IntRange(1, 5).Draw(t, "subtasks")
		env.Subtask = rapid.IntRange(0, env.Subtasks-1).Draw(t, "subtask")
		r := newRouter(Default(), env)
		counts, total := make([]float64, len(shares)), 0.0
		for slide := range int64(10) {
			if slide == 0 || rapid.Bool().Draw(t, "again") {
				r.Follow(shareRoute(shares), slide)
			}
			dst := make([]partition.Dest, rapid.IntRange(0, 500).Draw(t, "records"))
			hashes := make([]uint64, len(dst))
			for i := range hashes {
				hashes[i] = 1
			}
			r.Route(routertest.BatchOf(hashes), dst)
			for _, d := range dst {
				total++
				counts[d.Worker()]++
				for w := range counts {
					bound := 2 + total/turnsPerWorker/float64(len(shares))
					if off := math.Abs(counts[w] - shares[w]*total); off > bound {
						t.Fatalf("worker %d has %v of %v records, share %v: off by %v, more than %v",
							w, counts[w], total, shares[w], off, bound)
					}
				}
			}
			r.EndSlide(slide)
		}
	})
}

// Subtasks that follow the same route begin at different places.
func TestTableSubtasksAreStaggered(t *testing.T) {
	route := shareRoute([]float64{0.25, 0.25, 0.25, 0.25})
	seen := map[int]bool{}
	for s := range 4 {
		env := routertest.Env(4)
		env.Subtask, env.Subtasks = s, 4
		r := newRouter(Default(), env)
		r.Follow(route, 0)
		dst := make([]partition.Dest, 1)
		r.Route(routertest.BatchOf([]uint64{1}), dst)
		seen[dst[0].Worker()] = true
	}
	if len(seen) != 4 {
		t.Errorf("four subtasks began at the workers %v; want four different ones", seen)
	}
}

// A layout of any keys finds all of them and nothing else.
func TestLayoutIsPerfect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hashes := rapid.SliceOfNDistinct(rapid.OneOf(routertest.DrawHash(), rapid.Uint64()), 0, 300, rapid.ID).Draw(t, "named")
		var keys []policy.KeyRoute
		named := map[uint64]bool{}
		for _, h := range hashes {
			keys = append(keys, policy.KeyRoute{Hash: h, Workers: []uint16{0}, Shares: []float64{1}})
			named[h] = true
		}
		n := 1 << rapid.IntRange(1, 8).Draw(t, "slots")
		l := layout{slots: make([]slot, n), slotShift: shiftFor(n)}
		l.layOut(keys)
		for _, h := range append(hashes, rapid.SliceOf(routertest.DrawHash()).Draw(t, "others")...) {
			if found := l.find(h) >= 0; found != named[h] {
				t.Fatalf("find(%#x) found it: %v, named: %v", h, found, named[h])
			}
		}
	})
}

// BenchmarkFollow times taking up a route as a planner makes them: fastest-µs is
// the fastest of all, which what else the machine does touches least.
func BenchmarkFollow(b *testing.B) {
	for _, c := range []struct{ workers, keys int }{{8, 64}, {64, 256}, {256, 1024}} {
		b.Run(fmt.Sprintf("P=%d/keys=%d", c.workers, c.keys), func(b *testing.B) {
			r := newRouter(Default(), routertest.Env(c.workers))
			route := routertest.ThreeTiers(c.workers, c.keys, 1.5)
			b.ReportAllocs()
			fastest := time.Hour
			for i := int64(0); b.Loop(); i++ {
				start := time.Now()
				r.Follow(route, 4*i)
				fastest = min(fastest, time.Since(start))
			}
			b.ReportMetric(float64(fastest)/1e3, "fastest-µs")
		})
	}
}
