// Package capacity trains the capacity action's network: Trainer by gradients through the
// fluid model, on scenarios, and Recurrent from rewards, or by cloning, on recordings.
// Settings are here for every build, the trainers behind the build tag torch.
package capacity

import (
	"errors"
	"math"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/filter"
	"github.com/saspart/saspart/policy/scenario"
)

// Config are the settings of the capacity action's training by gradients
// through the fluid model (docs/algorithms.md, "Training through the model").
type Config struct {
	Inputs    []string        `yaml:"inputs"`    // what the network sees, of filter.InputNames
	Units     int             `yaml:"units"`     // H, memory per worker
	Hedge     bool            `yaml:"hedge"`     // whether shares may differ from the estimates (filter.Step.Apply)
	Pool      bool            `yaml:"pool"`      // whether workers see the mean of all memories (network.GRU)
	Scenarios scenario.Config `yaml:"scenarios"` // the population trained on
	Workers   [2]int          `yaml:"workers"`   // P of a scenario, drawn between these
	Density   float64         `yaml:"density"`   // of P, in proportion to P to this power; -1 is uniform in the logarithm
	Batch     int             `yaml:"batch"`     // scenarios per update
	Updates   int             `yaml:"updates"`   // over which rate and sharpness go from the first to the second value
	Muon      bool            `yaml:"muon"`      // whether the gates' weights take steps of Muon, as long as those of Adam, which all others take
	Rate      [2]float64      `yaml:"rate"`      // learning rate, falling as a cosine
	Sharpness [2]float64      `yaml:"sharpness"` // k of the loss, rising in a straight line
	GradClip  float64         `yaml:"grad_clip"` // longest gradient; 0 is no limit
	Average   float64         `yaml:"average"`   // decay per update of the parameters' moving average, which is the policy; 0: it is the parameters
	Threads   int             `yaml:"threads"`   // CPU threads; results do not depend on them
}

// Prototype is the recipe of the first version (docs/algorithms.md, "The network").
func Prototype() Config {
	return Config{
		Inputs: []string{"innovation", "surprise", "busy", "saturated", "lag", "change", "estimate", "busiest"},
		Units:  32, Scenarios: scenario.Default(), Workers: [2]int{4, 32}, Density: -1, Batch: 48, Updates: 800,
		Rate: [2]float64{2e-3, 2e-4}, Sharpness: [2]float64{20, 20}, GradClip: 1, Threads: 1,
	}
}

// Default are our settings. They differ from the prototype's in
//   - workers up to 64, not 32: what is best for many is to be seen with many. But few are
//     drawn more often, as the inverse square of their number: they take as much less
//     time, and as imbalances grow about as the root of P, and with them the gradients,
//     they would hardly count otherwise;
//   - a quarter more units, and memories pooled: how noisy and how late a job's busy
//     times are, all its workers tell together;
//   - steps of Muon, and five times the rate at first: what follows from rare jumps takes
//     long to learn by Adam;
//   - gradients cut off at some three times their usual length: an outlier would decide
//     on the direction of twenty of Muon's steps;
//   - half the batch, and many more updates: for the same number of scenarios, more is
//     learned in smaller steps, and it goes on paying. The policy is the average of about
//     the last thousand, so that the last steps need not be the smallest;
//   - a loss that sharpens to twenty times as sharp: with a soft one, imbalances of a few
//     per cent, all there is where measurements are good, hardly count;
//   - one scenario in ten in which reports are late, and not work;
//   - one in five in which a saturated worker slows the whole job down, as in a real
//     one: there its busy time is what it should be, elsewhere too little;
//   - one in four that are like a real job in more (scenario.JobLike), with bounds around
//     what ready experiments measure: noise from next to none, and speeds that stay, or
//     wander faster than elsewhere;
//   - a hedge, so that shares need not be what the estimates say, and five more inputs:
//     how far a worker stands out, on two scales, how busy all are, how many there are,
//     and how small a small surprise is.
func Default() Config {
	c := Prototype()
	c.Workers, c.Density = [2]int{4, 64}, -2
	c.Units, c.Pool, c.Hedge = 40, true, true
	c.Muon, c.Rate, c.GradClip = true, [2]float64{1e-2, 5e-4}, 0.05
	c.Average = 0.999
	c.Sharpness = [2]float64{20, 400}
	c.Batch, c.Updates = 24, 48_000
	c.Inputs = append(c.Inputs, "ratio", "load", "workers", "calm", "contrast")
	c.Scenarios.Reports, c.Scenarios.Pressure = 0.1, 0.2
	c.Scenarios.Job = scenario.JobLike{
		Part: 0.25, Noise: [2]float64{1e-4, 0.05}, Steady: 0.4, Walk: [2]float64{0, 0.06},
		Start: [2]float64{0, 1.5}, Lumps: [2]float64{0, 0.05}, Chance: [2]float64{0, 0.06},
	}
	return c
}

