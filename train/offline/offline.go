//go:build torch

package offline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/runlog"
	"github.com/saspart/saspart/train"
)

// Available reports whether this build can train.
const Available = true

// learner is a trainer with the data that it learns from.
type learner interface {
	update() (train.Stats, error)
	Updates() uint64
	State() (train.State, error)
	Restore(train.State) error
	fingerprint() string // of the data
	algorithm() train.Algorithm
	estimate() (train.Estimates, error)
	Checkpoint() *checkpoint.Checkpoint // kind, network and normalisation
}

// offline is a Training under way.
type offline struct {
	*Training
	Schedule
	learner learner
	mean    train.Averages
	saved   uint64 // updates in the newest checkpoint
	out     Outcome
}

// Run trains until all updates are done. If ctx is cancelled, Run finishes the update,
// saves, and returns an error that wraps context.Canceled. A run that was interrupted or
// killed and then resumed, any number of times, gives the same networks, bit for bit, as
// an uninterrupted run.
func (r *Training) Run(ctx context.Context) (Outcome, error) {
	o := &offline{Training: r, mean: train.Averages{}}
	if err := o.begin(); err != nil {
		return o.out, err
	}
	every := func(n int) bool { return o.learner.Updates()%uint64(n) == 0 }
	for o.learner.Updates() < uint64(o.Updates) {
		if ctx.Err() != nil {
			err := fmt.Errorf("interrupted after %d updates; --resume continues from here: %w", o.learner.Updates(), ctx.Err())
			return o.out, errors.Join(err, o.flush(), o.save(train.Last))
		}
		stats, err := o.learner.update()
		if err != nil {
			return o.out, err
		}
		o.mean.Add(stats)
		if r.Watch != nil {
			r.Watch(stats)
		}
		done := o.learner.Updates() == uint64(o.Updates)
		if every(o.CheckpointEvery) || done {
			if err := o.evaluate(context.WithoutCancel(ctx)); err != nil {
				return o.out, err
			}
		} else if every(o.LogEvery) {
			if err := o.flush(); err != nil {
				return o.out, err
			}
		}
	}
	return o.out, nil
}

// begin makes the learner, or restores it.
func (o *offline) begin() (err error) {
	if o.Capacity != nil {
		o.Schedule = o.Capacity.Config.Schedule
		o.learner, err = newCapacityLearner(o.Capacity, o.Seed)
	} else {
		o.Schedule = o.Config.Schedule
		o.learner, err = newSharesLearner(&o.Config, o.Data, o.Seed)
	}
	if err != nil {
		return err
	}
	if o.Resume {
		if err := o.restore(); err != nil {
			return err
		}
	}
	o.saved = o.learner.Updates()
	o.out.Updates = o.saved
	if o.Begin != nil {
		return o.Begin(o.saved)
	}
	return nil
}

func (o *offline) restore() error {
	s, err := train.ReadSaved(filepath.Join(o.Dir, train.Last))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it ended before its first checkpoint
	}
	if err != nil {
		return err
	}
	if s.Data != o.learner.fingerprint() {
		return fmt.Errorf("the training in %s was on other data; name the same unchanged traces, with the same settings, or another --out", o.Dir)
	}
	o.out.Best = s.Best
	return o.learner.Restore(s.State)
}

// flush records the means of the updates since the last row.
func (o *offline) flush() error {
	o.out.Updates = o.learner.Updates()
	return o.record(o.mean.Take())
}

func (o *offline) record(values map[string]float64) error {
	if o.Record == nil || len(values) == 0 {
		return nil
	}
	return o.Record(o.learner.Updates(), values)
}

// evaluate estimates, records and saves.
func (o *offline) evaluate(ctx context.Context) error {
	o.out.Updates = o.learner.Updates()
	values := o.mean.Take()
	var err error
	if o.out.Estimates, err = o.learner.estimate(); err != nil {
		return err
	}
	e := o.out.Estimates
	values[runlog.ActionDistance] = e.Distance
	if o.learner.algorithm().Values() {
		values[runlog.HeldOutValue], values[runlog.HeldOutPolicy] = e.Q, e.PolicyValue
	}
	score := e.Recorded
	if score != nil {
		values[runlog.RecordedImbalance] = *score
	}
	if o.Rollout != nil {
		got, err := o.Rollout(ctx, o.policy())
		if err != nil {
			return fmt.Errorf("roll out the policy after %d updates: %w", o.learner.Updates(), err)
		}
		values[runlog.Imbalance] = got
		o.out.Rollout = &got
		score = &got
	}
	better := score == nil || o.out.Best == nil || *score < *o.out.Best
	if better {
		o.out.Best = score
	}
	if err := o.record(values); err != nil {
		return err
	}
	// Save the best first: if the process is killed in between, this evaluation is repeated.
	if better {
		if err := o.save(train.Best); err != nil {
			return err
		}
	}
	return o.save(train.Last)
}

// policy is the current policy.
func (o *offline) policy() *checkpoint.Checkpoint {
	c := o.learner.Checkpoint()
	c.CreatedBy, c.Configuration, c.Parent = o.CreatedBy, o.Configuration, o.Parent
	switch o.learner.algorithm() {
	case train.Model:
		c.Trained = checkpoint.ThroughModel
	case train.BC:
		c.Trained = checkpoint.ByCloning
	default:
		c.Trained = checkpoint.FromTraces
	}
	c.Metrics = map[string]float64{
		"updates": float64(o.learner.Updates()), runlog.ActionDistance: o.out.Estimates.Distance,
	}
	if v := o.out.Estimates.Recorded; v != nil {
		c.Metrics[runlog.RecordedImbalance] = *v
	}
	if o.out.Rollout != nil {
		c.Metrics[runlog.Imbalance] = *o.out.Rollout
	}
	return c
}

// save writes a checkpoint.
func (o *offline) save(name string) error {
	if name == train.Last && o.saved == o.learner.Updates() {
		return nil // it is already saved
	}
	var extra []func(string) error
	if name == train.Last {
		state, err := o.learner.State()
		if err != nil {
			return err
		}
		extra = append(extra, train.Saved{State: state, Data: o.learner.fingerprint(), Best: o.out.Best}.Write)
		o.saved = o.learner.Updates()
	}
	return checkpoint.Save(filepath.Join(o.Dir, name), o.policy(), extra...)
}
