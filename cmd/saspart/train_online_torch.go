//go:build torch

package main

import (
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/online"
)

// newLearner makes a trainer of the shares action with fresh networks.
func newLearner(c train.Config, mask policy.Mask, p0 float64, seed uint64) (online.Learner, error) {
	return train.NewShares(c, mask, p0, seed)
}

// newCapacityLearner makes a trainer of the capacity action whose policy starts as that
// of a checkpoint, or as a fixed smoothing where there is none.
func newCapacityLearner(c train.RecurrentConfig, from *policy.Checkpoint, seed uint64) (online.CapacityLearner, error) {
	return train.NewRecurrent(c, from, seed)
}
