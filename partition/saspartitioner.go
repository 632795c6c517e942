package partition

import (
	"errors"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/policy"
)

// Untrained is the name, in place of a checkpoint's folder, of the capacity policy
// before any training: a fixed smoothing of the workers' speeds.
const Untrained = "untrained"

// SaSPartitionerConfig says which policy decides, and how its decisions become
// routes.
type SaSPartitionerConfig struct {
	Checkpoint           string `yaml:"checkpoint"` // folder of the checkpoint or of the training run; builtin; untrained
	policy.LearnedConfig `yaml:",inline"`
}

// DefaultSaSPartitioner is the policy that is built in.
func DefaultSaSPartitioner() SaSPartitionerConfig {
	return SaSPartitionerConfig{Checkpoint: policy.BuiltinName, LearnedConfig: policy.DefaultLearned()}
}

// Validate reports impossible values by their path. The checkpoint is read only when
// the partitioner is made.
func (c *SaSPartitionerConfig) Validate() error {
	var none error
	if c.Checkpoint == "" {
		none = field.Errorf("checkpoint", "is empty; it must name a checkpoint's folder, or be %s or %s", policy.BuiltinName, Untrained)
	}
	return errors.Join(none, c.LearnedConfig.Validate())
}

// newSaSPartitioner makes the saspartitioner: the routers of `table`, with a learned
// policy deciding their routes.
//
// Source: design.md, The route, and the two ways to act; for checkpoints of kind
// shares, reference.md, The decision process.
//
// Rule: a shares policy gives the part of each hot key that each worker of the mask
// gets, the keys taking the mask's places by rank; cold keys go by hash. A capacity
// policy gives each worker's part of the whole work, and the planner assigns keys and
// slots to match, as it does for waterfill.
//
// Constants: policy.DefaultLearned, all of them options. Routing costs what it costs
// with `table`; the network decides in less than 0.1 ms at 64 workers, planning takes
// about a millisecond per metric window.
//
// Deviations, for shares policies: keys are ranked by the sketch's counts with some
// inertia, not by their numbers, and a new route that moves next to nothing is not
// followed; the reference applies every one.
func newSaSPartitioner(c Config, workers int) (Scheme, error) {
	checkpoint, err := openCheckpoint(c.SaSPartitioner.Checkpoint)
	if err != nil {
		return Scheme{}, err
	}
	controller, err := policy.NewLearned(checkpoint, c.SaSPartitioner.LearnedConfig, workers)
	if err != nil {
		return Scheme{}, err
	}
	return Scheme{
		NewRouter:  func(env Env) Router { return newTableRouter(env) },
		Controller: controller,
	}, nil
}

// openCheckpoint returns the checkpoint of that name or folder.
func openCheckpoint(name string) (*policy.Checkpoint, error) {
	switch name {
	case Untrained:
		return policy.UntrainedCapacity(32, 0), nil
	case policy.BuiltinName:
		return policy.Builtin()
	}
	dir, err := policy.FindCheckpoint(name)
	if err != nil {
		return nil, err
	}
	return policy.LoadCheckpoint(dir)
}
