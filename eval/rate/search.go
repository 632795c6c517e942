// Package rate measures jobs. It finds the highest rate that a job holds without
// backpressure under a partitioner, with its cost in state and latency and its distance
// from theoretical bounds. It also measures jobs under a shifting distribution.
package rate

import (
	"errors"
	"fmt"
	"math"
)

// Outcome is what a probe found at one rate.
type Outcome struct {
	Held bool    // the job kept up
	Sent float64 // records/s sent: an estimate of the highest rate if the job did not keep up, or was behind and caught up
}

// Bracket is the result of a search: the highest rate that was held, and the lowest that
// was not.
type Bracket struct {
	Held   float64 // records/s; 0: none was
	Failed float64 // records/s, above Held; +Inf: none failed
	Probes int
}

// Width is Failed/Held - 1, the relative uncertainty of the bracket.
func (b Bracket) Width() float64 { return b.Failed/b.Held - 1 }

// Search finds the highest rate that a job holds by closing a bracket around it. It
// is pure: all its knowledge comes from the probe.
type Search struct {
	Start     float64 // records/s of the first probe, above 0
	Tolerance float64 // the bracket is closed when Width is at most this
	Probes    int     // at most so many; then the bracket is returned with ErrProbes
}

// ErrProbes says that a bracket is wider than the search's tolerance.
var ErrProbes = errors.New("the search ran out of probes")

// floor is how far below its start a search goes before it says that no rate is held.
const floor = 1e-6

// Find probes rates until the bracket is closed. A probe near the true limit may
// answer either way: with an error of e in where it draws the line, the limit lies
// within (1-e) Held and (1+e) Failed.
//
// The guess of a probe says where to look next: just below it, or where the bracket
// would close if that is lower, once or twice. From there the search goes up or down by
// the tolerance, twice that, four times that, for a guess is rarely far off. Beyond that
// the bracket is halved, so that the number of probes stays logarithmic whatever the
// guesses are.
func (s Search) Find(probe func(rate float64) (Outcome, error)) (Bracket, error) {
	b := Bracket{Failed: math.Inf(1)}
	guess, r := 0.0, s.Start
	ups, downs := 0, 0 // rates held, and not held, in a row
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
			return b, fmt.Errorf("no rate is held, not even %.3g records/s", b.Failed)
		case b.Held > 0 && b.Width() <= s.Tolerance*(1+1e-9):
			return b, nil
		}
		r = s.next(b, guess, ups, downs)
	}
}

// next is the rate to probe after bracket b: guess is where the limit may be, 0 no
// idea, and ups and downs how many rates in a row were held or not.
func (s Search) next(b Bracket, guess float64, ups, downs int) float64 {
	if math.IsInf(b.Failed, 1) {
		return 2 * b.Held
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
