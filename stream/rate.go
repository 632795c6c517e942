package stream

import (
	"errors"
	"fmt"
	"time"

	"github.com/saspart/saspart/config/field"
)

// Kinds of rates.
const (
	RateFixed    = "fixed"
	RateStaged   = "staged"
	RateAdaptive = "adaptive"
)

// Spacings of arrivals.
const (
	SpacingEven    = "even"
	SpacingPoisson = "poisson"
)

// RateConfig says how fast records arrive.
type RateConfig struct {
	Kind     string         `yaml:"kind"`     // fixed, staged, adaptive
	Rate     float64        `yaml:"rate"`     // records/s of the whole job; adaptive: at the start
	Stages   []Stage        `yaml:"stages"`   // staged: one after the other, the last without end
	Adaptive AdaptiveConfig `yaml:"adaptive"` // adaptive
	Spacing  string         `yaml:"spacing"`  // even: equal gaps; poisson: independent exponential ones
}

// Stage is a rate held for a while.
type Stage struct {
	Rate     float64       `yaml:"rate"`     // records/s of the whole job; 0 is a pause
	Duration time.Duration `yaml:"duration"` // of event time; of the last stage it may be 0, because that never ends
}

// AdaptiveConfig is the rule of SaSPartitioner's training source (docs/algorithms.md,
// "Sustainable rate"). Every Interval the rate goes down a step if the largest busy ratio of
// workers and reducers is above High, and up a step if it is below Low.
type AdaptiveConfig struct {
	Interval time.Duration `yaml:"interval"`
	High     float64       `yaml:"high"`
	Low      float64       `yaml:"low"`
	Step     float64       `yaml:"step"` // records/s; a step is this, but at least a fiftieth of the rate
}

// DefaultRate is 10,000 records a second, evenly spaced.
func DefaultRate() RateConfig {
	return RateConfig{
		Kind: RateFixed, Rate: 10_000, Spacing: SpacingEven,
		Adaptive: AdaptiveConfig{Interval: 30 * time.Second, High: 0.9, Low: 0.7, Step: 200},
	}
}

// maxRate bounds a rate, in records/s: one a nanosecond.
const maxRate = 1e9

// Validate reports every impossible value by its path.
func (c *RateConfig) Validate() error {
	errs := []error{
		field.OneOf("kind", c.Kind, RateFixed, RateStaged, RateAdaptive),
		field.OneOf("spacing", c.Spacing, SpacingEven, SpacingPoisson),
	}
	if c.Kind == RateFixed || c.Kind == RateAdaptive {
		errs = append(errs, field.Check(c.Rate > 0 && c.Rate <= maxRate, "rate", "is %v; it must be above 0 and at most %v records/s", c.Rate, maxRate))
	}
	if c.Kind == RateAdaptive {
		errs = append(errs, field.In("adaptive", c.Adaptive.validate()))
	}
	if c.Kind == RateStaged {
		errs = append(errs, field.Check(len(c.Stages) > 0, "stages", "is empty; at least one is needed"))
		for i, s := range c.Stages {
			errs = append(errs, field.In(fmt.Sprintf("stages[%d]", i), s.validate(i == len(c.Stages)-1)))
		}
	}
	return errors.Join(errs...)
}

func (s *Stage) validate(last bool) error {
	return errors.Join(
		field.Check(s.Rate >= 0 && s.Rate <= maxRate, "rate", "is %v; it must be from 0 to %v records/s", s.Rate, maxRate),
		field.Check(s.Rate != 0 || !last, "rate", "is 0 in the last stage, which lasts for ever; end with a rate above 0"),
		field.Check(s.Duration > 0 || s.Duration == 0 && last, "duration", "is %v; it must be above 0", s.Duration),
	)
}

func (c *AdaptiveConfig) validate() error {
	return errors.Join(
		field.Lasting("interval", c.Interval),
		field.Finite("high", c.High, 0, 1),
		field.Finite("low", c.Low, 0, 1),
		field.Positive("step", c.Step),
		field.Range("low", c.Low, c.High),
	)
}

// next is the rate that follows rate when busy is the largest busy ratio. It never falls
// below a step, or below rate if that is lower. NaN (nothing was measured) changes nothing.
func (c *AdaptiveConfig) next(rate, busy float64) float64 {
	step := max(c.Step, rate/50)
	switch {
	case busy > c.High:
		return max(rate-step, min(rate, c.Step))
	case busy < c.Low:
		return min(rate+step, maxRate)
	}
	return rate
}
