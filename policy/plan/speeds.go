package plan

import (
	"errors"
	"math"
	"slices"

	"github.com/saspart/saspart/config/field"
)

// Smoothing is how measured speeds are averaged over windows.
type Smoothing string

const (
	// Fixed moves the estimate by the same part of every deviation.
	Fixed Smoothing = "fixed"
	// Kalman weighs each deviation by how uncertain the estimate is against the
	// noise of the measurements, both of which it estimates.
	Kalman Smoothing = "kalman"
)

// SpeedConfig says how worker speeds are estimated.
type SpeedConfig struct {
	Smoothing Smoothing `yaml:"smoothing"` // fixed or kalman
	Alpha     float64   `yaml:"alpha"`     // fixed: part of a deviation that is believed, in (0, 1]
	Records   float64   `yaml:"records"`   // fixed: a worker that finished so few records is believed half
	Floor     float64   `yaml:"floor"`     // least capacity of a worker, as a part of the mean, so that a slow one is still measured
}

// DefaultSpeed is a Kalman filter.
func DefaultSpeed() SpeedConfig {
	return SpeedConfig{Smoothing: Kalman, Alpha: 0.3, Records: 30, Floor: 0.02}
}

// Validate reports impossible values by their path.
func (c *SpeedConfig) Validate() error {
	var kind error
	if c.Smoothing != Fixed && c.Smoothing != Kalman {
		kind = field.Errorf("smoothing", "is %q; it must be %s or %s", c.Smoothing, Fixed, Kalman)
	}
	return errors.Join(kind,
		field.Finite("alpha", c.Alpha, 1e-6, 1),
		field.Finite("records", c.Records, 0, 1e9),
		field.Finite("floor", c.Floor, 0, 1),
	)
}

// Speeds estimates how fast each worker is: records finished per busy second, in
// the log, since speeds change by factors. What all workers have in common (longer
// records, say) is taken out by the median deviation: only proportions count.
//
// A saturated worker needs no special treatment: its busy ratio is 1 and its
// records are what it finished in full time. Idle and missing (NaN) workers keep
// their estimate, moved by what the others have in common.
//
// The Kalman form models each log speed as a random walk with variance Q per
// window, measured with variance R (in proportion more where there are fewer
// records). Both are the same for all workers and estimated from the differences d of successive measurements, whatever the
// filter makes of them: cov(d, previous d) = -R and var(d) = Q + 2R. A worker that
// deviates in the same direction by more than 2 standard deviations twice running
// has jumped: its estimate is taken to be as wrong as that.
type Speeds struct {
	config SpeedConfig
	log    []float64 // estimates
	spread []float64 // variance of each estimate's error
	runs   []float64 // fixed: windows' worth of measurements behind each estimate
	signs  []float64 // direction of the last deviation if beyond 2 standard deviations, else 0
	level  float64   // what all measurements had in common so far
	last   []float64 // last measurement less the level; NaN: none
	diff   []float64 // difference of the last two; NaN: none
	// Faded sums over differences, each with the weight of its records: of the
	// weights, of d^2, of d times the previous d, and of the squared weights.
	weight, dd, dl, sq float64

	logs, scratch []float64
}

// The estimates of Q and R start here, count as so many measurements of one worker,
// and fade by so much per window.
const (
	startQ      = 0.01 * 0.01
	startR      = 0.05 * 0.05
	startWeight = 16
	noiseFade   = 0.95
	// The variance of an estimate before its first measurement: any will do that
	// makes that one count in full.
	unknown = 100
	// Never so sure of anything that change goes unnoticed.
	leastQ = 1e-7
	leastR = 1e-7
)

// NewSpeeds returns an estimator that holds all workers equal. c must be valid.
func NewSpeeds(c SpeedConfig, workers int) *Speeds {
	s := &Speeds{config: c}
	for _, v := range []*[]float64{&s.log, &s.spread, &s.runs, &s.signs, &s.last, &s.diff, &s.logs} {
		*v = make([]float64, workers)
	}
	for w := range s.spread {
		s.spread[w] = unknown
		s.last[w], s.diff[w] = math.NaN(), math.NaN()
	}
	return s
}

// Observe takes in one window: records finished and busy ratio of each worker.
func (s *Speeds) Observe(counts []int64, busy []float64) {
	s.scratch = s.scratch[:0]
	for w, n := range counts {
		s.logs[w] = math.NaN()
		// Half a record more keeps a worker that was busy with none finite.
		if b := busy[w]; b > 0 && !math.IsInf(b, 1) && n >= 0 {
			s.logs[w] = math.Log((float64(n) + 0.5) / b)
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
			// What it finished, or should have, whichever is more evidence.
			n := max(float64(counts[w]), math.Exp(s.log[w])*busy[w], 0.5)
			s.log[w] += s.gain(w, dev, n) * dev
		}
	}
}

// noise updates what Q and R are estimated from: how measurements differ from the
// last ones.
func (s *Speeds) noise(counts []int64) {
	if s.weight == 0 {
		mean := 0.0
		for _, c := range counts {
			mean += max(0, float64(c)) / float64(len(counts))
		}
		s.weight = startWeight * max(1, mean)
		s.dd, s.dl, s.sq = s.weight*(startQ+2*startR), -s.weight*startR, s.weight*max(1, mean)
	}
	for _, v := range []*float64{&s.weight, &s.dd, &s.dl, &s.sq} {
		*v *= noiseFade
	}
	for w := range s.logs {
		now, c := s.logs[w]-s.level, max(0, float64(counts[w]))
		d := now - s.last[w]
		if p := s.diff[w]; d == d && p == p {
			s.weight += c
			s.dd += c * d * d
			s.dl += c * d * p
			s.sq += c * c
		}
		s.diff[w], s.last[w] = d, now
	}
}

// gain is the part of the deviation dev of worker w that is believed, n records
// being behind it.
func (s *Speeds) gain(w int, dev, n float64) float64 {
	if s.config.Smoothing == Fixed {
		q := n / (n + s.config.Records)
		s.runs[w] += q
		// At first the plain mean, and hardly anything of the prior.
		g := max(s.config.Alpha*q, q/(s.runs[w]+0.05))
		// The error of a mean with such weights, from the deviations seen lately.
		s.spread[w] += max(g, 0.1) * (g/(2-g)*dev*dev - s.spread[w])
		return g
	}
	// Fewer records, more noise; and a count is whole.
	r := max(min(-s.dl, s.dd/2)/s.weight, leastR)*max(1, s.sq/s.weight/n) + 0.25/(n*n)
	q := max((s.dd+2*s.dl)/s.weight, leastQ)
	v := s.spread[w] + q
	sign := 0.0
	if dev*dev > 4*(v+r) {
		sign = math.Copysign(1, dev)
		if sign == s.signs[w] {
			v = dev * dev
		}
	}
	s.signs[w] = sign
	g := v / (v + r)
	s.spread[w] = v * (1 - g)
	return g
}

// Capacity sets dst[w] to the part of the work that worker w can do, summing to 1
// up to the floor, and returns dst.
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

// Deviation is the standard deviation of a typical estimate's error, in the log:
// 0.05 means that a capacity is off by about 5 %. It is the median over the workers
// measured so far, so that neither one without reports nor many that have had nothing
// to do hide what is known of the others; without any it is that of knowing nothing.
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
