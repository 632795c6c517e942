// Package capacity trains the network of the capacity action. ModelTrainer learns on
// scenarios, by gradients through the fluid model. RecurrentSACN learns on recordings, from
// rewards or by behaviour cloning. Both unroll the filter of package policy/filter and take
// gradients back through it. Settings are part of every build, the trainers only of those
// with the build tag torch.
package capacity

import (
	"errors"
	"math"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/config/strict"
	"github.com/saspart/saspart/configs"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/filter"
	"github.com/saspart/saspart/policy/scenario"
)

// Config are the settings of the capacity action's training by gradients
// through the fluid model (docs/algorithms.md, "Training through the model").
type Config struct {
	Inputs      []string            `yaml:"inputs"`      // of the network, from filter.InputNames
	Units       int                 `yaml:"units"`       // H, memory per worker
	Hedge       bool                `yaml:"hedge"`       // whether capacities may differ from the estimates (filter.Step.Apply)
	Pool        bool                `yaml:"pool"`        // whether workers see the mean of all memories (network.GRU)
	Uncertainty float64             `yaml:"uncertainty"` // weight of the score of the uncertainty that the network states, which needs a hedge; 0: it states none
	Common      float64             `yaml:"common"`      // weight of the squared means of corrections and hedges, which only differences between workers count of
	Scenarios   scenario.Population `yaml:"scenarios"`   // what scenarios are drawn from
	Workers     [2]int              `yaml:"workers"`     // P of a scenario, drawn between these
	Density     float64             `yaml:"density"`     // the density of P is in proportion to P to this power; -1 is uniform in the logarithm
	Batch       int                 `yaml:"batch"`       // scenarios per update
	Updates     int                 `yaml:"updates"`     // over which rate and sharpness change from the first to the second value
	Muon        bool                `yaml:"muon"`        // whether the gates' weights are updated by Muon, the others by Adam
	Rate        [2]float64          `yaml:"rate"`        // learning rate, falling as a cosine
	Sharpness   [2]float64          `yaml:"sharpness"`   // k of the loss, rising in a straight line
	GradClip    float64             `yaml:"grad_clip"`   // longest gradient; 0 is no limit
	Average     float64             `yaml:"average"`     // decay per update of the moving average of the parameters, which is the policy; 0: no averaging
	Threads     int                 `yaml:"threads"`     // CPU threads; results do not depend on them
}

// Prototype is the recipe of the first version (docs/algorithms.md, "The network").
func Prototype() Config {
	return Config{
		Inputs: []string{"innovation", "surprise", "busy", "saturated", "lag", "change", "estimate", "busiest"},
		Units:  32, Scenarios: scenario.Plain(), Workers: [2]int{4, 32}, Density: -1, Batch: 48, Updates: 800,
		Rate: [2]float64{2e-3, 2e-4}, Sharpness: [2]float64{20, 20}, GradClip: 1, Threads: 1,
	}
}

