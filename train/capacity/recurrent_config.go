package capacity

import (
	"errors"
	"fmt"
	"math"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/policy/filter"
	"github.com/saspart/saspart/train"
)

// RecurrentConfig are the settings of RecurrentSACN.
type RecurrentConfig struct {
	Algorithm train.Algorithm `yaml:"algorithm"`
	Inputs    []string        `yaml:"inputs"` // of the network, from filter.InputNames; a checkpoint to start from has its own
	Units     int             `yaml:"units"`  // H, memory per worker; a checkpoint to start from has its own
	Hedge     bool            `yaml:"hedge"`  // whether capacities may differ from the estimates (filter.Step.Apply); a checkpoint to start from has its own
	Pool      bool            `yaml:"pool"`   // whether workers see the mean memory (network.GRU); a checkpoint to start from has its own

	Critics int   `yaml:"critics"` // N
	Encoder []int `yaml:"encoder"` // widths of a critic's hidden layers per worker
	Pooled  int   `yaml:"pooled"`  // numbers per worker that are pooled over the workers, by mean and by maximum
	Hidden  []int `yaml:"hidden"`  // widths of a critic's hidden layers behind the pools

	Rows    int     `yaml:"rows"`    // workers in an update, all stretches together; there are at least 2 stretches
	BurnIn  int     `yaml:"burn_in"` // windows before a stretch that fill the policy's memory
	Stretch int     `yaml:"stretch"` // L, windows of a stretch to learn from
	Gamma   float64 `yaml:"gamma"`   // discount per window
	Tau     float64 `yaml:"tau"`     // part of the way that target critics move per update

	ActorRate  float64 `yaml:"actor_rate"` // Adam's learning rates
	CriticRate float64 `yaml:"critic_rate"`
	AlphaRate  float64 `yaml:"alpha_rate"`
	GradClip   float64 `yaml:"grad_clip"` // longest gradient, of the policy and of all critics together; 0 is no limit

	InitialAlpha float64 `yaml:"initial_alpha"` // weight of the entropy at the start
	EntropyEach  float64 `yaml:"entropy_each"`  // target entropy of each worker's log capacity
	HuberDelta   float64 `yaml:"huber_delta"`   // TD errors beyond it count linearly

	CQL          RecurrentCQL `yaml:"cql"`
	CloneUpdates int          `yaml:"clone_updates"` // number of first updates that clone the policy instead of improving it
	WaitUpdates  int          `yaml:"wait_updates"`  // number of first updates in which only the critics learn

	Threads int `yaml:"threads"` // CPU threads; results do not depend on them
}

// RecurrentCQL are the settings of the conservative term.
type RecurrentCQL struct {
	Actions     int     `yaml:"actions"`     // K samples each from uniform, policy at s and policy at s'
	Temperature float64 `yaml:"temperature"` // of the soft maximum, per worker
	Weight      float64 `yaml:"weight"`      // of the term against the TD loss
	Box         float64 `yaml:"box"`         // uniform log capacities lie within ± this of the recorded ones
	Gap         float64 `yaml:"gap"`         // the term is off in updates whose mean gap is no larger
}

// DefaultRecurrent are our settings.
//   - inputs: All but "change". Recordings hold what each worker got, not the capacity that
//     was decided for it.
//   - gamma: A capacity shows its effect in its own window. Later windows depend on it only
//     through queues, and a longer horizon adds noise to every target.
//   - entropy_each: A standard deviation of 0.054. The policy learns what is best under that
//     noise.
//   - cql.gap: The term is off while the critics value the policy's actions no higher than
//     the recorded ones. Unseen actions are then not overestimated. If the term always
//     counted, it would lower all values but those of the data. A policy better than its
//     data would turn into its clone.
//   - wait_updates: The policy starts as a fixed smoothing or better, and untrained critics
//     would make it worse.
//   - burn_in, stretch: A fixed smoothing of 0.15 forgets in 6 windows.
func DefaultRecurrent() RecurrentConfig {
	return RecurrentConfig{
		Algorithm: train.CQL,
		Inputs:    []string{"innovation", "surprise", "busy", "saturated", "lag", "estimate", "busiest", "queue"}, Units: 32,
		Critics: 4, Encoder: []int{32}, Pooled: 16, Hidden: []int{32},
		Rows: 128, BurnIn: 16, Stretch: 16, Gamma: 0.5, Tau: 5e-3,
		ActorRate: 3e-4, CriticRate: 1e-3, AlphaRate: 3e-3, GradClip: 10,
		InitialAlpha: 0.1, EntropyEach: -1.5, HuberDelta: 1,
		CQL:         RecurrentCQL{Actions: 2, Temperature: 1, Weight: 0.02, Box: 0.7, Gap: 0},
		WaitUpdates: 200, Threads: 1,
	}
}

// Validate reports every impossible value by its path.
func (c *RecurrentConfig) Validate() error {
	errs := []error{
		field.Whole("units", c.Units, 1, 1<<10),
		field.Whole("critics", c.Critics, 1, 1024),
		field.Whole("pooled", c.Pooled, 1, 1<<10),
		field.Whole("rows", c.Rows, 1, 1<<16),
		field.Whole("burn_in", c.BurnIn, 0, 1<<12),
		field.Whole("stretch", c.Stretch, 1, 1<<12),
		field.Finite("gamma", c.Gamma, 0, 1),
		field.Finite("tau", c.Tau, 0, 1),
		field.Positive("actor_rate", c.ActorRate), field.Positive("critic_rate", c.CriticRate), field.Positive("alpha_rate", c.AlphaRate),
		field.Finite("grad_clip", c.GradClip, 0, math.MaxFloat64),
		field.Positive("initial_alpha", c.InitialAlpha),
		field.Finite("entropy_each", c.EntropyEach, -100, 2),
		field.Positive("huber_delta", c.HuberDelta),
		field.Whole("cql.actions", c.CQL.Actions, 1, 1024),
		field.Positive("cql.temperature", c.CQL.Temperature),
		field.Finite("cql.weight", c.CQL.Weight, 0, math.MaxFloat64),
		field.Finite("cql.box", c.CQL.Box, 1e-3, 10),
		field.Finite("cql.gap", c.CQL.Gap, -1e9, 1e9),
		field.Whole("clone_updates", c.CloneUpdates, 0, math.MaxInt32),
		field.Whole("wait_updates", c.WaitUpdates, 0, math.MaxInt32),
		field.Whole("threads", c.Threads, 1, 1024),
	}
	switch c.Algorithm {
	case train.SACN, train.CQL, train.BC, train.Model:
	default:
		errs = append(errs, field.Errorf("algorithm", "is %q; it must be %s, %s, %s or %s", c.Algorithm, train.SACN, train.CQL, train.BC, train.Model))
	}
	if len(c.Inputs) == 0 {
		errs = append(errs, field.Errorf("inputs", "are empty; the network needs at least one"))
	}
	if err := filter.CheckInputs(c.Inputs); err != nil {
		errs = append(errs, field.Errorf("inputs", "%v", err))
	}
	for _, list := range []struct {
		path   string
		widths []int
	}{{"encoder", c.Encoder}, {"hidden", c.Hidden}} {
		if len(list.widths) == 0 {
			errs = append(errs, field.Errorf(list.path, "is empty; it must hold at least one width"))
		}
		for i, w := range list.widths {
			errs = append(errs, field.Whole(fmt.Sprintf("%s[%d]", list.path, i), w, 1, 1<<12))
		}
	}
	return errors.Join(errs...)
}
