//go:build torch

package setup

import (
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/capacity"
	"github.com/saspart/saspart/train/online"
	"github.com/saspart/saspart/train/shares"
)

func newShares(c train.Config, o policy.Observation, p0 float64, seed uint64) (online.SharesTrainer, error) {
	return shares.New(c, o, p0, seed)
}

func newCapacity(c capacity.RecurrentConfig, from *checkpoint.Checkpoint, seed uint64) (online.CapacityTrainer, error) {
	return capacity.NewRecurrentSACN(c, from, seed)
}