// Default are our settings. They differ from the prototype's as follows.
//   - workers: Up to 64, since a policy for many workers must be trained with many. Few
//     workers are drawn more often, with the inverse square of P. They take that much less
//     time. Imbalances and gradients grow about as the root of P, so few workers would
//     otherwise hardly count.
//   - units, pool: A quarter more units, and pooled memories. All workers of a job together
//     show how noisy and how delayed its busy times are.
//   - muon: With five times the first rate. Adam takes long to learn from rare jumps.
//   - grad_clip: About three times the usual length of a gradient. An outlier would decide
//     the direction of twenty of Muon's steps.
//   - batch, updates: Half the batch and many more updates. For the same number of
//     scenarios, smaller steps learn more, and more steps still help.
//   - average: The policy is the average of about the last thousand updates, so that the
//     last steps need not be small.
//   - sharpness: The loss becomes twenty times as sharp. A soft one hardly counts imbalances
//     of a few per cent, and good measurements allow no larger ones.
//   - reports: One scenario in ten has delayed reports instead of delayed work.
//   - pressure: In one in five, a saturated worker slows the whole job, as in a real one. Its
//     own busy time is then right, and the others' are too small.
//   - job: One in four resembles a real job in other ways too (scenario.JobLike). The bounds
//     lie around what the ready experiments measure. Noise starts at almost none, and speeds
//     are constant or wander faster than elsewhere.
//   - hedge: Capacities may differ from the estimates.
//   - inputs: Five more. They say how far a worker stands out, on two scales, how busy all
//     workers are, how many there are, and how small a small surprise is.
func Default() Config {
	c := Prototype()
	c.Workers, c.Density = [2]int{4, 64}, -2
	c.Units, c.Pool, c.Hedge = 40, true, true
	c.Muon, c.Rate, c.GradClip = true, [2]float64{1e-2, 5e-4}, 0.05
	c.Average = 0.999
	c.Sharpness = [2]float64{20, 400}
	c.Batch, c.Updates = 24, 48_000
	c.Inputs = append(c.Inputs, "ratio", "load", "workers", "calm", "contrast")
	law := &c.Scenarios.Laws[0]
	law.Name, law.Reports, law.Pressure = "mixed", 0.1, 0.2
	law.Job = scenario.JobLike{
		Part: 0.25, Noise: scenario.Range{1e-4, 0.05}, Steady: 0.4, Walk: scenario.Range{0, 0.06},
		Start: scenario.Range{0, 1.5}, Lumps: scenario.Range{0, 0.05}, Chance: scenario.Range{0, 0.06},
	}
	return c
}

// Parts are the settings with which the built-in policy is trained, one after the other, each
// starting from the policy of the previous part.
//  1. Default.
//  2. About 8 workers, which take little time, and half as many scenarios of the kinds that
//     the prototype does not have: the remaining gains are small and need many scenarios.
//  3. A third as long, only the prototype's scenarios. A longer part would unlearn the other
//     kinds.
func Parts() []Config {
	few := Default()
	law := &few.Scenarios.Laws[0]
	few.Workers = [2]int{4, 16}
	law.Reports, law.Pressure, law.Job.Part = 0.05, 0.1, 0.15
	few.Updates, few.Rate, few.Sharpness = 36_000, [2]float64{4e-3, 2e-5}, [2]float64{200, 400}
	last := Default()
	last.Scenarios, last.Workers = scenario.Plain(), [2]int{6, 12}
	last.Updates, last.Rate, last.Sharpness = 12_000, [2]float64{2e-3, 2e-5}, few.Sharpness
	return []Config{Default(), few, last}
}

// LawParts are the settings of a training that goes on from the built-in policy, on the laws of
// configs/scenarios/training.yaml, which Parts do not have. The policy begins to state its
// uncertainty and to see which workers were not measured, and what its outputs have in common is
// driven towards 0. From part to part more of the scenarios are of the laws that most jobs
// resemble: what the policy learns about the others stays for a while.
func LawParts() (parts []Config) {
	for _, p := range []struct {
		plain, job, other float64 // weights of the laws that most jobs resemble
		workers           [2]int
		density           float64
		updates           int
		rate              [2]float64
	}{
		{5, 4, 1.5, [2]int{2, 64}, -1.5, 6_000, [2]float64{4e-3, 3.2e-3}},
		{8, 6, 2, [2]int{2, 64}, -1.5, 4_500, [2]float64{3e-3, 2e-5}},
		{25, 10, 3, [2]int{2, 64}, -1.75, 5_000, [2]float64{2e-3, 2e-5}},
		{40, 10, 3, [2]int{4, 32}, -2, 2_000, [2]float64{2e-3, 1.8e-3}},
		{250, 70, 10, [2]int{4, 16}, -2, 4_500, [2]float64{2e-3, 2e-5}},
		{1000, 200, 20, [2]int{6, 12}, -1, 4_000, [2]float64{2e-3, 2e-5}},
	} {
		c := Wide()
		for i := range c.Scenarios.Laws {
			switch law := &c.Scenarios.Laws[i]; law.Name {
			case "default":
				law.Weight = p.plain
			case "like a job":
				law.Weight = p.job
			case "exact", "like a job, with noise":
				law.Weight = p.other
			}
		}
		c.Workers, c.Density, c.Updates, c.Rate, c.Sharpness = p.workers, p.density, p.updates, p.rate, [2]float64{200, 400}
		parts = append(parts, c)
	}
	return parts
}

