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
	// LoadsRate is the learning rate of the loads that the critics of the shares action
	// estimate. Loads turn an action into busy times, and these into a reward. With 0,
	// critics are plain networks, as in SaSPartitioner's prototype.
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

// Default are our settings, chosen together on one workload (wordcount-zipf). The reasons
// say why each was tried; their effects were not measured one by one. They differ from the
// published settings as follows.
//   - gamma: 0.5, not 0.99. A route shows its effect in its own window. Later windows depend
//     on it only through the queues it leaves. With 0.99 a better route is a hundredth of
//     the value, less than the critics' errors.
//   - entropy_each: -3 for each number of an action, not -73 in all or -1 each. At -1 the
//     policy must scatter over half of the range of a share, and learns what is best under
//     that noise.
//   - critics and cql.weight: Four critics, not two, and 0.02, not 0.05. The minimum of four
//     is also cautious, and does not lower the values of good actions.
//   - cql.actions: Four for each of CQL's samples, not ten: a third of the time.
//   - hidden: 64 units in a layer, not 256. That is faster, and enough for a few thousand
//     windows.
//   - tau: 5e-3, not 1e-5. With 1e-5 a target critic has moved by 5 % after 5,000 updates,
//     so that the critics learn hardly more than the reward.
//   - actor_rate and critic_rate: 3e-4 and 5e-4, not 1e-5. At 1e-5 a weight moves by at most
//     0.1 in 10,000 steps of Adam.
//   - cql.density: 0.5, not 1. In A dimensions the difference is A*log 2 in the exponent,
//     and without it uniform actions hardly count.
//   - grad_clip: 10, One batch with a rare saturated window must not spoil the critics.
//   - clone_edge: 1e-3. A share of zero is an action of exactly -1, common in the data.
//     Cloning it to within 1e-6 gives the policy a mean of -7 before the tanh, where its
//     gradient is almost zero.
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

// DefaultOnline are our settings for training on a running job, from scratch or from a
// checkpoint. They differ from Default as follows.
//   - loads_rate: 5e-3. The critics know that an action's reward comes from loads, which
//     they fit to measured busy times. Nothing else has nearly as large an effect: on the
//     published environment 8 workers are at 0.05 after 300 windows. With plain critics they
//     are not after 3,000. At 1e-3 it takes twice the windows.
//   - algorithm: No CQL. Exploration tries actions that the critics overestimate.
//   - gamma: 0. A window's reward is the effect of its route (0.99 is as fast there).
//   - actor_rate and critic_rate: 1e-3. With 1e-4 for the policy it takes two thirds more
//     windows; the critics' rate makes no difference.
//   - initial_alpha and alpha_rate: 1e-3 and 3e-3. They make no difference on 8 workers. From
//     1e-2 at 1e-3, 64 workers stay at 0.015, scattered by their entropy.
//   - critics: Two, not four: as many windows, in two thirds of the time.
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
