// Package offline trains from traces: its settings, a training from its first update to its
// last, interrupted or not, and what it evaluates and keeps on the way.
package offline

import (
	"context"

	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/train"
)

// Training is a training from traces: of a shares policy from recorded transitions, or
// of a capacity policy from recordings.
type Training struct {
	Config   Config
	Data     *dataset.Transitions // as loaded with Config.Data; Run normalises them if that is configured
	Capacity *CapacityTraining    // the capacity action's, in place of Config and Data; nil: the shares action
	Seed     uint64
	Dir      string // folder of the checkpoints
	Resume   bool   // go on from Dir/last, where there is one

	CreatedBy     string // program and version, for the manifests
	Configuration string // what was trained on and how, as YAML, for the manifests
	Parent        string // the checkpoint that it started from, for the manifests; "" none

	// Rollout returns the mean imbalance of a job under the policy, the score of a
	// checkpoint: less is better. nil: nothing can be rolled out. A capacity policy is
	// then scored by Estimates.Recorded. Of a shares policy nothing else that is known
	// offline tells a good one from a bad one, so that the newest checkpoint is then
	// also the best.
	Rollout func(ctx context.Context, c *checkpoint.Checkpoint) (float64, error)
	// Begin, if not nil, is called before the first update with how many were done
	// before this run.
	Begin func(done uint64) error
	// Record, if not nil, takes a row of metrics, by the names of Metrics; what was
	// not measured is not in it.
	Record func(update uint64, values map[string]float64) error
	// Watch, if not nil, is called after each update.
	Watch func(s train.Stats)
}

// Outcome is what a training came to.
type Outcome struct {
	Updates   uint64          `json:"updates"`
	Estimates train.Estimates `json:"estimates"`         // of the last evaluation, over held-out transitions
	Rollout   *float64        `json:"rollout,omitempty"` // mean imbalance at the last evaluation
	Best      *float64        `json:"best,omitempty"`    // and of the best checkpoint
}
