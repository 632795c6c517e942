//go:build torch

package main

import (
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/capacity"
	"github.com/saspart/saspart/train/online"
	"github.com/saspart/saspart/train/sacn"
)

// newSharesTrainer makes a trainer of the shares action with fresh networks.
func newSharesTrainer(c train.Config, mask policy.Mask, p0 float64, seed uint64) (online.SharesTrainer, error) {
	return sacn.NewShares(c, mask, p0, seed)
}

// newCapacityTrainer makes a trainer of the capacity action whose policy starts as that
// of a checkpoint, or as a fixed smoothing where there is none.
func newCapacityTrainer(c capacity.RecurrentConfig, from *checkpoint.Checkpoint, seed uint64) (online.CapacityTrainer, error) {
	return capacity.NewRecurrent(c, from, seed)
}
