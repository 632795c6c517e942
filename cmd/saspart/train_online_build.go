package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/experiment"
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
	loop   online.Loop
}

func (b *onlineBuild) build(ctx context.Context) (*online.Loop, error) {
	var err error
	if b.keys, err = experiment.Fluid(b.Experiment); err != nil {
		return nil, err
	}
	b.spec()
	learner, err := newLearner(b.Training.Learner, b.mask, b.Training.P0, b.Seed)
	if err != nil {
		return nil, err
	}
	dims := train.Dims{Obs: policy.Observation{}.Size(b.mask.Workers), Act: b.mask.Pairs()}
	student := &online.Shares{
		Learner: learner, Replay: replay.New(b.Training.Replay, dims), Share: b.Training.OfflineShare, Policy: b.policy,
	}
	b.loop = online.Loop{Config: b.Training, Student: student, Dir: b.dir, Now: b.app.now}
	if b.resume {
		b.loop.Status, err = student.Load(filepath.Join(b.dir, online.Last), b.Training.Replay, dims)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // it may have ended before its first checkpoint
			return nil, err
		}
	}
	for i := range b.Training.Parallel + 1 {
		env, err := b.env(i, student)
		if err != nil {
			return nil, err
		}
		if b.loop.Judge = env; i < b.Training.Parallel {
			b.loop.Envs = append(b.loop.Envs, env)
		}
	}
	return &b.loop, nil
}

// spec describes the policy: a fresh one, for the heaviest keys of the experiment.
func (b *onlineBuild) spec() {
	weights := b.keys.Keys.Weights()
	hot := min(b.Training.HotKeys, len(weights))
	shares, mask := weights[:hot], b.Experiment.Mask
	if b.Experiment.Fluid.Model == engine.ReferenceModel {
		mask.TrueHot = hot
	}
	b.mask = policy.NewMask(shares, b.Experiment.Job.Workers, mask)
	b.policy = policy.Checkpoint{
		Format: policy.CheckpointFormat, Kind: policy.KindShares, CreatedBy: buildVersion().String(), Configuration: b.text,
		Shares: &policy.SharesSpec{
			Workers: b.mask.Workers, Mask: b.mask.Keys, HotKeys: hot, KeyShares: shares,
			Published: b.Training.Published, Hidden: b.Training.Learner.Hidden,
		},
	}
}

// env makes the i-th job.
func (b *onlineBuild) env(i int, pupil online.Pupil) (online.Env, error) {
	model, err := b.model(i)
	if err != nil {
		return nil, err
	}
	return online.NewFluidEnv(model, pupil, b.policy.Normalisation, b.Training.Safety)
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
	if j := b.loop.Judge; j != nil {
		errs = append(errs, j.Close())
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
