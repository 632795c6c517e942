package tally

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The clock hand finds what a scan finds, whatever grows in between, by however
// much.
func TestLeastFindsWhatAScanFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		counts := make([]int64, rapid.IntRange(1, 20).Draw(t, "counters"))
		var l Least
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "ask") {
				got, want := l.Find(counts), slices.Index(counts, slices.Min(counts))
				if got != want {
					t.Fatalf("find(%v) = %d, want %d", counts, got, want)
				}
			}
			counts[rapid.IntRange(0, len(counts)-1).Draw(t, "which")] += rapid.Int64Range(1, 5).Draw(t, "by")
		}
	})
}

// Finding the smallest before every unit of growth inspects each counter no more
// than once per level: the hand never sweeps for nothing.
func TestLeastSweepsOncePerLevel(t *testing.T) {
	counts := make([]int64, 64)
	var l Least
	for range 64 * 100 {
		counts[l.Find(counts)]++
	}
	if l.level != 99 || slices.Min(counts) != 100 || slices.Max(counts) != 100 {
		t.Errorf("after 100 rounds the level is %d and the counters stand at %d to %d; want 99, 100, 100",
			l.level, slices.Min(counts), slices.Max(counts))
	}
}
