//go:build torch

package sacn

import (
	"fmt"

	"github.com/saspart/saspart/train"
)

// clone is one update of behaviour cloning: the policy's log-likelihood of the
// data's actions goes up, and nothing else happens.
func (t *Trainer) clone(stats *train.Stats) error {
	t.at.Forward(t.pool, t.actor.W, t.batch.Both, nil)
	clear(t.dout)
	t.imitate(stats)
	stats.Actor = stats.Imitation
	t.at.Backward(t.pool, t.actor.W, t.dout, t.actor.Grad, t.cfg.Batch, false)
	norm, err := t.actor.Step(t.pool, t.cfg.ActorRate, t.updates+1, t.cfg.GradClip)
	if err != nil {
		return fmt.Errorf("the policy's %w", err)
	}
	stats.ActorNorm = norm
	return nil
}
