package main

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/engine/flink"
	"github.com/saspart/saspart/engine/fluid"
	"github.com/saspart/saspart/experiment"
	"github.com/saspart/saspart/partition/registry"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/serve"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/online"
	"github.com/saspart/saspart/train/replay"
)

// onlineBuild makes a loop from its configuration.
type onlineBuild struct {
	*onlineConfig
	app    *app
	text   string // the configuration, for the manifests
	dir    string // of the checkpoints
	resume bool

	keys   fluid.Config // the job in closed form
	policy checkpoint.Checkpoint
	mask   policy.Mask
	data   *dataset.Transitions   // recorded; nil: none
	start  *checkpoint.Checkpoint // to start from; nil: nothing
	pupil  online.Pupil           // of the shares action
	filter online.Filter          // of the capacity action
	feed   *serve.Feed            // of a job in another process; nil: it runs here
	loop   online.Loop

	cluster *flink.Engine // where jobs run on the engine flink; nil for others
}

func (b *onlineBuild) build(ctx context.Context) (*online.Loop, error) {
	var err error
	if b.keys, err = experiment.Fluid(b.Experiment); err != nil {
		return nil, err
	}
	if b.Checkpoint != "" {
		if b.start, err = b.from(); err != nil {
			return nil, err
		}
	}
	b.loop = online.Loop{Config: b.Training, Dir: b.dir, Now: b.app.now}
	if b.Action == checkpoint.KindCapacity {
		err = b.capacity(ctx)
	} else {
		err = b.shares(ctx)
	}
	if err != nil {
		return nil, err
	}
	return &b.loop, b.jobs()
}

// last is the checkpoint to go on from.
func (b *onlineBuild) last() string { return filepath.Join(b.dir, online.Last) }

