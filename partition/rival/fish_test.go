package rival

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/routertest"
	"github.com/saspart/saspart/partition/internal/tally"
	"github.com/saspart/saspart/policy"
)

// naiveFish is the rule with maps and scans.
type naiveFish struct {
	*fish   // for its strides and constants only
	keys    []naiveFishKey
	records int
	sum     float64
	load    []float64
}

type naiveFishKey struct {
	hash  uint64
	count float64
	d     int
}

func (n *naiveFish) route(hash uint64) int {
	if n.records == n.Epoch {
		n.records = 0
		n.sum *= n.Decay
		for i := range n.keys {
			n.keys[i].count *= n.Decay
		}
	}
	n.records++
	n.sum++
	k, top := -1, 0.0
	for i := range n.keys {
		if n.keys[i].hash == hash {
			k = i
		}
	}
	if k < 0 && len(n.keys) < n.Counters {
		k = len(n.keys)
		n.keys = append(n.keys, naiveFishKey{hash: hash})
	} else if k < 0 {
		k = 0
		for i := range n.keys {
			if n.keys[i].count < n.keys[k].count {
				k = i
			}
		}
		n.keys[k] = naiveFishKey{hash: hash, count: n.keys[k].count}
	}
	e := &n.keys[k]
	e.count++
	for i := range n.keys {
		top = math.Max(top, n.keys[i].count)
	}
	d := 2
	if f := e.count / n.sum; f > n.theta {
		halvings := int(math.Floor(math.Log2(top / e.count)))
		e.d = max(e.d, min(n.workers, max(n.MinWork, int(float64(n.workers)/math.Pow(2, float64(halvings))))))
		d = e.d
	}
	d = min(d, n.workers)
	at := tally.Mix(hash)
	first, stride := int(at%uint64(n.workers)), int(n.strides[at>>32*uint64(len(n.strides))>>32])
	best := first
	for i := range d {
		w := (first + i*stride) % n.workers
		if n.load[w] < n.load[best] || d > 2 && n.load[w] == n.load[best] && w < best {
			best = w
		}
	}
	n.load[best]++
	return best
}

func TestFishEqualsItsNaiveTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		env := partition.Env{Workers: rapid.IntRange(1, 12).Draw(t, "workers"), Subtasks: 1, Slide: time.Second, WindowSlides: 2}
		c := FishConfig{
			Counters: rapid.IntRange(1, 6).Draw(t, "counters"), Epoch: rapid.IntRange(1, 30).Draw(t, "epoch"),
			Decay: rapid.SampledFrom([]float64{0.25, 0.5, 1}).Draw(t, "decay"), Hot: 4, MinWork: rapid.IntRange(1, 4).Draw(t, "min"), Interval: time.Second,
		}
		r := NewFish(c, env).(*fish)
		naive := &naiveFish{fish: NewFish(c, env).(*fish), load: make([]float64, env.Workers)}
		for i := range rapid.IntRange(0, 200).Draw(t, "records") {
			h := rapid.Uint64Range(0, 9).Draw(t, "key")
			if got, want := routertest.SentTo(r, h)[0], naive.route(h); got != want {
				t.Fatalf("record %d of key %d: worker %d, want %d", i, h, got, want)
			}
		}
	})
}

func TestFishCandidatesByHand(t *testing.T) {
	r := NewFish(DefaultFish(), routertest.Env(16)).(*fish) // theta is 1/64
	set := func(counts ...float64) {
		r.keys, r.count, r.sum, r.most = nil, nil, 0, 0
		for _, c := range counts {
			r.keys = append(r.keys, fishKey{})
			r.count = append(r.count, c)
			r.sum += c
			r.most = math.Max(r.most, c)
		}
	}
	set(400, 201, 200, 60, 30, 17, 10, 82)
	for k, c := range []struct {
		want int
		why  string
	}{
		{16, "the hottest key may use all"},
		{16, "just above half as hot: floor(log2(1.99)) = 0"},
		{8, "half as hot"},
		{4, "400/60: floor(log2) = 2"},
		{2, "400/30: floor(log2) = 3"},
		{2, "400/17 would be 1, two are the least"},
		{2, "10 of 1000 is below 1/64: cold"},
		{4, "400/82: floor(log2) = 2"},
	} {
		if got := r.candidates(int32(k)); got != c.want {
			t.Errorf("key %d: %d candidates, want %d: %s", k, got, c.want, c.why)
		}
	}
	r.count[2] = 60
	if got := r.candidates(2); got != 8 {
		t.Errorf("a key that cooled a little has %d candidates, it had 8", got)
	}
}

