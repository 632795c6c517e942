package rival

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/routertest"
	"github.com/saspart/saspart/partition/internal/tally"
)

// naiveFlexD is the rule with maps and scans.
type naiveFlexD struct {
	FlexDConfig
	published bool
	workers   int
	count     map[uint64]float64
	total     float64
	frozen    float64
	bar       map[uint64]float64
	set       map[uint64]map[int]bool
	load      []float64 // this interval
	before    []float64 // the previous one
}

func newNaiveFlexD(c FlexDConfig, workers int, published bool) *naiveFlexD {
	return &naiveFlexD{
		FlexDConfig: c, workers: workers, published: published, frozen: math.Inf(1),
		count: map[uint64]float64{}, bar: map[uint64]float64{}, set: map[uint64]map[int]bool{},
		load: make([]float64, workers), before: make([]float64, workers),
	}
}

// lightest scans the workers for which ok holds.
func (n *naiveFlexD) lightest(ok func(w int) bool) int {
	best := -1
	for w := range n.load {
		if ok(w) && (best < 0 || n.load[w]+n.before[w] < n.load[best]+n.before[best]) {
			best = w
		}
	}
	return best
}

func (n *naiveFlexD) route(hash uint64) int {
	freq := 0.0
	count, total := min(n.count[hash], n.frozen), n.total
	if !n.published {
		total = max(total, float64(n.Settle))
	}
	if total > 0 {
		freq = count / total
	}
	w := tally.Home(hash, n.workers)
	if freq >= n.Threshold {
		set := n.set[hash]
		switch bar, hot := n.bar[hash]; {
		case !hot:
			n.bar[hash] = n.Threshold
			if n.published {
				n.bar[hash] = freq
			}
			w = n.lightest(func(int) bool { return true })
			n.set[hash] = map[int]bool{w: true}
		case freq > bar:
			n.bar[hash] *= n.Growth
			if w = n.lightest(func(w int) bool { return !set[w] }); w < 0 {
				w = n.lightest(func(int) bool { return true })
			}
			set[w] = true
		default:
			w = n.lightest(func(w int) bool { return set[w] })
		}
	}
	n.count[hash]++
	n.total++
	n.load[w]++
	return w
}

func (n *naiveFlexD) refresh() {
	if n.published {
		n.frozen = math.Floor(n.total/float64(n.workers)) + 1
	}
	n.total = 0
	clear(n.count)
	clear(n.bar)
	clear(n.set)
	n.before, n.load = n.load, make([]float64, n.workers)
}

func TestFlexDEqualsItsNaiveTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		env := partition.Env{Workers: rapid.IntRange(1, 9).Draw(t, "workers"), Subtasks: 1, WindowSlides: rapid.IntRange(1, 3).Draw(t, "slides"), Slide: time.Second}
		every := rapid.IntRange(1, 3).Draw(t, "every")
		c := FlexDConfig{
			Threshold: rapid.SampledFrom([]float64{0.01, 0.2, 0.5}).Draw(t, "threshold"), Growth: 1.1,
			Refresh: time.Duration(every)*time.Second - time.Duration(rapid.IntRange(0, 999).Draw(t, "early")), Settle: rapid.IntRange(0, 20).Draw(t, "settle"),
		}
		published := rapid.Bool().Draw(t, "published")
		r, naive := NewFlexD(c, env, published).(*flexd), newNaiveFlexD(c, env.Workers, published)
		slide := 0
		for i := range rapid.IntRange(0, 150).Draw(t, "records") {
			if rapid.IntRange(0, 9).Draw(t, "what") == 0 {
				r.EndSlide(int64(slide))
				if slide++; slide%every == 0 {
					naive.refresh()
				}
			}
			h := rapid.Uint64Range(0, 6).Draw(t, "key")
			if got, want := routertest.SentTo(r, h)[0], naive.route(h); got != want {
				t.Fatalf("record %d of key %d: worker %d, want %d", i, h, got, want)
			}
		}
	})
}

// splitOf is how many workers a key that makes up share of the stream gets.
func splitOf(r partition.Router, share float64, records, workers int) int {
	at := map[int]bool{}
	for i := range records {
		key := uint64(1000 + i) // cold ones never return
		if math.Floor(float64(i+1)*share) > math.Floor(float64(i)*share) {
			key = 7
		}
		w := routertest.SentTo(r, key)[0]
		if key == 7 && i > records/2 {
			at[w] = true
		}
	}
	return len(at)
}

func TestFlexDSplitsByFrequency(t *testing.T) {
	for _, c := range []struct {
		share     float64
		published bool
		least     int
		most      int
		why       string
	}{
		{0.005, false, 1, 1, "below the threshold: cold"},
		{0.02, false, 7, 9, "log(2)/log(1.1) = 7.3 rises of the bar, and the first worker"},
		{0.1, false, 24, 27, "log(10)/log(1.1) = 24.2 rises"},
		{0.4, false, 38, 41, "log(40)/log(1.1) = 38.7 rises"},
		{0.4, true, 1, 8, "published: the first bar is near the key's frequency already, so that it never needs to rise much"},
	} {
		r := NewFlexD(DefaultFlexD(), routertest.Env(64), c.published).(*flexd)
		if got := splitOf(r, c.share, 40_000, 64); got < c.least || got > c.most {
			t.Errorf("share %v, published %v: %d workers, want %d to %d: %s", c.share, c.published, got, c.least, c.most, c.why)
		}
	}
}

func TestFlexDPublishedStopsCounting(t *testing.T) {
	const p = 4
	for _, published := range []bool{false, true} {
		c := DefaultFlexD()
		c.Refresh = time.Second
		r := NewFlexD(c, partition.Env{Workers: p, Subtasks: 1, WindowSlides: 1, Slide: time.Second}, published).(*flexd)
		routertest.SentTo(r, routertest.Repeat(1, 40)...)
		r.EndSlide(0)
		// In an interval of 10,000 records after one of 40, key 1 is counted to 40/4+1
		// as published: 11 of 10,000 is below 0.01.
		for range 100 {
			routertest.SentTo(r, routertest.Repeat(1, 50)...)
			routertest.SentTo(r, routertest.Repeat(2, 50)...)
		}
		if got, want := r.frequency(1) < c.Threshold, published; got != want {
			t.Errorf("published %v: a key of half the records is taken for cold: %v", published, got)
		}
	}
}

func TestFlexDSettlesBeforeItJudges(t *testing.T) {
	for _, c := range []struct {
		published bool
		hot       bool
		why       string
	}{
		{false, false, "one record of 1000 assumed is below 0.01"},
		{true, true, "published: one record of one is a frequency of 1"},
	} {
		r := NewFlexD(DefaultFlexD(), routertest.Env(4), c.published).(*flexd)
		dst := make([]partition.Dest, 2)
		r.Route(routertest.BatchOf([]uint64{5, 5}), dst)
		if got := dst[1]&partition.Merge != 0; got != c.hot {
			t.Errorf("published %v: the second record of a job is hot: %v; %s", c.published, got, c.why)
		}
	}
}
