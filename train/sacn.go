//go:build torch

package train

import (
	"fmt"
	"math"
)

// improve is one update of SAC-N, of CQL(H) where the configuration says so.
//
// With s, a, r, s', d from the batch, a' ~ pi(s'), N critics Q_n and their targets Q'_n:
//
//	y       = r + gamma (1-d) (min_n Q'_n(s',a') - alpha log pi(a'|s'))
//	critics : sum_n mean w Huber(Q_n(s,a) - y) + weight * CQL_n        (cql.go)
//	policy  : mean alpha log pi(b|s) - min_n Q_n(s,b),  b ~ pi(s)
//	alpha   : -log alpha * (mean log pi(b|s) + target entropy)
//	targets : Q'_n += tau (Q_n - Q'_n)
//
// A critic's value is its network's, plus what it knows of loads if it does (loads.go).
// where w are the rows' importance weights, 1 unless the source sets them.
//
// Source: Haarnoja et al. 2018 (arXiv 1812.05905, algorithm 1); An et al. 2021
// (arXiv 2110.01548, equation 2) for the minimum over N critics; Huber from the
// reference. The steps are taken in this order, each with the parameters that the
// one before left, and the same b serves policy and alpha.
func (t *Trainer) improve(src Source, stats *Stats) error {
	s := &t.scope
	rows, acts := int64(t.cfg.Batch), int64(t.dims.Act) // B, A
	each := int64(1 + t.samples())                      // actions drawn in each state: one for SAC, K for CQL
	alpha := math.Exp(float64(t.alpha.w[0]))
	stats.Alpha = alpha

	t.at.forward(t.pool, t.actor.w, t.batch.both, nil)
	t.normals(t.noise)
	pi := s.gaussian(s.data(t.at.y, 2*rows, 2*acts)) // at s, then at s'
	drawn := s.sample(pi, s.data(t.noise, 2*rows, each, acts))
	action := s.narrow(drawn.action, 1, 0, 1)                      // [2B,1,A] SAC's own
	logProb := s.reshape(s.narrow(drawn.logProb, 1, 0, 1), 2*rows) // [2B]
	own := draw{s.narrow(drawn.spread, 1, 0, 1), action, logProb}.at(s, 0, rows)
	next := draw{s.narrow(drawn.spread, 1, 0, 1), action, logProb}.at(s, rows, rows)

	// Critics.
	if t.loads != nil {
		var err error
		if stats.Loads, err = t.loads.fit(t.pool, t.batch, t.cfg.LoadsRate, t.updates+1); err != nil {
			return err
		}
	}
	y := t.aim(next, alpha)
	stats.Target = item(s.mean(y))
	dq := t.criticise(drawn, y, stats)
	if loss := stats.TD + t.cfg.CQL.Weight*stats.CQL; math.IsNaN(loss) || math.IsInf(loss, 0) {
		return fmt.Errorf("the critics' loss is %v", loss) // Huber's slope is finite for an infinite error
	}
	t.values.backward(t.pool, t.critic.w, floats(dq), t.critic.grad, t.cfg.Batch, false)
	var err error
	if stats.CriticNorm, err = t.critic.step(t.pool, t.cfg.CriticRate, t.updates+1, t.cfg.GradClip); err != nil {
		return fmt.Errorf("the critics' %w", err)
	}
	if l, ok := src.(Listener); ok {
		l.Learned(t.errors)
	}

	// Policy.
	here := s.first(pi, rows)
	stats.Entropy = -item(s.mean(own.logProb))
	slope := s.zeros(rows, 1, acts)
	if t.updates >= uint64(t.cfg.CloneUpdates) {
		slope = t.climb(own, stats)
		stats.Actor = -alpha*stats.Entropy - stats.PolicyValue
	}
	dout := s.through(here, own, slope, alpha)
	if t.updates < uint64(t.cfg.CloneUpdates) {
		likely, by := s.likelihood(here, s.data(t.batch.Act, rows, acts), t.cfg.CloneEdge)
		stats.Imitation = -likely
		stats.Actor = -alpha*stats.Entropy - likely
		dout = s.sub(dout, by)
	}
	t.at.backward(t.pool, t.actor.w, floats(dout), t.actor.grad, t.cfg.Batch, false)
	if stats.ActorNorm, err = t.actor.step(t.pool, t.cfg.ActorRate, t.updates+1, t.cfg.GradClip); err != nil {
		return fmt.Errorf("the policy's %w", err)
	}

	t.alpha.grad[0] = float32(stats.Entropy - t.targetEntropy())
	if _, err := t.alpha.step(t.pool, t.cfg.AlphaRate, t.updates+1, 0); err != nil {
		return fmt.Errorf("alpha's %w", err)
	}
	toward(t.pool, t.target, t.critic.w, t.cfg.Tau)
	return nil
}

