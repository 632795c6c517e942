package table

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/routertest"
	"github.com/saspart/saspart/policy"
)

// naiveBounds is the twin of bounds, record by record with branches. It takes where the route
// sends each record of a chunk, and replaces that by where the record goes. Random numbers and candidates are those
// of a bounds of its own.
type naiveBounds struct {
	bounds
	suspects map[int]*suspect // by counter
}

func (n *naiveBounds) chunk(l *layout, hashes []uint64, dst []partition.Dest) {
	work := int64(0) // of the chunk, in 1/policy.CostUnit
	cost := func(i int) int64 {
		if n.costs.slots == nil {
			return policy.CostUnit
		}
		return n.costs.of(hashes[i])
	}
	for i := range hashes {
		work += cost(i)
	}
	n.now += work * n.pace / policy.CostUnit
	step := func(w, i int) int64 { return n.clocks[w].step * cost(i) / policy.CostUnit }
	limit := n.now + n.bound
	ahead := func(w int) int64 { return n.clocks[w].next }
	least := func(workers ...int) int {
		best := workers[0]
		for _, w := range workers {
			if ahead(w) < ahead(best) || ahead(w) == ahead(best) && w < best {
				best = w
			}
		}
		return best
	}
	var late []int
	for i, d := range dst {
		k := &n.clocks[d.Worker()]
		if behind := n.now - n.lag - k.next; behind > 0 {
			k.next += behind
		}
		if k.next += step(d.Worker(), i); k.next > limit {
			late = append(late, i)
		}
	}
	for _, i := range late {
		home := dst[i].Worker()
		if ahead(home) <= limit {
			continue
		}
		n.clocks[home].next = min(ahead(home), n.now+far)
		at := int(hashes[i] * 0x9e3779b97f4a7c15 >> suspectShift)
		first, second := at%suspectCount, at/suspectCount
		of := func(at int) suspect {
			if s := n.suspects[at]; s != nil {
				return *s
			}
			return suspect{}
		}
		at = first
		if of(first).hash != hashes[i] && (of(second).hash == hashes[i] || of(second).count < of(first).count) {
			at = second
		}
		s := n.suspects[at]
		if s == nil || s.count == 0 {
			s = &suspect{hash: hashes[i], candidates: firstTargets}
			n.suspects[at] = s
		}
		count := 0
		if s.hash == hashes[i] {
			s.count = min(s.count+1, suspectMost)
			count = int(s.count)
		} else {
			s.count--
		}
		split := false
		for j := range l.entries {
			split = split || l.entries[j].hash == hashes[i] && l.entries[j].mask > 0
		}
		patience := n.config.Patience * suspectFrom / float64(max(count, suspectFrom)) * float64(n.bound)
		if !split && float64(ahead(home)-n.now) <= max(float64(n.bound), math.Floor(patience)) {
			continue
		}
		tried := func(candidates int) int {
			var workers []int
			from := 0
			if candidates > tries {
				from = int(n.draw())
			}
			for j := range min(tries, candidates) {
				workers = append(workers, n.candidate(hashes[i], (from+j)%candidates).worker())
			}
			return least(workers...)
		}
		candidates := firstTargets
		if count >= suspectFrom {
			candidates = int(s.candidates)
		}
		best := tried(candidates)
		if ahead(best) > limit && count >= suspectFrom {
			if candidates < n.config.Candidates {
				if s.failed++; s.failed == s.candidates {
					s.candidates, s.failed = s.candidates*2, 0
				}
				best = tried(int(s.candidates))
			} else {
				workers := []int{int(s.last)}
				for range 3 {
					workers = append(workers, int(n.draw()*uint64(len(n.clocks))>>32))
				}
				best = least(workers...)
				s.last = uint16(best)
			}
		}
		if ahead(best) > limit && (count < suspectFrom || ahead(best) >= ahead(home)-step(home, i)) {
			continue
		}
		n.clocks[home].next -= step(home, i)
		if behind := n.now - n.credit - ahead(best); behind > 0 {
			n.clocks[best].next += behind
		}
		n.clocks[best].next += step(best, i)
		dst[i] = partition.Dest(best) | partition.Merge
	}
}

func TestBoundsEqualTheirNaiveTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := rapid.IntRange(2, 40).Draw(t, "workers")
		env := routertest.Env(workers)
		env.Subtasks = rapid.IntRange(1, 3).Draw(t, "subtasks")
		c := Config{
			Bound: rapid.SampledFrom([]float64{0.001, 0.02, 0.2}).Draw(t, "bound"), Patience: rapid.Float64Range(1, 9).Draw(t, "patience"),
			Candidates: rapid.SampledFrom([]int{2, 4, 16}).Draw(t, "candidates"), Credit: rapid.Float64Range(0, 4).Draw(t, "credit"),
			Decay: rapid.IntRange(1, 9).Draw(t, "decay"),
		}
		fast, plain := newRouter(c, env), newRouter(Config{}, env)
		slow := naiveBounds{bounds: newBounds(c, env), suspects: map[int]*suspect{}}
		for slide := range int64(rapid.IntRange(1, 6).Draw(t, "slides")) {
			if rapid.Bool().Draw(t, "new route") {
				route := routertest.DrawRoute(t, workers)
				fast.Follow(route, slide)
				plain.Follow(route, slide)
				for _, s := range slow.suspects {
					s.candidates, s.failed = firstTargets, 0
				}
			}
			if rapid.IntRange(0, 3).Draw(t, "capacities") > 0 {
				told := drawCapacities(t, workers)
				fast.SetCapacities(told)
				slow.SetCapacities(told)
			}
			hashes := rapid.SliceOfN(routertest.DrawHash(), 0, 300).Draw(t, "batch")
			for range rapid.IntRange(0, 3).Draw(t, "repeats") {
				hashes = append(hashes, hashes...)
			}
			got, want := make([]partition.Dest, len(hashes)), make([]partition.Dest, len(hashes))
			fast.Route(routertest.BatchOf(hashes), got)
			plain.Route(routertest.BatchOf(hashes), want)
			slow.sent += int64(len(want))
			for from := 0; slow.clocks != nil && slow.perSlide > 0 && from < len(want); from += chunk {
				to := min(from+chunk, len(want))
				slow.chunk(&plain.layout, hashes[from:to], want[from:to])
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("slide %d (-naive +bounds):\n%s", slide, diff)
			}
			fast.EndSlide(slide)
			plain.EndSlide(slide)
			slow.endSlide()
		}
	})
}

// drawCapacities draws capacities, some of them 0, with or without what waits.
func drawCapacities(t *rapid.T, workers int) *policy.Capacities {
	parts := rapid.SliceOfN(rapid.SampledFrom([]float64{0, 0.1, 1, 1, 1, 2}), workers, workers).Draw(t, "parts")
	parts[0] = 1
	c := policy.CapacitiesOf(parts)
	c.Load = rapid.SampledFrom([]float64{0, 0.3, 0.5, 0.8, 0.85, 0.9, 1}).Draw(t, "load")
	if rapid.Bool().Draw(t, "costs") {
		cost := rapid.SampledFrom([]uint16{1, 100, policy.CostUnit, policy.CostUnit, 2000, math.MaxUint16})
		c.Costs = &policy.Costs{
			Workers: rapid.SliceOfN(rapid.SampledFrom([]float64{0.01, 1, 1, 30}), workers, workers).Draw(t, "workers' costs"),
			Slots:   rapid.SliceOfN(cost, 64, 64).Draw(t, "slots' costs"),
		}
		for range rapid.IntRange(0, 5).Draw(t, "keys of known cost") {
			c.Costs.Keys = append(c.Costs.Keys, policy.KeyCost{Hash: routertest.DrawHash().Draw(t, "key"), Cost: cost.Draw(t, "cost")})
		}
	}
	if rapid.Bool().Draw(t, "queues") {
		c.Waiting = rapid.SliceOfN(rapid.Float64Range(-20, 200), workers, workers).Draw(t, "waiting")
	}
	return c
}
