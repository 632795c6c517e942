package table

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/routertest"
	"github.com/saspart/saspart/partition/internal/tally"
	"github.com/saspart/saspart/policy"
)

// bounded routes slides of the same batches by a route and capacities, and returns the part of
// the records that each worker got in the last one, over its capacity.
func bounded(c Config, route *policy.Route, capacity []float64, slides, keys int, exponent float64) []float64 {
	workers := route.Workers
	r := newRouter(c, routertest.Env(workers))
	r.Follow(route, 0)
	dst := make([]partition.Dest, 512)
	counts, total := make([]float64, workers), 0.0
	for slide := range int64(slides) {
		clear(counts)
		total = 0
		batches := routertest.ZipfBatches(20*workers/8, len(dst), keys, exponent, uint64(slide))
		for i := range batches {
			r.Route(&batches[i], dst)
			for _, d := range dst {
				counts[d.Worker()]++
				total++
			}
		}
		r.EndSlide(slide)
		r.SetCapacities(policy.CapacitiesOf(capacity))
	}
	for w := range counts {
		counts[w] /= total * policy.CapacitiesOf(capacity).Of[w]
	}
	return counts
}

// Whatever the route, no worker gets more than its capacity and a little.
func TestBoundsHold(t *testing.T) {
	equal := func(n int) []float64 {
		parts := make([]float64, n)
		for w := range parts {
			parts[w] = 1
		}
		return parts
	}
	slow := equal(32)
	slow[3], slow[4] = 0.5, 0.25
	one := policy.HashRoute(16) // all slots at one worker
	clear(one.Slots)
	misplaced := policy.HashRoute(16)
	_, hashes := routertest.Keys(40)
	for _, h := range hashes {
		misplaced.Keys = append(misplaced.Keys, policy.KeyRoute{Hash: h, Workers: []uint16{2}, Shares: []float64{1}})
	}
	halves := policy.HashRoute(16)
	halves.Keys = []policy.KeyRoute{{Hash: hashes[0], Workers: []uint16{0, 1}, Shares: []float64{0.5, 0.5}}}
	for _, c := range []struct {
		why      string
		route    *policy.Route
		capacity []float64
		exponent float64
		most     float64
	}{
		{"a key of 39 % that the route does not know", policy.HashRoute(16), equal(16), 1.5, 1.06},
		{"a key of 60 %", policy.HashRoute(64), equal(64), 2, 1.1},
		{"unequal workers", policy.HashRoute(32), slow, 1.2, 1.12},
		{"all slots at one worker", one, equal(16), 1, 1.2},
		{"all heavy keys at one worker", misplaced, equal(16), 1.5, 1.06},
		{"a key split over two that needs six", halves, equal(16), 1.5, 1.06},
	} {
		got := bounded(Default(), c.route, c.capacity, 10, 10000, c.exponent)
		unbounded := bounded(Config{}, c.route, c.capacity, 10, 10000, c.exponent)
		most, before := 0.0, 0.0
		for w := range got {
			most, before = max(most, got[w]), max(before, unbounded[w])
		}
		if most > c.most || before < 1.5 {
			t.Errorf("%s: the busiest worker has %.3f of its capacity, want at most %.2f; without bounds %.2f", c.why, most, c.most, before)
		}
	}
}

// A route that fits is followed: of light keys, hardly any record overflows.
func TestBoundsLeaveAFittingRouteAlone(t *testing.T) {
	const workers = 16
	r, plain := newRouter(Default(), routertest.Env(workers)), newRouter(Config{}, routertest.Env(workers))
	parts := make([]float64, workers)
	for w := range parts {
		parts[w] = 1
	}
	got, want := make([]partition.Dest, 512), make([]partition.Dest, 512)
	moved, all := 0, 0
	for slide := range int64(12) {
		for _, b := range routertest.ZipfBatches(200, 512, 100_000, 0, uint64(slide)) {
			r.Route(&b, got)
			plain.Route(&b, want)
			for i := range got {
				all++
				if got[i].Worker() != want[i].Worker() {
					moved++
				}
			}
		}
		r.EndSlide(slide)
		plain.EndSlide(slide)
		r.SetCapacities(policy.CapacitiesOf(parts))
	}
	if part := float64(moved) / float64(all); part > 0.01 {
		t.Errorf("%.4f of the records of equally light keys left their workers", part)
	}
}

