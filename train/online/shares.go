package online

import (
	"fmt"
	"slices"
	"strings"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/replay"
)

// SharesTrainer updates a policy of the shares action. shares.Trainer is one.
type SharesTrainer interface {
	trainer
	// Act writes the policy's action in [-1,1] for an observation into act: the most
	// likely one, or with explore one drawn from the policy.
	Act(obs, act []float32, explore bool)
	Update(src train.Source) (train.Stats, error)
	Policy() []train.Tensor
}

// SharesAgent acts for Envs of the shares action and remembers their transitions.
type SharesAgent interface {
	// Act is SharesTrainer's.
	Act(obs, act []float32, explore bool)
	// Remember takes a transition to learn from. It copies the slices.
	Remember(t replay.Transition) error
}

// SharesLearner is the learner of the shares action: a trainer and its replay buffer.
// It learns within Learn, on the caller's goroutine.
type SharesLearner struct {
	Trainer       SharesTrainer
	Replay        *replay.Buffer
	Recorded      train.Source          // recorded transitions to learn from as well; nil: none
	Data          string                // fingerprint of Recorded
	RecordedShare float64               // part of each batch that is drawn from Recorded
	Template      checkpoint.Checkpoint // what is saved, without tensors and metrics
}

// Act implements SharesAgent.
func (s *SharesLearner) Act(obs, act []float32, explore bool) { s.Trainer.Act(obs, act, explore) }

// Remember implements SharesAgent.
func (s *SharesLearner) Remember(t replay.Transition) error { return s.Replay.Add(t) }

// Learn implements Learner. It does nothing while there is nothing to learn from.
func (s *SharesLearner) Learn(updates int, each func(train.Stats)) error {
	src := s.source()
	if src == nil {
		return nil
	}
	for range updates {
		stats, err := s.Trainer.Update(src)
		if err != nil {
			return err
		}
		each(stats)
	}
	return nil
}

// source is where batches are drawn from; nil while there is nothing to draw.
func (s *SharesLearner) source() train.Source {
	switch online := s.Replay.Len() > 0; {
	case s.Recorded != nil && s.RecordedShare > 0 && online:
		return replay.Mix{First: s.Recorded, Second: s.Replay, Share: s.RecordedShare}
	case s.Recorded != nil && s.RecordedShare > 0:
		return s.Recorded
	case online:
		return s.Replay
	}
	return nil
}

// Freeze implements Learner. The policy changes only in Learn.
func (s *SharesLearner) Freeze(bool) {}

// Close implements Learner.
func (s *SharesLearner) Close() error { return nil }

// Save implements Learner.
func (s *SharesLearner) Save(folder string, full bool, status []byte, metrics map[string]float64) error {
	c := s.policy()
	c.Metrics = metrics
	if !full {
		return checkpoint.Save(folder, c)
	}
	return saveFull(folder, c, s.Trainer, s.Data, s.Replay, status)
}

// snapshot implements foreground.
func (s *SharesLearner) snapshot() *checkpoint.Checkpoint {
	c := s.policy()
	for i, t := range c.Tensors {
		c.Tensors[i].Data = slices.Clone(t.Data)
	}
	return c
}

// policy is the current policy. Its tensors are the trainer's.
func (s *SharesLearner) policy() *checkpoint.Checkpoint {
	c := s.Template
	c.Tensors = slices.Clone(s.Trainer.Policy())
	return &c
}

// Load restores the learner from the checkpoint in folder and returns the status saved
// with it. If there is no such folder the error is fs.ErrNotExist.
func (s *SharesLearner) Load(folder string, cfg replay.Config, dims train.Dims) (*Status, error) {
	return loadFull(folder, s.Trainer, s.Data, func(data []byte) (err error) {
		s.Replay, err = replay.Read(data, cfg, dims)
		return err
	})
}

// Start starts from another training: from the policy of a checkpoint and, if there is
// a state, from its critics. Adam's moments, the entropy's weight and the count of
// updates start from scratch. It reports whether the critics could be used, which must
// be of the same number and size, and both know loads or not.
func (s *SharesLearner) Start(c *checkpoint.Checkpoint, from *train.State) (critics bool, err error) {
	mine, err := s.Trainer.State()
	if err != nil {
		return false, err
	}
	known := map[string]train.Tensor{}
	if from != nil {
		for _, t := range from.Tensors {
			known[t.Name] = t
		}
	}
	knowLoads := func(s *train.State) bool {
		return slices.ContainsFunc(s.Tensors, func(t train.Tensor) bool { return strings.HasPrefix(t.Name, "loads.") })
	}
	critics = from != nil && knowLoads(from) == knowLoads(&mine)
	for _, t := range mine.Tensors {
		if ofCritics(t.Name) && !strings.HasPrefix(t.Name, "value.") && len(known[t.Name].Data) != len(t.Data) {
			critics = false
		}
	}
	if !critics {
		clear(known)
	}
	for _, t := range c.Tensors {
		known["actor."+t.Name] = t
	}
	var policy []float32 // laid out as the policy's target parameters are
	for _, t := range mine.Tensors {
		is, ok := known[t.Name]
		if t.Name == "actor.target" {
			copy(t.Data, policy)
		} else if strings.HasPrefix(t.Name, "actor.") && !strings.Contains(t.Name, ".moment") {
			if !ok || !slices.Equal(is.Shape, t.Shape) {
				return false, fmt.Errorf("start from the checkpoint: its network has %s %v, where %v is needed", t.Name, is.Shape, t.Shape)
			}
			policy = append(policy, is.Data...)
			copy(t.Data, is.Data)
		} else if critics && ofCritics(t.Name) && len(is.Data) == len(t.Data) {
			copy(t.Data, is.Data)
		}
	}
	return critics, s.Trainer.Restore(mine)
}

// ofCritics reports whether a tensor of a trainer's state is a parameter of its critics.
func ofCritics(name string) bool {
	return !strings.HasPrefix(name, "actor.") && !strings.HasPrefix(name, "alpha.") && !strings.Contains(name, ".moment")
}
