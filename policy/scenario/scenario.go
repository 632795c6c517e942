// Package scenario draws synthetic sequences of worker speeds, noise and delays, on which the
// capacity action is trained and evaluated without a job (docs/algorithms.md, "The scenarios").
// It also has the policies that the learned one is compared with, and their scores.
package scenario

import (
	"errors"
	"math"
	"math/rand/v2"

	"github.com/saspart/saspart/config/field"
)

// Config is the population of scenarios. Pairs are the bounds of a uniform distribution,
// drawn once per scenario unless stated otherwise.
type Config struct {
	Windows     int        `yaml:"windows"`     // T
	Utilisation [2]float64 `yaml:"utilisation"` // rho: work offered over what all workers can do
	Spread      [2]float64 `yaml:"spread"`      // h: initial speeds are 1 + h*u, u uniform in -1..1 per worker; below 1
	Walk        [2]float64 `yaml:"walk"`        // standard deviation of a log speed's step per window
	Jump        [2]float64 `yaml:"jump"`        // probability that a worker jumps in a window
	JumpTo      [2]float64 `yaml:"jump_to"`     // factor on a worker's speed from a jump to its next one, per jump
	Noise       [2]float64 `yaml:"noise"`       // sigma: measured busy times are multiplied by 1 + sigma*normal
	Delay       [2]int     `yaml:"delay"`       // number of windows since the work of the busy times was routed
	Reports     float64    `yaml:"reports"`     // part of the scenarios in which reports are delayed instead of work
	Pressure    float64    `yaml:"pressure"`    // part of the scenarios in which a saturated worker slows the whole job, as full queues do
	Job         JobLike    `yaml:"job"`         // what makes some scenarios resemble a real job
	Missing     [2]float64 `yaml:"missing"`     // part of a worker's reports that are missing, in the long run; below 1
	MissingFor  [2]int     `yaml:"missing_for"` // number of reports in a row that are missing at a time, drawn each time; used where Missing is above 0
}

// JobLike makes scenarios resemble a real job. Such a job measures with little noise and
// without delay, a saturated worker slows the others, and its route only approximates the
// capacities that were decided. The zero value changes nothing.
type JobLike struct {
	Part   float64    `yaml:"part"`   // part of the scenarios that resemble a job
	Noise  [2]float64 `yaml:"noise"`  // their sigma, uniform in the logarithm
	Steady float64    `yaml:"steady"` // part of those in which speeds do not change
	Walk   [2]float64 `yaml:"walk"`   // as in Config, for the others
	Start  [2]float64 `yaml:"start"`  // standard deviation of the logarithms of the first window's shares
	Lumps  [2]float64 `yaml:"lumps"`  // the same for the difference between capacities and shares in force: keys and slots are not divisible
	Chance [2]float64 `yaml:"chance"` // the same for the difference between shares in force and what workers got in a window
}

// Default is the population of docs/algorithms.md, "The scenarios".
func Default() Config {
	return Config{
		Windows: 64, Utilisation: [2]float64{0.5, 0.95}, Spread: [2]float64{0, 0.6}, Walk: [2]float64{0, 0.02},
		Jump: [2]float64{0, 0.008}, JumpTo: [2]float64{0.4, 1.5}, Noise: [2]float64{0.01, 0.15}, Delay: [2]int{0, 3},
	}
}

// Validate reports impossible values by their path.
func (c *Config) Validate() error {
	errs := []error{
		field.Whole("windows", c.Windows, 1, 1<<20),
		field.Finite("reports", c.Reports, 0, 1),
		field.Finite("pressure", c.Pressure, 0, 1),
		field.Finite("job.part", c.Job.Part, 0, 1),
		field.Finite("job.steady", c.Job.Steady, 0, 1),
	}
	for _, r := range []struct {
		path   string
		pair   [2]float64
		lo, hi float64
	}{
		{"utilisation", c.Utilisation, 1e-3, 100},
		{"spread", c.Spread, 0, 0.99},
		{"walk", c.Walk, 0, 1},
		{"jump", c.Jump, 0, 1},
		{"jump_to", c.JumpTo, 1e-3, 1e3},
		{"noise", c.Noise, 0, 1},
		{"job.walk", c.Job.Walk, 0, 1},
		{"job.start", c.Job.Start, 0, 3},
		{"job.lumps", c.Job.Lumps, 0, 1},
		{"job.chance", c.Job.Chance, 0, 1},
		{"delay", floats(c.Delay), 0, 1 << 16},
		{"missing", c.Missing, 0, 0.99},
		{"missing_for", floats(c.MissingFor), 0, 1 << 16},
	} {
		errs = append(errs, field.Finite(r.path+"[0]", r.pair[0], r.lo, r.hi), field.Finite(r.path+"[1]", r.pair[1], r.pair[0], r.hi))
	}
	if c.Missing[1] > 0 {
		errs = append(errs, field.Whole("missing_for[0]", c.MissingFor[0], 1, 1<<16))
	}
	if c.Job.Part > 0 {
		errs = append(errs, field.Finite("job.noise[0]", c.Job.Noise[0], 1e-9, 1), field.Finite("job.noise[1]", c.Job.Noise[1], c.Job.Noise[0], 1))
	}
	return errors.Join(errs...)
}

