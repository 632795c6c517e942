//go:build !torch

package main

import (
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/capacity"
	"github.com/saspart/saspart/train/online"
)

// newSharesTrainer needs libtorch: it returns train.ErrUnavailable.
func newSharesTrainer(train.Config, policy.Mask, float64, uint64) (online.SharesTrainer, error) {
	return nil, train.ErrUnavailable
}

// newCapacityTrainer needs libtorch: it returns train.ErrUnavailable.
func newCapacityTrainer(capacity.RecurrentConfig, *checkpoint.Checkpoint, uint64) (online.CapacityTrainer, error) {
	return nil, train.ErrUnavailable
}
