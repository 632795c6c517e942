package stream

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Arrivals yields the intended arrival times of one subtask's records, in an open loop: they
// never depend on how the job is doing. It has no clock.
//
// With even spacing, record n of the job (from 0) arrives when the integral of the rate
// reaches n. Subtask s of S has the records s, s+S, ..., so the subtasks interleave at equal
// gaps. Every time is computed from the start of the rate in force, not from the previous
// time, so that rounding errors do not add up. With Poisson spacing every subtask has
// independent exponential gaps of mean S/rate.
type Arrivals struct {
	cfg  RateConfig
	rng  *rand.Rand // poisson; nil: even
	segs []segment  // rates by start, ascending; the current one is segs[cur]
	cur  int

	gap   float64       // of the current segment, ns per record of the job; +Inf in a pause
	first float64       // records of the job from the segment's start to this subtask's first (poisson: next)
	taken int64         // arrivals yielded in the segment (poisson: 0)
	step  float64       // S
	last  int64         // latest time yielded
	acted time.Duration // adaptive: when the rate was last decided
}

// segment is a rate from the time at which it comes into force until the next segment.
type segment struct {
	from int64   // ns since the job's start
	rate float64 // records/s of the whole job
}

// NewArrivals returns the arrivals of subtask s of S. Only Poisson spacing uses the seed. cfg
// must be valid.
func NewArrivals(cfg RateConfig, subtask, subtasks int, seed uint64) *Arrivals {
	a := &Arrivals{cfg: cfg, first: float64(subtask), step: float64(subtasks)}
	if cfg.Spacing == SpacingPoisson {
		a.rng = rand.New(newPCG(seed, forArrivals, uint64(subtask)))
		a.first = a.rng.ExpFloat64() * a.step
	}
	if cfg.Kind == RateStaged {
		from := int64(0)
		for _, s := range cfg.Stages {
			a.segs = append(a.segs, segment{from, s.Rate})
			from += int64(s.Duration)
		}
	} else {
		a.segs = []segment{{0, cfg.Rate}}
	}
	a.gap = float64(time.Second) / a.segs[0].rate
	return a
}

// Fill writes the next arrival times before until, in ns since the job's start and ascending,
// and returns how many. If they are fewer than len(times) there are no more before until.
func (a *Arrivals) Fill(times []int64, until int64) int {
	n := 0
	for {
		end := until
		more := a.cur+1 < len(a.segs) && a.segs[a.cur+1].from < until
		if more {
			end = a.segs[a.cur+1].from
		}
		n += a.fill(times[n:], end)
		if n == len(times) || !more {
			break
		}
		a.advance()
	}
	if n > 0 {
		a.last = times[n-1]
	}
	return n
}

// fill is Fill within the current segment.
func (a *Arrivals) fill(times []int64, end int64) int {
	from := a.segs[a.cur].from
	limit := float64(end - from)
	// t < limit is false for NaN, which is 0 records times the infinite gap of a pause.
	if a.rng != nil {
		for i := range times {
			t := a.first * a.gap
			if !(t < limit) {
				return i
			}
			times[i] = from + int64(t)
			a.first += a.rng.ExpFloat64() * a.step
		}
		return len(times)
	}
	for i := range times {
		t := (a.first + float64(a.taken)*a.step) * a.gap
		if !(t < limit) {
			return i
		}
		times[i] = from + int64(t)
		a.taken++
	}
	return len(times)
}

// advance enters the next segment. What the current segment had accumulated towards its next
// record carries over.
func (a *Arrivals) advance() {
	old, now := a.segs[a.cur], a.segs[a.cur+1]
	done := float64(now.from-old.from) / float64(time.Second) * old.rate
	a.first = max(0, a.first+float64(a.taken)*a.step-done)
	a.taken = 0
	a.gap = float64(time.Second) / now.rate
	if a.cur++; a.cur > 256 { // memory stays bounded: old segments are dropped
		a.segs = slices.Delete(a.segs, 0, a.cur-64)
		a.cur = 64
	}
}

// RateAt returns the subtask's rate at time t since the job's start, in records/s, as far as
// it is known now. The rates of long ago are forgotten.
func (a *Arrivals) RateAt(t time.Duration) float64 {
	i := len(a.segs) - 1
	for i > 0 && a.segs[i].from > int64(t) {
		i--
	}
	return a.segs[i].rate / a.step
}

// Set changes the rate of the whole job from time start on, in records/s; 0 is a pause. Later
// stages are dropped. Times that have been yielded stay, so a change that comes too late
// takes effect after the last of them. Every subtask must get the same calls.
func (a *Arrivals) Set(start time.Duration, rate float64) {
	from := max(int64(start), a.last, a.segs[a.cur].from)
	keep := a.cur + 1
	for keep < len(a.segs) && a.segs[keep].from < from {
		keep++
	}
	a.segs = append(a.segs[:keep], segment{from, min(max(rate, 0), maxRate)})
}

// Observe passes an adaptive rate the largest busy ratio of workers and reducers in a window
// that ended at end; every Interval the rate changes from then on. Other rates ignore it.
// Every subtask must get the same calls.
func (a *Arrivals) Observe(end time.Duration, busy float64) {
	if a.cfg.Kind != RateAdaptive || end-a.acted < a.cfg.Adaptive.Interval {
		return
	}
	a.acted = end
	now := a.segs[len(a.segs)-1].rate
	if next := a.cfg.Adaptive.next(now, busy); next != now {
		a.Set(end, next)
	}
}
