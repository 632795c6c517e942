//go:build torch

package offline

import (
	"github.com/saspart/saspart/policy/scenario"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/capacity"
	"github.com/saspart/saspart/train/recording"
)

// newCapacityLearner makes the learner of the capacity action.
func newCapacityLearner(c *CapacityTraining, seed uint64) (learner, error) {
	if c.Config.Learner.Algorithm == train.Model {
		return newModelLearner(c, seed)
	}
	t, err := capacity.NewRecurrentSACN(c.Config.Learner, c.Start, seed)
	return &recurrentLearner{t, &c.Config.Learner, c.Data}, err
}

// recurrentLearner trains from rewards, or by cloning.
type recurrentLearner struct {
	*capacity.RecurrentSACN
	config *capacity.RecurrentConfig
	data   *recording.Data
}

func (l *recurrentLearner) update() (train.Stats, error) { return l.Update(l.data.Train) }
func (l *recurrentLearner) fingerprint() string          { return l.data.Fingerprint }

func (l *recurrentLearner) algorithm() *train.Config {
	return &train.Config{Algorithm: l.config.Algorithm, CloneUpdates: l.config.CloneUpdates}
}

func (l *recurrentLearner) estimate() (train.Estimates, error) {
	e, err := recording.Evaluate(l.Checkpoint(), l.data.Held())
	if err != nil || l.config.Algorithm == train.BC {
		return e, err
	}
	e.Q, e.PolicyValue = l.Values(l.data.Held(), estimated)
	return e, nil
}

// modelLearner trains by gradients through the fluid model at recorded speeds.
type modelLearner struct {
	*capacity.ModelTrainer
	config *CapacityConfig
	data   *recording.Data
}

func newModelLearner(c *CapacityTraining, seed uint64) (*modelLearner, error) {
	m, shared := &c.Config.Model, &c.Config.Learner
	cfg := capacity.Default()
	cfg.Inputs, cfg.Units, cfg.Hedge, cfg.Pool = shared.Inputs, shared.Units, shared.Hedge, shared.Pool
	cfg.Threads, cfg.GradClip = shared.Threads, shared.GradClip
	cfg.Muon, cfg.Sharpness, cfg.Average = false, [2]float64{20, 200}, 0
	cfg.Batch, cfg.Updates, cfg.Rate, cfg.Scenarios.Windows = m.Batch, c.Config.Updates, [2]float64{m.Rate, m.LastRate}, m.Windows
	if c.Start != nil {
		if err := capacity.CheckStart(c.Start); err != nil {
			return nil, err
		}
		start := c.Start.Capacity
		cfg.Inputs, cfg.Units, cfg.Hedge, cfg.Pool = start.Inputs, start.Units, start.Hedge, start.Pool
	}
	t, err := capacity.NewModelTrainer(cfg, seed)
	if err != nil {
		return nil, err
	}
	if c.Start != nil {
		err = t.StartFrom(c.Start)
	}
	return &modelLearner{t, &c.Config, c.Data}, err
}

func (l *modelLearner) update() (train.Stats, error) {
	batch := make([]*scenario.Scenario, l.config.Model.Batch)
	for i := range batch {
		var err error
		if batch[i], err = l.draw(); err != nil {
			return train.Stats{}, err
		}
	}
	s, err := l.UpdateOn(batch)
	return train.Stats{Update: s.Update, Actor: s.Loss, ActorNorm: s.Norm}, err
}

// attempts limits how often draw tries to find a part of a recording in which some worker
// is measured in every window.
const attempts = 100

// draw draws a part of a recording and the delay of its metrics.
func (l *modelLearner) draw() (*scenario.Scenario, error) {
	m, one := &l.config.Model, func(int) int { return 1 }
	for try := 1; ; try++ {
		at, err := l.data.Train.Sample(l.Generator(), m.Windows-1, one)
		if err != nil {
			return nil, err
		}
		delay := l.Generator().IntN(m.Delay + 1)
		s, err := recording.Scenario(&at[0].Recording.Raw, at[0].From, m.Windows, delay)
		if err == nil || try == attempts {
			return s, err
		}
	}
}

func (l *modelLearner) fingerprint() string      { return l.data.Fingerprint }
func (l *modelLearner) algorithm() *train.Config { return &train.Config{Algorithm: train.Model} }
func (l *modelLearner) estimate() (train.Estimates, error) {
	return recording.Evaluate(l.Checkpoint(), l.data.Held())
}