// Two heavy keys that the route does not know are both known as suspects, also where their first
// counters are the same.
func TestSuspectsThatShareACounter(t *testing.T) {
	const workers = 16
	counter := func(hash uint64) uint64 { return hash * tally.Fib >> suspectShift % suspectCount }
	heavy := []uint64{1 << 20}
	for h := heavy[0] + 1; len(heavy) < 2; h++ {
		if counter(h) == counter(heavy[0]) {
			heavy = append(heavy, h)
		}
	}
	env := routertest.Env(workers)
	env.ExpectedCount = 10_000
	r := newRouter(Default(), env)
	r.SetCapacities(policy.CapacitiesOf(slices.Repeat([]float64{1}, workers)))
	counts := make([]int, workers)
	hashes, dst := make([]uint64, 500), make([]partition.Dest, 500)
	for i := range hashes { // 60 and 20 %
		hashes[i] = uint64(i) * 0x9e3779b97f4a7c15
		if i%5 < 4 {
			hashes[i] = heavy[i%5/3]
		}
	}
	for range 20 {
		r.Route(routertest.BatchOf(hashes), dst)
		for _, d := range dst {
			counts[d.Worker()]++
		}
	}
	if most := slices.Max(counts); most > 1000 {
		t.Errorf("of 10,000 records one of 16 workers gets %d", most)
	}
}

func TestSetCapacities(t *testing.T) {
	two := policy.CapacitiesOf([]float64{1, 3})
	hash := uint64(0) // worker 0
	for _, c := range []struct {
		why     string
		config  Config
		workers int
		told    *policy.Capacities
		on      bool
	}{
		{"told", Default(), 2, two, true},
		{"off", Config{}, 2, two, false},
		{"of another number of workers", Default(), 3, two, false},
		{"a single worker", Default(), 1, policy.CapacitiesOf([]float64{1}), false},
	} {
		r := newRouter(c.config, routertest.Env(c.workers))
		r.SetCapacities(c.told)
		if on := r.clocks != nil; on != c.on {
			t.Errorf("%s: bounded %v, want %v", c.why, on, c.on)
		}
	}
	// What waits at a worker is what it is ahead by: the job's queues, divided by the subtasks.
	env := routertest.Env(2)
	env.Subtasks, env.ExpectedCount = 4, 1000
	r := newRouter(Default(), env)
	r.SetCapacities(&policy.Capacities{Of: []float64{0.5, 0.5}, Waiting: []float64{400, -400}})
	if a, b := r.clocks[0].next+floor*r.clocks[0].step, r.clocks[1].next+floor*r.clocks[1].step; a != 100*2*unit || b != -a {
		t.Errorf("ahead by %d and %d, want %d records of half the workers", a, b, 100*2*unit)
	}
	hashes := make([]uint64, 50)
	for i := range hashes {
		hashes[i] = hash
	}
	dst := make([]partition.Dest, len(hashes))
	r.Route(routertest.BatchOf(hashes), dst)
	for i, d := range dst[10:] {
		if d.Worker() != 1 || d&partition.Merge == 0 {
			t.Fatalf("record %d goes to worker %d (merge %v), where 400 more wait", 10+i, d.Worker(), d&partition.Merge != 0)
		}
	}
}

