package tally

import "math"

// Least finds the smallest of a row of counters that only ever grow. It is a
// clock hand that sweeps the row, looking for counters that still stand at the
// level of the sweep, the smallest value there is, and gathers the level of the
// next sweep on its way. Every sweep raises the level by at least 1, and there
// are no more than sum/len(counts) levels, so finding costs no more than one
// inspection per unit ever counted, however rarely one asks: a scan of all P
// workers per record becomes O(1), amortised. After counters were reset or
// lowered, start over with the zero value.
type Least struct {
	level int64 // no counter is below it
	next  int64 // the smallest value the hand has passed in this sweep
	hand  int
	swept bool // next holds a value
}

// Find returns the first of the smallest counters, by index: exactly what a scan
// from the front would find. counts must not be empty.
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
