package dalton

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/routertest"
	"github.com/saspart/saspart/partition/internal/tally"
	"github.com/saspart/saspart/policy"
)

// naiveDalton is the rule of dalton-original with maps and scans.
type naiveDalton struct {
	Config
	*naiveHot
	all       []naiveSent
	rng       *rand.Rand
	q         map[uint64][]float64
	maxSplit  int
	reached   map[uint64]bool
	published bool
}

func (n *naiveDalton) route(hash uint64) (int, bool) {
	known, hot := n.see(hash)
	w := tally.Home(hash, n.workers)
	if !hot {
		n.send(hash, w)
		return w, known
	}
	q := n.q[hash]
	if q == nil {
		q = make([]float64, n.workers)
		for i := range q {
			q[i] = n.Initial
		}
		n.q[hash] = q
	}
	var at []int
	for i, in := range n.knows(hash) {
		if in {
			at = append(at, i)
		}
	}
	switch {
	case n.rng.Float64() < 1-n.Epsilon:
		for i := range q {
			if q[i] > q[w] {
				w = i
			}
		}
	case n.reached[hash] && len(at) > 0:
		w = at[n.rng.IntN(len(at))]
	default:
		w = n.rng.IntN(n.workers)
	}
	n.send(hash, w)
	kf := 0
	for _, in := range n.knows(hash) {
		if in {
			kf++
		}
	}
	if kf == n.maxSplit || kf > n.maxSplit && !n.published {
		n.reached[hash] = true
	}
	hotKeys := 0
	for _, until := range n.until {
		if until >= n.now {
			hotKeys++
		}
	}
	if float64(len(n.reached)) >= n.SplitShare*float64(hotKeys) && n.maxSplit < n.SplitMax {
		clear(n.reached)
		n.maxSplit++
	}
	load, total := n.loads(n.all)
	l, avg := load[w], total/float64(n.workers)
	reward := -(n.Balance*(l-avg)/math.Max(l, avg) + (1-n.Balance)*(float64(kf)/float64(n.workers)))
	q[w] = (1-n.LearningRate)*q[w] + n.LearningRate*reward
	return w, true
}

func (n *naiveDalton) send(hash uint64, w int) {
	n.sent = append(n.sent, naiveSent{hash, w, n.now})
	n.all = append(n.all, naiveSent{hash, w, n.now})
}

func (n *naiveDalton) endSlide() {
	n.naiveHot.endSlide()
	for hash := range n.q {
		if until, known := n.until[hash]; !known || until < n.now {
			delete(n.q, hash)
			if !n.published {
				delete(n.reached, hash)
			}
		}
	}
}

func TestDaltonEqualsItsNaiveTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		env := partition.Env{
			Workers: rapid.IntRange(1, 9).Draw(t, "workers"), Subtasks: 1, Seed: rapid.Uint64().Draw(t, "seed"),
			WindowSlides: rapid.IntRange(1, 3).Draw(t, "slides"),
		}
		c := Default()
		c.SketchFrom = 0
		c.Epsilon = rapid.SampledFrom([]float64{0, 0.1, 0.7}).Draw(t, "epsilon")
		published := rapid.Bool().Draw(t, "published")
		r := NewOriginal(c, env, published).(*original)
		naive := &naiveDalton{
			Config: c, naiveHot: newNaiveHot(env.Workers, env.WindowSlides, float64(env.Workers), published),
			rng: subtaskRand(env, "dalton"), q: map[uint64][]float64{}, maxSplit: c.SplitMin, reached: map[uint64]bool{}, published: published,
		}
		dst := make([]partition.Dest, 1)
		for i := range rapid.IntRange(0, 200).Draw(t, "records") {
			for rapid.IntRange(0, 11).Draw(t, "what") == 0 {
				r.EndSlide(int64(naive.now))
				naive.endSlide()
			}
			h := rapid.Uint64Range(0, 5).Draw(t, "key")
			r.Route(routertest.BatchOf([]uint64{h}), dst)
			w, known := naive.route(h)
			if dst[0].Worker() != w || dst[0]&partition.Merge != 0 != (known && env.Workers > 1) {
				t.Fatalf("record %d of key %d: worker %d, merge %v; want %d, %v", i, h, dst[0].Worker(), dst[0]&partition.Merge != 0, w, known)
			}
			if r.maxSplit != naive.maxSplit {
				t.Fatalf("record %d: maxSplit %d, want %d", i, r.maxSplit, naive.maxSplit)
			}
		}
	})
}

