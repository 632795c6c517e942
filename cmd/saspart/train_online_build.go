package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/experiment"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
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

	keys   engine.FluidConfig // the job in closed form
	policy policy.Checkpoint
	mask   policy.Mask
	data   *dataset.Transitions // recorded; nil: none
	pupil  online.Pupil
	loop   online.Loop
}

func (b *onlineBuild) build(ctx context.Context) (*online.Loop, error) {
	var err error
	if b.keys, err = experiment.Fluid(b.Experiment); err != nil {
		return nil, err
	}
	var from *policy.Checkpoint
	if b.Checkpoint != "" {
		if from, err = b.from(); err != nil {
			return nil, err
		}
	}
	b.spec(from)
	learner, err := newLearner(b.Training.Learner, b.mask, b.Training.P0, b.Seed)
	if err != nil {
		return nil, err
	}
	dims := train.Dims{Obs: policy.Observation{}.Size(b.mask.Workers), Act: b.mask.Pairs()}
	student := &online.Shares{
		Learner: learner, Replay: replay.New(b.Training.Replay, dims), Share: b.Training.OfflineShare, Policy: b.policy,
	}
	if from != nil {
		if err := b.start(student, from); err != nil {
			return nil, err
		}
	}
	if len(b.Data) > 0 {
		if err := b.record(ctx, student); err != nil {
			return nil, err
		}
	}
	b.loop = online.Loop{Config: b.Training, Dir: b.dir, Now: b.app.now}
	if b.resume {
		b.loop.Status, err = student.Load(filepath.Join(b.dir, online.Last), b.Training.Replay, dims)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // it may have ended before its first checkpoint
			return nil, err
		}
	}
	b.loop.Student, b.pupil = student, student
	if b.Engine == experiment.Local {
		background, err := online.NewBackground(student, b.Seed)
		if err != nil {
			return nil, err
		}
		b.loop.Student, b.pupil = background, background
	}
	return &b.loop, b.jobs()
}

// jobs makes the jobs to explore and the one to evaluate on: of a job on the wall
// clock there is but one.
func (b *onlineBuild) jobs() error {
	if b.Engine == experiment.Local {
		if n := b.Training.Parallel; n > 1 {
			return usagef("--parallel %d: a job on the engine %s runs in real time, one at a time; use %s or %s", n, b.Engine, fluid, experiment.Sim)
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
func (b *onlineBuild) spec(from *policy.Checkpoint) {
	b.policy = policy.Checkpoint{
		Format: policy.CheckpointFormat, Kind: policy.KindShares, CreatedBy: buildVersion().String(), Configuration: b.text,
	}
	if from != nil {
		b.policy.Shares, b.policy.Normalisation, b.policy.Parent = from.Shares, from.Normalisation, b.Checkpoint
		b.mask = policy.Mask{Workers: from.Shares.Workers, Keys: from.Shares.Mask}
		b.Training.Published, b.Training.Learner.Hidden = from.Shares.Published, from.Shares.Hidden
		return
	}
	weights := b.keys.Keys.Weights()
	hot := min(b.Training.HotKeys, len(weights))
	shares, mask := weights[:hot], b.Experiment.Mask
	if b.Experiment.Fluid.Model == engine.ReferenceModel {
		mask.TrueHot = hot
	}
	b.mask = policy.NewMask(shares, b.Experiment.Job.Workers, mask)
	b.policy.Shares = &policy.SharesSpec{
		Workers: b.mask.Workers, Mask: b.mask.Keys, HotKeys: hot, KeyShares: shares,
		Published: b.Training.Published, Hidden: b.Training.Learner.Hidden,
	}
}

// env makes the i-th job.
func (b *onlineBuild) env(i int, s online.Safety) (online.Env, error) {
	if b.Engine == fluid {
		model, err := b.model(i)
		if err != nil {
			return nil, err
		}
		return online.NewFluidEnv(model, b.pupil, b.policy.Normalisation, s)
	}
	if b.mask.Pairs() == 0 {
		return nil, usagef("the mask is empty: no key of the experiment is heavy enough to be split; set mask.true_hot")
	}
	e := *b.Experiment
	e.Seed += uint64(i)
	e.Partitioner.Name = "table"
	scheme, err := partition.New(e.Partitioner, e.Job.Workers)
	if err != nil {
		return nil, err
	}
	return online.NewJobEnv(online.JobConfig{
		Open: func() (online.Job, error) { return experiment.Open(&e, b.Engine, scheme, nil) },
		Spec: b.policy.Shares, Normal: b.policy.Normalisation, Loads: e.Partitioner.SaSPartitioner.Load,
		P0: b.Training.P0, Pupil: b.pupil, Safety: s,
	}), nil
}

// model makes the i-th job in closed form.
func (b *onlineBuild) model(i int) (online.Model, error) {
	if b.Experiment.Fluid.Model == engine.ReferenceModel {
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
	if j := b.loop.Judge; j != nil && b.Engine != experiment.Local {
		errs = append(errs, j.Close())
	}
	if b.data != nil {
		errs = append(errs, b.data.Close())
	}
	return errors.Join(errs...)
}

// routeFile keeps where the policy put the hot keys at the first and at the newest
// evaluation, for the report.
type routeFile struct {
	path string
}

// routes is the file.
type routes struct {
	Before online.RouteMap  `json:"before"`
	After  *online.RouteMap `json:"after,omitempty"`
}

func (f *routeFile) evaluated(_ online.Evaluated, now online.RouteMap) error {
	r := routes{Before: now}
	text, err := os.ReadFile(f.path)
	switch {
	case err == nil:
		if err := json.Unmarshal(text, &r); err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
		r.After = &now
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if text, err = json.Marshal(&r); err != nil {
		return err
	}
	if err := os.WriteFile(f.path+".new", text, 0o666); err != nil {
		return err
	}
	return os.Rename(f.path+".new", f.path)
}
