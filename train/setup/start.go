package setup

import (
	"path/filepath"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/online"
)

// Checkpoints is the folder of the checkpoints in a run's folder.
const Checkpoints = "checkpoints"

// loadStart loads the checkpoint to start from, a folder or the built-in one, and the
// name of its folder.
func loadStart(name string, action checkpoint.Kind) (c *checkpoint.Checkpoint, folder string, err error) {
	if name == checkpoint.BuiltinName && action == checkpoint.KindCapacity {
		c, err = checkpoint.Builtin()
		return c, name, err
	}
	if folder, err = checkpoint.Find(name); err != nil {
		return nil, "", err
	}
	if c, err = checkpoint.Load(folder); err != nil {
		return nil, "", err
	}
	if c.Kind != action {
		return nil, "", usagef("checkpoint %s is of kind %s; name one of kind %s, or --action %s", folder, c.Kind, action, c.Kind)
	}
	return c, folder, nil
}

// startCheckpoint is the checkpoint that an online training starts from. It determines
// what the policy is made for.
func (b *onlineBuild) startCheckpoint() (*checkpoint.Checkpoint, error) {
	c, folder, err := loadStart(b.Checkpoint, b.Action)
	if err != nil {
		return nil, err
	}
	if err := checkpoint.FitsJob(c, b.Experiment.Job.Workers); err != nil {
		return nil, usagef("checkpoint %s: %w", folder, err)
	}
	if rate := b.Training.Learner.LoadsRate; b.Action == checkpoint.KindShares && c.Normalisation != nil && rate > 0 {
		return nil, usagef("checkpoint %s was trained on normalised observations, which learner.loads_rate=%v can't be used with; set it to 0", folder, rate)
	}
	return c, nil
}

// startFrom starts a shares learner from the checkpoint: from its policy, and from its
// critics if it has any that fit.
func (b *onlineBuild) startFrom(l *online.SharesLearner) error {
	folder, err := checkpoint.Find(b.Checkpoint)
	if err != nil {
		return err
	}
	var state *train.State
	for _, f := range []string{folder, filepath.Join(b.Checkpoint, Checkpoints, train.Last)} {
		if !train.HasSaved(f) {
			continue
		}
		saved, err := train.ReadSaved(f)
		if err != nil {
			return err
		}
		state, folder = &saved.State, f
		break
	}
	critics, err := l.Start(b.start, state)
	switch {
	case err != nil:
		return err
	case critics:
		b.log("start from %s, with the critics of %s", b.Checkpoint, folder)
	case state != nil:
		b.log("start from %s; its critics are of another kind, number or size, so new ones start from scratch", b.Checkpoint)
	default:
		b.log("start from %s, which has no critics: new ones start from scratch", b.Checkpoint)
	}
	return nil
}
