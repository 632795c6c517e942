package train

import (
	"errors"
	"fmt"
	"math"

	"github.com/saspart/saspart/config/field"
)

// Config are the hyper-parameters.
type Config struct {
	Algorithm Algorithm `yaml:"algorithm"`
	Hidden    []int     `yaml:"hidden"`  // widths of the hidden layers, of the policy and of each critic
	Critics   int       `yaml:"critics"` // N
	Batch     int       `yaml:"batch"`   // B, transitions per update
	Gamma     float64   `yaml:"gamma"`   // discount per window
	Tau       float64   `yaml:"tau"`     // part of the way that target critics move per update

	ActorRate  float64 `yaml:"actor_rate"` // Adam's learning rates
	CriticRate float64 `yaml:"critic_rate"`
	AlphaRate  float64 `yaml:"alpha_rate"`
	// LoadsRate is the learning rate of the critics' model of loads (docs/algorithms.md,
	// "Critics that know loads"). 0: critics are plain networks, as published.
	LoadsRate float64 `yaml:"loads_rate"`
	GradClip  float64 `yaml:"grad_clip"` // largest gradient norm, of the policy and of all critics together; 0: no limit

	InitialAlpha  float64  `yaml:"initial_alpha"`  // weight of the entropy at the start
	TargetEntropy *float64 `yaml:"target_entropy"` // null: entropy_each times the action dimension
	EntropyEach   float64  `yaml:"entropy_each"`   // target entropy of each number of an action, if target_entropy is null
	HuberDelta    float64  `yaml:"huber_delta"`    // larger TD errors count linearly

	CQL          CQLConfig   `yaml:"cql"`
	EDAC         EDACConfig  `yaml:"edac"`
	IQL          IQLConfig   `yaml:"iql"`
	TD3BC        TD3BCConfig `yaml:"td3bc"`
	CloneUpdates int         `yaml:"clone_updates"` // first updates, in which the policy clones behaviour
	CloneEdge    float64     `yaml:"clone_edge"`    // actions are cloned from [-1+edge, 1-edge]: at ±1 the density is infinite

	Threads int `yaml:"threads"` // CPU threads; results do not depend on them
}

// Reference are the published offline settings (docs/algorithms.md, "Published
// settings").
func Reference() Config {
	entropy := -73.0 // minus the action dimension at 64 workers, but used for any number
	return Config{
		Algorithm: CQL, Hidden: []int{256, 256}, Critics: 2, Batch: 128, Gamma: 0.99, Tau: 1e-5,
		ActorRate: 1e-5, CriticRate: 1e-5, AlphaRate: 1e-3,
		InitialAlpha: 1e-2, TargetEntropy: &entropy, EntropyEach: -1, HuberDelta: 1,
		CQL:  CQLConfig{Actions: 10, Temperature: 1, Weight: 0.05, Density: 1},
		EDAC: EDACConfig{Diversity: 0.01}, IQL: IQLConfig{Expectile: 0.7, Temperature: 3},
		TD3BC:     TD3BCConfig{Alpha: 2.5, Noise: 0.2, NoiseClip: 0.5, Every: 2, Explore: 0.1},
		CloneEdge: 1e-6, Threads: 1,
	}
}

// ReferenceOnline are the published online settings.
func ReferenceOnline() Config {
	c := Reference()
	c.Algorithm = SACN
	c.CriticRate = 1e-3
	c.InitialAlpha = 0.002
	c.TargetEntropy = nil
	return c
}

