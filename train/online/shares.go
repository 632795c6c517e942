package online

import (
	"fmt"
	"slices"
	"strings"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/network"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/replay"
)

// Actor decides on actions of the shares form.
type Actor interface {
	// Act writes an action in [-1,1] for an observation into act: the most likely one,
	// or with explore one drawn from the policy.
	Act(obs, act []float32, explore bool)
}

// Learner learns such actions. sacn.Trainer is one.
type Learner interface {
	Actor
	Update(src train.Source) (train.Stats, error)
	State() (train.State, error)
	Restore(s train.State) error
	Policy() []train.Tensor
}

// Pupil is what Envs of the shares action have of their student.
type Pupil interface {
	Actor
	// Remember takes what a window taught.
	Remember(t replay.Transition) error
}

// Shares is the student of the shares action: the trainer with its replay. It learns
// when it is told to, on the caller's goroutine.
type Shares struct {
	Learner  Learner
	Replay   *replay.Buffer
	Recorded train.Source          // transitions to learn from as well; nil: none
	Data     string                // fingerprint of Recorded
	Share    float64               // of them in a batch
	Policy   checkpoint.Checkpoint // what is saved, without tensors and metrics
}

var _ Student = (*Shares)(nil)

// Act implements Actor.
func (s *Shares) Act(obs, act []float32, explore bool) { s.Learner.Act(obs, act, explore) }

// Remember implements Pupil.
func (s *Shares) Remember(t replay.Transition) error { return s.Replay.Add(t) }

// Learn implements Student. Nothing is learned before there is anything to learn from.
func (s *Shares) Learn(updates int, each func(train.Stats)) error {
	src := s.source()
	if src == nil {
		return nil
	}
	for range updates {
		stats, err := s.Learner.Update(src)
		if err != nil {
			return err
		}
		each(stats)
	}
	return nil
}

// source is what batches are drawn from by now; nil: there is nothing yet.
func (s *Shares) source() train.Source {
	switch online := s.Replay.Len() > 0; {
	case s.Recorded != nil && s.Share > 0 && online:
		return replay.Mix{First: s.Recorded, Second: s.Replay, Share: s.Share}
	case s.Recorded != nil && s.Share > 0:
		return s.Recorded
	case online:
		return s.Replay
	}
	return nil
}

// Freeze implements Student: nothing is learned but in Learn.
func (s *Shares) Freeze(bool) {}

// Close implements Student.
func (s *Shares) Close() error { return nil }

// Save implements Student.
func (s *Shares) Save(folder string, whole bool, status []byte, metrics map[string]float64) error {
	var extra []func(string) error
	if whole {
		state, err := s.Learner.State()
		if err != nil {
			return err
		}
		extra = append(extra, train.Saved{State: state, Data: s.Data}.Write, writeReplay(s.Replay, status))
	}
	return checkpoint.Save(folder, s.checkpoint(metrics), extra...)
}

// snapshot is the policy by now, with tensors of its own.
func (s *Shares) snapshot() *checkpoint.Checkpoint {
	c := s.checkpoint(nil)
	for i, t := range c.Tensors {
		c.Tensors[i].Data = slices.Clone(t.Data)
	}
	return c
}

// checkpoint is the policy by now.
func (s *Shares) checkpoint(metrics map[string]float64) *checkpoint.Checkpoint {
	c := s.Policy
	c.Metrics, c.Tensors = metrics, nil
	for _, t := range s.Learner.Policy() {
		c.Tensors = append(c.Tensors, network.Tensor(t))
	}
	return &c
}

// Load makes the student what it was when the checkpoint in folder was saved, and
// returns the status saved with it. Without the folder the error is fs.ErrNotExist.
func (s *Shares) Load(folder string, cfg replay.Config, dims train.Dims) (*Status, error) {
	from, err := train.ReadSaved(folder)
	if err != nil {
		return nil, err
	}
	if from.Data != s.Data {
		return nil, otherData(folder)
	}
	data, status, err := readReplay(folder)
	if err == nil {
		s.Replay, err = replay.Read(data, cfg, dims)
	}
	if err == nil {
		err = s.Learner.Restore(from.State)
	}
	if err != nil {
		return nil, fmt.Errorf("go on from checkpoint %s: %w", folder, err)
	}
	return status, nil
}

// Start takes over what another training has learned: the policy of a checkpoint and,
// where there is a state, its critics and whatever else they know. Adam's moments and
// the weight of the entropy begin anew, as does the count of updates. It tells whether
// the critics could be taken over: not those of another number or size.
func (s *Shares) Start(c *checkpoint.Checkpoint, from *train.State) (critics bool, err error) {
	mine, err := s.Learner.State()
	if err != nil {
		return false, err
	}
	known := map[string]train.Tensor{}
	if from != nil {
		for _, t := range from.Tensors {
			known[t.Name] = t
		}
	}
	critics = from != nil
	for _, t := range mine.Tensors {
		if isLearned(t.Name) && len(known[t.Name].Data) != len(t.Data) {
			critics = false
		}
	}
	if !critics {
		clear(known)
	}
	for _, t := range c.Tensors {
		known["actor."+t.Name] = train.Tensor(t)
	}
	for _, t := range mine.Tensors {
		is, ok := known[t.Name]
		if strings.HasPrefix(t.Name, "actor.") && !strings.Contains(t.Name, ".moment") {
			if !ok || !slices.Equal(is.Shape, t.Shape) {
				return false, fmt.Errorf("start from the checkpoint: its network has %s %v, where %v is needed", t.Name, is.Shape, t.Shape)
			}
			copy(t.Data, is.Data)
		} else if critics && isLearned(t.Name) {
			copy(t.Data, is.Data)
		}
	}
	return critics, s.Learner.Restore(mine)
}

// isLearned tells whether a tensor of a trainer's state is what its critics have learned.
func isLearned(name string) bool {
	return !strings.HasPrefix(name, "actor.") && !strings.HasPrefix(name, "alpha.") && !strings.Contains(name, ".moment")
}
