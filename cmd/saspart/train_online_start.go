package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/saspart/saspart/cmd/saspart/internal/progress"
	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/online"
	"github.com/saspart/saspart/train/recording"
	"github.com/saspart/saspart/train/replay"
)

// from is the checkpoint that a training starts from; it says what the policy is made
// for.
func (b *onlineBuild) from() (*checkpoint.Checkpoint, error) {
	if b.Checkpoint == checkpoint.BuiltinName && b.Action == checkpoint.KindCapacity {
		return checkpoint.Builtin()
	}
	folder, err := checkpoint.Find(b.Checkpoint)
	if err != nil {
		return nil, err
	}
	c, err := checkpoint.Load(folder)
	if err != nil {
		return nil, err
	}
	if c.Kind != b.Action {
		return nil, usagef("checkpoint %s is of kind %s; name one of kind %s, or --action %s", folder, c.Kind, b.Action, c.Kind)
	}
	if err := checkpoint.FitsJob(c, b.Experiment.Job.Workers); err != nil {
		return nil, usagef("checkpoint %s: %w", folder, err)
	}
	if c.Normalisation != nil && b.Training.Learner.LoadsRate > 0 {
		return nil, usagef("checkpoint %s was trained on normalised observations, which learner.loads_rate=%v can't be used with; set it to 0", folder, b.Training.Learner.LoadsRate)
	}
	return c, nil
}

// takeOver takes the policy over, and the critics where there are some that fit.
func (b *onlineBuild) takeOver(s *online.Shares) error {
	folder, err := checkpoint.Find(b.Checkpoint)
	if err != nil {
		return err
	}
	var state *train.State
	for _, f := range []string{folder, filepath.Join(b.Checkpoint, checkpoints, train.Last)} {
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
	critics, err := s.Start(b.start, state)
	switch {
	case err != nil:
		return err
	case critics:
		b.app.narrate("start from %s, with the critics of %s", b.Checkpoint, folder)
	case state != nil:
		b.app.narrate("start from %s; its critics are of another number or size, new ones begin with nothing", b.Checkpoint)
	default:
		b.app.narrate("start from %s, which has no critics: new ones begin with nothing", b.Checkpoint)
	}
	return nil
}

// recordWindows loads the traces to learn the capacity action from as well.
func (b *onlineBuild) recordWindows(ctx context.Context, s *online.Capacity) error {
	files, err := dataset.Glob(b.Data...)
	if err != nil {
		return err
	}
	sum, windows := sha256.New(), 0
	for q, err := range dataset.Sequences(ctx, files, s.Least) {
		if err != nil {
			return err
		}
		r, err := recording.Of(q, b.Training.P0)
		if err != nil {
			return err
		}
		if err := binary.Write(sum, binary.LittleEndian, r.Raw.Counts); err != nil {
			return fmt.Errorf("describe the recorded windows: %w", err)
		}
		windows += r.Windows()
		s.Recorded = append(s.Recorded, r)
	}
	if windows == 0 {
		return fmt.Errorf("the traces have no %d windows in a row; collect longer episodes, or set capacity.stretch lower", s.Least)
	}
	s.Data = fmt.Sprintf("%x", sum.Sum(nil))
	b.app.narrate("%s to learn from as well", plural(windows, "recorded window"))
	return nil
}

// record loads the traces to learn the shares action from as well.
func (b *onlineBuild) record(ctx context.Context, s *online.Shares) error {
	files, err := dataset.Glob(b.Data...)
	if err != nil {
		return err
	}
	c := dataset.DefaultTransitions()
	c.HotKeys, c.P0, c.Published, c.HeldOut = b.policy.Shares.HotKeys, b.Training.P0, b.Training.Published, 0
	meter := progress.Start(b.app.err, b.app.now, progress.Config{Label: "read traces", Unit: "windows", Terminal: b.app.errTerminal})
	seen := int64(0)
	load := dataset.Load{Config: c, Files: files, Mask: &b.mask, Seed: b.Seed, Watch: func(read, _ int64) {
		meter.Add(read - seen)
		seen = read
	}}
	b.data, err = load.Do(ctx)
	meter.Stop()
	if err != nil {
		return err
	}
	if b.data.Workers != b.mask.Workers {
		return usagef("the traces have %d workers, the experiment %d", b.data.Workers, b.mask.Workers)
	}
	text, err := json.Marshal(b.data.Stats)
	if err != nil {
		return fmt.Errorf("describe the transitions: %w", err)
	}
	s.Data = fmt.Sprintf("%x", sha256.Sum256(text))
	if n := b.policy.Normalisation; n != nil {
		normal := dataset.Normal{Mean: n.Mean}
		for _, v := range n.Scale {
			normal.Scale = append(normal.Scale, 1/v)
		}
		if err := b.data.Normalise(normal); err != nil {
			return err
		}
	}
	b.app.narrate("%s to learn from as well", plural(b.data.Train.Len(), "recorded transition"))
	s.Recorded = replay.Recorded{Store: b.data.Train}
	return nil
}