func TestDaltonRewardByHand(t *testing.T) {
	// Slide 0: 8 cold records at home, 2 for each of 4 workers: the threshold is 2.
	// In slide 1 the window still has them.
	c := Default()
	c.Epsilon = 0
	r := NewOriginal(c, partition.Env{Workers: 4, Subtasks: 1, WindowSlides: 2}, false).(*original)
	routertest.SentTo(r, 0, 1, 2, 3, 0, 1, 2, 3)
	r.EndSlide(0)
	routertest.SentTo(r, 4, 4) // cold: loads 4,2,2,2
	for i, s := range []struct {
		worker int
		q      float64 // of the worker, after
		why    string
	}{
		// All Q are -2: home. Load 5, avg 11/4, fragmentation 1/4.
		{0, 0.9*-2 + 0.1*-(0.5*(5-2.75)/5+0.5*0.25), "of equal Q to the home, and Q moves a tenth of the way"},
		// Q[0] is now -1.835, above the -2 of the others. Load 6, avg 3.
		{0, 0.9*(0.9*-2+0.1*-(0.5*2.25/5+0.125)) + 0.1*-(0.5*3.0/6+0.125), "the greatest Q, tried once"},
	} {
		if got := routertest.SentTo(r, 4)[0]; got != s.worker {
			t.Errorf("record %d went to worker %d, want %d: %s", i, got, s.worker, s.why)
		}
		if q := r.arms[0].q[s.worker]; math.Abs(q-s.q) > 1e-12 {
			t.Errorf("record %d: Q is %v, want %v: %s", i, q, s.q, s.why)
		}
	}
}

func TestDaltonMetricsRewards(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		busy []float64
		want []float64
		why  string
	}{
		{[]float64{0.5, 0.5}, []float64{0, 0}, "as busy as the average"},
		{[]float64{0.9, 0.3}, []float64{-1.0 / 3, 0.5}, "avg 0.6: (0.6-0.9)/0.9 and (0.6-0.3)/0.6"},
		{[]float64{0, 0}, []float64{0, 0}, "nothing to tell them apart"},
		{[]float64{nan, 0.5}, []float64{-0.25, 1.0 / 3}, "a missing worker counts as saturated: avg 0.75"},
		{[]float64{1}, []float64{0, 0}, "a window of another job is ignored"},
	} {
		r := NewMetrics(Default(), partition.Env{Workers: 2, Subtasks: 1, WindowSlides: 1}, false).(metrics)
		r.Observe(&policy.Window{Busy: c.busy})
		for w, want := range c.want {
			if math.Abs(r.rewards[w]-want) > 1e-12 {
				t.Errorf("busy %v: reward of worker %d is %v, want %v: %s", c.busy, w, r.rewards[w], want, c.why)
			}
		}
	}
}

// warm makes key 4 of a job of four workers hot, for this slide and the next.
func warm(r partition.Router) {
	routertest.SentTo(r, routertest.Repeat(4, 40)...)
	r.EndSlide(0)
	routertest.SentTo(r, routertest.Repeat(4, 11)...)
}

func TestDaltonMetricsConverges(t *testing.T) {
	// Rewards are fixed, so that n updates take Q from -2 to r + 0.9^n*(-2-r), and
	// the least busy worker wins once exploring has found it.
	r := NewMetrics(Default(), partition.Env{Workers: 4, Subtasks: 1, WindowSlides: 1, Seed: 5}, false).(metrics)
	r.Observe(&policy.Window{Busy: []float64{0.9, 0.6, 0.2, 0.7}})
	warm(r)
	counts := make([]int, 4)
	routertest.SentTo(r, routertest.Repeat(4, 1000)...)
	for _, w := range routertest.SentTo(r, routertest.Repeat(4, 2000)...) {
		counts[w]++
	}
	a := &r.arms[0]
	for w, reward := range r.rewards {
		want := reward + math.Pow(0.9, float64(a.updates[w]))*(-2-reward)
		if math.Abs(a.q[w]-want) > 1e-9 {
			t.Errorf("worker %d after %d updates: Q is %v, want %v", w, a.updates[w], a.q[w], want)
		}
	}
	if counts[2] < 1700 {
		t.Errorf("the least busy worker got %d of 2000 records; 90 %% exploit and a quarter of the rest explore there: %v", counts[2], counts)
	}
}

func TestDaltonOriginalConvergesToMaxSplit(t *testing.T) {
	// One key is the whole stream. It ends on maxSplit = 6 of 8 workers, and Q
	// levels their loads: 8/6 of the mean each.
	r := NewOriginal(Default(), routertest.Env(8), false).(*original)
	counts := make([]float64, 8)
	for slide := range int64(60) {
		for _, w := range routertest.SentTo(r, routertest.Repeat(3, 1000)...) {
			if slide >= 30 {
				counts[w]++
			}
		}
		r.EndSlide(slide)
	}
	used := 0
	for _, c := range counts {
		if c > 0 {
			used++
		}
	}
	if r.maxSplit != 6 || used != 6 {
		t.Errorf("maxSplit %d, %d workers used, want 6 and 6: %v", r.maxSplit, used, counts)
	}
	if s := routertest.Skew(counts); s > 1.1*8/6 {
		t.Errorf("the largest load is %.2f of the mean, want about 1.33: %v", s, counts)
	}
}

