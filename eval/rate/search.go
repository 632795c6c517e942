// Package rate measures the sustainable rate of a job under a partitioner, and what it costs
// in state and latency. It compares the rate with the best possible one. It also measures how
// a job at a fixed rate recovers when the distribution of keys shifts.
package rate

import (
	"errors"
	"fmt"
	"math"
)

// Outcome is the result of a probe at one rate.
type Outcome struct {
	Held bool    // the job sustained the rate
	Sent float64 // records/s that were sent: an estimate of the sustainable rate, if the job did not sustain the rate or had a backlog
}

// Bracket is the result of a search: the highest rate that was sustained, and the lowest that
// was not.
type Bracket struct {
	Held   float64 // records/s; 0: none
	Failed float64 // records/s, above Held; +Inf: none below the search's ceiling
	Probes int
}

// Width returns Failed/Held - 1, the relative uncertainty of the bracket.
func (b Bracket) Width() float64 { return b.Failed/b.Held - 1 }

// Search finds the sustainable rate of a job by closing a bracket around it. It is pure: it
// knows the job only through the probe.
type Search struct {
	Start     float64 // records/s of the first probe, above 0
	Ceiling   float64 // records/s that are never exceeded; 0: no ceiling
	Tolerance float64 // the bracket is closed when Width is at most this
	Probes    int     // at most; Find then returns the bracket so far with ErrProbes
}

// ErrProbes says that a bracket is wider than the search's tolerance.
var ErrProbes = errors.New("the search ran out of probes")

// floor is the part of its start at which a search gives up.
const floor = 1e-6

// Find probes rates until the bracket is closed. Probes near the true limit may have either
// outcome: if their relative error is e, the limit lies between (1-e) Held and (1+e) Failed.
//
// Find first probes just below the estimate of the last probe, or where the bracket would
// close if that is lower. From there it goes up or down by one, two and four times the
// tolerance, since an estimate is rarely far off. After that it halves the bracket, so that
// the number of probes is logarithmic whatever the estimates are.
func (s Search) Find(probe func(rate float64) (Outcome, error)) (Bracket, error) {
	b := Bracket{Failed: math.Inf(1)}
	guess, r := 0.0, s.Start
	ups, downs := 0, 0 // consecutive rates that were sustained, or were not
	if s.Ceiling > 0 {
		r = min(r, s.Ceiling)
	}
	for {
		if b.Probes == s.Probes {
			return b, fmt.Errorf("%w: after %d the highest rate lies between %.0f and %.0f records/s", ErrProbes, b.Probes, b.Held, b.Failed)
		}
		o, err := probe(r)
		if err != nil {
			return b, fmt.Errorf("at %.0f records/s: %w", r, err)
		}
		b.Probes++
		guess = o.Sent
		if o.Held {
			b.Held, ups, downs = r, ups+1, 0
		} else {
			b.Failed, ups, downs = r, 0, downs+1
		}
		switch {
		case b.Failed < s.Start*floor:
			return b, fmt.Errorf("no rate is sustained, not even %.3g records/s", b.Failed)
		case b.Held > 0 && b.Width() <= s.Tolerance*(1+1e-9), s.Ceiling > 0 && b.Held >= s.Ceiling:
			return b, nil
		}
		r = s.next(b, guess, ups, downs)
	}
}

// next returns the rate to probe after bracket b. guess is an estimate of the limit; 0: there
// is none. ups and downs count the last consecutive rates that were sustained or not.
func (s Search) next(b Bracket, guess float64, ups, downs int) float64 {
	if math.IsInf(b.Failed, 1) {
		if r := 2 * b.Held; s.Ceiling == 0 || r < s.Ceiling {
			return r
		}
		return s.Ceiling
	}
	middle := math.Sqrt(b.Held * b.Failed)
	closing := b.Failed / (1 + s.Tolerance)
	likely := guess * (1 - 0.4*s.Tolerance)
	switch {
	case ups == 0 && downs < 3 && likely > b.Held:
		return min(likely, closing)
	case b.Held == 0 && guess > 0:
		return b.Failed / (1 + s.Tolerance*math.Exp2(float64(downs)))
	case b.Held == 0:
		return b.Failed / 2
	case ups > 0:
		up := max(b.Held*(1+s.Tolerance*math.Exp2(float64(ups-1))), likely)
		if up < middle || ups < 3 {
			return min(up, closing)
		}
	}
	return middle
}