// Parts are the settings that the built-in policy is trained with, one after the other, each
// from the policy on that the one before ended with: Default; then some 8 workers, which take
// little time, and half as many scenarios of the kinds that the prototype's are not, as what is
// left to learn is small and comes only by many of them; and at the end, a third as long, the
// prototype's alone. With more of that, what was learned of the other kinds would be lost.
func Parts() []Config {
	few := Default()
	few.Workers = [2]int{4, 16}
	few.Scenarios.Reports, few.Scenarios.Pressure, few.Scenarios.Job.Part = 0.05, 0.1, 0.15
	few.Updates, few.Rate, few.Sharpness = 36_000, [2]float64{4e-3, 2e-5}, [2]float64{200, 400}
	last := Default()
	last.Scenarios, last.Workers = scenario.Default(), [2]int{6, 12}
	last.Updates, last.Rate, last.Sharpness = 12_000, [2]float64{2e-3, 2e-5}, few.Sharpness
	return []Config{Default(), few, last}
}

// Validate reports every impossible value by its path.
func (c *Config) Validate() error {
	errs := []error{
		field.Whole("units", c.Units, 1, 1<<10),
		field.In("scenarios", c.Scenarios.Validate()),
		field.Whole("scenarios.windows", c.Scenarios.Windows, 2, 1<<12),
		field.Whole("workers[0]", c.Workers[0], 2, policy.MaxWorkers),
		field.Whole("workers[1]", c.Workers[1], c.Workers[0], policy.MaxWorkers),
		field.Finite("density", c.Density, -4, 4),
		field.Whole("batch", c.Batch, 1, 1<<14),
		field.Whole("updates", c.Updates, 1, math.MaxInt32),
		field.Positive("rate[0]", c.Rate[0]), field.Positive("rate[1]", c.Rate[1]),
		field.Positive("sharpness[0]", c.Sharpness[0]), field.Positive("sharpness[1]", c.Sharpness[1]),
		field.Finite("grad_clip", c.GradClip, 0, math.MaxFloat64),
		field.Finite("average", c.Average, 0, 0.99999),
		field.Whole("threads", c.Threads, 1, 1024),
	}
	if len(c.Inputs) == 0 {
		errs = append(errs, field.Errorf("inputs", "are empty; the network must see something"))
	}
	if err := filter.CheckInputs(c.Inputs); err != nil {
		errs = append(errs, field.Errorf("inputs", "%v", err))
	}
	return errors.Join(errs...)
}

// workers is P of a scenario, u being uniform in 0..1. Between the bounds a and b+1,
// P to the power k = density + 1 is uniform; where k is 0, its logarithm is.
func (c *Config) workers(u float64) int {
	a, b, k := float64(c.Workers[0]), float64(c.Workers[1])+1, c.Density+1
	p := a * math.Pow(b/a, u)
	if k != 0 {
		p = math.Pow(math.Pow(a, k)+u*(math.Pow(b, k)-math.Pow(a, k)), 1/k)
	}
	return min(max(int(p), c.Workers[0]), c.Workers[1])
}

// Stats are what one update did.
type Stats struct {
	Update    uint64  // its number, from 1
	Loss      float64 // mean over scenarios and windows of log(sum(exp(k * time/mean time)))/k
	Imbalance float64 // mean of max/mean - 1 over the same windows
	Norm      float64 // length of the gradient before clipping
	Rate      float64 // learning rate
}
