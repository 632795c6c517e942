package plan

import (
	"errors"
	"math"
	"slices"

	"github.com/saspart/saspart/config/field"
)

// Smoothing says how measured speeds are averaged over windows.
type Smoothing string

const (
	// Fixed moves the estimate by a constant part of every deviation.
	Fixed Smoothing = "fixed"
	// Kalman weighs each deviation by the uncertainty of the estimate relative to the noise
	// of the measurements, both of which it estimates.
	Kalman Smoothing = "kalman"
)

// SpeedConfig says how worker speeds are estimated.
type SpeedConfig struct {
	Smoothing Smoothing `yaml:"smoothing"` // fixed or kalman
	Alpha     float64   `yaml:"alpha"`     // fixed: the gain, in (0, 1]
	Records   float64   `yaml:"records"`   // fixed: number of finished records at which the gain is half
	Floor     float64   `yaml:"floor"`     // least capacity of a worker, as a part of the mean, so that slow workers are still measured
}

// DefaultSpeed uses a Kalman filter.
func DefaultSpeed() SpeedConfig {
	return SpeedConfig{Smoothing: Kalman, Alpha: 0.3, Records: 30, Floor: 0.02}
}

// Validate reports impossible values by their path.
func (c *SpeedConfig) Validate() error {
	return errors.Join(
		field.Check(c.Smoothing == Fixed || c.Smoothing == Kalman, "smoothing", "is %q; it must be %s or %s", c.Smoothing, Fixed, Kalman),
		field.Finite("alpha", c.Alpha, 1e-6, 1),
		field.Finite("records", c.Records, 0, 1e9),
		field.Finite("floor", c.Floor, 0, 1),
	)
}

// Speeds estimates the speed of each worker, in work finished per busy second
// (docs/algorithms.md, "Worker speeds"). It estimates logarithms, since speeds change by
// factors. A change that all workers have in common, such as longer records, is removed by
// subtracting the median deviation: only proportions matter.
//
// A saturated worker needs no special treatment: its busy ratio is 1, and its records are
// those of the whole window. Idle and unmeasured (NaN) workers keep their estimates, except
// for the common change.
//
// The Kalman filter models each log speed as a random walk with variance Q per window,
// measured with variance R, which is larger when there are fewer records. Both are common to
// all workers. They are estimated from the differences d of successive measurements:
// cov(d, previous d) = -R and var(d) = Q + 2R. A worker that deviates by more than two
// standard deviations in the same direction twice in a row has jumped: the variance of its
// estimate becomes the squared deviation, of the smaller of the two.
//
// A far deviation is a jump or a wrong measurement. The next measurement shows which. The smaller
// the share of far deviations that were jumps, the less weight has the part of a deviation, or of a
// difference d, beyond two standard deviations (Huber 1964).
type Speeds struct {
	config SpeedConfig
	log    []float64 // estimates
	spread []float64 // variance of each estimate's error
	runs   []float64 // fixed: windows' worth of measurements behind each estimate
	signs  []float64 // direction of the last deviation if beyond 2 standard deviations, else 0
	level  float64   // sum of the common changes so far
	last   []float64 // last measurement less the level; NaN: none
	before []float64 // the measurement before it
	diff   []float64 // difference of the last two; NaN: none
	from   []float64 // estimate less the level before the last measurement, if that deviated far; else NaN
	judged []bool    // whether this measurement showed what the last one was
	// Faded sums over differences, each with the weight of its records: of the
	// weights, of d^2, of d times the previous d, and of the squared weights.
	weight, dd, dl, sq float64
	// Faded counts of far deviations that the next measurement confirmed and of others, and the
	// weight of the part of a deviation beyond its limit.
	stayed, passed, trust float64

	logs, scratch []float64
}

// The initial estimates of Q and R, their weight in measurements of one worker, and the
// factor by which past measurements fade per window.
const (
	startQ      = 0.01 * 0.01
	startR      = 0.05 * 0.05
	startWeight = 16
	noiseFade   = 0.95
	// The variance of an estimate before its first measurement, large enough to give that
	// measurement a gain of 1.
	unknown = 100
	// From so many standard deviations a deviation is far. Before any, so many are assumed to have
	// stayed, and they fade by this factor per window.
	far       = 3
	stayFirst = 3
	stayFade  = 0.99
	// Up to so many standard deviations, a deviation counts in full.
	near = 2
	// Lower bounds, so that the filter always follows changes.
	leastQ = 1e-7
	leastR = 1e-7
)

// NewSpeeds returns an estimator for which all workers are equal. c must be valid.
func NewSpeeds(c SpeedConfig, workers int) *Speeds {
	s := &Speeds{config: c}
	for _, v := range []*[]float64{&s.log, &s.spread, &s.runs, &s.signs, &s.last, &s.before, &s.diff, &s.from, &s.logs} {
		*v = make([]float64, workers)
	}
	s.judged = make([]bool, workers)
	for w := range s.spread {
		s.spread[w] = unknown
		s.last[w], s.before[w], s.diff[w], s.from[w] = math.NaN(), math.NaN(), math.NaN(), math.NaN()
	}
	return s
}

