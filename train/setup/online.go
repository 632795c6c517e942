package setup

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/engine/fluid"
	"github.com/saspart/saspart/experiment"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/scenario"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/capacity"
	"github.com/saspart/saspart/train/online"
	"github.com/saspart/saspart/train/replay"
)

// Engines of a training beside those of package experiment.
const (
	ClosedForm = "fluid"  // the job in closed form
	Served     = "served" // a job in another process, behind the policy server
)

// Online is the configuration of a training on a running job, as config.yaml of the
// run's folder holds it.
type Online struct {
	Seed       uint64             `yaml:"seed"`
	Engine     string             `yaml:"engine"`
	Action     checkpoint.Kind    `yaml:"action"`
	Checkpoint string             `yaml:"checkpoint,omitempty"` // to start from
	Data       []string           `yaml:"traces,omitempty"`     // patterns of traces to learn from as well
	Training   online.Config      `yaml:"training"`
	Experiment *config.Experiment `yaml:"experiment"`
}

// RealTime reports whether the job runs on the wall clock. It then does not wait for
// the learner, and its results may be in use.
func (c *Online) RealTime() bool { return experiment.RealTime(c.Engine) || c.Engine == Served }

// SharesTrainers makes a trainer of the shares action with fresh networks.
type SharesTrainers func(c train.Config, o policy.Observation, p0 float64, seed uint64) (online.SharesTrainer, error)

// CapacityTrainers makes a trainer of the capacity action. Its policy starts as that of
// a checkpoint, or as a fixed smoothing if there is none.
type CapacityTrainers func(c capacity.RecurrentConfig, from *checkpoint.Checkpoint, seed uint64) (online.CapacityTrainer, error)

// OnlineTraining is a training that is ready to run.
type OnlineTraining struct {
	online.Training
	closers []io.Closer
}

