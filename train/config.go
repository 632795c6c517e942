package train

import (
	"errors"
	"fmt"
	"math"

	"github.com/saspart/saspart/config/field"
)

// Algorithm says which losses train the policy.
type Algorithm string

const (
	// SACN is SAC with an ensemble of N critics (An et al. 2021, "Uncertainty-Based
	// Offline RL with Diversified Q-Ensemble", without the diversity term).
	SACN Algorithm = "sacn"
	// SACNCQL adds CQL(H) (Kumar et al. 2020, "Conservative Q-Learning", equation 4).
	SACNCQL Algorithm = "sacn-cql"
	// BC clones the behaviour in the data: the control run.
	BC Algorithm = "bc"
	// Model learns the capacity action by gradients through the fluid model, at the
	// speeds that traces recorded: neither critics nor rewards.
	Model Algorithm = "model"
)

// Values says whether the algorithm trains critics, which know what actions are worth.
func (a Algorithm) Values() bool { return a != BC && a != Model }

// Config are the hyper-parameters.
type Config struct {
	Algorithm Algorithm `yaml:"algorithm"`
	Hidden    []int     `yaml:"hidden"`  // widths of the hidden layers, of the policy and of each critic
	Critics   int       `yaml:"critics"` // N
	Batch     int       `yaml:"batch"`   // B, transitions per update
	Gamma     float64   `yaml:"gamma"`   // discount per window
	Tau       float64   `yaml:"tau"`     // share of the way that target critics move per update

	ActorRate  float64 `yaml:"actor_rate"` // Adam's learning rates
	CriticRate float64 `yaml:"critic_rate"`
	AlphaRate  float64 `yaml:"alpha_rate"`
	// LoadsRate is the learning rate of what the critics of the shares action know of
	// loads: how an action becomes busy times, and these a reward. 0: critics are plain
	// networks, as the reference's.
	LoadsRate float64 `yaml:"loads_rate"`
	GradClip  float64 `yaml:"grad_clip"` // longest gradient, of the policy and of all critics together; 0 is no limit

	InitialAlpha  float64  `yaml:"initial_alpha"`  // weight of the entropy at the start
	TargetEntropy *float64 `yaml:"target_entropy"` // entropy that alpha is steered to; null is entropy_each times the action dimension
	EntropyEach   float64  `yaml:"entropy_each"`   // target entropy for each number of an action, where target_entropy is null
	HuberDelta    float64  `yaml:"huber_delta"`    // TD errors beyond it count linearly

	CQL          CQL     `yaml:"cql"`
	CloneUpdates int     `yaml:"clone_updates"` // first updates in which the policy is cloned instead of improved
	CloneEdge    float64 `yaml:"clone_edge"`    // actions are cloned from [-1+edge, 1-edge]: at ±1 the density is infinite

	Threads int `yaml:"threads"` // CPU threads; results do not depend on them
}

// CQL are the settings of the conservative term.
type CQL struct {
	Actions     int     `yaml:"actions"`     // K samples each from uniform, policy at s and policy at s'
	Temperature float64 `yaml:"temperature"` // of the soft maximum
	Weight      float64 `yaml:"weight"`      // of the term against the TD loss
	// Density is the density per dimension that importance weighting takes uniform
	// actions to have. They come from [-1,1], so 0.5 is right.
	Density float64 `yaml:"density"`
}

// Reference are SaSPartitioner's offline settings (docs/algorithms.md, "Published
// settings").
func Reference() Config {
	entropy := -73.0 // minus the action dimension at 64 workers, in use at any number
	return Config{
		Algorithm: SACNCQL, Hidden: []int{256, 256}, Critics: 2, Batch: 128, Gamma: 0.99, Tau: 1e-5,
		ActorRate: 1e-5, CriticRate: 1e-5, AlphaRate: 1e-3,
		InitialAlpha: 1e-2, TargetEntropy: &entropy, EntropyEach: -1, HuberDelta: 1,
		CQL:       CQL{Actions: 10, Temperature: 1, Weight: 0.05, Density: 1},
		CloneEdge: 1e-6, Threads: 1,
	}
}

