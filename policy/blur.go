package policy

import (
	"errors"
	"math/rand/v2"

	"github.com/saspart/saspart/config/field"
)

// BlurConfig says how well busy ratios are measured. The zero value is exactly and at
// once, as an engine on a virtual clock does.
type BlurConfig struct {
	Noise float64 `yaml:"noise"` // standard deviation of the factor on each worker's busy ratio
	Delay int     `yaml:"delay"` // windows by which all measurements are late
}

// Validate reports impossible values by their path.
func (c *BlurConfig) Validate() error {
	return errors.Join(field.Finite("noise", c.Noise, 0, 1), field.Whole("delay", c.Delay, 0, 1<<10))
}

// Blur makes of windows as they were what a controller gets to see of them where
// measurements are noisy and late. It is for one goroutine.
type Blur struct {
	config BlurConfig
	rng    *rand.Rand
	past   []*Window // the last windows, oldest first
}

// NewBlur returns the blur of a job; c must be valid. The same seed gives the same
// noise.
func NewBlur(c BlurConfig, seed uint64) *Blur {
	return &Blur{config: c, rng: rand.New(rand.NewPCG(seed, 0xb1a2))}
}

// See takes in the window that has ended and returns what is seen at its end: a copy
// of the window of Delay windows ago, whose busy ratios are multiplied by
// 1 + Noise*normal and clipped to 0..1; nil as long as there is none. w itself is
// returned where nothing is blurred.
func (b *Blur) See(w *Window) *Window {
	if b.config == (BlurConfig{}) {
		return w
	}
	b.past = append(b.past, w)
	if len(b.past) <= b.config.Delay {
		return nil
	}
	seen := *b.past[0]
	b.past = append(b.past[:0], b.past[1:]...)
	seen.Busy = append([]float64(nil), seen.Busy...)
	for i, busy := range seen.Busy {
		seen.Busy[i] = min(max(busy*(1+b.config.Noise*b.rng.NormFloat64()), 0), 1)
	}
	return &seen
}
