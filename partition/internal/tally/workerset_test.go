package tally

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestWorkerSetEqualsItsHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := rapid.SampledFrom([]int{1, 5, 64, 70, 130}).Draw(t, "workers")
		slides := rapid.IntRange(1, 3).Draw(t, "slides")
		keep := rapid.Bool().Draw(t, "keep")
		s, row := NewWorkerSets(2, workers, slides, keep)[1], 0
		last := make([]int, workers) // slide of the latest mark, from 1
		now := 1
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
				row, now = (row+1)%slides, now+1
				s.EndSlide(row)
			} else {
				w := rapid.IntRange(0, workers-1).Draw(t, "worker")
				before := s.has(w)
				last[w] = now
				if s.Mark(w, row) == before {
					t.Fatalf("worker %d: news although known, or the other way round", w)
				}
			}
			var known, used []int
			for w, at := range last {
				if at > 0 && now-at < slides {
					used = append(used, w)
				}
				if at > 0 && (keep || now-at < slides) {
					known = append(known, w)
				}
			}
			var got []int
			s.Each(func(w int) { got = append(got, w) })
			if !slices.Equal(got, known) || s.N != len(known) {
				t.Fatalf("%d known: %v, want %v", s.N, got, known)
			}
			for j, w := range known {
				if s.Pick(j) != w {
					t.Fatalf("pick(%d) is %d, want %d", j, s.Pick(j), w)
				}
			}
			for w := range workers {
				only := len(used) == 0 || len(used) == 1 && used[0] == w
				if s.Only(w) != only {
					t.Fatalf("only(%d) is %v with %v used", w, s.Only(w), used)
				}
			}
		}
	})
}

// has reports whether the rule knows the key at worker w.
func (s *WorkerSet) has(w int) bool { return s.known[w/64]>>(w%64)&1 != 0 }
