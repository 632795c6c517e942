package rival

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/routertest"
)

// keyWithChoices finds the n-th hash whose two choices among P workers are these.
func keyWithChoices(first, second, workers, n int) uint64 {
	for h := uint64(1); ; h++ {
		if choice(h, 0, uint64(workers)) == first && choice(h, 1, uint64(workers)) == second {
			if n--; n < 0 {
				return h
			}
		}
	}
}

func TestCAMByHand(t *testing.T) {
	const p = 4
	a := keyWithChoices(0, 1, p, 0)
	b := keyWithChoices(0, 1, p, 1)
	c := keyWithChoices(0, 0, p, 0)
	r := NewCAM(partition.Env{Workers: p, Subtasks: 1, WindowSlides: 2}, false).(*camRouter)
	for i, s := range []struct {
		slides int64 // ended before the record
		key    uint64
		want   int
		why    string
	}{
		{0, a, 1, "unseen and both empty: equal loads go to the second choice"},
		{0, a, 1, "the second choice has seen it, although it is heavier"},
		{0, b, 0, "unseen: the first choice is lighter, 0 against 2"},
		{0, c, 0, "one choice is no choice"},
		{0, c, 0, "one choice is no choice"},
		{0, b, 0, "the first choice has seen it, although it is heavier, 3 against 2"},
		{1, a, 1, "seen a slide ago, within the window of two"},
		{0, a, 1, "load 4 against 4: the second choice has seen it"},
		{2, b, 1, "seen two slides ago, which no window shares; equal loads, 0 each"},
		{0, a, 0, "forgotten too; the first choice is lighter, 0 against 1"},
	} {
		for range s.slides {
			r.EndSlide(r.clock.Now)
		}
		if got := routertest.SentTo(r, s.key)[0]; got != s.want {
			t.Errorf("record %d went to worker %d, want %d: %s", i, got, s.want, s.why)
		}
	}
}

func TestCAMPublishedNeverForgets(t *testing.T) {
	const p = 2
	a, b, c := keyWithChoices(0, 1, p, 0), keyWithChoices(0, 1, p, 1), keyWithChoices(0, 1, p, 2)
	for _, row := range []struct {
		published bool
		want      []int
		why       string
	}{
		{false, []int{1, 0, 1}, "all is forgotten: each record goes to the lighter, of equals to the second choice"},
		{true, []int{1, 0, 0}, "a and b stay where they were; c finds loads of 1 and 2"},
	} {
		r := NewCAM(partition.Env{Workers: p, Subtasks: 1, WindowSlides: 2}, row.published).(*camRouter)
		routertest.SentTo(r, a, b) // a to 1, b to 0
		for slide := range int64(50) {
			r.EndSlide(slide)
		}
		if got := routertest.SentTo(r, a, c, b); !slices.Equal(got, row.want) {
			t.Errorf("published %v: went to %v, want %v: %s", row.published, got, row.want, row.why)
		}
	}
}

func TestCAMMergesOnlyAmongSubtasks(t *testing.T) {
	const p = 4
	for _, c := range []struct {
		subtasks      int
		first, second int
		want          partition.Dest
		why           string
	}{
		{1, 0, 1, 0, "one router keeps a key in one place as long as a window lasts"},
		{2, 0, 1, partition.Merge, "another subtask may choose otherwise"},
		{2, 2, 2, 0, "no subtask has a choice"},
	} {
		r := NewCAM(partition.Env{Workers: p, Subtasks: c.subtasks, WindowSlides: 2}, false).(*camRouter)
		dst := make([]partition.Dest, 1)
		r.Route(routertest.BatchOf([]uint64{keyWithChoices(c.first, c.second, p, 0)}), dst)
		if dst[0]&partition.Merge != c.want {
			t.Errorf("%d subtasks, choices %d and %d: merge is %v: %s", c.subtasks, c.first, c.second, dst[0]&partition.Merge != 0, c.why)
		}
	}
}

// naiveCAM keeps every record of the window.
type naiveCAM struct {
	workers, slides int
	published       bool
	now             int
	sent            []camRecord
}

type camRecord struct {
	hash          uint64
	worker, slide int
}

func (n *naiveCAM) route(hash uint64) int {
	load, seen := make([]int, n.workers), make([]bool, n.workers)
	for _, s := range n.sent {
		if n.published || n.now-s.slide < n.slides {
			load[s.worker]++
			seen[s.worker] = seen[s.worker] || s.hash == hash
		}
	}
	a, b := choice(hash, 0, uint64(n.workers)), choice(hash, 1, uint64(n.workers))
	w := b
	if seen[a] || !seen[b] && load[a] < load[b] {
		w = a
	}
	n.sent = append(n.sent, camRecord{hash, w, n.now})
	return w
}

func TestCAMEqualsItsNaiveTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		env := partition.Env{Workers: rapid.IntRange(1, 6).Draw(t, "workers"), Subtasks: 1, WindowSlides: rapid.IntRange(1, 3).Draw(t, "slides")}
		published := rapid.Bool().Draw(t, "published")
		r := NewCAM(env, published).(*camRouter)
		naive := &naiveCAM{workers: env.Workers, slides: env.WindowSlides, published: published}
		for i := range rapid.IntRange(0, 100).Draw(t, "records") {
			if rapid.IntRange(0, 5).Draw(t, "what") == 0 {
				r.EndSlide(int64(naive.now))
				naive.now++
			}
			h := rapid.Uint64Range(0, 12).Draw(t, "key")
			if got, want := routertest.SentTo(r, h)[0], naive.route(h); got != want {
				t.Fatalf("record %d of key %d: worker %d, want %d", i, h, got, want)
			}
		}
	})
}

func TestSeenKeysStayBounded(t *testing.T) {
	const limit, window = 1 << 10, 4
	for _, c := range []struct {
		perSlide int
		lost     bool
		why      string
	}{
		{100, false, "400 keys in a window fit"},
		{5000, true, "20,000 keys in a window don't fit 1024 slots"},
	} {
		s := newSeenKeys(limit)
		key, lost, now := uint64(0), false, uint32(0)
		for now = 1; now < 40; now++ {
			mine := key
			for range c.perSlide {
				key++
				*s.add(key, now, window) = sighting(now) << 1
			}
			for h := mine + 1; h <= key; h++ {
				last := s.add(h, now, window)
				lost = lost || !last.alive(now, window)
				*last = sighting(now) << 1
			}
		}
		if n := s.last.Cells(); n > limit {
			t.Errorf("%d keys per slide: %d cells, the limit is %d", c.perSlide, n, limit)
		}
		if lost != c.lost {
			t.Errorf("%d keys per slide: forgotten within their slide is %v: %s", c.perSlide, lost, c.why)
		}
	}
}
