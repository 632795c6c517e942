package engine

import (
	"errors"
	"math"
	"math/rand/v2"

	"github.com/saspart/saspart/config/field"
)

// SpeedChange says how speeds change while a job runs: neighbours on a shared machine come
// and go, clocks slow down. The capacity policy is trained on such scenarios
// (docs/algorithms.md, "The scenarios"). The zero value is speeds that do not change.
//
//	speed = first * exp(walk + level)
//
// At the start of each metric window, walk takes a normally distributed step. level is 0 at
// first; at a jump it becomes the log of a random factor. Unlike in the scenarios, the mean
// of all speeds changes too, because real workers do not compensate for each other.
type SpeedChange struct {
	Walk float64 `yaml:"walk,omitempty"` // standard deviation of a log speed's step per metric window
	Jump float64 `yaml:"jump,omitempty"` // probability that a worker jumps in a metric window
	Low  float64 `yaml:"low,omitempty"`  // bounds of the factor on a worker's speed from a jump to its next one
	High float64 `yaml:"high,omitempty"` //
}

// mostWalk bounds how far the random walk of a log speed goes from its start, so that speeds
// stay reasonable in a job of any length: the walk is reflected there.
const mostWalk = math.Ln2

func (c *SpeedChange) validate() error {
	err := errors.Join(field.Finite("walk", c.Walk, 0, mostWalk), field.Finite("jump", c.Jump, 0, 1))
	if c.Jump == 0 || err != nil {
		return err
	}
	if err := errors.Join(field.Positive("low", c.Low), field.Positive("high", c.High)); err != nil {
		return err
	}
	return field.Range("low", c.Low, c.High)
}

// SpeedTrajectory is how the speed of one worker changes. Nothing but the seed and the worker
// decides on it, so that a goroutine for each can have its own and engines agree.
type SpeedTrajectory struct {
	first  float64
	change SpeedChange
	rng    *rand.Rand

	walk, level float64
	window      int64 // the last one asked for
}

// Trajectories returns the speed trajectory of each worker; nil if speeds stay.
func (s *Speeds) Trajectories(workers int, seed uint64) []*SpeedTrajectory {
	if s.Change.Walk == 0 && s.Change.Jump == 0 {
		return nil
	}
	out := make([]*SpeedTrajectory, workers)
	for w, first := range s.Of(workers, seed) {
		out[w] = &SpeedTrajectory{first: first, change: s.Change, rng: rand.New(rand.NewPCG(seed, 0xc0055e+uint64(w)))}
	}
	return out
}

// At is the speed in a metric window, the first being 0. Windows are asked for in
// ascending order; an earlier one has the speed of the last.
func (c *SpeedTrajectory) At(window int64) float64 {
	for ; c.window < window; c.window++ {
		// All three are drawn whether needed or not: that jumps are rarer leaves the
		// walk as it was.
		step, jumps, to := c.rng.NormFloat64(), c.rng.Float64(), c.rng.Float64()
		c.walk += c.change.Walk * step
		if c.walk > mostWalk {
			c.walk = 2*mostWalk - c.walk
		} else if c.walk < -mostWalk {
			c.walk = -2*mostWalk - c.walk
		}
		if jumps < c.change.Jump {
			c.level = math.Log(c.change.Low + (c.change.High-c.change.Low)*to)
		}
	}
	return c.first * math.Exp(c.walk+c.level)
}

// Drift changes the speeds before window step. It is asked for every window of one model,
// in order, and may remember; a model that is restored begins with a new one.
type Drift func(step int, speeds []float64)

// Drift makes what changes the speeds of models in closed form (fluid.Config) as
// those of the engines of records change, window by window; nil if they stay.
func (s *Speeds) Drift(workers int, seed uint64) func() Drift {
	if s.Trajectories(workers, seed) == nil {
		return nil
	}
	kept := *s
	return func() Drift {
		trajectories := kept.Trajectories(workers, seed)
		return func(step int, speeds []float64) {
			for w, c := range trajectories {
				speeds[w] = c.At(int64(step))
			}
		}
	}
}
