package setup

import (
	"context"

	"github.com/saspart/saspart/engine/fluid"
	"github.com/saspart/saspart/experiment"
	"github.com/saspart/saspart/partition/registry"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/train/online"
)

// envs makes the jobs to explore and the one to evaluate on. A job in real time is both.
func (b *onlineBuild) envs() error {
	t := b.training
	if n := b.Training.Parallel; b.RealTime() && n > 1 {
		return usagef("--parallel %d: a job on the engine %s runs in real time, one at a time; use %s or %s", n, b.Engine, ClosedForm, experiment.Sim)
	}
	for i := range b.Training.Parallel {
		env, err := b.env(i, b.Training.Safety)
		if err != nil {
			return err
		}
		b.closes(env)
		t.Envs = append(t.Envs, env)
	}
	if b.RealTime() {
		t.EvalEnv = t.Envs[0]
		return nil
	}
	var err error
	if t.EvalEnv, err = b.env(b.Training.Parallel, online.DefaultSafety()); err == nil {
		b.closes(t.EvalEnv)
	}
	return err
}

// env makes the i-th job. Job number Parallel is for evaluations.
func (b *onlineBuild) env(i int, s online.Safety) (online.Env, error) {
	switch {
	case b.Action == checkpoint.KindCapacity:
		open, err := b.open(i)
		if err != nil {
			return nil, err
		}
		evaluated := i == b.Training.Parallel
		job := online.CapacityJob{
			Open: open, Restart: evaluated && b.Engine == ClosedForm, Index: i, Workers: b.Experiment.Job.Workers,
			Learned: b.Experiment.Partitioner.SaSPartitioner.Config, P0: b.Training.P0,
			Agent: b.capacity, Safety: s, Seed: b.Seed + uint64(i),
		}
		if evaluated {
			job.Index = -1
		}
		if b.Served != nil || b.Flink != nil {
			job.Agent = online.Consecutive(job.Agent) // jobs leave and come back, and clusters lose windows
		}
		return online.NewCapacityEnv[fluid.JobState](job), nil
	case b.Engine == ClosedForm:
		model, err := b.sharesModel(i)
		if err != nil {
			return nil, err
		}
		return online.NewClosedFormEnv(model, b.shares, b.policy.Normalisation, s)
	case len(b.policy.Shares.Mask) == 0:
		return nil, usagef("the mask is empty: no key of the experiment is heavy enough to be split; set mask.true_hot")
	}
	open, err := b.open(i)
	if err != nil {
		return nil, err
	}
	return online.NewSharesEnv(online.SharesJob{
		Open: open, Spec: b.policy.Shares, Normal: b.policy.Normalisation, Config: b.Experiment.Partitioner.SaSPartitioner.Config,
		P0: b.Training.P0, Agent: b.shares, Safety: s,
	}), nil
}

// open returns what starts the i-th job.
func (b *onlineBuild) open(i int) (func() (online.Job, error), error) {
	if b.Served != nil {
		return func() (online.Job, error) { return b.Served, nil }, nil
	}
	if b.Engine == ClosedForm {
		c := b.model
		c.Seed += uint64(i)
		return func() (online.Job, error) { return fluid.NewJob(c) }, nil
	}
	e := *b.Experiment // jobs differ only in the records that they draw
	e.Partitioner.Name = "table"
	scheme, err := registry.New(e.Partitioner, e.Job.Workers)
	return func() (online.Job, error) {
		job, err := experiment.Open(&e, b.Engine, scheme, experiment.Options{Replica: uint64(i), Flink: b.Flink})
		if err != nil {
			return nil, err
		}
		return &blurred{job, policy.NewBlur(e.Job.Metrics, e.Seed+uint64(i))}, nil
	}, err
}

// blurred is a job whose windows have the configured noise and delay.
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

// sharesModel makes the i-th job in closed form under the shares action.
func (b *onlineBuild) sharesModel(i int) (online.Model, error) {
	if b.Experiment.Fluid.Model == fluid.ReferenceModel {
		return fluid.NewReferenceEnv(experiment.ReferenceSpeeds(b.Experiment), b.Training.Published), nil
	}
	c := b.model
	c.Seed += uint64(i)
	return fluid.NewSharesEnv(c, fluid.SharesConfig{
		Observation: b.policy.Shares.Observes(), HotKeys: b.policy.Shares.HotKeys, P0: b.Training.P0, Vary: b.Training.Vary,
	})
}
