package online

import (
	"errors"
	"math"
	"time"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/capacity"
	"github.com/saspart/saspart/train/replay"
)

// Config is a training on a running job: for how long, how much is learned from each
// window, and what exploring may do to the job. configs/train has ready ones.
type Config struct {
	Windows         int           `yaml:"windows"`          // end after so many exploring windows; 0: never
	Time            time.Duration `yaml:"time"`             // end after so much time, on the wall clock; 0: never
	TargetImbalance float64       `yaml:"target_imbalance"` // end when no window of an evaluation is worse; 0: never
	Patience        int           `yaml:"patience"`         // end after so many evaluations without a better one; 0: never

	UpdatesPerWindow int              `yaml:"updates_per_window"` // gradient steps for each exploring window
	LearningStarts   int              `yaml:"learning_starts"`    // windows before the first of them
	OfflineShare     float64          `yaml:"offline_share"`      // part of each batch that is of recorded transitions, where there are some
	Episode          int              `yaml:"episode"`            // windows that a return sums rewards over
	Evaluate         EvaluationConfig `yaml:"evaluate"`
	CheckpointEvery  int              `yaml:"checkpoint_every"` // windows between two checkpoints
	LogEvery         int              `yaml:"log_every"`        // windows that a row of metrics averages
	Parallel         int              `yaml:"parallel"`         // jobs that feed the learner, on fluid and sim

	HotKeys   int     `yaml:"hot_keys"`  // keys that a new policy knows, heaviest first; the mask takes the true hot ones of them
	Published bool    `yaml:"published"` // observations as the reference's code has them, faults included
	P0        float64 `yaml:"p0"`        // performance that earns reward 0

	Replay  replay.Config `yaml:"replay"`
	Safety  Safety        `yaml:"safety"`
	Learner train.Config  `yaml:"learner"` // of the shares action

	Capacity capacity.RecurrentConfig `yaml:"capacity"` // of the capacity action
}

// EvaluationConfig is how the policy is evaluated: in episodes of their own, in which it
// does what it thinks best and nothing is learned.
type EvaluationConfig struct {
	Every   int `yaml:"every"`   // exploring windows between two evaluations
	Windows int `yaml:"windows"` // length of an episode
	Settle  int `yaml:"settle"`  // its first windows, which do not count: the policy leaves the route it found
}

// Default are our settings. Only the last 1,000 windows are learned from: after a shift
// of keys or speeds it takes about as many windows until what was true before is
// forgotten, and with the published 100,000 many times that.
func Default() Config {
	recent := replay.Default()
	recent.Capacity = 1000
	capacity := capacity.DefaultRecurrent()
	capacity.Algorithm = train.SACN // the policy tries out what it overrates
	return Config{
		Windows: 20_000, TargetImbalance: 0.01,
		UpdatesPerWindow: 1, LearningStarts: 100, OfflineShare: 0.5, Episode: 128,
		Evaluate:        EvaluationConfig{Every: 100, Windows: 128, Settle: 4},
		CheckpointEvery: 1000, LogEvery: 100, Parallel: 1,
		HotKeys: 10, P0: policy.DefaultP0,
		Replay: recent, Safety: DefaultSafety(), Learner: train.DefaultOnline(),
		Capacity: capacity,
	}
}

// Reference are the reference's own settings, its observation of equal counts included
// (docs/algorithms.md, "Published settings"): 500 iterations of 100 windows at most, an update for
// each, a checkpoint every 10 iterations.
func Reference() Config {
	c := Default()
	c.Windows, c.CheckpointEvery = 50_000, 1000
	c.Published, c.Replay, c.Learner = true, replay.Default(), train.ReferenceOnline()
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
			errs = append(errs, field.Errorf(path, "is %s, which copies recorded behaviour; a running job is learned from by %s or %s", train.BC, train.SACN, train.SACNCQL))
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
		field.Whole("hot_keys", c.HotKeys, 1, 1<<12),
		field.Finite("p0", c.P0, 1e-6, 1e6),
		field.In("replay", c.Replay.Validate()),
		field.In("safety", c.Safety.Validate()),
		field.In("learner", c.Learner.Validate()),
		field.In("capacity", c.Capacity.Validate()),
	)...)
}