func floats(pair [2]int) [2]float64 { return [2]float64{float64(pair[0]), float64(pair[1])} }

// Scenario is what happens to P workers over T windows, whatever a policy decides. It is plain
// data, used by Evaluate and by training.
type Scenario struct {
	Workers     int       // P
	Windows     int       // T
	Utilisation float64   // rho
	Sigma       float64   // of the noise
	Delay       int       // windows
	Reports     bool      // reports are delayed, not work
	Pressure    bool      // a saturated worker slows the whole job
	Speeds      []float64 // [T,P], of mean 1 in each window
	Noise       []float64 // [T,P], the factor on the busy times of a window
	Missing     []bool    // [T,P], whether the report of a window is missing; nil: none

	Start  []float64 // [P], shares of the first window; nil: equal ones
	Lumps  []float64 // [T,P], logarithms of the factors on shares in force; nil: none
	Chance []float64 // [T,P], logarithms of the factors on what workers got; nil: none
}

// New draws a scenario. The same seed gives the same scenario; c must be
// valid.
//
//	speed = (1 + h*u) * exp(walk + level), divided by the mean over the workers
//
// where walk takes a normal step per window and level, 0 at first, is replaced by
// the log of a factor at each jump.
func New(c Config, workers int, seed uint64) *Scenario {
	rng := rand.New(rand.NewPCG(seed, 0x5ce0a710))
	between := func(r [2]float64) float64 { return r[0] + rng.Float64()*(r[1]-r[0]) }
	s := &Scenario{
		Workers: workers, Windows: c.Windows,
		Utilisation: between(c.Utilisation), Sigma: between(c.Noise), Delay: c.Delay[0] + rng.IntN(c.Delay[1]-c.Delay[0]+1),
		Speeds: make([]float64, c.Windows*workers), Noise: make([]float64, c.Windows*workers),
	}
	spread, step, jump := between(c.Spread), between(c.Walk), between(c.Jump)
	s.Pressure = rng.Float64() < c.Pressure
	s.Reports = rand.New(rand.NewPCG(seed, 0x1a7e)).Float64() < c.Reports
	s.likeJob(&c.Job, rand.New(rand.NewPCG(seed, 0x10bd)), &step, &jump)
	s.miss(&c, rand.New(rand.NewPCG(seed, 0x9a95)))
	walk, level := make([]float64, workers), make([]float64, workers)
	for w := range walk {
		walk[w] = math.Log(1 + spread*(2*rng.Float64()-1))
	}
	for t := range c.Windows {
		speeds, noise := s.Speeds[t*workers:(t+1)*workers], s.Noise[t*workers:(t+1)*workers]
		sum := 0.0
		for w := range speeds {
			if t > 0 {
				walk[w] += step * rng.NormFloat64()
			}
			if rng.Float64() < jump {
				level[w] = math.Log(between(c.JumpTo))
			}
			speeds[w] = math.Exp(walk[w] + level[w])
			sum += speeds[w]
			noise[w] = 1 + s.Sigma*rng.NormFloat64()
		}
		for w := range speeds {
			speeds[w] *= float64(workers) / sum
		}
	}
	return s
}

// likeJob makes some scenarios resemble a real job. It has its own random generator, so that
// the other scenarios do not depend on it. For those scenarios it also sets the step of the
// speeds' random walk and the probability of a jump.
//
// Lumps stay for some windows, as routes do, except in the first windows.
func (s *Scenario) likeJob(c *JobLike, rng *rand.Rand, walk, jump *float64) {
	if !(rng.Float64() < c.Part) {
		return
	}
	between := func(r [2]float64) float64 { return r[0] + rng.Float64()*(r[1]-r[0]) }
	s.Sigma, s.Delay, s.Pressure = math.Exp(between([2]float64{math.Log(c.Noise[0]), math.Log(c.Noise[1])})), 0, true
	if *walk = between(c.Walk); rng.Float64() < c.Steady {
		*walk, *jump = 0, 0
	}
	start, lumps, chance := between(c.Start), between(c.Lumps), between(c.Chance)
	s.Start = make([]float64, s.Workers)
	s.Lumps, s.Chance = make([]float64, s.Windows*s.Workers), make([]float64, s.Windows*s.Workers)
	for w := range s.Start {
		s.Start[w] = start * rng.NormFloat64()
	}
	Softmax(s.Start, s.Start)
	for t := range s.Windows {
		routed := t < FirstWindows || rng.IntN(FirstWindows) == 0
		for w := range s.Workers {
			at := t*s.Workers + w
			s.Chance[at] = chance * rng.NormFloat64()
			if routed {
				s.Lumps[at] = lumps * rng.NormFloat64()
			} else {
				s.Lumps[at] = s.Lumps[at-s.Workers]
			}
		}
	}
}

