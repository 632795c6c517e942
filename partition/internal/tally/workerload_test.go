package tally

import (
	"testing"

	"pgregory.net/rapid"
)

func TestSlideLoadsEqualRecounting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := rapid.IntRange(1, 9).Draw(t, "workers")
		slides := rapid.IntRange(0, 4).Draw(t, "slides")
		s := NewSlideLoads(workers, slides)
		history := [][]float64{make([]float64, workers)}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			if rapid.IntRange(0, 4).Draw(t, "what") == 0 {
				s.EndSlide()
				history = append(history, make([]float64, workers))
			} else {
				w := rapid.IntRange(0, workers-1).Draw(t, "worker")
				s.Add(w)
				history[len(history)-1][w]++
			}
			from := 0
			if slides > 0 {
				from = max(0, len(history)-slides)
			}
			total := 0.0
			for w := range workers {
				want := 0.0
				for _, slide := range history[from:] {
					want += slide[w]
				}
				total += want
				if s.Load[w] != want {
					t.Fatalf("worker %d has load %v, recounted %v", w, s.Load[w], want)
				}
			}
			if s.Total != total {
				t.Fatalf("the total is %v, recounted %v", s.Total, total)
			}
		}
	})
}

func TestLightestEqualsAScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		load := make([]float64, rapid.SampledFrom([]int{1, 2, 7, 40, 100}).Draw(t, "workers"))
		member := make([]bool, len(load))
		var l Lightest
		if rapid.Bool().Draw(t, "all") {
			l = NewLightest(len(load))
			for w := range member {
				member[w] = true
			}
		}
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			w := rapid.IntRange(0, len(load)-1).Draw(t, "worker")
			switch rapid.IntRange(0, 8).Draw(t, "what") {
			case 0:
				if !member[w] {
					member[w] = true
					l.Add(w, load)
				}
			case 1:
				for i := range load {
					load[i] = float64(int(load[i]) / 2)
				}
				l.Refresh(load)
			default:
				load[w] += float64(rapid.IntRange(1, 3).Draw(t, "by"))
			}
			want := -1
			for i, in := range member {
				if in && (want < 0 || load[i] < load[want]) {
					want = i
				}
			}
			if want >= 0 && l.Min(load) != want {
				t.Fatalf("found worker %d in %v of %v, a scan finds %d", l.Min(load), load, member, want)
			}
		}
	})
}

func TestSlideClockCountsSkippedSlides(t *testing.T) {
	for _, c := range []struct {
		now, slide int64
		most, want int
		why        string
	}{
		{0, 0, 5, 1, "the first slide ends"},
		{3, 5, 5, 3, "slides without records are aged too"},
		{3, 1000, 5, 5, "no more steps than there is something to age"},
		{3, 2, 5, 0, "a slide that ended before ends only once"},
	} {
		clock := SlideClock{Now: c.now}
		if got := clock.Passed(c.slide, c.most); got != c.want {
			t.Errorf("from %d past %d: %d steps, want %d: %s", c.now, c.slide, got, c.want, c.why)
		}
		if want := max(c.now, c.slide+1); clock.Now != want {
			t.Errorf("from %d past %d: now %d, want %d", c.now, c.slide, clock.Now, want)
		}
	}
}
