//go:build torch

package train

import "fmt"

// clone is one update of behaviour cloning: the policy's log-likelihood of the
// data's actions goes up, and nothing else happens.
func (t *Trainer) clone(stats *Stats) error {
	s := &t.scope
	rows, acts := int64(t.cfg.Batch), int64(t.dims.Act)
	t.at.forward(t.pool, t.actor.w, t.batch.both, nil)
	pi := s.gaussian(s.data(t.at.y[:rows*2*acts], rows, 2*acts))
	likely, by := s.likelihood(pi, s.data(t.batch.Act, rows, acts), t.cfg.CloneEdge)
	stats.Imitation = -likely
	stats.Actor = -likely
	t.at.backward(t.pool, t.actor.w, floats(s.scale(by, -1)), t.actor.grad, t.cfg.Batch, false)
	norm, err := t.actor.step(t.pool, t.cfg.ActorRate, t.updates+1, t.cfg.GradClip)
	if err != nil {
		return fmt.Errorf("the policy's %w", err)
	}
	stats.ActorNorm = norm
	return nil
}
