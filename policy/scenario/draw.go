package scenario

import (
	"math"
	"math/rand/v2"
)

// draws are the draws of a scenario's law. Each kind of change or measurement has a generator
// of its own, so that adding one to a law leaves the others as they are.
type draws struct{ *rand.Rand }

func drawsOf(seed, kind uint64) draws { return draws{rand.New(rand.NewPCG(seed, kind))} }

func (d draws) between(r Range) float64 { return r[0] + d.Float64()*(r[1]-r[0]) }

func (d draws) whole(r Count) int { return r[0] + d.IntN(r[1]-r[0]+1) }

// logs is uniform in the logarithm.
func (d draws) logs(r Range) float64 {
	return math.Exp(d.between(Range{math.Log(r[0]), math.Log(r[1])}))
}

// New draws a scenario. The same seed gives the same scenario; c must be
// valid.
//
//	speed = (1 + h*u) * exp(walk + level + more), divided by the mean over the workers
//
// where walk takes a normal step per window and level, 0 at first, is replaced by
// the log of a factor at each jump. More is waves, drift and pauses.
func New(c Config, workers int, seed uint64) *Scenario {
	rng := drawsOf(seed, 0x5ce0a710)
	s := &Scenario{
		Workers: workers, Windows: c.Windows,
		Utilisation: rng.between(c.Utilisation), Sigma: rng.between(c.Noise), Delay: rng.whole(c.Delay),
		Speeds: make([]float64, c.Windows*workers), Noise: make([]float64, c.Windows*workers),
	}
	spread, step, jump := rng.between(c.Spread), rng.between(c.Walk), rng.between(c.Jump)
	s.Pressure = rng.Float64() < c.Pressure
	s.Reports = drawsOf(seed, 0x1a7e).Float64() < c.Reports
	s.likeJob(&c.Job, drawsOf(seed, 0x10bd), &step, &jump)
	s.count(&c.Measure, drawsOf(seed, 0xc047))
	s.miss(&c.Measure, drawsOf(seed, 0x9a95))
	more := drawsOf(seed, 0x604e)
	regime, groups := more.between(c.Regime), workers
	if g := more.whole(c.Groups); g > 0 {
		groups = min(g, workers)
	}
	walk, level := make([]float64, workers), make([]float64, workers)
	moved := make([]float64, workers)
	for w := range walk {
		walk[w] = math.Log(1 + spread*(2*rng.Float64()-1))
	}
	for t := range c.Windows {
		all := more.Float64() < regime
		for w := range walk {
			if moved[w] = 0; t > 0 {
				moved[w] = step * rng.NormFloat64()
			}
			if rng.Float64() < jump {
				level[w] = math.Log(rng.between(c.JumpTo))
			}
			if all {
				level[w] = math.Log(more.between(c.JumpTo))
			}
			if first := w % groups; first < w {
				moved[w], level[w] = moved[first], level[first]
			}
			walk[w] += moved[w]
			s.Speeds[t*workers+w] = walk[w] + level[w]
			s.Noise[t*workers+w] = rng.NormFloat64()
		}
	}
	s.swing(&c.Change, groups, drawsOf(seed, 0x3a7e))
	s.drift(&c.Change, drawsOf(seed, 0xd41f))
	s.pause(&c.Change, drawsOf(seed, 0x9a05e))
	for t := range c.Windows {
		speeds, sum := s.SpeedsAt(t), 0.0
		for w, l := range speeds {
			speeds[w] = math.Exp(l)
			sum += speeds[w]
		}
		for w := range speeds {
			speeds[w] *= float64(workers) / sum
		}
	}
	s.disturb(&c.Measure, groups, drawsOf(seed, 0x4015e))
	return s
}

// swing adds waves to the log speeds.
func (s *Scenario) swing(c *Change, groups int, rng draws) {
	amplitude := rng.between(c.Wave)
	if amplitude == 0 {
		return
	}
	period, square := rng.between(c.WavePeriod), rng.Float64() < c.WaveSquare
	phase := make([]float64, groups)
	for g := range phase {
		phase[g] = rng.Float64()
	}
	for i := range s.Speeds {
		v := math.Sin(2 * math.Pi * (float64(i/s.Workers)/period + phase[i%s.Workers%groups]))
		if square {
			v = math.Copysign(1, v)
		}
		s.Speeds[i] += amplitude * v
	}
}

