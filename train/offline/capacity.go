//go:build torch

package offline

import (
	"fmt"
	"math/rand/v2"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/policy/plan"
	"github.com/saspart/saspart/policy/scenario"
	"github.com/saspart/saspart/runlog"
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

func (l *recurrentLearner) algorithm() train.Algorithm { return l.config.Algorithm }

func (l *recurrentLearner) estimate() (train.Estimates, error) {
	e, err := recording.Evaluate(l.Checkpoint(), l.data.Held())
	if err != nil || l.config.Algorithm == train.BC {
		return e, err
	}
	e.Q, e.PolicyValue = l.Values(l.data.Held(), estimated)
	return e, nil
}

// modelLearner trains by gradients through the fluid model, at recorded speeds or on scenarios.
type modelLearner struct {
	*capacity.ModelTrainer
	config    *CapacityConfig
	data      *recording.Data
	scenarios *scenario.Population // nil: data
}

func newModelLearner(c *CapacityTraining, seed uint64) (*modelLearner, error) {
	m, shared := &c.Config.Model, &c.Config.Learner
	cfg := capacity.Wide()
	cfg.Inputs, cfg.Units, cfg.Hedge, cfg.Pool = shared.Inputs, shared.Units, shared.Hedge, shared.Pool
	cfg.Threads, cfg.GradClip = shared.Threads, shared.GradClip
	cfg.Muon, cfg.Sharpness, cfg.Average = false, [2]float64{20, 200}, 0
	cfg.Batch, cfg.Updates, cfg.Rate, cfg.Workers = m.Batch, c.Config.Updates, [2]float64{m.Rate, m.LastRate}, m.Workers
	if cfg.Scenarios = scenario.Plain(); c.Scenarios != nil {
		cfg.Scenarios = *c.Scenarios
	} else {
		cfg.Scenarios.Laws[0].Windows = m.Windows // all that recordings have of it
	}
	if c.Start != nil {
		if err := capacity.CheckStart(c.Start); err != nil {
			return nil, err
		}
		start := c.Start.Capacity
		cfg.Inputs, cfg.Units, cfg.Hedge, cfg.Pool = start.Inputs, start.Units, start.Hedge, start.Pool
	}
	if !cfg.Hedge {
		cfg.Uncertainty = 0
	}
	t, err := capacity.NewModelTrainer(cfg, seed)
	if err != nil {
		return nil, err
	}
	if c.Start != nil {
		err = t.StartFrom(c.Start)
	}
	return &modelLearner{t, &c.Config, c.Data, c.Scenarios}, err
}

func (l *modelLearner) update() (train.Stats, error) {
	s, err := l.once()
	return train.Stats{Update: s.Update, Values: map[string]float64{runlog.LossActor: s.Loss, runlog.GradActor: s.Norm}}, err
}

func (l *modelLearner) once() (capacity.Stats, error) {
	if l.scenarios != nil {
		return l.Update()
	}
	batch := make([]*scenario.Scenario, l.config.Model.Batch)
	for i := range batch {
		var err error
		if batch[i], err = l.draw(); err != nil {
			return capacity.Stats{}, err
		}
	}
	return l.UpdateOn(batch)
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

func (l *modelLearner) fingerprint() string {
	if l.scenarios != nil {
		return fmt.Sprintf("%+v", *l.scenarios)
	}
	return l.data.Fingerprint
}

func (l *modelLearner) algorithm() train.Algorithm { return train.Model }

func (l *modelLearner) estimate() (train.Estimates, error) {
	if l.scenarios != nil {
		return estimateOn(l.scenarios, l.Checkpoint(), l.config.Model.Workers)
	}
	return recording.Evaluate(l.Checkpoint(), l.data.Held())
}

// held is the number of scenarios that a policy is estimated on, and heldOut the seed of the
// first. Training draws all bits of its seeds.
const (
	held    = 64
	heldOut = 1_000_000
)

// estimateOn estimates a policy on scenarios whose numbers of workers lie between the given ones.
func estimateOn(p *scenario.Population, c *checkpoint.Checkpoint, workers [2]int) (e train.Estimates, err error) {
	got, other := 0.0, 0.0
	for i := range uint64(held) {
		of := rand.New(rand.NewPCG(heldOut+i, 0))
		n := workers[0] + of.IntN(workers[1]-workers[0]+1)
		s := p.New(n, heldOut+i)
		policy, err := learned.NewCapacityPolicy(c, n)
		if err != nil {
			return e, err
		}
		score, err := scenario.ScoreOf(policy, s)
		if err != nil {
			return e, err
		}
		got += score.After / held
		if score, err = scenario.ScoreOf(&scenario.Analytic{Config: plan.DefaultSpeed()}, s); err != nil {
			return e, err
		}
		other += score.After / held
	}
	e.Rows, e.Recorded, e.Behaviour = held, &got, &other
	return e, nil
}