// Wide are the settings for laws of all kinds, as in configs/scenarios/training.yaml.
func Wide() Config {
	c := Default()
	c.Scenarios = trainingLaws()
	c.Inputs = append(c.Inputs, "missed")
	c.Workers, c.Density = [2]int{2, 64}, -1.5
	c.Uncertainty, c.Common = 0.02, 0.01
	return c
}

// trainingLaws are those of configs/scenarios/training.yaml.
func trainingLaws() (p scenario.Population) {
	text, _ := configs.ReadScenarios("training")
	if _, err := strict.Load("built-in scenarios/training", text, &p, strict.Layers{}); err != nil {
		panic(err)
	}
	return p
}

// Validate reports every impossible value by its path.
func (c *Config) Validate() error {
	errs := []error{
		field.Whole("units", c.Units, 1, 1<<10),
		field.In("scenarios", c.Scenarios.Validate()),
		field.Whole("workers[0]", c.Workers[0], 2, policy.MaxWorkers),
		field.Whole("workers[1]", c.Workers[1], c.Workers[0], policy.MaxWorkers),
		field.Finite("density", c.Density, -4, 4),
		field.Whole("batch", c.Batch, 1, 1<<14),
		field.Whole("updates", c.Updates, 1, math.MaxInt32),
		field.Positive("rate[0]", c.Rate[0]), field.Positive("rate[1]", c.Rate[1]),
		field.Positive("sharpness[0]", c.Sharpness[0]), field.Positive("sharpness[1]", c.Sharpness[1]),
		field.Finite("uncertainty", c.Uncertainty, 0, 1e3),
		field.Finite("common", c.Common, 0, 1e3),
		field.Finite("grad_clip", c.GradClip, 0, math.MaxFloat64),
		field.Finite("average", c.Average, 0, 0.99999),
		field.Whole("threads", c.Threads, 1, 1024),
	}
	if len(c.Inputs) == 0 {
		errs = append(errs, field.Errorf("inputs", "are empty; the network needs at least one"))
	}
	if len(c.Scenarios.Laws) > 0 {
		errs = append(errs, field.Whole("scenarios.laws[0].windows", c.Scenarios.Windows(), 2, 1<<12))
	}
	if c.Uncertainty > 0 && !c.Hedge {
		errs = append(errs, field.Errorf("uncertainty", "is %v without a hedge, which it needs; set hedge to true, or this to 0", c.Uncertainty))
	}
	if err := filter.CheckInputs(c.Inputs); err != nil {
		errs = append(errs, field.Errorf("inputs", "%v", err))
	}
	return errors.Join(errs...)
}

// workers is P of a scenario, for u uniform in 0..1. Between the bounds a and b+1, P to the
// power k = density + 1 is uniform, or its logarithm if k is 0.
func (c *Config) workers(u float64) int {
	a, b, k := float64(c.Workers[0]), float64(c.Workers[1])+1, c.Density+1
	p := a * math.Pow(b/a, u)
	if k != 0 {
		p = math.Pow(math.Pow(a, k)+u*(math.Pow(b, k)-math.Pow(a, k)), 1/k)
	}
	return min(max(int(p), c.Workers[0]), c.Workers[1])
}

// Stats describe one update.
type Stats struct {
	Update    uint64  // its number, from 1
	Loss      float64 // mean over scenarios and windows of log(sum(exp(k * time/mean time)))/k
	Imbalance float64 // mean of max/mean - 1 over the same windows
	Score     float64 // mean negative log-likelihood of the log speeds, less a constant; 0 where the network states no uncertainty
	Norm      float64 // length of the gradient before clipping
	Rate      float64 // learning rate
}