func TestFishForgetsThePast(t *testing.T) {
	r := NewFish(DefaultFish(), routertest.Env(16)).(*fish)
	routertest.SentTo(r, routertest.Repeat(1, 1000)...)
	if d := r.candidates(r.index.Get(1)); d != 16 {
		t.Fatalf("the only key has %d candidates, want 16", d)
	}
	old := r.count[r.index.Get(1)]
	// Three epochs of other keys: 1000 * 0.2^3 = 8 of 1000*(1+0.2+0.04)+8.
	for i := range 3000 {
		routertest.SentTo(r, uint64(100+i%50))
	}
	k := r.index.Get(1)
	if got, want := r.count[k], old*0.2*0.2*0.2; math.Abs(got-want) > 1e-9 {
		t.Errorf("a key silent for three epochs has count %v, want %v", got, want)
	}
	if f := r.count[k] / r.sum; f > r.theta {
		t.Errorf("its frequency is %v, still above theta, %v", f, r.theta)
	}
}

func TestFishCandidatesAreDistinctAndNested(t *testing.T) {
	for _, p := range []int{1, 2, 3, 12, 64, 97} {
		r := NewFish(DefaultFish(), routertest.Env(p)).(*fish)
		for h := range uint64(50) {
			routertest.SentTo(r, h)
			e := &r.keys[r.index.Get(h)]
			seen := map[int]bool{}
			for n := range p {
				seen[(e.first+n*e.stride)%p] = true
			}
			if len(seen) != p {
				t.Errorf("P %d, key %d: %d candidates are %d workers", p, h, p, len(seen))
			}
		}
	}
}

func TestFishInfersBacklogs(t *testing.T) {
	c := DefaultFish()
	c.Interval = 2 * time.Second
	r := NewFish(c, partition.Env{Workers: 2, Subtasks: 2, Slide: time.Second, WindowSlides: 1}).(*fish)
	r.waiting = []float64{300, 100}
	r.EndSlide(0)
	r.EndSlide(1)
	if r.waiting[0] != 300 {
		t.Errorf("without service times nothing is known to be done, but %v waits", r.waiting)
	}
	// Worker 0 took 1 ms per record, worker 1 20 ms.
	r.Observe(&policy.Window{End: time.Second, Counts: []int64{500, 10}, Busy: []float64{0.5, 0.2}})
	if r.service[0] != 0.001 || r.service[1] != 0.02 {
		t.Errorf("service times %v, want 1 ms and 20 ms", r.service)
	}
	// In seconds, at the mean of the samples: 300*10.5 ms and 100*10.5 ms.
	for w, want := range []float64{3.15, 1.05} {
		if math.Abs(r.waiting[w]-want) > 1e-12 {
			t.Errorf("worker %d: %v s of work wait, want %v", w, r.waiting[w], want)
		}
	}
	r.EndSlide(2)
	if r.waiting[0] < 3 {
		t.Errorf("an inference half way through the interval: %v", r.waiting)
	}
	r.EndSlide(3)
	// Each worker works 2 s, half of it for this subtask of two.
	for w, want := range []float64{2.15, 0.05} {
		if math.Abs(r.waiting[w]-want) > 1e-12 {
			t.Errorf("worker %d: %v s of work wait after an interval, want %v", w, r.waiting[w], want)
		}
	}
	r.EndSlide(5)
	if r.waiting[1] != 0 {
		t.Errorf("a worker cannot have less than nothing to do: %v", r.waiting)
	}
	before := append([]float64(nil), r.service...)
	r.Observe(&policy.Window{End: time.Second, Counts: []int64{0, 5}, Busy: []float64{0, math.NaN()}})
	if r.service[0] != before[0] || r.service[1] != before[1] {
		t.Errorf("a window without samples changed the service times to %v", r.service)
	}
}

func TestFishSendsLessToTheSlow(t *testing.T) {
	r := NewFish(DefaultFish(), routertest.Env(4)).(*fish)
	r.Observe(&policy.Window{End: time.Second, Counts: []int64{100, 100, 100, 25}, Busy: []float64{0.5, 0.5, 0.5, 0.5}})
	counts := make([]float64, 4)
	for _, w := range routertest.SentTo(r, routertest.Repeat(1, 13_000)...) {
		counts[w]++
	}
	for w, want := range []float64{4000, 4000, 4000, 1000} {
		if math.Abs(counts[w]-want) > 20 {
			t.Errorf("worker %d of speeds 4:4:4:1 got %v records, want %v", w, counts[w], want)
		}
	}
}
