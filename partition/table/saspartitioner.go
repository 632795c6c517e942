package table

import (
	"errors"
	"math"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
)

// Untrained names, in place of a checkpoint's folder, the capacity policy before any
// training: a fixed smoothing of the workers' speeds.
const Untrained = "untrained"

// SaSPartitionerConfig says which policy decides, and how its decisions become
// routes.
type SaSPartitionerConfig struct {
	Checkpoint string `yaml:"checkpoint"` // folder of the checkpoint or of the training run; builtin; untrained
	Pool       string `yaml:"pool"`       // folder of checkpoints and training runs of the shares action; the one decides that was trained on the keys most like the job's; empty: checkpoint alone
	// KeyDistance is the largest distance between the job's keys and those that a shares policy
	// was trained on (plan.KeyDistance), for a job to start; 0: any distance.
	KeyDistance float64 `yaml:"key_distance"`
	// MaxExcess is the imbalance beyond which routes are analytic while these would relieve the
	// busiest worker by as much, after ten such windows in a row; 0: never.
	MaxExcess      float64 `yaml:"max_excess"`
	learned.Config `yaml:",inline"`
}

// DefaultSaSPartitioner is the policy that is built in.
func DefaultSaSPartitioner() SaSPartitionerConfig {
	return SaSPartitionerConfig{Checkpoint: checkpoint.BuiltinName, KeyDistance: 0.1, MaxExcess: 0.25, Config: learned.Default()}
}

// Validate reports impossible values by their path. The checkpoint is read only when
// the partitioner is made.
func (c *SaSPartitionerConfig) Validate() error {
	return errors.Join(
		field.Check(c.Checkpoint != "", "checkpoint", "is empty; it must name a checkpoint's folder, or be %s or %s", checkpoint.BuiltinName, Untrained),
		field.Finite("key_distance", c.KeyDistance, 0, math.Sqrt2),
		field.Finite("max_excess", c.MaxExcess, 0, 1e6),
		c.Config.Validate())
}

// NewSaSPartitioner makes the controller of saspartitioner and reads its checkpoint. Its
// routers are those of `table`; a learned policy decides their routes.
//
// Source: docs/algorithms.md, "The capacity action"; for checkpoints of kind shares,
// docs/algorithms.md, "The decision process".
//
// Rule: a shares policy gives, for each hot key, the share of each worker in the mask; keys
// take the rows of the mask by rank, and cold keys go by hash. A capacity policy gives each
// worker's part of the whole work, and the planner assigns keys and slots to match, as for
// waterfill. In a pool of shares policies, the one decides whose hot keys at training had the
// shares nearest to the job's (learned.Adaptive).
//
// Constants: learned.Default, all of them options. Routing costs as much as with `table`; the
// network decides in less than 0.1 ms at 64 workers, planning takes about a millisecond per
// metric window.
//
// Deviations: while the policy is clearly worse than waterfill, waterfill decides
// (learned.Guard). For shares policies, keys are ranked by the sketch's counts with some inertia,
// not by their numbers. A new route that moves next to nothing is not applied; the prototype
// applies every one.
func NewSaSPartitioner(c SaSPartitionerConfig, workers int) (policy.Controller, error) {
	p, err := c.policy(workers)
	if err != nil || c.MaxExcess == 0 {
		return p, err
	}
	return learned.NewGuard(p, c.MaxExcess), nil
}

// policy makes the controller of the checkpoint or the pool.
func (c *SaSPartitionerConfig) policy(workers int) (policy.Controller, error) {
	if c.Pool != "" {
		pool, err := learned.LoadPool(c.Pool)
		if err != nil {
			return nil, err
		}
		return learned.NewAdaptive(pool, c.Config, workers)
	}
	if c.Checkpoint == Untrained {
		return learned.New(checkpoint.UntrainedCapacity(32, 0), c.Config, workers)
	}
	followed, err := checkpoint.Open(c.Checkpoint)
	if err != nil {
		return nil, err
	}
	return learned.New(followed, c.Config, workers)
}
