package capacity

import (
	"errors"
	"fmt"
	"math"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/policy/filter"
	"github.com/saspart/saspart/train"
)

// RecurrentConfig are the settings of the capacity action's training from rewards,
// or by cloning (Recurrent).
type RecurrentConfig struct {
	Algorithm train.Algorithm `yaml:"algorithm"`
	Inputs    []string        `yaml:"inputs"` // what the policy sees, of filter.InputNames; those of the checkpoint that it starts from count instead
	Units     int             `yaml:"units"`  // H, the policy's memory per worker; the checkpoint's counts instead
	Hedge     bool            `yaml:"hedge"`  // whether shares may differ from the estimates (filter.Step.Apply); the checkpoint's counts instead
	Pool      bool            `yaml:"pool"`   // whether workers see the mean of all memories (network.GRU); the checkpoint's counts instead

	Critics int   `yaml:"critics"` // N
	Encoder []int `yaml:"encoder"` // widths of a critic's hidden layers per worker
	Pooled  int   `yaml:"pooled"`  // numbers per worker that are pooled over the workers, by mean and by maximum
	Hidden  []int `yaml:"hidden"`  // widths of a critic's hidden layers behind the pools

	Rows    int     `yaml:"rows"`    // workers in an update: as many stretches as have so many, at least 2
	BurnIn  int     `yaml:"burn_in"` // windows that the policy sees before a stretch, to fill its memory
	Stretch int     `yaml:"stretch"` // L, windows of a stretch that are learned from
	Gamma   float64 `yaml:"gamma"`   // discount per window
	Tau     float64 `yaml:"tau"`     // share of the way that target critics move per update

	ActorRate  float64 `yaml:"actor_rate"` // Adam's learning rates
	CriticRate float64 `yaml:"critic_rate"`
	AlphaRate  float64 `yaml:"alpha_rate"`
	GradClip   float64 `yaml:"grad_clip"` // longest gradient, of the policy and of all critics together; 0 is no limit

	InitialAlpha float64 `yaml:"initial_alpha"` // weight of the entropy at the start
	EntropyEach  float64 `yaml:"entropy_each"`  // target entropy of each worker's log share
	HuberDelta   float64 `yaml:"huber_delta"`   // TD errors beyond it count linearly

	CQL          RecurrentCQL `yaml:"cql"`
	CloneUpdates int          `yaml:"clone_updates"` // first updates in which the policy is cloned instead of improved
	WaitUpdates  int          `yaml:"wait_updates"`  // first updates in which the critics learn and the policy waits for them

	Threads int `yaml:"threads"` // CPU threads; results do not depend on them
}

// RecurrentCQL are the settings of the conservative term.
type RecurrentCQL struct {
	Actions     int     `yaml:"actions"`     // K samples each from uniform, policy at s and policy at s'
	Temperature float64 `yaml:"temperature"` // of the soft maximum, per worker
	Weight      float64 `yaml:"weight"`      // of the term against the TD loss
	Box         float64 `yaml:"box"`         // uniform log shares lie within ± this of those seen
	Gap         float64 `yaml:"gap"`         // the term rests in updates whose mean gap is no larger
}

// DefaultRecurrent are our settings.
//   - The policy sees everything but "change" of filter.InputNames: recordings
//     tell what share a worker got, not what it was to get.
//   - gamma 0.5: what shares do shows in their own window; the next ones depend on
//     them only through queues, and a longer view adds noise to every target.
//   - target entropy -1.5 for each worker's log share, a standard deviation of 0.054:
//     it is learned what is best under that noise.
//   - CQL's term rests while the critics value what the policy might do no higher than
//     what was done: then they believe in nothing unseen. Unbounded, it goes on pushing
//     every value down but those of the data, and a policy better than its data becomes
//     its clone.
//   - the policy waits for 200 updates: it starts as a fixed smoothing, or better, and
//     what critics tell who know nothing yet would only spoil that.
//   - stretches of 16 windows after 16 that fill the memory: a fixed smoothing of 0.15
//     forgets in 6.
func DefaultRecurrent() RecurrentConfig {
	return RecurrentConfig{
		Algorithm: train.SACNCQL,
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
	case train.SACN, train.SACNCQL, train.BC, train.Model:
	default:
		errs = append(errs, field.Errorf("algorithm", "is %q; it must be %s, %s, %s or %s", c.Algorithm, train.SACN, train.SACNCQL, train.BC, train.Model))
	}
	if len(c.Inputs) == 0 {
		errs = append(errs, field.Errorf("inputs", "are empty; the network must see something"))
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
