package dalton

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/routertest"
	"github.com/saspart/saspart/partition/internal/tally"
)

// naiveSent is a record and where and when it went.
type naiveSent struct {
	hash          uint64
	worker, slide int
}

// naiveHot is hotKeys with maps, remembering every record.
type naiveHot struct {
	workers, slides int
	divisor         float64
	keep            bool
	now             int
	threshold       float64
	total           int
	count           map[uint64]int
	until           map[uint64]int // present: the key is known
	sent            []naiveSent
}

func newNaiveHot(workers, slides int, divisor float64, keep bool) *naiveHot {
	return &naiveHot{
		workers: workers, slides: slides, divisor: divisor, keep: keep, threshold: math.Inf(1),
		count: map[uint64]int{}, until: map[uint64]int{},
	}
}

// see counts a record and reports whether its key is known, and hot.
func (n *naiveHot) see(hash uint64) (known, hot bool) {
	n.total++
	n.count[hash]++
	until, known := n.until[hash]
	if float64(n.count[hash]) > n.threshold {
		if !known {
			// What it did in earlier slides was not watched.
			sent := n.sent[:0]
			for _, s := range n.sent {
				if s.hash != hash || s.slide == n.now {
					sent = append(sent, s)
				}
			}
			n.sent = sent
		}
		known, until = true, n.now+1
		n.until[hash] = until
	}
	return known, known && until >= n.now
}

// knows returns the workers on which the rule knows the key.
func (n *naiveHot) knows(hash uint64) []bool {
	at := make([]bool, n.workers)
	for _, s := range n.sent {
		if s.hash == hash && (n.keep || n.now-s.slide < n.slides) {
			at[s.worker] = true
		}
	}
	return at
}

// loads are the records of the window by worker, and their sum.
func (n *naiveHot) loads(all []naiveSent) ([]float64, float64) {
	load, total := make([]float64, n.workers), 0.0
	for _, s := range all {
		if n.now-s.slide < n.slides {
			load[s.worker]++
			total++
		}
	}
	return load, total
}

func (n *naiveHot) endSlide() {
	if n.total > 0 {
		n.threshold = float64(n.total) / n.divisor
	}
	n.total = 0
	clear(n.count)
	n.now++
	for hash, until := range n.until {
		away := false
		for _, s := range n.sent {
			away = away || s.hash == hash && n.now-s.slide < n.slides && s.worker != tally.Home(hash, n.workers)
		}
		if until < n.now && !away && !n.keep {
			delete(n.until, hash)
		}
	}
}

// naiveGreedy is the rule as published: a scan of all workers.
type naiveGreedy struct {
	*naiveHot
	all []naiveSent
}

func (n *naiveGreedy) route(hash uint64) (int, bool) {
	known, hot := n.see(hash)
	w := tally.Home(hash, n.workers)
	if hot {
		load, total := n.loads(n.all)
		best := math.Inf(-1)
		for i, at := range n.knows(hash) {
			// 0.5*c1 - 0.5*(L-avg)/avg, times 2*avg*P, so that it stays a whole number.
			value := -(load[i]*float64(n.workers) - total)
			if at {
				value += total
			}
			if value > best {
				best, w = value, i
			}
		}
	}
	n.sent = append(n.sent, naiveSent{hash, w, n.now})
	n.all = append(n.all, naiveSent{hash, w, n.now})
	return w, known
}

func TestDAGreedyEqualsItsNaiveTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		env := partition.Env{Workers: rapid.IntRange(1, 70).Draw(t, "workers"), Subtasks: 1, WindowSlides: rapid.IntRange(1, 3).Draw(t, "slides")}
		c := DefaultDAGreedy()
		c.Divisor = rapid.SampledFrom([]float64{0.1, 1, 100}).Draw(t, "divisor")
		published := rapid.Bool().Draw(t, "published")
		r := NewDAGreedy(c, env, published).(*dagreedy)
		naive := &naiveGreedy{naiveHot: newNaiveHot(env.Workers, env.WindowSlides, c.Divisor*float64(env.Workers), published)}
		dst := make([]partition.Dest, 1)
		for i := range rapid.IntRange(0, 150).Draw(t, "records") {
			for rapid.IntRange(0, 7).Draw(t, "what") == 0 {
				r.EndSlide(int64(naive.now))
				naive.endSlide()
			}
			h := rapid.Uint64Range(0, 6).Draw(t, "key")
			r.Route(routertest.BatchOf([]uint64{h}), dst)
			w, known := naive.route(h)
			if dst[0].Worker() != w || dst[0]&partition.Merge != 0 != (known && env.Workers > 1) {
				t.Fatalf("record %d of key %d: worker %d, merge %v; want %d, %v", i, h, dst[0].Worker(), dst[0]&partition.Merge != 0, w, known)
			}
		}
	})
}

func TestDAGreedyByHand(t *testing.T) {
	const p = 4
	r := NewDAGreedy(DefaultDAGreedy(), partition.Env{Workers: p, Subtasks: 1, WindowSlides: 2}, false).(*dagreedy)
	// Slide 0: 8 records set the threshold for slide 1 to 8/4 = 2.
	routertest.SentTo(r, 0, 0, 0, 0, 1, 2, 2, 3)
	r.EndSlide(0)
	// The window's loads are now 4, 1, 2, 1.
	for i, s := range []struct {
		key  uint64
		want int
		why  string
	}{
		{4, 0, "its first record is cold: home is 4 mod 4"},
		{4, 0, "the second is not above 2"},
		{4, 1, "the third is hot. Loads 6,1,2,1, avg 2.5: home is 5 heavier than the lightest, more than avg; worker 1 is the first of the lightest"},
		{4, 1, "loads 6,2,2,1, avg 2.75: staying at 1 beats the lighter 3"},
		{4, 1, "loads 6,3,2,1, avg 3: 2 heavier than the lightest, still below avg"},
		{4, 1, "loads 6,4,2,1, avg 3.25: 3 heavier"},
		{4, 3, "loads 6,5,2,1, avg 3.5: 4 heavier is too much"},
		{4, 3, "loads 6,5,2,2, avg 3.75: the lightest of the key's workers"},
	} {
		if got := routertest.SentTo(r, s.key)[0]; got != s.want {
			t.Errorf("record %d went to worker %d, want %d: %s", i, got, s.want, s.why)
		}
	}
}

