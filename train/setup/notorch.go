//go:build !torch

package setup

import (
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/capacity"
	"github.com/saspart/saspart/train/online"
)

func newShares(train.Config, policy.Observation, float64, uint64) (online.SharesTrainer, error) {
	return nil, train.ErrUnavailable
}

func newCapacity(capacity.RecurrentConfig, *checkpoint.Checkpoint, uint64) (online.CapacityTrainer, error) {
	return nil, train.ErrUnavailable
}