// drift adds what wanders around a mean, the costs of keys, to the log speeds.
func (s *Scenario) drift(c *Change, rng draws) {
	deviation := rng.between(c.Drift)
	if deviation == 0 {
		return
	}
	keeps := math.Exp(-1 / rng.between(c.DriftWindows))
	cost := make([]float64, s.Workers)
	for i := range s.Speeds {
		w, e := i%s.Workers, rng.NormFloat64()
		if i < s.Workers {
			cost[w] = e
		} else {
			cost[w] = keeps*cost[w] + math.Sqrt(1-keeps*keeps)*e
		}
		s.Speeds[i] -= deviation * cost[w]
	}
}

// pause adds pauses to the log speeds.
func (s *Scenario) pause(c *Change, rng draws) {
	often := rng.between(c.Pause)
	if often == 0 {
		return
	}
	for w := range s.Workers {
		until, by := 0, 0.0
		for t := range s.Windows {
			if t >= until && rng.Float64() < often {
				until, by = t+rng.whole(c.PauseFor), math.Log(rng.between(c.PauseTo))
			}
			if t < until {
				s.Speeds[t*s.Workers+w] += by
			}
		}
	}
}

// disturb turns the normal numbers in Noise into the factors on busy times.
func (s *Scenario) disturb(c *Measure, groups int, rng draws) {
	persists, shared := rng.between(c.NoisePersists), rng.between(c.NoiseShared)
	outliers, degrees := rng.between(c.Outlier), rng.whole(c.NoiseDegrees)
	common := make([]float64, groups)
	for i, e := range s.Noise {
		w := i % s.Workers
		if shared > 0 {
			if w < groups {
				common[w] = rng.NormFloat64()
			}
			e = math.Sqrt(shared)*common[w%groups] + math.Sqrt(1-shared)*e
		}
		if degrees > 0 {
			squares := 0.0
			for range degrees {
				v := rng.NormFloat64()
				squares += v * v
			}
			e /= math.Sqrt(squares / float64(degrees))
		}
		if persists > 0 && i >= s.Workers {
			e = persists*s.Noise[i-s.Workers] + math.Sqrt(1-persists*persists)*e
		}
		s.Noise[i] = e
	}
	for i, e := range s.Noise {
		s.Noise[i] = 1 + s.Sigma*e
		if outliers > 0 && rng.Float64() < outliers {
			s.Noise[i] *= rng.logs(c.OutlierBy)
		}
	}
}

// count makes what workers get, and the time that it takes them, vary with few records: with n
// of them each by 1/sqrt(n), as for independent keys and exponential service times.
func (s *Scenario) count(c *Measure, rng draws) {
	if c.Records[1] == 0 {
		return
	}
	each := rng.logs(c.Records)
	s.Records = math.Round(each * float64(s.Workers))
	s.Sigma = math.Hypot(s.Sigma, 1/math.Sqrt(each))
	if s.Chance == nil {
		s.Chance = make([]float64, s.Windows*s.Workers)
	}
	for i := range s.Chance {
		s.Chance[i] += rng.NormFloat64() / math.Sqrt(each)
	}
}

// miss draws which reports are missing. With reports missing n at a time and a probability q
// that a worker's reports begin to be missing, the part nq/(1-q+nq) of them are.
func (s *Scenario) miss(c *Measure, rng draws) {
	part, idle := rng.between(c.Missing), rng.between(c.Idle)
	if part == 0 && idle == 0 {
		return
	}
	s.Missing = make([]bool, s.Windows*s.Workers)
	begin := 0.0
	if part > 0 {
		length := float64(c.MissingFor[0]+c.MissingFor[1]) / 2
		begin = part / (length*(1-part) + part)
	}
	for w := range s.Workers {
		silent := func(from, windows int) (to int) {
			to = min(from+windows, s.Windows)
			for t := from; t < to; t++ {
				s.Missing[t*s.Workers+w] = true
			}
			return to
		}
		t := 0
		if idle > 0 && rng.Float64() < idle {
			t = silent(t, rng.whole(c.IdleFor))
		}
		for t < s.Windows {
			if rng.Float64() < begin {
				t = silent(t, rng.whole(c.MissingFor))
			} else {
				t++
			}
		}
	}
}

// likeJob makes some scenarios resemble a real job. For those it also sets the step of the
// speeds' random walk and the probability of a jump.
//
// Lumps stay for some windows, as routes do, except in the first windows.
func (s *Scenario) likeJob(c *JobLike, rng draws, walk, jump *float64) {
	if !(rng.Float64() < c.Part) {
		return
	}
	s.Sigma, s.Delay, s.Pressure = rng.logs(c.Noise), 0, true
	if *walk = rng.between(c.Walk); rng.Float64() < c.Steady {
		*walk, *jump = 0, 0
	}
	start, lumps, chance := rng.between(c.Start), rng.between(c.Lumps), rng.between(c.Chance)
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
