package dalton

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/routertest"
	"github.com/saspart/saspart/partition/sketch"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// offline makes a router whose hot keys are given, with these records of each in
// a first slide, after which it has a mask.
func offline(c OfflineConfig, env partition.Env, records ...int) *offlineRouter {
	c.Keys = nil
	for i := range records {
		c.Keys = append(c.Keys, string(rune('a'+i)))
	}
	r := NewOffline(c, env, false).(*offlineRouter)
	for i, n := range records {
		routertest.SentTo(r, routertest.Repeat(stream.Hash(c.Keys[i]), n)...)
	}
	r.EndSlide(0)
	return r
}

func TestDaltonOfflineFollowsTheMask(t *testing.T) {
	c := DefaultOffline()
	c.Mask.TrueHot = 2
	// Shares 6:2:1 of three hot keys; of the two true ones 3/4 and 1/4 of four
	// workers.
	r := offline(c, routertest.Env(4), 60, 20, 10)
	for i, want := range []struct {
		key     string
		workers []int
		merge   bool
		why     string
	}{
		{"a", []int{0, 1, 2}, true, "true hot: the first three quarters of the line"},
		{"b", []int{3}, false, "true hot: the last quarter, one worker, nothing to merge"},
		{"c", []int{0, 1, 2, 3}, true, "hot, but not truly: everywhere"},
	} {
		r.EndSlide(int64(10 * (i + 1))) // what had to be merged because workers changed is past
		dst := make([]partition.Dest, 2000)
		r.Route(routertest.BatchOf(routertest.Repeat(stream.Hash(want.key), len(dst))), dst)
		r.sketch.Reset() // the shares of these slides shall not move the mask
		var used []int
		for _, d := range dst {
			if w := d.Worker(); !slices.Contains(used, w) {
				used = append(used, w)
			}
			if d&partition.Merge != 0 != want.merge {
				t.Fatalf("key %s: merge is %v: %s", want.key, d&partition.Merge != 0, want.why)
			}
		}
		slices.Sort(used)
		if !slices.Equal(used, want.workers) {
			t.Errorf("key %s used workers %v, want %v: %s", want.key, used, want.workers, want.why)
		}
	}
}

func TestDaltonOfflineWarmsUpByHash(t *testing.T) {
	c := DefaultOffline()
	r := NewOffline(c, routertest.Env(8), false).(*offlineRouter)
	for _, b := range routertest.ZipfBatches(3, 500, 1000, 1.5, 3) {
		dst := make([]partition.Dest, 500)
		r.Route(&b, dst)
		for i, d := range dst {
			if d != partition.Dest(policy.HashRoute(8).Slots[policy.SlotOf(b.Hashes[i], policy.SlotCount(8))]) {
				t.Fatalf("record %d of the first slide went to %v, not home", i, d)
			}
		}
	}
}

func TestDaltonOfflineRewardByHand(t *testing.T) {
	c := DefaultOffline()
	c.Epsilon = 0
	c.Mask.TrueHot = 1
	env := routertest.Env(2)
	env.MetricSlides = 1
	r := offline(c, env, 50)
	a := stream.Hash("a")
	q := []float64{0, 0}
	load := []float64{0, 0}
	for i := range 40 {
		want := 0
		if q[1] > q[0] {
			want = 1
		}
		load[want]++
		avg := (load[0] + load[1]) / 2
		score := (load[want] - avg) / (1e-4 + math.Max(load[want], avg))
		q[want] = 0.9*q[want] + 0.1*(1-score)/2
		if got := routertest.SentTo(r, a)[0]; got != want {
			t.Fatalf("record %d went to worker %d, want %d with Q %v", i, got, want, q)
		}
		if got := r.ranks.find(a).q; math.Abs(got[want]-q[want]) > 1e-12 {
			t.Fatalf("record %d: Q is %v, want %v", i, got, q)
		}
	}
}

func TestDaltonOfflineLevelsTheLoad(t *testing.T) {
	for _, temperature := range []float64{0, 0.05} {
		c := DefaultOffline()
		c.Temperature = temperature
		c.Mask.TrueHot = 1
		r := offline(c, routertest.Env(4), 50)
		a := stream.Hash("a")
		counts := make([]float64, 4)
		for slide := range int64(20) {
			for _, w := range routertest.SentTo(r, routertest.Repeat(a, 1000)...) {
				counts[w]++
			}
			r.EndSlide(slide + 1)
		}
		if s := routertest.Skew(counts); s > 1.15 {
			t.Errorf("temperature %v: one key on four workers, the largest load is %.2f of the mean: %v", temperature, s, counts)
		}
	}
}