// Close stops the learner and closes the jobs. The learner comes first: it may still
// have to save.
func (t *OnlineTraining) Close() error {
	var errs []error
	for _, c := range t.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// onlineBuild is an OnlineTraining in the making.
type onlineBuild struct {
	*Online
	Options
	training *OnlineTraining
	model    fluid.Config           // the job in closed form
	start    *checkpoint.Checkpoint // to start from; nil: from scratch
	policy   checkpoint.Checkpoint  // what is saved, without tensors
	shares   online.SharesAgent
	capacity online.CapacityAgent
}

// Build makes the training. A training that is not nil must be closed, whatever the
// error.
func (c *Online) Build(ctx context.Context, o Options) (*OnlineTraining, error) {
	if o.NewShares == nil {
		o.NewShares = newShares
	}
	if o.NewCapacity == nil {
		o.NewCapacity = newCapacity
	}
	t := &OnlineTraining{Training: online.Training{Dir: o.Dir, Now: o.Now}}
	b := &onlineBuild{Online: c, Options: o, training: t}
	var err error
	if b.model, err = experiment.Fluid(c.Experiment); err != nil {
		return nil, err
	}
	if c.Checkpoint != "" {
		if b.start, err = b.startCheckpoint(); err != nil {
			return nil, err
		}
	}
	if c.Action == checkpoint.KindCapacity {
		err = b.capacityLearner(ctx)
	} else {
		err = b.sharesLearner(ctx)
	}
	t.Config = c.Training // the checkpoint to start from may have set some of it
	if err == nil {
		err = b.envs()
	}
	return t, err
}

// closes has Close close c.
func (b *onlineBuild) closes(c io.Closer) { b.training.closers = append(b.training.closers, c) }

// sharesLearner makes the learner of the shares action.
func (b *onlineBuild) sharesLearner(ctx context.Context) error {
	if b.Experiment.Fluid.Model == fluid.ReferenceModel && b.Engine == ClosedForm {
		b.Training.Observation = policy.PublishedObservation
	}
	b.describePolicy()
	if b.Training.Observation == policy.PublishedObservation {
		b.Training.Vary = scenario.Variety{} // it could not tell draws apart
	}
	o := b.policy.Shares.Observes()
	trainer, err := b.NewShares(b.Training.Learner, o, b.Training.P0, b.Seed)
	if err != nil {
		return err
	}
	dims := train.Dims{Obs: o.Size(), Act: o.Mask.Pairs()}
	l := &online.SharesLearner{
		Trainer: trainer, Replay: replay.New(b.Training.Replay, dims), RecordedShare: b.Training.OfflineShare, Template: b.policy,
	}
	if b.start != nil {
		if err := b.startFrom(l); err != nil {
			return err
		}
	}
	if len(b.Data) > 0 {
		if err := b.recordedTransitions(ctx, l); err != nil {
			return err
		}
	}
	if err := b.resume(func(folder string) (*online.Status, error) { return l.Load(folder, b.Training.Replay, dims) }); err != nil {
		return err
	}
	b.training.Learner, b.shares = l, l
	if b.RealTime() {
		background, err := online.NewBackgroundShares(l, b.Seed)
		if err != nil {
			return err
		}
		b.training.Learner, b.shares = background, background
	}
	b.training.closers = append([]io.Closer{b.training.Learner}, b.training.closers...)
	return nil
}

// capacityLearner makes the learner of the capacity action.
func (b *onlineBuild) capacityLearner(ctx context.Context) error {
	trainer, err := b.NewCapacity(b.Training.Capacity, b.start, b.Seed)
	if err != nil {
		return err
	}
	c, workers := &b.Training, b.Experiment.Job.Workers
	l := &online.CapacityLearner{
		Trainer: trainer, Windows: replay.NewRecordings(c.Replay.Capacity, workers, c.P0),
		Least: c.Capacity.Stretch + 1, RecordedShare: c.OfflineShare,
		Template: checkpoint.Checkpoint{CreatedBy: b.CreatedBy, Configuration: b.Configuration, Parent: b.Checkpoint},
	}
	if len(b.Data) > 0 {
		if err := b.recordedWindows(ctx, l); err != nil {
			return err
		}
	}
	if err := b.resume(func(folder string) (*online.Status, error) { return l.Load(folder, c.Replay.Capacity, workers, c.P0) }); err != nil {
		return err
	}
	if s := b.training.Status; s != nil {
		for job := c.Parallel; job < len(s.Jobs); job++ {
			l.Cut(job) // the run had more jobs before
		}
	}
	b.training.Learner, b.capacity = l, l
	if b.RealTime() {
		background, err := online.NewBackgroundCapacity(l)
		if err != nil {
			return err
		}
		b.training.Learner, b.capacity = background, background
	}
	b.closes(b.training.Learner)
	return nil
}

// resume loads the last checkpoint if Options ask for it. The run may have ended before
// it saved any.
func (b *onlineBuild) resume(load func(folder string) (*online.Status, error)) (err error) {
	if !b.Resume {
		return nil
	}
	b.training.Status, err = load(filepath.Join(b.Dir, train.Last))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// describePolicy describes the policy of the shares action: that of the checkpoint to
// start from, or a new one for the heaviest keys of the experiment.
func (b *onlineBuild) describePolicy() {
	b.policy = checkpoint.Checkpoint{
		Format: checkpoint.Format, Kind: checkpoint.KindShares, Trained: checkpoint.OnJob, CreatedBy: b.CreatedBy, Configuration: b.Configuration,
	}
	if from := b.start; from != nil {
		b.policy.Shares, b.policy.Normalisation, b.policy.Parent = from.Shares, from.Normalisation, b.Checkpoint
		b.Training.Published, b.Training.Learner.Hidden = from.Shares.Published, from.Shares.Hidden
		b.Training.Observation = cmp.Or(from.Shares.Observation, policy.PublishedObservation)
		return
	}
	weights := b.model.Keys.Weights()
	workers := b.Experiment.Job.Workers
	hot, past := b.Training.HotKeys.Of(weights, 0, workers)
	shares, mask := weights[:hot], b.Experiment.Mask
	if b.Experiment.Fluid.Model == fluid.ReferenceModel {
		mask.TrueHot = hot
	}
	if b.Training.Observation == policy.AdaptiveObservation {
		mask.Spread = max(mask.Spread, 1) // so that work can go from any worker to any other
	}
	m := policy.NewMask(shares, workers, mask)
	b.policy.Shares = &checkpoint.SharesSpec{
		Workers: m.Workers, Mask: m.Keys, HotKeys: hot, KeyShares: shares,
		Observation: b.Training.Observation, Published: b.Training.Published, Hidden: b.Training.Learner.Hidden,
	}
	needed, _ := policy.AutoHotKeys.Of(weights, 0, workers)
	b.checkHotKeys(b.policy.Shares, past, needed)
}
