//go:build torch

package train

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"

	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/runlog"
)

// Available tells whether this build can train.
const Available = true

// estimated is how many held-out transitions an evaluation looks at.
const estimated = 2048

// transitions is a store as a trainer's source.
type transitions struct{ store *dataset.Store }

// Sample implements Source.
func (s transitions) Sample(rng *rand.Rand, b *Batch) error {
	return s.store.Sample(rng, &dataset.Columns{Obs: b.Obs, Act: b.Act, Reward: b.Reward, Next: b.Next, Terminal: b.Terminal})
}

// offline is an Offline under way.
type offline struct {
	*Offline
	trainer *Trainer
	normal  *policy.Normalisation
	data    string // fingerprint
	mean    Averages
	saved   uint64 // updates in the newest checkpoint
	out     Outcome
}

// Run trains until all updates are done. When ctx is cancelled it ends the update,
// saves and returns an error that is context.Canceled. A run that was interrupted or
// killed and then resumed any number of times ends with the same networks, bit for
// bit, as one that was not.
func (r *Offline) Run(ctx context.Context) (Outcome, error) {
	o := &offline{Offline: r}
	if err := o.begin(); err != nil {
		return o.out, err
	}
	source := transitions{r.Data.Train}
	every := func(n int) bool { return o.trainer.updates%uint64(n) == 0 }
	for o.trainer.updates < uint64(r.Config.Updates) {
		if ctx.Err() != nil {
			err := fmt.Errorf("interrupted after %d updates; --resume goes on from here: %w", o.trainer.updates, ctx.Err())
			return o.out, errors.Join(err, o.flush(), o.save(Last))
		}
		stats, err := o.trainer.Update(source)
		if err != nil {
			return o.out, err
		}
		o.mean.Add(stats)
		if r.Watch != nil {
			r.Watch(stats)
		}
		done := o.trainer.updates == uint64(r.Config.Updates)
		if every(r.Config.CheckpointEvery) || done {
			if err := o.checkpoint(context.WithoutCancel(ctx)); err != nil {
				return o.out, err
			}
		} else if every(r.Config.LogEvery) {
			if err := o.flush(); err != nil {
				return o.out, err
			}
		}
	}
	return o.out, nil
}

// begin makes the trainer, or restores it.
func (o *offline) begin() error {
	stats, err := json.Marshal(struct {
		Stats  dataset.Stats
		Mask   policy.Mask
		Config dataset.TransitionConfig
	}{o.Data.Stats, o.Data.Mask, o.Config.Data})
	if err != nil {
		return fmt.Errorf("describe the transitions: %w", err)
	}
	o.data = fmt.Sprintf("%x", sha256.Sum256(stats))
	if o.Config.Normalise {
		n := o.Data.Stats.Normal()
		if err := o.Data.Normalise(n); err != nil {
			return err
		}
		o.normal = &policy.Normalisation{Mean: n.Mean}
		for _, s := range n.Scale {
			o.normal.Scale = append(o.normal.Scale, 1/s)
		}
	}
	if o.trainer, err = NewShares(o.Config.Learner, o.Data.Mask, o.Config.Data.P0, o.Seed); err != nil {
		return err
	}
	if o.Resume {
		if err := o.restore(); err != nil {
			return err
		}
	}
	o.saved = o.trainer.updates
	o.out.Updates = o.saved
	if o.Begin != nil {
		return o.Begin(o.saved)
	}
	return nil
}

func (o *offline) restore() error {
	s, err := ReadSaved(filepath.Join(o.Dir, Last))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // ended before its first checkpoint
	}
	if err != nil {
		return err
	}
	if s.Data != o.data {
		return fmt.Errorf("the training in %s was on other transitions; name the same traces, in the same state, with the same settings, or another --out", o.Dir)
	}
	o.out.Best = s.Best
	return o.trainer.Restore(s.State)
}

// flush records the mean of the updates since the last time.
func (o *offline) flush() error {
	o.out.Updates = o.trainer.updates
	return o.record(o.mean.Take(&o.Config.Learner))
}

func (o *offline) record(values map[string]float64) error {
	if o.Record == nil || len(values) == 0 {
		return nil
	}
	return o.Record(o.trainer.updates, values)
}

// checkpoint evaluates, records and saves.
func (o *offline) checkpoint(ctx context.Context) error {
	o.out.Updates = o.trainer.updates
	values := o.mean.Take(&o.Config.Learner)
	var err error
	held := o.Data.HeldOut
	if held.Len() == 0 {
		held = o.Data.Train
	}
	if o.out.Estimates, err = o.trainer.Estimate(held, estimated); err != nil {
		return err
	}
	e := o.out.Estimates
	values[runlog.ActionDistance] = e.Distance
	if o.Config.Learner.Algorithm != BC {
		values[runlog.HeldOutValue], values[runlog.HeldOutPolicy] = e.Q, e.PolicyValue
	}
	better := true
	if o.Rollout != nil {
		score, err := o.Rollout(ctx, o.policy())
		if err != nil {
			return fmt.Errorf("roll out the policy after %d updates: %w", o.trainer.updates, err)
		}
		values[runlog.Imbalance] = score
		o.out.Rollout = &score
		if better = o.out.Best == nil || score < *o.out.Best; better {
			o.out.Best = &score
		}
	}
	if err := o.record(values); err != nil {
		return err
	}
	// The best first: what a kill between the two leaves behind is repeated.
	if better {
		if err := o.save(Best); err != nil {
			return err
		}
	}
	return o.save(Last)
}

// policy is the trained policy by now.
func (o *offline) policy() *policy.Checkpoint {
	c := &policy.Checkpoint{
		Format: policy.CheckpointFormat, Kind: policy.KindShares, CreatedBy: o.CreatedBy, Configuration: o.Configuration,
		Normalisation: o.normal,
		Shares: &policy.SharesSpec{
			Workers: o.Data.Workers, Mask: o.Data.Mask.Keys, HotKeys: max(o.Config.Data.HotKeys, len(o.Data.Mask.Keys)),
			KeyShares: o.Data.Shares, Published: o.Config.Data.Published, Hidden: o.Config.Learner.Hidden,
		},
		Metrics: map[string]float64{
			"updates": float64(o.trainer.updates), runlog.ActionDistance: o.out.Estimates.Distance,
		},
	}
	if o.out.Rollout != nil {
		c.Metrics[runlog.Imbalance] = *o.out.Rollout
	}
	for _, t := range o.trainer.Policy() {
		c.Tensors = append(c.Tensors, policy.Tensor(t))
	}
	return c
}

// save writes the checkpoint of that name.
func (o *offline) save(name string) error {
	if name == Last && o.saved == o.trainer.updates {
		return nil // nothing has happened since
	}
	var extra []func(string) error
	if name == Last {
		state, err := o.trainer.State()
		if err != nil {
			return err
		}
		extra = append(extra, Saved{State: state, Data: o.data, Best: o.out.Best}.Write)
		o.saved = o.trainer.updates
	}
	return policy.SaveCheckpoint(filepath.Join(o.Dir, name), o.policy(), extra...)
}
