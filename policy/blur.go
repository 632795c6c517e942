package policy

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/saspart/saspart/config/field"
)

// BlurConfig says how well those who learn from windows see them: controllers, and routers
// that learn by themselves. The zero value means exactly, without delay, and every worker.
type BlurConfig struct {
	Noise   float64 `yaml:"noise"`   // standard deviation of a random factor on each busy ratio
	Delay   int     `yaml:"delay"`   // in windows, of everything measured
	Missing float64 `yaml:"missing"` // probability that a worker reports nothing in a window
	Untimed bool    `yaml:"untimed"` // workers do not say how long records of their keys took
}

// Validate reports impossible values by their path.
func (c *BlurConfig) Validate() error {
	return errors.Join(field.Finite("noise", c.Noise, 0, 1), field.Whole("delay", c.Delay, 0, 1<<10), field.Finite("missing", c.Missing, 0, 1))
}

// Blur turns exact windows into what is seen of them if measurements are noisy, delayed and
// incomplete. It must not be used concurrently.
type Blur struct {
	config  BlurConfig
	noise   *rand.Rand
	missing *rand.Rand // of its own, so that noise does not depend on what is missing
	past    []*Window  // those within the delay, oldest first
}

// NewBlur returns the Blur of a job. c must be valid. Two of the same seed that see the same
// windows return the same.
func NewBlur(c BlurConfig, seed uint64) *Blur {
	return &Blur{config: c, noise: rand.New(rand.NewPCG(seed, 0xb1a2)), missing: rand.New(rand.NewPCG(seed, 0x90e5))}
}

// See processes the window that has ended, and returns what is seen at its end. That is a
// copy of the window of Delay windows ago; nil while there is no such window. Its busy ratios
// are multiplied by 1 + Noise*normal and clipped to 0..1, and so are the times of the same
// worker, without the limit of 1. Workers that report nothing are
// unmeasured, as those whose report is lost. If the BlurConfig is zero, See returns w itself.
func (b *Blur) See(w *Window) *Window {
	if b.config == (BlurConfig{}) {
		return w
	}
	b.past = append(b.past, w.Clone())
	if len(b.past) <= b.config.Delay {
		return nil
	}
	seen := b.past[0]
	b.past = append(b.past[:0], b.past[1:]...)
	for i, busy := range seen.Busy {
		factor := max(1+b.config.Noise*b.noise.NormFloat64(), 0)
		seen.Busy[i] = min(busy*factor, 1)
		if i < len(seen.Times) {
			seen.Times[i].scale(factor)
		}
	}
	if b.config.Untimed {
		seen.Times = nil
	}
	if b.config.Missing > 0 {
		for i := range seen.Busy {
			if b.missing.Float64() < b.config.Missing {
				seen.unmeasure(i)
			}
		}
	}
	return seen
}

// unmeasure makes a worker one whose report is missing from the window.
func (w *Window) unmeasure(worker int) {
	w.Records -= w.Counts[worker]
	w.Counts[worker], w.Busy[worker] = 0, math.NaN()
	if worker < len(w.Units) {
		w.Units[worker] = 0
	}
	if worker < len(w.Queue) {
		w.Queue[worker] = math.NaN()
	}
	if worker < len(w.Times) {
		w.Times[worker] = Times{}
	}
	w.Realised = slices.DeleteFunc(w.Realised, func(s RealisedShare) bool { return s.Worker == worker })
}
