package table

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestTurnsRoundShares(t *testing.T) {
	for _, c := range []struct {
		why    string
		shares []float64
		want   []int
		length int
	}{
		{"even shares of a power of two: one turn each", []float64{0.25, 0.25, 0.25, 0.25}, []int{1, 1, 1, 1}, 4},
		{"shares that are whole eighths", []float64{0.125, 0.625, 0.25}, []int{1, 5, 2}, 8},
		{"19.2 of 64 is off by 0.2 turns, less than 1/128 of the mean share, 32; 9.6 of 32 is off by 0.4", []float64{0.3, 0.7}, []int{19, 45}, 64},
		{"a share far below the precision has no turn", []float64{1e-6, 1 - 1e-6}, []int{0, 2}, 2},
		{"a sum just below 1 is made up", []float64{0.4999997, 0.4999997}, []int{1, 1}, 2},
		{"a sum just above 1 too", []float64{0.5000003, 0.5000003}, []int{1, 1}, 2},
	} {
		var r rounder
		counts, length := r.turns(c.shares)
		if length != c.length || !cmp.Equal(counts, c.want) {
			t.Errorf("%s: turns(%v) = %v of %d, want %v of %d", c.why, c.shares, counts, length, c.want, c.length)
		}
	}
}

// drawShares draws the shares of a split key.
func drawShares(t *rapid.T, most int) []float64 {
	shares := rapid.SliceOfN(rapid.Float64Range(1e-3, 1), 2, most).Draw(t, "shares")
	sum := 0.0
	for _, s := range shares {
		sum += s
	}
	for i := range shares {
		shares[i] /= sum
	}
	return shares
}

func TestTurnsAreClose(t *testing.T) {
	var r rounder
	rapid.Check(t, func(t *rapid.T) {
		shares := drawShares(t, 300)
		counts, length := r.turns(shares)
		if length&(length-1) != 0 || length > maxTurns {
			t.Fatalf("%d turns; want a power of two up to %d", length, maxTurns)
		}
		sum := 0
		for i, n := range counts {
			sum += n
			off := math.Abs(float64(n)/float64(length) - shares[i])
			if off >= 1/float64(length) || off > 1.0/turnsPerWorker/float64(len(shares)) {
				t.Fatalf("%d turns of %d for a share of %v among %d", n, length, shares[i], len(shares))
			}
		}
		if sum != length {
			t.Fatalf("%v sum to %d, want %d", counts, sum, length)
		}
	})
}

// The naive twin is the published rule: the record goes to the worker with the
// largest target less realised share. The sequence must keep closer to the target
// than that rule is known to, at every prefix, and end at the exact counts, as
// the twin does.
func TestSpreadIsEvenAtEveryPrefix(t *testing.T) {
	var r rounder
	var s sequencer
	rapid.Check(t, func(t *rapid.T) {
		counts, length := r.turns(drawShares(t, 40))
		sequence := s.spread(counts, length, nil)
		if len(sequence) != length {
			t.Fatalf("a sequence of %d turns, want %d", len(sequence), length)
		}
		fast, slow := make([]int, len(counts)), make([]int, len(counts))
		for n, i := range sequence {
			fast[i]++
			behind := func(w int) int { return counts[w]*(n+1) - slow[w]*length }
			best := 0
			for w := range counts {
				if behind(w) > behind(best) {
					best = w
				}
			}
			slow[best]++
			for w := range counts {
				if off := fast[w]*length - counts[w]*(n+1); off >= length || off <= -length {
					t.Fatalf("after %d of %d turns worker %d of %v has had %d", n+1, length, w, counts, fast[w])
				}
			}
		}
		if !cmp.Equal(fast, counts) || !cmp.Equal(slow, counts) {
			t.Fatalf("at the end: %v, the twin %v, want %v", fast, slow, counts)
		}
	})
}
