//go:build torch

package train

import "fmt"

// clone is one update of behaviour cloning: the policy's log-likelihood of the
// data's actions goes up, and nothing else happens.
func (t *Trainer) clone(stats *Stats) error {
	t.at.forward(t.pool, t.actor.w, t.batch.both, nil)
	clear(t.dout)
	t.imitate(stats)
	stats.Actor = stats.Imitation
	t.at.backward(t.pool, t.actor.w, t.dout, t.actor.grad, t.cfg.Batch, false)
	norm, err := t.actor.step(t.pool, t.cfg.ActorRate, t.updates+1, t.cfg.GradClip)
	if err != nil {
		return fmt.Errorf("the policy's %w", err)
	}
	stats.ActorNorm = norm
	return nil
}