// miss draws which reports are missing. With reports missing n at a time and a probability q
// that a worker's reports begin to be missing, the part nq/(1-q+nq) of them are.
func (s *Scenario) miss(c *Config, rng *rand.Rand) {
	part := c.Missing[0] + rng.Float64()*(c.Missing[1]-c.Missing[0])
	if !(part > 0) {
		return
	}
	s.Missing = make([]bool, s.Windows*s.Workers)
	length := float64(c.MissingFor[0]+c.MissingFor[1]) / 2
	begin := part / (length*(1-part) + part)
	for w := range s.Workers {
		for t := 0; t < s.Windows; t++ {
			if !(rng.Float64() < begin) {
				continue
			}
			last := t + c.MissingFor[0] + rng.IntN(c.MissingFor[1]-c.MissingFor[0]+1)
			for ; t < min(last, s.Windows); t++ {
				s.Missing[t*s.Workers+w] = true
			}
			t-- // one that ends may be followed by another
		}
	}
}

// InForce sets dst to the shares in force in window t under the capacities share, and returns
// dst.
func (s *Scenario) InForce(t int, share, dst []float64) []float64 {
	return s.shifted(s.Lumps, t, share, dst)
}

// Got sets dst to the parts of the work that workers got in window t with share in force, and
// returns dst.
func (s *Scenario) Got(t int, share, dst []float64) []float64 {
	return s.shifted(s.Chance, t, share, dst)
}

func (s *Scenario) shifted(by []float64, t int, share, dst []float64) []float64 {
	copy(dst, share)
	if by == nil {
		return dst
	}
	for w, l := range by[t*s.Workers : (t+1)*s.Workers] {
		dst[w] *= math.Exp(l)
	}
	ScaleTo1(dst)
	return dst
}

// SpeedsAt is the speed of each worker in window t.
func (s *Scenario) SpeedsAt(t int) []float64 { return s.Speeds[t*s.Workers : (t+1)*s.Workers] }

// Routed is the window whose route distributed the work on which the busy times reported at
// the end of window t were spent.
func (s *Scenario) Routed(t int) int { return max(0, t-s.Delay) }

// Measured is the window in which the busy times reported at the end of window t were
// measured. With delayed work it is t, with delayed reports it is Routed(t).
func (s *Scenario) Measured(t int) int {
	if s.Reports {
		return s.Routed(t)
	}
	return t
}

// The measured busy ratios that scenarios allow.
const (
	leastBusy = 0.01
	mostBusy  = 1
)

// Busy sets busy[w] to the busy ratio measured in window t if worker w has share[w]
// of the work, shares summing to 1:
//
//	busy = clip(rho * share * P / speed * noise, 0.01, 1)
//
// Under pressure the whole job slows to the pace of its busiest worker first. The busy ratio
// of a missing report is NaN.
func (s *Scenario) Busy(t int, share, busy []float64) { s.BusyTaped(t, share, busy, nil) }

// BusyTaped is Busy with what a gradient needs: which busy ratios were not clipped, unless
// inside is nil, and which worker slowed the job down, -1 if none did.
func (s *Scenario) BusyTaped(t int, share, busy []float64, inside []bool) (slowest int) {
	speeds, noise := s.SpeedsAt(t), s.Noise[t*s.Workers:(t+1)*s.Workers]
	most := 0
	for w, v := range share {
		busy[w] = s.Utilisation * v * float64(s.Workers) / speeds[w]
		if busy[w] > busy[most] {
			most = w
		}
	}
	slow := 1.0
	slowest = -1
	if s.Pressure && busy[most] > 1 {
		slow, slowest = 1/busy[most], most
	}
	for w, b := range busy {
		free := b * slow * noise[w]
		busy[w] = min(max(free, leastBusy), mostBusy)
		if s.Missing != nil && s.Missing[t*s.Workers+w] {
			busy[w] = math.NaN()
		}
		if inside != nil {
			inside[w] = busy[w] == free
		}
	}
	return slowest
}

// Imbalance is max/mean - 1 of the true load per speed in window t.
func (s *Scenario) Imbalance(t int, share []float64) float64 {
	most, sum := 0.0, 0.0
	for w, v := range s.SpeedsAt(t) {
		time := share[w] / v
		most = max(most, time)
		sum += time
	}
	return most/sum*float64(s.Workers) - 1
}