// ReferenceOnline are the reference's online settings.
func ReferenceOnline() Config {
	c := Reference()
	c.Algorithm = SACN
	c.CriticRate = 1e-3
	c.InitialAlpha = 0.002
	c.TargetEntropy = nil
	return c
}

// Default are our settings, chosen together on one workload (wordcount-zipf): the
// reasons below are why each was tried, not what each alone was measured to bring.
// They differ from the reference's in
//   - gamma 0.5, not 0.99: what a route does shows in its own window; the next ones
//     depend on it only through the queues it leaves. With 0.99 a better route is a
//     hundredth of the value, and the critics' errors are more than that;
//   - target entropy -3 for each number of an action, not -73 in all or -1 each: at -1
//     the policy must scatter by half of the range of a share, and learns what is best
//     under that noise, which is not what is best without it;
//   - four critics, not two, and a CQL weight of 0.02, not 0.05: the least of four is
//     meant to hold back as well, without pulling the values of good actions down;
//   - four actions for each of CQL's samples, not ten: a third of the time;
//   - 64 units in a hidden layer, not 256: faster, for a few thousand windows;
//   - tau 5e-3, not 1e-5: with 1e-5 a target critic has moved by 5 % after 5,000
//     updates, so that the critics learn a value that is hardly more than the reward;
//   - rates 3e-4 for the policy and 5e-4 for the critics, not 1e-5: at 1e-5 a weight
//     moves by at most 0.1 in 10,000 steps of Adam;
//   - density 0.5, not 1: in A dimensions the difference is A*log 2 in the exponent,
//     and without it uniform actions hardly count;
//   - gradients no longer than 10, so that one batch with a rare saturated window
//     can't throw the critics off;
//   - clone edge 1e-3: a share of zero is an action of exactly -1, common in the data,
//     and cloning it to within 1e-6 teaches the policy a mean of -7 before the tanh,
//     where no gradient leads out again.
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

// DefaultOnline are our settings for learning while the job runs, from nothing or
// from a checkpoint. They differ from Default in
//   - loads_rate 5e-3: critics know that an action's reward comes from loads, which
//     they fit to measured busy times. Nothing else matters nearly as much: on the
//     reference's environment 8 workers are at 0.05 after 300 windows, and with plain
//     critics and all else the same not after 3,000; at 1e-3 it takes twice the windows;
//   - no CQL: the policy tries out what it overrates;
//   - gamma 0: a window's reward is what its route earns (0.99 is as fast there);
//   - rates 1e-3 for policy and critics: with 1e-4 for the policy it takes two thirds
//     more windows, the critics' makes no difference;
//   - alpha from 1e-3, at 3e-3: no difference on 8 workers, but from 1e-2 at 1e-3 64
//     workers stay at 0.015, scattered by their entropy;
//   - two critics, not four: as many windows, two thirds of the time.
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
		field.Whole("cql.actions", c.CQL.Actions, 1, 1024),
		field.Positive("cql.temperature", c.CQL.Temperature),
		field.Finite("cql.weight", c.CQL.Weight, 0, math.MaxFloat64),
		field.Positive("cql.density", c.CQL.Density),
		field.Whole("clone_updates", c.CloneUpdates, 0, math.MaxInt32),
		field.Finite("clone_edge", c.CloneEdge, 1e-7, 0.5),
		field.Whole("threads", c.Threads, 1, 1024),
	}
	switch c.Algorithm {
	case SACN, SACNCQL, BC:
	default:
		errs = append(errs, field.Errorf("algorithm", "is %q; it must be %s, %s or %s", c.Algorithm, SACN, SACNCQL, BC))
	}
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