// A worker stays ahead by as many records when its capacity changes, however little it had.
func TestAheadIsKeptInRecords(t *testing.T) {
	env := routertest.Env(2)
	env.ExpectedCount = 1000
	for _, c := range []struct {
		why        string
		from, to   float64
		wantAlmost float64 // records, of the 10 that worker 0 is sent
	}{
		{"the same", 0.5, 0.5, 10},
		{"a worker that stood still comes back", 0, 0.5, 10},
		{"a worker that comes to a standstill", 0.5, 0, 10},
	} {
		r := newRouter(Default(), env)
		r.SetCapacities(&policy.Capacities{Of: []float64{c.from, 1 - c.from}})
		r.charge(make([]partition.Dest, 10))
		r.SetCapacities(&policy.Capacities{Of: []float64{c.to, 1 - c.to}})
		k := r.clocks[0]
		if got := float64(k.next+floor*k.step) / float64(k.step); math.Abs(got-c.wantAlmost) > 0.01 {
			t.Errorf("%s: ahead by %.3f records, want %v", c.why, got, c.wantAlmost)
		}
	}
}

// Nothing is late before a slide has been counted, with capacities or without. From then on the
// bound is that of a slide.
func TestFirstSlide(t *testing.T) {
	capacities := policy.CapacitiesOf([]float64{1, 1})
	for _, told := range []int{0, 1} { // the slide before which capacities come
		r := newRouter(Default(), routertest.Env(2))
		hashes := make([]uint64, 512)
		var away []int
		for slide := range 3 {
			if slide >= told {
				r.SetCapacities(capacities)
			}
			dst := make([]partition.Dest, len(hashes))
			r.Route(routertest.BatchOf(hashes), dst)
			away = append(away, 0)
			for _, d := range dst {
				away[slide] += d.Worker()
			}
			r.EndSlide(int64(slide))
		}
		if away[0] != 0 || away[1] < 200 || away[1] > 256 || away[2] < 200 || away[2] > 280 {
			t.Errorf("capacities from slide %d: of 512 records of a key %d overflow by slide, want none in the first and half in the others", told, away)
		}
	}
}

// The clocks go at the pace of the workers: at partial load a worker may get more than its
// capacity's part, and near full load it may not. A lower load is believed by and by.
func TestPace(t *testing.T) {
	for _, c := range []struct {
		why     string
		load    []float64 // of windows
		pace    float64
		tighter float64 // the bound, of the one that is set
	}{
		{"not known", []float64{0}, 1, 1},
		{"full", []float64{1}, 1, 1},
		{"nearly full", []float64{0.95}, 1, 1},
		{"a little time to spare", []float64{0.85}, 1 / (0.85 * 1.1), 0.48},
		{"time to spare", []float64{0.75}, 1 / (0.75 * 1.1), 0.2},
		{"next to nothing to do", []float64{0.01}, 2, 0.2},
		{"it rises", []float64{0.5, 0.95}, 1, 1},
		{"it has fallen", []float64{1, 0.6}, 1, 1},
		{"it fell long ago", append([]float64{1}, slices.Repeat([]float64{0.6}, 60)...), 1 / (0.6 * 1.1), 0.2},
		{"impossible", []float64{math.NaN()}, 1, 1},
		{"negative", []float64{-1}, 1, 1},
		{"more than all", []float64{7}, 1, 1},
	} {
		env := routertest.Env(2)
		env.ExpectedCount = 10_000
		r := newRouter(Default(), env)
		for _, load := range c.load {
			r.SetCapacities(&policy.Capacities{Of: []float64{0.5, 0.5}, Load: load})
		}
		bound := float64(r.bound) / (0.02 * 10_000 * unit)
		if pace := float64(r.pace) / unit; math.Abs(pace-c.pace) > 0.005 || math.Abs(bound-c.tighter) > 0.005 {
			t.Errorf("load %s: the clock moves by %.3f a record, the bound is %.3f of the one set; want %.3f and %.3f", c.why, pace, bound, c.pace, c.tighter)
		}
	}
}

