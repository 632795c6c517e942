//go:build torch

package offline

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/replay"
	"github.com/saspart/saspart/train/shares"
)

// estimated is how many held-out transitions an evaluation uses.
const estimated = 2048

// sharesLearner trains the shares action on transitions.
type sharesLearner struct {
	*shares.Trainer
	config *Config
	data   *dataset.Transitions
	normal *checkpoint.Normalisation
	print  string
}

func newSharesLearner(c *Config, data *dataset.Transitions, seed uint64) (*sharesLearner, error) {
	l := &sharesLearner{config: c, data: data}
	stats, err := json.Marshal(struct {
		Stats  dataset.Stats
		Mask   policy.Mask
		Config dataset.TransitionConfig
	}{data.Stats, data.Mask, c.Data})
	if err != nil {
		return nil, fmt.Errorf("describe the transitions: %w", err)
	}
	l.print = fmt.Sprintf("%x", sha256.Sum256(stats))
	if c.Normalise {
		n := data.Stats.Normal()
		if err := data.Normalise(n); err != nil {
			return nil, err
		}
		l.normal = &checkpoint.Normalisation{Mean: n.Mean}
		for _, s := range n.Scale {
			l.normal.Scale = append(l.normal.Scale, 1/s)
		}
	}
	l.Trainer, err = shares.New(c.Learner, data.Spec.Observes(), c.Data.P0, seed)
	return l, err
}

func (l *sharesLearner) update() (train.Stats, error) {
	return l.Update(replay.Recorded{Store: l.data.Train})
}
func (l *sharesLearner) fingerprint() string        { return l.print }
func (l *sharesLearner) algorithm() train.Algorithm { return l.config.Learner.Algorithm }

func (l *sharesLearner) estimate() (train.Estimates, error) {
	held := l.data.HeldOut
	if held.Len() == 0 {
		held = l.data.Train
	}
	return l.Estimate(held, estimated)
}

// Checkpoint implements learner.
func (l *sharesLearner) Checkpoint() *checkpoint.Checkpoint {
	spec := l.data.Spec
	spec.Hidden = l.config.Learner.Hidden
	return &checkpoint.Checkpoint{
		Format: checkpoint.Format, Kind: checkpoint.KindShares, Normalisation: l.normal, Shares: &spec,
		Tensors: slices.Clone(l.Policy()),
	}
}
