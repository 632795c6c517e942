package policy

import (
	"errors"
	"math/rand/v2"

	"github.com/saspart/saspart/config/field"
)

// BlurConfig says how well controllers see windows. The zero value means exactly and
// without delay.
type BlurConfig struct {
	Noise float64 `yaml:"noise"` // standard deviation of a random factor on each busy ratio
	Delay int     `yaml:"delay"` // in windows, of everything measured
}

// Validate reports impossible values by their path.
func (c *BlurConfig) Validate() error {
	return errors.Join(field.Finite("noise", c.Noise, 0, 1), field.Whole("delay", c.Delay, 0, 1<<10))
}

// Blur turns exact windows into what a controller sees if measurements are noisy and
// delayed. It must not be used concurrently.
type Blur struct {
	config BlurConfig
	rng    *rand.Rand
	past   []*Window // those within the delay, oldest first
}

// NewBlur returns the Blur of a job. c must be valid. The same seed gives the same noise.
func NewBlur(c BlurConfig, seed uint64) *Blur {
	return &Blur{config: c, rng: rand.New(rand.NewPCG(seed, 0xb1a2))}
}

// See processes the window that has ended, and returns what the controller sees at its end.
// That is a copy of the window of Delay windows ago, its busy ratios multiplied by
// 1 + Noise*normal and clipped to 0..1; nil while there is no such window. If the BlurConfig
// is zero, See returns w itself.
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