// No capacity, queue or load, however odd, makes clocks overflow or send records to workers that
// do not exist; and a single unknown worker gets little.
func TestOddCapacities(t *testing.T) {
	odd := []float64{0, math.NaN(), math.Inf(1), -1, 1e-300, 1e300, 0.5}
	rapid.Check(t, func(t *rapid.T) {
		workers := rapid.IntRange(2, 300).Draw(t, "workers")
		env := routertest.Env(workers)
		env.ExpectedCount = rapid.SampledFrom([]int64{0, 1, 1000, 1 << 40, math.MaxInt64 / 2}).Draw(t, "expected")
		c := Config{
			Bound: rapid.SampledFrom([]float64{1e-300, 0.02, 1}).Draw(t, "bound"), Patience: rapid.SampledFrom([]float64{1, 1e3}).Draw(t, "patience"),
			Candidates: rapid.SampledFrom([]int{2, 64}).Draw(t, "candidates"), Credit: rapid.SampledFrom([]float64{0, 1e3}).Draw(t, "credit"),
			Decay: rapid.SampledFrom([]int{1, 1e6}).Draw(t, "decay"),
		}
		r := newRouter(c, env)
		for slide := range int64(4) {
			told := &policy.Capacities{Load: rapid.SampledFrom(odd).Draw(t, "load")}
			told.Of = rapid.SliceOfN(rapid.SampledFrom(odd), workers, workers).Draw(t, "of")
			if rapid.Bool().Draw(t, "queues") {
				told.Waiting = rapid.SliceOfN(rapid.SampledFrom(odd), workers, workers).Draw(t, "waiting")
			}
			if rapid.Bool().Draw(t, "costs") {
				told.Costs = &policy.Costs{
					Workers: rapid.SliceOfN(rapid.SampledFrom(odd), workers, workers).Draw(t, "workers' costs"),
					Slots:   rapid.SliceOfN(rapid.SampledFrom([]uint16{0, 1, policy.CostUnit, math.MaxUint16}), 64, 64).Draw(t, "slots"),
				}
			}
			r.SetCapacities(told)
			hashes := rapid.SliceOfN(routertest.DrawHash(), 1, 200).Draw(t, "batch")
			for range 4 {
				hashes = append(hashes, hashes...)
			}
			dst := make([]partition.Dest, len(hashes))
			r.Route(routertest.BatchOf(hashes), dst)
			for _, d := range dst {
				if d.Worker() >= workers {
					t.Fatalf("worker %d of %d", d.Worker(), workers)
				}
			}
			for w, k := range r.clocks {
				if ahead := k.next - r.now; ahead > 2*far || ahead < -2*far || k.step < 1 || r.now < 0 || r.now > 2*far {
					t.Fatalf("worker %d is ahead by %d at %d, a record moves it by %d", w, ahead, r.now, k.step)
				}
			}
			r.EndSlide(slide)
		}
	})
}

func TestConfigValidate(t *testing.T) {
	good := Default()
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for path, c := range map[string]func(*Config){
		"bound": func(c *Config) { c.Bound = -0.1 }, "patience": func(c *Config) { c.Patience = 0.5 }, "credit": func(c *Config) { c.Credit = math.NaN() },
		"candidates": func(c *Config) { c.Candidates = 12 }, "decay": func(c *Config) { c.Decay = 0 },
	} {
		bad := Default()
		c(&bad)
		if err := bad.Validate(); err == nil || err.Error()[:len(path)] != path {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// Nothing is allocated per batch once capacities are known, of clocks of records and of work.
func TestBoundsAllocateNothing(t *testing.T) {
	batches := routertest.ZipfBatches(4, 512, 1000, 1.5, 1)
	alike := policy.CapacitiesOf(slices.Repeat([]float64{1}, 8))
	unlike := policy.CapacitiesOf(slices.Repeat([]float64{1}, 8))
	unlike.Costs = &policy.Costs{
		Workers: slices.Repeat([]float64{1}, 8), Slots: slices.Repeat([]uint16{policy.CostUnit / 2}, 4096),
		Keys: []policy.KeyCost{{Hash: batches[0].Hashes[0], Cost: 4 * policy.CostUnit}},
	}
	for name, parts := range map[string]*policy.Capacities{"records alike": alike, "records that differ in cost": unlike} {
		r := newRouter(Default(), routertest.Env(8))
		r.SetCapacities(parts)
		dst := make([]partition.Dest, 512)
		if n := testing.AllocsPerRun(20, func() {
			for i := range batches {
				r.Route(&batches[i], dst)
			}
			r.EndSlide(1)
			r.SetCapacities(parts)
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
