//go:build !torch

package main

import (
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/capacity"
	"github.com/saspart/saspart/train/online"
)

// newLearner needs libtorch: it returns train.ErrUnavailable.
func newLearner(train.Config, policy.Mask, float64, uint64) (online.Learner, error) {
	return nil, train.ErrUnavailable
}

// newCapacityLearner needs libtorch: it returns train.ErrUnavailable.
func newCapacityLearner(capacity.RecurrentConfig, *checkpoint.Checkpoint, uint64) (online.CapacityLearner, error) {
	return nil, train.ErrUnavailable
}
