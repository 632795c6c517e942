package online

import (
	"errors"
	"math"
	"time"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/scenario"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/capacity"
	"github.com/saspart/saspart/train/replay"
)

// Config is the configuration of a training on a running job. configs/train has ready ones.
type Config struct {
	Windows         int           `yaml:"windows"`          // stop after this many exploring windows; 0: never
	Time            time.Duration `yaml:"time"`             // stop after this much wall time; 0: never
	TargetImbalance float64       `yaml:"target_imbalance"` // stop when no window of an evaluation is above it; 0: never
	Patience        int           `yaml:"patience"`         // stop after this many evaluations without a better one; 0: never

	UpdatesPerWindow int              `yaml:"updates_per_window"` // updates for each exploring window
	LearningStarts   int              `yaml:"learning_starts"`    // windows before the first update
	OfflineShare     float64          `yaml:"offline_share"`      // part of each batch drawn from recorded transitions, if there are any
	Episode          int              `yaml:"episode"`            // windows over which a return sums rewards
	Evaluate         EvaluationConfig `yaml:"evaluate"`
	CheckpointEvery  int              `yaml:"checkpoint_every"` // windows between two checkpoints
	LogEvery         int              `yaml:"log_every"`        // windows that a row of metrics averages
	Parallel         int              `yaml:"parallel"`         // jobs explored at the same time, on fluid and sim

	HotKeys   policy.HotKeys `yaml:"hot_keys"`  // keys that a new policy knows, heaviest first, or auto; the mask covers the true hot keys among them
	P0        float64        `yaml:"p0"`        // performance that earns reward 0
	Published bool           `yaml:"published"` // observations as in the published code, including its faults
	// Observation is adaptive or published. With --checkpoint, that of the checkpoint is used, and
	// fluid's model of SaSPartitioner's environment, which never changes, is always observed as
	// published.
	Observation policy.ObservationForm `yaml:"observation"`
	Vary        scenario.Variety       `yaml:"vary"` // how a job in closed form varies, if observations are adaptive

	Replay  replay.Config `yaml:"replay"`
	Safety  Safety        `yaml:"safety"`
	Learner train.Config  `yaml:"learner"` // of the shares action

	Capacity capacity.RecurrentConfig `yaml:"capacity"` // of the capacity action
}

// EvaluationConfig says how the policy is evaluated: in episodes of their own, in which
// it takes its most likely action and nothing is learned.
type EvaluationConfig struct {
	Every   int `yaml:"every"`   // exploring windows between two evaluations
	Windows int `yaml:"windows"` // length of an episode
	Settle  int `yaml:"settle"`  // first windows, which do not count: the policy is still leaving the previous route
}

// Default are our settings. The replay holds 20,000 windows: with fewer it holds too few draws
// of speeds and keys.
func Default() Config {
	recent := replay.Default()
	recent.Capacity = 20_000
	capacity := capacity.DefaultRecurrent()
	capacity.Algorithm = train.SACN // no CQL: exploration corrects values that are too high
	return Config{
		Windows: 20_000, TargetImbalance: 0.01,
		UpdatesPerWindow: 1, LearningStarts: 100, OfflineShare: 0.5, Episode: 128,
		Evaluate:        EvaluationConfig{Every: 100, Windows: 128, Settle: 4},
		CheckpointEvery: 1000, LogEvery: 100, Parallel: 1,
		P0: policy.DefaultP0, Observation: policy.AdaptiveObservation, Vary: scenario.DefaultVariety(),
		Replay: recent, Safety: DefaultSafety(), Learner: train.DefaultOnline(),
		Capacity: capacity,
	}
}

// Reference are the published settings, including the observation of equal counts
// (docs/algorithms.md, "Published settings"): at most 500 iterations of 100 windows, an
// update for each window, a checkpoint every 10 iterations.
func Reference() Config {
	c := Default()
	c.Windows, c.CheckpointEvery = 50_000, 1000
	c.HotKeys, c.Published, c.Observation, c.Vary.Every = 10, true, policy.PublishedObservation, 0
	c.Replay, c.Learner = replay.Default(), train.ReferenceOnline()
	return c
}

// Validate reports every impossible value by its path.
func (c *Config) Validate() error {
	var errs []error
	if c.Time < 0 {
		errs = append(errs, field.Errorf("time", "is %v; it must not be negative", c.Time))
	}
	for path, algorithm := range map[string]train.Algorithm{"learner.algorithm": c.Learner.Algorithm, "capacity.algorithm": c.Capacity.Algorithm} {
		if algorithm == train.BC {
			errs = append(errs, field.Errorf(path, "is %s, which copies recorded behaviour; to learn from a running job use another, such as %s or %s", train.BC, train.SACN, train.CQL))
		}
	}
	return errors.Join(append(errs,
		field.Whole("windows", c.Windows, 0, 1<<40),
		field.Finite("target_imbalance", c.TargetImbalance, 0, math.MaxFloat64),
		field.Whole("patience", c.Patience, 0, math.MaxInt32),
		field.Whole("updates_per_window", c.UpdatesPerWindow, 0, 1<<16),
		field.Whole("learning_starts", c.LearningStarts, 0, 1<<40),
		field.Finite("offline_share", c.OfflineShare, 0, 1),
		field.Whole("episode", c.Episode, 1, math.MaxInt32),
		field.Whole("evaluate.every", c.Evaluate.Every, 1, math.MaxInt32),
		field.Whole("evaluate.windows", c.Evaluate.Windows, 1, math.MaxInt32),
		field.Whole("evaluate.settle", c.Evaluate.Settle, 0, math.MaxInt32),
		field.Whole("checkpoint_every", c.CheckpointEvery, 1, math.MaxInt32),
		field.Whole("log_every", c.LogEvery, 1, math.MaxInt32),
		field.Whole("parallel", c.Parallel, 1, 1024),
		c.HotKeys.Validate(),
		field.Finite("p0", c.P0, 1e-6, 1e6),
		c.Observation.Validate(c.Published),
		field.In("vary", c.Vary.Validate()),
		field.In("replay", c.Replay.Validate()),
		field.In("safety", c.Safety.Validate()),
		field.In("learner", c.Learner.Validate()),
		field.In("capacity", c.Capacity.Validate()),
	)...)
}