// Observe processes one window: the work finished, in records of mean cost, and the busy ratio
// of each worker.
func (s *Speeds) Observe(counts, busy []float64) {
	s.scratch = s.scratch[:0]
	for w, n := range counts {
		s.logs[w] = math.NaN()
		// Half a record is added so that the log is finite without records.
		if b := busy[w]; b > 0 && !math.IsInf(b, 1) && n >= 0 {
			s.logs[w] = math.Log((n + 0.5) / b)
			s.scratch = append(s.scratch, s.logs[w]-s.log[w])
		}
	}
	if len(s.scratch) == 0 {
		return
	}
	slices.Sort(s.scratch)
	common := s.scratch[len(s.scratch)/2]
	s.level += common
	s.noise(counts)
	for w := range s.log {
		s.log[w] += common
		if dev := s.logs[w] - s.log[w]; dev == dev {
			// The records that it finished or was expected to finish, whichever are more.
			n := max(counts[w], math.Exp(s.log[w])*busy[w], 0.5)
			s.log[w] += s.move(w, dev, n)
		}
	}
}

// noise updates the sums over differences of successive measurements, from which Q and R are
// estimated.
func (s *Speeds) noise(counts []float64) {
	if s.weight == 0 {
		mean := 0.0
		for _, c := range counts {
			mean += max(0, c) / float64(len(counts))
		}
		s.weight = startWeight * max(1, mean)
		s.dd, s.dl, s.sq = s.weight*(startQ+2*startR), -s.weight*startR, s.weight*max(1, mean)
	}
	for _, v := range []*float64{&s.weight, &s.dd, &s.dl, &s.sq} {
		*v *= noiseFade
	}
	s.judge()
	limit := near * math.Sqrt(s.dd/s.weight)
	for w := range s.logs {
		now, c := s.logs[w]-s.level, max(0, counts[w])
		d := s.tamed(now-s.last[w], limit)
		if p := s.diff[w]; d == d && p == p {
			s.weight += c
			s.dd += c * d * d
			s.dl += c * d * p
			s.sq += c * c
		}
		s.diff[w], s.before[w], s.last[w] = d, s.last[w], now
	}
}

// tamed is a deviation whose excess over limit counts by trust.
func (s *Speeds) tamed(dev, limit float64) float64 {
	if !(math.Abs(dev) > limit) {
		return dev
	}
	limit = math.Copysign(limit, dev)
	return limit + s.trust*(dev-limit)
}

// move returns by how much the estimate of worker w moves after a deviation dev. n is the number
// of records behind the measurement.
func (s *Speeds) move(w int, dev, n float64) float64 {
	if s.config.Smoothing == Fixed {
		q := n / (n + s.config.Records)
		s.runs[w] += q
		// The plain mean at first, with little weight on the prior.
		g := max(s.config.Alpha*q, q/(s.runs[w]+0.05))
		// The error of a mean with such weights, from recent deviations.
		s.spread[w] += max(g, 0.1) * (g/(2-g)*dev*dev - s.spread[w])
		return g * dev
	}
	// Fewer records mean more noise; the last term is the rounding of a count.
	r := max(min(-s.dl, s.dd/2)/s.weight, leastR)*max(1, s.sq/s.weight/n) + 0.25/(n*n)
	q := max((s.dd+2*s.dl)/s.weight, leastQ)
	v := s.spread[w] + q
	deviation := math.Sqrt(v + r)
	if !s.judged[w] && math.Abs(dev) > far*deviation { // the way back is no deviation of its own
		s.from[w] = s.log[w] - s.level
	}
	counts := s.tamed(dev, near*deviation)
	sign := 0.0
	if math.Abs(dev) > near*deviation {
		sign = math.Copysign(1, dev)
		if sign == s.signs[w] {
			counts = s.tamed(dev, math.Abs(s.before[w]-(s.log[w]-s.level)))
			v = counts * counts
		}
	}
	s.signs[w] = sign
	g := v / (v + r)
	s.spread[w] = v * (1 - g)
	return g * counts
}

// judge counts how many workers stayed where their last measurement was, among those with a far
// deviation there.
func (s *Speeds) judge() {
	s.stayed, s.passed = s.stayed*stayFade, s.passed*stayFade
	for w, l := range s.logs {
		now, from := l-s.level, s.from[w]
		if s.judged[w] = now-from == now-from; !s.judged[w] {
			continue
		}
		if math.Abs(now-from) > math.Abs(now-s.last[w]) {
			s.stayed++
		} else {
			s.passed++
		}
		s.from[w] = math.NaN()
	}
	share := (s.stayed + stayFirst) / (s.stayed + s.passed + stayFirst)
	s.trust = share * share
}

// Capacity sets dst[w] to the capacity of worker w and returns dst. The capacities sum to 1,
// or slightly more where the floor raises some.
func (s *Speeds) Capacity(dst []float64) []float64 {
	sum, most := 0.0, slices.Max(s.log)
	for w, l := range s.log {
		dst[w] = math.Exp(l - most)
		sum += dst[w]
	}
	for w := range dst {
		dst[w] = max(dst[w]/sum, s.config.Floor/float64(len(dst)))
	}
	return dst
}

// Slowness sets dst[w] to the log of the busy time that worker w takes for a unit of work, on any
// scale, and returns dst.
func (s *Speeds) Slowness(dst []float64) []float64 {
	for w, l := range s.log {
		dst[w] = -l
	}
	return dst
}

// Deviation returns the standard deviation of a typical estimate's error, in the log: 0.05
// means that a capacity is off by about 5 %. It is the median over the workers that have been
// measured, so that unmeasured and idle workers do not hide the precision of the others.
// Before any measurement it is that of the initial estimates.
func (s *Speeds) Deviation() float64 {
	s.scratch = s.scratch[:0]
	for _, v := range s.spread {
		if v < unknown {
			s.scratch = append(s.scratch, v)
		}
	}
	if len(s.scratch) == 0 {
		return math.Sqrt(unknown)
	}
	slices.Sort(s.scratch)
	return math.Sqrt(s.scratch[len(s.scratch)/2])
}
