// Package fluid has jobs in closed form: expected loads and busy times, without records.
// Model measures given loads and Job follows routes; KeySpace is the population of keys.
// ReferenceEnv is the simulated environment of SaSPartitioner's prototype.
package fluid

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/policy"
)

// Overload says what a fluid model reports when a worker is given more than it can
// do.
type Overload string

const (
	// Open reports the work that arrived, busy ratios above 1 included: the
	// simulated environment of SaSPartitioner's prototype, which has no queues.
	Open Overload = "open"
	// Clip reports busy ratios up to 1 and all of the work as done: the model that
	// the capacity action was first tried on.
	Clip Overload = "clip"
	// Backpressure slows the whole job to the pace of its busiest worker, as full
	// queues do: work done and busy ratios of all workers shrink alike.
	Backpressure Overload = "backpressure"
)

// Config is a job in closed form: expected busy times, no records.
type Config struct {
	Speeds      []float64     // of each worker, work per time in any unit, above 0
	Keys        *KeySpace     // what arrives; see Shift for change
	Utilisation float64       // offered work over what all workers together can do at the start
	Overload    Overload      // what happens past a worker's capacity
	Noise       float64       // standard deviation of the factor on measured busy times
	Delay       int           // how many windows old measurements are
	Records     int64         // offered per window; scales the counts
	Window      time.Duration // length of a metric window
	HotKeys     int           // heaviest keys named in each window
	Seed        uint64        // of the noise

	Drift func() engine.Drift      // for each model made of this; nil: speeds stay
	Shift func(step int) *KeySpace // what arrives from window step on; nil, or returning nil: as before
}

// Default is a million records per window of one second at 70 % of what the
// workers can do, 10,000 keys of zipf exponent 1.2, measured without noise.
func Default(speeds []float64) Config {
	return Config{
		Speeds: speeds, Keys: ZipfKeys(10000, 1.2, policy.SlotCount(max(1, len(speeds)))),
		Utilisation: 0.7, Overload: Backpressure, Records: 1e6, Window: time.Second, HotKeys: 5 * len(speeds),
	}
}

// Validate reports impossible values by their path.
func (c *Config) Validate() error {
	errs := []error{
		field.Whole("workers", len(c.Speeds), 1, policy.MaxWorkers),
		field.Finite("utilisation", c.Utilisation, 0, math.MaxFloat64),
		field.Finite("noise", c.Noise, 0, 1),
		field.Whole("delay", c.Delay, 0, 1<<16),
		field.Whole("hot_keys", c.HotKeys, 0, 1<<20),
		field.Check(c.Keys != nil, "keys", "are missing; ZipfKeys makes some"),
		field.Check(c.Records >= 1, "records", "is %d; it must be at least 1", c.Records),
		field.Lasting("window", c.Window),
		field.Check(c.Overload == Open || c.Overload == Clip || c.Overload == Backpressure,
			"overload", "is %q; it must be %s, %s or %s", c.Overload, Open, Clip, Backpressure),
	}
	for _, v := range c.Speeds {
		errs = append(errs, field.Positive("speeds", v))
	}
	return errors.Join(errs...)
}

// Model measures one window at a time, given the load of each worker. It is fast enough for
// millions of steps. It allocates nothing after NewFluid
// and is for one goroutine.
//
//	busy[w] = Utilisation * sum(speeds) * load[w] / speed[w], loads summing to 1
//
// With speeds of mean 1 this is rho * v * P / speed (docs/algorithms.md,
// "The scenarios").
type Model struct {
	speeds   []float64
	gain     float64 // Utilisation * sum of the initial speeds
	overload Overload
	noise    float64
	newDrift func() engine.Drift
	drift    engine.Drift // nil: speeds stay
	pcg      *rand.PCG
	rng      *rand.Rand
	past     []sample // the last Delay + 1 windows, a ring
	step     int
}

// sample is what one window measures.
type sample struct{ done, busy []float64 }

// NewModel returns a model of the configuration, whose Keys and what follows from
// them are not used: loads are the caller's.
func NewModel(c Config) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, field.In("fluid", err)
	}
	pcg := rand.NewPCG(c.Seed, 0xf1d1d)
	f := &Model{
		speeds: slices.Clone(c.Speeds), overload: c.Overload, noise: c.Noise, newDrift: c.Drift,
		pcg: pcg, rng: rand.New(pcg), past: make([]sample, c.Delay+1),
	}
	f.beginDrift()
	for _, v := range c.Speeds {
		f.gain += c.Utilisation * v
	}
	for i := range f.past {
		f.past[i] = sample{make([]float64, len(c.Speeds)), make([]float64, len(c.Speeds))}
	}
	return f, nil
}

func (f *Model) beginDrift() {
	if f.newDrift != nil {
		f.drift = f.newDrift()
	}
}

// Speeds is the speed of each worker now; not to be changed.
func (f *Model) Speeds() []float64 { return f.speeds }

// Step runs one window. loads is each worker's load as a part of the offered work. Step
// sets done to the work that each worker finished, in the same unit, and busy to its
// measured busy ratio. Both are of Delay windows ago, or of the first window as long as
// there are fewer. Noise never makes a busy ratio less than a hundredth of the true one.
func (f *Model) Step(loads, done, busy []float64) {
	if f.drift != nil {
		f.drift(f.step, f.speeds)
	}
	now := f.past[f.step%len(f.past)]
	most := 0.0
	for w, load := range loads {
		b := f.gain * load / f.speeds[w]
		now.busy[w] = b
		most = max(most, b)
	}
	copy(now.done, loads)
	if f.overload == Backpressure && most > 1 {
		for w := range loads {
			now.done[w] /= most
			now.busy[w] /= most
		}
	}
	if f.noise > 0 {
		for w := range now.busy {
			now.busy[w] *= max(0.01, 1+f.noise*f.rng.NormFloat64())
		}
	}
	if f.overload != Open {
		for w, b := range now.busy {
			now.busy[w] = min(b, 1)
		}
	}
	f.step++
	seen := f.past[f.seen()%len(f.past)]
	copy(done, seen.done)
	copy(busy, seen.busy)
}

// seen is the step whose measurements the last Step returned.
func (f *Model) seen() int { return max(0, f.step-len(f.past)) }