// at are the actions of some rows.
func (d draw) at(s *scope, start, rows int64) draw {
	cut := func(x tensor) tensor { return s.narrow(x, 0, start, rows) }
	return draw{cut(d.spread), cut(d.action), cut(d.logProb)}
}

// value sets y of a tape to the critics' values of actions at states: [N,R].
func (t *Trainer) value(at *tape, w, obs, act []float32) {
	at.forward(t.pool, w, obs, act)
	if t.loads != nil {
		t.loads.values(t.pool, at.y, act)
	}
}

// aim is the critics' target y [B].
func (t *Trainer) aim(next draw, alpha float64) tensor {
	s := &t.scope
	rows, critics := int64(t.cfg.Batch), int64(t.cfg.Critics)
	t.value(t.targets, t.target, t.batch.Next, floats(s.contiguous(next.action)))
	least := s.least(s.data(t.targets.y, critics, rows), 0)
	soft := s.sub(least, s.scale(next.logProb, alpha))
	alive := s.shift(s.scale(s.data(t.batch.Terminal, rows), -1), 1)
	return s.add(s.data(t.batch.Reward, rows), s.scale(s.mul(alive, soft), t.cfg.Gamma))
}

// criticise is the gradient of the critics' loss by their values, [N,B,1+3K]: of the
// data's action first, then of CQL's.
func (t *Trainer) criticise(drawn draw, y tensor, stats *Stats) tensor {
	s := &t.scope
	rows, critics := int64(t.cfg.Batch), int64(t.cfg.Critics)
	q, density := t.score(drawn)
	data := s.contiguous(s.reshape(s.narrow(q, 2, 0, 1), critics, rows)) // [N,B]
	stats.Q = item(s.mean(data))
	slope := make([]float32, critics*rows)
	stats.TD = huber(slope, t.errors, floats(data), floats(y), t.batch.Weight, t.cfg.HuberDelta)
	dq := s.data(slope, critics, rows, 1)
	if density == nil {
		return dq
	}
	gap, dData, dSampled := s.conservative(t.cfg.CQL, s.narrow(q, 2, 1, 3*int64(t.samples())), density, data)
	stats.CQL = gap / float64(critics)
	return s.cat(2, s.shift(dq, dData), dSampled)
}

// huber is the mean over N critics and B rows of weight*Huber(q - y), for q [N,B], y
// [B] and weight [B]. It sets slope [N,B] to the gradient by q of N times that, and
// errors [B] to the mean over the critics of |q - y|. Huber's slope is the error, cut
// off at delta.
func huber(slope, errors, q, y, weight []float32, delta float64) float64 {
	clear(errors)
	rows, loss := len(y), 0.0
	critics := len(q) / rows
	for i := range q {
		row := i % rows
		e := float64(q[i]) - float64(y[row])
		cut := min(max(e, -delta), delta)
		w := float64(weight[row]) / float64(rows)
		slope[i] = float32(w * cut)
		loss += w * cut * (e - cut/2)
		errors[row] += float32(math.Abs(e) / float64(critics))
	}
	return loss / float64(critics)
}

// climb is how the least critic's value, averaged over the batch, rises with the
// policy's actions: [B,1,A].
func (t *Trainer) climb(own draw, stats *Stats) tensor {
	s := &t.scope
	rows, critics := t.cfg.Batch, t.cfg.Critics
	action := floats(s.contiguous(own.action))
	t.value(t.own, t.critic.w, t.batch.Obs, action)
	dq, sum := make([]float32, critics*rows), 0.0 // [N,B]
	for i := range rows {
		least := i
		for j := i; j < len(dq); j += rows {
			if t.own.y[j] < t.own.y[least] {
				least = j
			}
		}
		dq[least] = 1 / float32(rows)
		sum += float64(t.own.y[least])
	}
	stats.PolicyValue = sum / float64(rows)
	t.own.backward(t.pool, t.critic.w, dq, nil, rows, true)
	acts := int64(t.dims.Act)
	slope := s.sumDim(s.data(t.own.dact, int64(critics), int64(rows), 1, acts), 0)
	if t.loads != nil {
		t.loads.climb(t.pool, floats(slope), action, 1/float64(rows))
	}
	return slope
}
