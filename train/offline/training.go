// Package offline trains policies from traces. A Training does its updates, evaluates and
// saves the policy on the way, and can be interrupted and resumed.
package offline

import (
	"context"

	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/train"
)

// Training is a training from traces: of a shares policy from transitions, or of a
// capacity policy from recordings.
type Training struct {
	Config   Config
	Data     *dataset.Transitions // loaded with Config.Data; Run normalises them if Config.Normalise is set
	Capacity *CapacityTraining    // for the capacity action, in place of Config and Data; nil: the shares action
	Seed     uint64
	Dir      string // folder of the checkpoints
	Resume   bool   // resume from Dir/last, if there is one

	CreatedBy     string // program and version, for checkpoints
	Configuration string // the configuration as YAML, for checkpoints
	Parent        string // the checkpoint to start from, for checkpoints; "": none

	// Rollout, if not nil, returns the mean imbalance of a job under the policy. It scores
	// checkpoints; less is better. Without it, a capacity policy is scored by
	// Estimates.Recorded. A shares policy then has no score, because nothing else that is
	// known offline tells good ones from bad ones: the newest checkpoint is the best.
	Rollout func(ctx context.Context, c *checkpoint.Checkpoint) (float64, error)
	// Begin, if not nil, is called before the first update with the number of updates
	// that earlier runs have done.
	Begin func(done uint64) error
	// Record, if not nil, is called with rows of metrics, by the names of train.Metrics.
	// A row lacks what was not measured.
	Record func(update uint64, values map[string]float64) error
	// Watch, if not nil, is called after each update.
	Watch func(s train.Stats)
}

// Outcome is the result of a training.
type Outcome struct {
	Updates   uint64          `json:"updates"`
	Estimates train.Estimates `json:"estimates"`         // of the last evaluation, on held-out data
	Rollout   *float64        `json:"rollout,omitempty"` // mean imbalance at the last evaluation
	Best      *float64        `json:"best,omitempty"`    // score of the best checkpoint
}