// fresh reports whether there is none, though one was asked for: the run may have ended
// before its first.
func fresh(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// shares makes the student of the shares action.
func (b *onlineBuild) shares(ctx context.Context) error {
	b.spec()
	learner, err := newLearner(b.Training.Learner, b.mask, b.Training.P0, b.Seed)
	if err != nil {
		return err
	}
	dims := train.Dims{Obs: policy.Observation{}.Size(b.mask.Workers), Act: b.mask.Pairs()}
	student := &online.Shares{
		Learner: learner, Replay: replay.New(b.Training.Replay, dims), Share: b.Training.OfflineShare, Policy: b.policy,
	}
	if b.start != nil {
		if err := b.takeOver(student); err != nil {
			return err
		}
	}
	if len(b.Data) > 0 {
		if err := b.record(ctx, student); err != nil {
			return err
		}
	}
	if b.resume {
		if b.loop.Status, err = student.Load(b.last(), b.Training.Replay, dims); err != nil && !fresh(err) {
			return err
		}
	}
	b.loop.Student, b.pupil = student, student
	if b.realTime() {
		background, err := online.NewBackground(student, b.Seed)
		if err != nil {
			return err
		}
		b.loop.Student, b.pupil = background, background
	}
	return nil
}

// capacity makes the student of the capacity action.
func (b *onlineBuild) capacity(ctx context.Context) error {
	learner, err := newCapacityLearner(b.Training.Capacity, b.start, b.Seed)
	if err != nil {
		return err
	}
	c, workers := b.Training.Capacity, b.Experiment.Job.Workers
	b.policy = checkpoint.Checkpoint{CreatedBy: buildVersion().String(), Configuration: b.text, Parent: b.Checkpoint}
	student := &online.Capacity{
		Learner: learner, Windows: replay.NewRecordings(b.Training.Replay.Capacity, workers, b.Training.P0),
		Least: c.Stretch + 1, Share: b.Training.OfflineShare, Policy: b.policy,
	}
	if len(b.Data) > 0 {
		if err := b.recordWindows(ctx, student); err != nil {
			return err
		}
	}
	if b.resume {
		if b.loop.Status, err = student.Load(b.last(), b.Training.Replay.Capacity, workers, b.Training.P0); err != nil && !fresh(err) {
			return err
		}
		if s := b.loop.Status; s != nil {
			for job := b.Training.Parallel; job < len(s.Jobs); job++ {
				student.Cut(job) // there were more then
			}
		}
	}
	b.loop.Student, b.filter = student, student
	if b.realTime() {
		background, err := online.NewBackgroundCapacity(student)
		if err != nil {
			return err
		}
		b.loop.Student, b.filter = background, background
	}
	return nil
}

// jobs makes the jobs to explore and the one to evaluate on: of a job on the wall
// clock there is but one.
func (b *onlineBuild) jobs() error {
	if b.realTime() {
		if n := b.Training.Parallel; n > 1 {
			return usagef("--parallel %d: a job on the engine %s runs in real time, one at a time; use %s or %s", n, b.Engine, closedForm, experiment.Sim)
		}
		env, err := b.env(0, b.Training.Safety)
		b.loop.Envs, b.loop.Judge = []online.Env{env}, env
		return err
	}
	for i := range b.Training.Parallel {
		env, err := b.env(i, b.Training.Safety)
		if err != nil {
			return err
		}
		b.loop.Envs = append(b.loop.Envs, env)
	}
	var err error
	b.loop.Judge, err = b.env(b.Training.Parallel, online.DefaultSafety())
	return err
}

// spec describes the policy: that of the checkpoint to start from, or a fresh one for
// the heaviest keys of the experiment.
func (b *onlineBuild) spec() {
	b.policy = checkpoint.Checkpoint{
		Format: checkpoint.Format, Kind: checkpoint.KindShares, CreatedBy: buildVersion().String(), Configuration: b.text,
	}
	if from := b.start; from != nil {
		b.policy.Shares, b.policy.Normalisation, b.policy.Parent = from.Shares, from.Normalisation, b.Checkpoint
		b.mask = policy.Mask{Workers: from.Shares.Workers, Keys: from.Shares.Mask}
		b.Training.Published, b.Training.Learner.Hidden = from.Shares.Published, from.Shares.Hidden
		return
	}
	weights := b.keys.Keys.Weights()
	hot := min(b.Training.HotKeys, len(weights))
	shares, mask := weights[:hot], b.Experiment.Mask
	if b.Experiment.Fluid.Model == fluid.ReferenceModel {
		mask.TrueHot = hot
	}
	b.mask = policy.NewMask(shares, b.Experiment.Job.Workers, mask)
	b.policy.Shares = &checkpoint.SharesSpec{
		Workers: b.mask.Workers, Mask: b.mask.Keys, HotKeys: hot, KeyShares: shares,
		Published: b.Training.Published, Hidden: b.Training.Learner.Hidden,
	}
}

// env makes the i-th job.
func (b *onlineBuild) env(i int, s online.Safety) (online.Env, error) {
	switch {
	case b.Action == checkpoint.KindCapacity:
		open, err := b.open(i)
		if err != nil {
			return nil, err
		}
		judge := i == b.Training.Parallel // on its own job, whose windows teach nothing
		job := online.CapacityJob{
			Open: open, Anew: judge && b.Engine == closedForm, Index: i, Workers: b.Experiment.Job.Workers,
			Learned: b.Experiment.Partitioner.SaSPartitioner.Config, P0: b.Training.P0,
			Filter: b.filter, Safety: s, Seed: b.Seed + uint64(i),
		}
		if judge {
			job.Index = -1
		}
		if b.feed != nil || b.cluster != nil {
			job.Filter = online.Consecutive(job.Filter) // jobs come and go, and clusters lose windows
		}
		return online.NewCapacityEnv(job), nil
	case b.Engine == closedForm:
		model, err := b.model(i)
		if err != nil {
			return nil, err
		}
		return online.NewFluidEnv(model, b.pupil, b.policy.Normalisation, s)
	case b.mask.Pairs() == 0:
		return nil, usagef("the mask is empty: no key of the experiment is heavy enough to be split; set mask.true_hot")
	}
	open, err := b.open(i)
	if err != nil {
		return nil, err
	}
	return online.NewJobEnv(online.JobConfig{
		Open: open, Spec: b.policy.Shares, Normal: b.policy.Normalisation, Loads: b.Experiment.Partitioner.SaSPartitioner.Load,
		P0: b.Training.P0, Pupil: b.pupil, Safety: s,
	}), nil
}

// open returns what starts the i-th job with windows and routes.
func (b *onlineBuild) open(i int) (func() (online.Job, error), error) {
	if b.feed != nil {
		return func() (online.Job, error) { return b.feed, nil }, nil
	}
	if b.Engine == closedForm {
		c := b.keys
		c.Seed += uint64(i)
		return func() (online.Job, error) { return fluid.NewJob(c) }, nil
	}
	e := *b.Experiment // every job has the same workers and keys, and draws its own records
	e.Partitioner.Name = "table"
	scheme, err := registry.New(e.Partitioner, e.Job.Workers)
	return func() (online.Job, error) {
		job, err := experiment.OpenWith(&e, b.Engine, scheme, experiment.Options{Replica: uint64(i), Flink: b.cluster})
		if err != nil {
			return nil, err
		}
		return &blurred{job, policy.NewBlur(e.Job.Metrics, e.Seed+uint64(i))}, nil
	}, err
}

// blurred is a job whose windows are what is seen of them.
type blurred struct {
	online.Job
	blur *policy.Blur
}

// Next implements online.Job.
func (j *blurred) Next(ctx context.Context) (*policy.Window, error) {
	for {
		w, err := j.Job.Next(ctx)
		if err != nil {
			return nil, err
		}
		if seen := j.blur.See(w); seen != nil {
			return seen, nil
		}
	}
}

// model makes the i-th job in closed form.
func (b *onlineBuild) model(i int) (online.Model, error) {
	if b.Experiment.Fluid.Model == fluid.ReferenceModel {
		return online.NewReference(experiment.ReferenceSpeeds(b.Experiment), b.Training.Published), nil
	}
	c := b.keys
	c.Seed += uint64(i)
	return online.NewModel(c, b.mask, b.policy.Shares.HotKeys, b.Training.Published, b.Training.P0)
}

// close ends student and jobs.
func (b *onlineBuild) close() error {
	var errs []error
	if b.loop.Student != nil {
		errs = append(errs, b.loop.Student.Close())
	}
	for _, e := range b.loop.Envs {
		errs = append(errs, e.Close())
	}
	if j := b.loop.Judge; j != nil && !b.realTime() {
		errs = append(errs, j.Close())
	}
	if b.data != nil {
		errs = append(errs, b.data.Close())
	}
	return errors.Join(errs...)
}