func TestDaltonSketchesManyKeys(t *testing.T) {
	const p = 64
	for _, c := range []struct {
		published bool
		least     int
		most      int
		why       string
	}{
		{false, 1, 10, "none of 20,000 equal keys is hot, the single heavy one is"},
		{true, 200, 1 << 20, "published: with 40 columns every key seems to have 1/40 of the records, above the threshold of 1/64"},
	} {
		r := NewOriginal(Default(), routertest.Env(p), c.published).(*original)
		hashes := make([]uint64, 25_000)
		for i := range hashes {
			hashes[i] = tally.Mix(uint64(i % 20_000))
			if i%10 == 0 {
				hashes[i] = 77
			}
		}
		for slide := range int64(2) {
			routertest.SentTo(r, hashes...)
			r.EndSlide(slide)
		}
		if !r.hot.sketching {
			t.Errorf("published %v: more than 10,000 distinct keys in a slide and no sketch", c.published)
		}
		if n := r.hot.hot; n < c.least || n > c.most {
			t.Errorf("published %v: %d hot keys, want %d to %d: %s", c.published, n, c.least, c.most, c.why)
		}
	}
}

func TestDaltonAbsorbsWhatOthersLearned(t *testing.T) {
	env := partition.Env{Workers: 4, Subtasks: 3, WindowSlides: 1, Seed: 9}
	busy := [][]float64{{0.9, 0.6, 0.2, 0.7}, {0.1, 0.5, 0.5, 0.9}}
	var r []metrics
	for s := range 3 {
		env.Subtask = s
		r = append(r, NewMetrics(Default(), env, false).(metrics))
	}
	for s, records := range []int{300, 100} {
		r[s].Observe(&policy.Window{Busy: busy[s]})
		warm(r[s])
		routertest.SentTo(r[s], routertest.Repeat(4, records-11)...)
	}
	shares := []any{r[0].Gossip(), r[1].Gossip(), r[2].Gossip()}
	q := func(s int) []float64 { return append([]float64(nil), r[s].arms[0].q...) }
	shared := [][]float64{q(0), q(1)}
	n := append([]uint32(nil), r[0].arms[0].updates...)
	routertest.SentTo(r[0], routertest.Repeat(4, 200)...) // rewards that come in before the answer
	for s := range r {
		r[s].Absorb(shares)
	}
	for w := range 4 {
		// The weights are the records since the key was known.
		mean := (300*shared[0][w] + 100*shared[1][w]) / 400
		late := float64(r[0].arms[0].updates[w] - n[w])
		replayed := mean
		for range int(late) {
			replayed = 0.9*replayed + 0.1*r[0].rewards[w]
		}
		for s, want := range []float64{replayed, mean, mean} {
			if got := r[s].arms[0].q[w]; math.Abs(got-want) > 1e-9 {
				t.Errorf("subtask %d: Q[%d] is %v, want %v", s, w, got, want)
			}
		}
	}
	// Subtask 2 never saw the key, and knows it for hot now.
	dst := make([]partition.Dest, 1)
	r[2].Route(routertest.BatchOf([]uint64{4}), dst)
	if dst[0]&partition.Merge == 0 {
		t.Error("a key that is hot for two subtasks is cold for the third")
	}
	if shares[0].(report)[0].q[0] != shared[0][0] {
		t.Error("gossip changed after it was returned")
	}
	for slide := range int64(10) {
		r[2].EndSlide(slide)
	}
	r[2].Absorb(shares)
	if k := r[2].hot.index.Get(4); k >= 0 && r[2].hot.isHot(k) {
		t.Error("a share made a key hot long after it had expired")
	}
}

func TestDaltonSharesItsHeaviestKeys(t *testing.T) {
	const p = 3
	r := NewOriginal(Default(), partition.Env{Workers: p, Subtasks: 2, WindowSlides: 1}, false).(*original)
	routertest.SentTo(r, routertest.Repeat(1, 9)...)
	r.EndSlide(0) // the threshold is 3
	for key, records := range map[uint64]int{10: 4, 11: 9, 12: 7, 13: 20, 14: 3} {
		routertest.SentTo(r, routertest.Repeat(key, records)...)
	}
	share := r.Gossip().(report)
	want := []uint64{13, 11, 12}
	if len(share) != p {
		t.Fatalf("%d keys shared, want the %d heaviest of four hot ones", len(share), p)
	}
	for i, s := range share {
		if s.hash != want[i] {
			t.Errorf("shared key %d is %d, want %d", i, s.hash, want[i])
		}
	}
	r.Absorb([]any{nil, "something else", report{{hash: 1, until: 9, q: []float64{1}}}})
	if r.hot.index.Get(1) >= 0 {
		t.Error("a share of another number of workers was taken in")
	}
}