// Default are our settings. They were chosen together on one workload, wordcount-zipf:
// each reason below is why a value was tried, not a measurement of its effect. The
// differences from the published ones:
//   - Gamma 0.5 instead of 0.99. A route affects its own window, and later windows only
//     through the queues that it leaves. With 0.99, a better route changes the value by a
//     hundredth, less than the critics' errors.
//   - Target entropy -3 for each number of an action, instead of -73 in total. At -1 the
//     policy must vary each share over half of its range. It then learns the best actions
//     under that noise, which differ from the best actions without it.
//   - Four critics instead of two, and a CQL weight of 0.02 instead of 0.05. The minimum
//     over four keeps values low too, and spares good actions.
//   - Four actions for each of CQL's samples instead of ten, for a third of the time.
//   - 64 units in a hidden layer instead of 256, for speed. There are only a few thousand
//     windows to learn from.
//   - Tau 5e-3 instead of 1e-5. With 1e-5, 5,000 updates move a target critic by 5 %, and
//     the learned value is hardly more than the reward.
//   - Rates of 3e-4 for the policy and 5e-4 for the critics instead of 1e-5. With 1e-5, a
//     weight moves by at most 0.1 in 10,000 steps of Adam.
//   - Density 0.5 instead of 1. In A dimensions this changes the exponent by A*log 2;
//     without it, uniform actions hardly count.
//   - Gradients clipped at 10, against batches with a rare saturated window.
//   - Clone edge 1e-3. A share of zero is an action of exactly -1 and common in the data.
//     Cloning it to within 1e-6 drives the policy's mean to -7 before the tanh, where
//     gradients vanish.
func Default() Config {
	c := Reference()
	c.Hidden, c.Critics = []int{64, 64}, 4
	c.Gamma, c.Tau = 0.5, 5e-3
	c.ActorRate, c.CriticRate = 3e-4, 5e-4
	c.TargetEntropy, c.EntropyEach = nil, -3
	c.GradClip = 10
	c.CQL.Actions, c.CQL.Weight, c.CQL.Density = 4, 0.02, 0.5
	c.CloneEdge = 1e-3
	return c
}

// DefaultOnline are our settings for learning while the job runs, from scratch or from a
// checkpoint. The differences from Default:
//   - A loads_rate of 5e-3. Critics fit a model of loads to measured busy times, and compute
//     the reward from it. This matters most: in the published simulated environment with
//     8 workers, the imbalance reaches 0.05 after 300 windows. With plain critics, all else
//     equal, it does not within 3,000. With 1e-3, it takes twice as many windows.
//   - No CQL: exploration corrects values that are too high.
//   - Gamma 0. A window's reward depends on its own route; 0.99 is equally fast here.
//   - Rates of 1e-3 for policy and critics. With 1e-4 for the policy, learning takes two
//     thirds more windows; the rate of the critics makes no difference.
//   - Alpha from 1e-3, with a rate of 3e-3. With 8 workers this makes no difference. With
//     64 workers and alpha from 1e-2 at 1e-3, the imbalance stays at 0.015 because of the
//     entropy.
//   - Two critics instead of four: as many windows in two thirds of the time.
func DefaultOnline() Config {
	c := Default()
	c.Algorithm, c.Critics = SACN, 2
	c.Gamma = 0
	c.ActorRate, c.CriticRate, c.AlphaRate, c.LoadsRate = 1e-3, 1e-3, 3e-3, 5e-3
	c.InitialAlpha = 1e-3
	return c
}

// Validate reports every impossible value by its path.
func (c *Config) Validate() error {
	errs := []error{
		field.Whole("critics", c.Critics, 1, 1024),
		field.Whole("batch", c.Batch, 1, 1<<16),
		field.Finite("gamma", c.Gamma, 0, 1),
		field.Finite("tau", c.Tau, 0, 1),
		field.Positive("actor_rate", c.ActorRate), field.Positive("critic_rate", c.CriticRate), field.Positive("alpha_rate", c.AlphaRate),
		field.Finite("loads_rate", c.LoadsRate, 0, 1),
		field.Finite("grad_clip", c.GradClip, 0, math.MaxFloat64),
		field.Positive("initial_alpha", c.InitialAlpha),
		field.Finite("entropy_each", c.EntropyEach, -100, 1),
		field.Positive("huber_delta", c.HuberDelta),
		field.Whole("clone_updates", c.CloneUpdates, 0, math.MaxInt32),
		field.Finite("clone_edge", c.CloneEdge, 1e-7, 0.5),
		field.Whole("threads", c.Threads, 1, 1024),
	}
	errs = append(errs, c.checkAlgorithm()...)
	if len(c.Hidden) == 0 {
		errs = append(errs, field.Errorf("hidden", "is empty; it must hold at least one width"))
	}
	for i, w := range c.Hidden {
		errs = append(errs, field.Whole(fmt.Sprintf("hidden[%d]", i), w, 1, 1<<14))
	}
	if c.TargetEntropy != nil {
		errs = append(errs, field.Finite("target_entropy", *c.TargetEntropy, -math.MaxFloat64, math.MaxFloat64))
	}
	return errors.Join(errs...)
}
