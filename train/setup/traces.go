package setup

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/train/online"
	"github.com/saspart/saspart/train/recording"
	"github.com/saspart/saspart/train/replay"
)

// transitions reads traces for the shares action.
func (o *Options) transitions(ctx context.Context, l dataset.Load) (*dataset.Transitions, error) {
	read, done := o.reading()
	defer done()
	l.Watch = func(windows, _ int64) { read(windows) }
	return l.Do(ctx)
}

// recordings reads traces for the capacity action.
func (o *Options) recordings(ctx context.Context, c recording.Config, files []string, least int, seed uint64) (*recording.Data, error) {
	read, done := o.reading()
	defer done()
	return recording.Load(ctx, c, files, least, seed, read)
}

// recordedWindows reads the traces that the capacity action learns from as well. Their
// fingerprint is that of the counts alone, as in the checkpoints of earlier versions.
func (b *onlineBuild) recordedWindows(ctx context.Context, l *online.CapacityLearner) error {
	files, err := dataset.Glob(b.Data...)
	if err != nil {
		return err
	}
	data, err := b.recordings(ctx, recording.Config{P0: b.Training.P0}, files, l.Least, b.Seed)
	if err != nil {
		return err
	}
	sum := sha256.New()
	for _, r := range data.Train {
		if err := binary.Write(sum, binary.LittleEndian, r.Raw.Counts); err != nil {
			return fmt.Errorf("describe the recorded windows: %w", err)
		}
	}
	l.Recorded, l.Data = data.Train, fmt.Sprintf("%x", sum.Sum(nil))
	b.log("also learning from %d recorded windows", data.Windows)
	return nil
}

// recordedTransitions reads the traces that the shares action learns from as well.
func (b *onlineBuild) recordedTransitions(ctx context.Context, l *online.SharesLearner) error {
	files, err := dataset.Glob(b.Data...)
	if err != nil {
		return err
	}
	c := dataset.DefaultTransitions()
	c.HotKeys, c.P0, c.HeldOut = policy.HotKeys(b.policy.Shares.HotKeys), b.Training.P0, 0
	c.Published, c.Observation = b.Training.Published, b.Training.Observation
	data, err := b.transitions(ctx, dataset.Load{Config: c, Files: files, For: b.policy.Shares, Seed: b.Seed})
	if err != nil {
		return err
	}
	b.closes(data)
	if data.Workers != b.policy.Shares.Workers {
		return usagef("the traces have %d workers, the experiment %d", data.Workers, b.policy.Shares.Workers)
	}
	text, err := json.Marshal(data.Stats)
	if err != nil {
		return fmt.Errorf("describe the transitions: %w", err)
	}
	l.Data = fmt.Sprintf("%x", sha256.Sum256(text))
	if n := b.policy.Normalisation; n != nil {
		normal := dataset.Normal{Mean: n.Mean}
		for _, v := range n.Scale {
			normal.Scale = append(normal.Scale, 1/v)
		}
		if err := data.Normalise(normal); err != nil {
			return err
		}
	}
	b.log("also learning from %d recorded transitions", data.Train.Len())
	l.Recorded = replay.Recorded{Store: data.Train}
	return nil
}