func TestHotKeysThreshold(t *testing.T) {
	for _, c := range []struct {
		divisor float64
		records int // of the key in the second slide, after 400 records in the first, 4 workers
		hot     bool
		why     string
	}{
		{1, 100, false, "not above 400/4"},
		{1, 101, true, "above 400/4"},
		{100, 1, false, "not above 400/(100*4)"},
		{100, 2, true, "above 400/(100*4), as in Dalton's own code"},
	} {
		c0 := DefaultDAGreedy()
		c0.Divisor = c.divisor
		r := NewDAGreedy(c0, partition.Env{Workers: 4, Subtasks: 1, WindowSlides: 1}, false).(*dagreedy)
		dst := make([]partition.Dest, 400)
		r.Route(routertest.BatchOf(routertest.Repeat(9, 400)), dst)
		if dst[399]&partition.Merge != 0 {
			t.Errorf("a key was hot in the first slide, before there was a threshold")
		}
		r.EndSlide(0)
		dst = dst[:c.records]
		r.Route(routertest.BatchOf(routertest.Repeat(7, c.records)), dst)
		if got := dst[c.records-1]&partition.Merge != 0; got != c.hot {
			t.Errorf("divisor %v, %d records: hot is %v: %s", c.divisor, c.records, got, c.why)
		}
	}
}

func TestHotKeysCoolDown(t *testing.T) {
	r := NewDAGreedy(DefaultDAGreedy(), partition.Env{Workers: 4, Subtasks: 1, WindowSlides: 3}, false).(*dagreedy)
	routertest.SentTo(r, routertest.Repeat(4, 100)...)
	r.EndSlide(0)
	routertest.SentTo(r, routertest.Repeat(4, 100)...) // hot, to all four workers
	for slide, want := range []struct {
		hot, known bool
		why        string
	}{
		{true, true, "hot to the end of the slide after"},
		{false, true, "cold, but it was elsewhere within the window"},
		{false, true, "it was hot, and elsewhere, two slides ago: the last that share a window"},
		{false, false, "no window remembers"},
	} {
		r.EndSlide(int64(1 + slide))
		dst := make([]partition.Dest, 1)
		r.Route(routertest.BatchOf([]uint64{4}), dst)
		routertest.SentTo(r, 1, 2, 3, 1, 2, 3, 1, 2, 3)
		k := r.hot.index.Get(4)
		if hot := k >= 0 && r.hot.isHot(k); hot != want.hot || (dst[0]&partition.Merge != 0) != want.known {
			t.Errorf("slide %d: hot %v, merged %v; want %v, %v: %s", 2+slide, hot, dst[0]&partition.Merge != 0, want.hot, want.known, want.why)
		}
		if !want.hot && dst[0].Worker() != 0 {
			t.Errorf("slide %d: a cold key went to worker %d, away from home", 2+slide, dst[0].Worker())
		}
	}
}

func TestPublishedFragmentationNeverExpires(t *testing.T) {
	for _, c := range []struct {
		published bool
		want      string
		why       string
	}{
		{false, "[3]", "within a window of one slide the key is where this slide's records went"},
		{true, "[0 1 2 3]", "published: it is where it ever was"},
	} {
		r := NewDAGreedy(DefaultDAGreedy(), partition.Env{Workers: 4, Subtasks: 1, WindowSlides: 1}, c.published).(*dagreedy)
		routertest.SentTo(r, routertest.Repeat(4, 100)...)
		r.EndSlide(0)
		routertest.SentTo(r, routertest.Repeat(4, 100)...) // hot: goes everywhere
		r.EndSlide(1)
		routertest.SentTo(r, 0, 0, 1, 1, 2, 2, 4) // loads 2, 2, 2, 0 before the key's record
		var at []int
		r.hot.keys[r.hot.index.Get(4)].at.Each(func(w int) { at = append(at, w) })
		if got := fmt.Sprint(at); got != c.want {
			t.Errorf("published %v: the rule knows the key at %v, want %v: %s", c.published, got, c.want, c.why)
		}
	}
}

func TestHotKeysStayBounded(t *testing.T) {
	for _, keep := range []bool{false, true} {
		h := newHotKeys(hotOptions{workers: 8, slides: 2, divisor: 1000, limit: 20, keep: keep})
		hash, admitted := uint64(0), 0
		for slide := range int64(30) {
			for range 100 {
				hash++ // every key is new, and hot at once
				if h.see(hash) >= 0 {
					admitted++
				}
			}
			h.endSlide(slide)
		}
		if admitted < 5*20 {
			t.Errorf("keep %v: %d keys became hot in 30 slides; 20 entries, each free again after four slides, would do for 100", keep, admitted)
		}
		if len(h.keys) > 20 {
			t.Errorf("keep %v: %d entries, the limit is 20", keep, len(h.keys))
		}
		live := 0
		for k := range h.keys {
			if h.keys[k].live {
				live++
			}
		}
		if h.index.Len() != live {
			t.Errorf("keep %v: %d entries in use, %d keys with numbers", keep, live, h.index.Len())
		}
	}
}