func TestDaltonOfflineDrawsFromTheSoftmax(t *testing.T) {
	c := DefaultOffline()
	c.Epsilon, c.LearningRate, c.Temperature = 0, 0, 0.3
	c.Mask.TrueHot = 1
	r := offline(c, routertest.Env(3), 50)
	k := r.ranks.find(stream.Hash("a"))
	q := []float64{0.9, 0.3, 0.6}
	copy(k.q, q)
	copy(k.arms, q)
	k.best.reset(k.arms, -1)
	r.weigh(k)
	const n = 30_000
	counts := make([]float64, 3)
	for range n {
		counts[r.choose(k)]++
	}
	sum := 0.0
	for _, v := range q {
		sum += math.Exp(v / c.Temperature)
	}
	for w, v := range q {
		p := math.Exp(v/c.Temperature) / sum
		if sd := math.Sqrt(n * p * (1 - p)); math.Abs(counts[w]-n*p) > 5*sd {
			t.Errorf("worker %d was drawn %v times, want %v within %v", w, counts[w], n*p, 5*sd)
		}
	}
}

func TestDaltonOfflineSoftmaxSurvivesTinyTemperatures(t *testing.T) {
	c := DefaultOffline()
	c.Temperature, c.Mask.TrueHot = 1e-6, 1
	r := offline(c, routertest.Env(5), 50)
	counts := make([]float64, 5)
	for _, w := range routertest.SentTo(r, routertest.Repeat(stream.Hash("a"), 20_000)...) {
		counts[w]++
	}
	if s := routertest.Skew(counts); s > 1.2 {
		t.Errorf("at a temperature of a millionth the bandit should act like argmax; the largest load is %.2f of the mean: %v", s, counts)
	}
	for _, v := range r.ranks.find(stream.Hash("a")).soft.sum {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			t.Fatalf("a softmax weight is %v", v)
		}
	}
}

// slideOf returns a sketch in which key i has the i-th count.
func slideOf(counts ...int) *sketch.SpaceSaving {
	s := sketch.NewSpaceSaving(64)
	for key, n := range counts {
		s.ObserveN(uint64(key), "", int64(n))
	}
	return s
}

// order is the hot keys by rank.
func order(r *ranks) []uint64 {
	var out []uint64
	for _, k := range r.keys[:r.hot] {
		out = append(out, k.hash)
	}
	return out
}

func TestRanksHaveHysteresis(t *testing.T) {
	c := DefaultOffline()
	c.HotKeys, c.Smoothing, c.Hysteresis = 2, 1, 0.2
	r := newRanks(&c, 8)
	for i, s := range []struct {
		counts []int
		want   []uint64
		why    string
	}{
		{[]int{100, 80, 50, 10}, []uint64{0, 1}, "the heaviest two"},
		{[]int{100, 110, 50, 10}, []uint64{0, 1}, "key 1 is heavier, but not by a fifth"},
		{[]int{100, 125, 50, 10}, []uint64{1, 0}, "key 1 is heavier by a quarter"},
		{[]int{100, 90, 105, 10}, []uint64{1, 0}, "key 2 outweighs the lightest hot key by a sixth"},
		{[]int{100, 80, 105, 10}, []uint64{2, 0}, "key 2 outweighs it by more than a fifth: all are ranked anew"},
	} {
		r.measure(slideOf(s.counts...))
		r.settle()
		if got := order(&r); !slices.Equal(got, s.want) {
			t.Errorf("slide %d: ranks %v, want %v: %s", i, got, s.want, s.why)
		}
	}
}

