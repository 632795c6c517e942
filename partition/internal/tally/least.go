package tally

import "math"

// Least finds the smallest of a row of counters that only ever grow. A hand sweeps the row for
// counters that still stand at the level of the sweep, which is the smallest value there is. On
// its way it finds the level of the next sweep. Each sweep raises the level by at least 1, and
// there are at most sum/len(counts) levels. Finding therefore inspects at most one counter per
// unit ever counted: O(1) per record, amortised, where a scan takes O(P). After counters were
// reset or lowered, start over with the zero value.
type Least struct {
	level int64 // no counter is below it
	next  int64 // the smallest value the hand has passed in this sweep
	hand  int
	swept bool // next holds a value
}

// Find returns the index of the smallest counter, of equals the first, as a scan from the front
// does. counts must not be empty.
func (l *Least) Find(counts []int64) int {
	for {
		next := l.next
		if !l.swept {
			next = math.MaxInt64
		}
		for i := l.hand; i < len(counts); i++ {
			if c := counts[i]; c > l.level {
				next = min(next, c)
				continue
			}
			l.hand, l.next, l.swept = i, next, true
			return i
		}
		l.hand, l.level, l.swept = 0, next, false
	}
}