func TestRanksMoveTheMaskRarely(t *testing.T) {
	// Eight workers; two hot keys, ranks given.
	c := DefaultOffline()
	c.Keys, c.Smoothing = []string{"a", "b"}, 1
	slide := func(a, b int) *sketch.SpaceSaving {
		s := sketch.NewSpaceSaving(8)
		s.ObserveN(stream.Hash("a"), "a", int64(a))
		s.ObserveN(stream.Hash("b"), "b", int64(b))
		return s
	}
	r := newRanks(&c, 8)
	for i, s := range []struct {
		a, b int
		want bool
		why  string
	}{
		{75, 25, true, "there is no mask yet"},
		{80, 20, false, "stretches 6.0 and 2.0 become 6.4 and 1.6: less than a worker"},
		{87, 13, false, "7.0 and 1.0: one worker, not more"},
		{50, 50, true, "4.0 and 4.0: two workers"},
	} {
		got := r.measure(slide(s.a, s.b))
		if got != s.want {
			t.Errorf("slide %d: the mask follows: %v, want %v: %s", i, got, s.want, s.why)
		}
		if got {
			r.settle()
		}
	}
}

func TestRanksStayBounded(t *testing.T) {
	c := DefaultOffline()
	r := newRanks(&c, 8)
	rng := rand.New(rand.NewPCG(1, 1))
	for slide := range int64(200) {
		s := sketch.NewSpaceSaving(c.Counters)
		for range 500 {
			s.Observe(rng.Uint64N(1<<40), "")
		}
		if r.measure(s) {
			r.settle()
		}
		r.forget(slide)
	}
	if limit := 4 * c.HotKeys; len(r.keys) > limit || r.index.Len() != len(r.keys) || len(r.byRef) > 2*limit {
		t.Errorf("%d keys tracked, %d indexed, %d numbers; %d keys are wanted", len(r.keys), r.index.Len(), len(r.byRef), limit)
	}
}

func TestDaltonOfflineMergesWhileWindowsStraddleAChange(t *testing.T) {
	// Key "b" goes from the stretch of one worker to another as "a" grows.
	c := DefaultOffline()
	c.Mask.TrueHot, c.Smoothing = 2, 1
	env := routertest.Env(4)
	env.WindowSlides = 3
	r := offline(c, env, 30, 10)
	a, b := stream.Hash("a"), stream.Hash("b")
	dst := make([]partition.Dest, 1)
	for slide, want := range []struct {
		merge bool
		why   string
	}{
		{true, "slide 1: its first slide away from home"},
		{true, "slide 2: windows still have slide 0, by hash"},
		{false, "slide 3: no window has slide 0 and this"},
		{false, "slide 4: nothing changed"},
	} {
		routertest.SentTo(r, routertest.Repeat(a, 29)...)
		routertest.SentTo(r, routertest.Repeat(b, 9)...)
		r.Route(routertest.BatchOf([]uint64{b}), dst)
		if got := dst[0]&partition.Merge != 0; got != want.merge {
			t.Errorf("merge is %v, want %v: %s", got, want.merge, want.why)
		}
		r.EndSlide(int64(slide + 1))
	}
}

func TestDaltonOfflinePublishedCountOfTrueHotKeys(t *testing.T) {
	// docs/algorithms.md, "The mask": 64 workers and ten hot keys of zipf 1.5 give no true hot key.
	for _, c := range []struct {
		published bool
		want      int
	}{{false, 10}, {true, 0}} {
		r := NewOffline(DefaultOffline(), routertest.Env(64), c.published).(*offlineRouter)
		for _, b := range routertest.ZipfBatches(20, 1000, 10000, 1.5, 3) {
			r.Route(&b, make([]partition.Dest, 1000))
		}
		r.EndSlide(0)
		n := 0
		for _, k := range r.ranks.keys {
			if len(k.allowed) > 0 {
				n++
			}
		}
		if n != c.want {
			t.Errorf("published %v: %d true hot keys, want %d", c.published, n, c.want)
		}
	}
}

func TestDaltonOfflineMaskIsThePolicyMask(t *testing.T) {
	c := DefaultOffline()
	c.Mask.TrueHot = 3
	r := offline(c, routertest.Env(16), 500, 300, 200)
	want := policy.NewMask([]float64{0.5, 0.3, 0.2}, 16, c.Mask)
	for i, name := range []string{"a", "b", "c"} {
		if got := r.ranks.find(stream.Hash(name)).allowed; !slices.Equal(got, want.Keys[i]) {
			t.Errorf("key %s may use %v, the mask says %v", name, got, want.Keys[i])
		}
	}
}
