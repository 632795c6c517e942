//go:build torch

package sacn

import (
	"fmt"
	"math"

	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/nn"
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
func (t *Trainer) improve(src train.Source, stats *train.Stats) error {
	rows := t.cfg.Batch
	alpha := math.Exp(float64(t.alpha.W[0]))
	stats.Alpha = alpha

	t.at.Forward(t.pool, t.actor.W, t.batch.Both, nil)
	t.draw()
	if t.loads != nil {
		var err error
		if stats.Loads, err = t.loads.fit(t.pool, t.batch, t.cfg.LoadsRate, t.updates+1); err != nil {
			return err
		}
	}

	// Critics.
	stats.Target = t.aim(alpha)
	dq := t.criticise(stats)
	if loss := stats.TD + t.cfg.CQL.Weight*stats.CQL; math.IsNaN(loss) || math.IsInf(loss, 0) {
		return fmt.Errorf("the critics' loss is %v", loss) // Huber's slope is finite for an infinite error
	}
	t.values.Backward(t.pool, t.critic.W, dq, t.critic.Grad, rows, false)
	var err error
	if stats.CriticNorm, err = t.critic.Step(t.pool, t.cfg.CriticRate, t.updates+1, t.cfg.GradClip); err != nil {
		return fmt.Errorf("the critics' %w", err)
	}
	if l, ok := src.(train.Listener); ok {
		l.Learned(t.errors)
	}

	// Policy.
	stats.Entropy = t.drawn.Entropy(rows)
	clear(t.slope)
	if t.updates >= uint64(t.cfg.CloneUpdates) {
		t.climb(stats)
		stats.Actor = -alpha*stats.Entropy - stats.PolicyValue
	} else {
		clear(t.own.DAct)
	}
	t.drawn.Through(t.pool, t.dout, t.at.Y[:len(t.dout)], t.slope, t.own.DAct, alpha)
	if t.updates < uint64(t.cfg.CloneUpdates) {
		t.imitate(stats)
		stats.Actor = stats.Imitation - alpha*stats.Entropy
	}
	t.at.Backward(t.pool, t.actor.W, t.dout, t.actor.Grad, rows, false)
	if stats.ActorNorm, err = t.actor.Step(t.pool, t.cfg.ActorRate, t.updates+1, t.cfg.GradClip); err != nil {
		return fmt.Errorf("the policy's %w", err)
	}

	t.alpha.Grad[0] = float32(stats.Entropy - t.targetEntropy())
	if _, err := t.alpha.Step(t.pool, t.cfg.AlphaRate, t.updates+1, 0); err != nil {
		return fmt.Errorf("alpha's %w", err)
	}
	nn.Toward(t.pool, t.target, t.critic.W, t.cfg.Tau)
	return nil
}

// draw draws 1+K actions in every state, the first of them SAC's own, which it also
// copies into act [2B,A].
func (t *Trainer) draw() {
	seed := t.rng.Uint64()
	t.pool.Split(len(t.noise), noiseSize, func(part, from, to int) { nn.Normals(t.noise[from:to], seed, part) })
	t.drawn.Sample(t.pool, t.at.Y, t.noise)
	t.drawn.First(t.pool, t.act)
}

// noiseSize is how many random numbers a task draws.
const noiseSize = 1 << 12

// value sets y of a tape to the critics' values of actions at states: [N,R].
func (t *Trainer) value(at *nn.Tape, w, obs, act []float32) {
	at.Forward(t.pool, w, obs, act)
	if t.loads != nil {
		t.loads.values(t.pool, at.Y, act)
	}
}

// aim sets y [B] to the critics' target and returns its mean.
func (t *Trainer) aim(alpha float64) float64 {
	rows, b := t.cfg.Batch, t.batch
	t.value(t.targets, t.target, b.Next, t.act[len(t.act)/2:])
	sum := 0.0
	for i := range rows {
		q, _ := least(t.targets.Y, i, rows)
		logProb := float64(t.drawn.LogProb[(rows+i)*t.drawn.Each])
		y := float64(b.Reward[i]) + t.cfg.Gamma*(1-float64(b.Terminal[i]))*(float64(q)-alpha*logProb)
		t.y[i] = float32(y)
		sum += y
	}
	return sum / float64(rows)
}

// least is the least value in row i of q [N,rows], and where it is.
func least(q []float32, i, rows int) (value float32, at int) {
	at = i
	for j := i + rows; j < len(q); j += rows {
		if q[j] < q[at] {
			at = j
		}
	}
	return q[at], at
}

// criticise is the gradient of the critics' loss by their values, [N,B,1+3K]: of the
// data's action first, then of CQL's.
func (t *Trainer) criticise(stats *train.Stats) []float32 {
	rows, critics := t.cfg.Batch, t.cfg.Critics
	q, slope := t.score(), make([]float32, critics*rows) // [N,B]
	for _, v := range q {
		stats.Q += float64(v) / float64(len(q))
	}
	stats.TD = huber(slope, t.errors, q, t.y, t.batch.Weight, t.cfg.HuberDelta)
	if t.samples() == 0 {
		return slope
	}
	return t.doubt(slope, q, stats)
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

// climb finds how the least critic's value, averaged over the batch, rises with the
// policy's actions: slope [B,A] by what the critics know, own.dact [N,B,A] by their
// networks.
func (t *Trainer) climb(stats *train.Stats) {
	rows := t.cfg.Batch
	action := t.act[:len(t.act)/2]
	t.value(t.own, t.critic.W, t.batch.Obs, action)
	dq, sum := make([]float32, len(t.own.Y)), 0.0 // [N,B]
	for i := range rows {
		q, at := least(t.own.Y, i, rows)
		dq[at] = 1 / float32(rows)
		sum += float64(q)
	}
	stats.PolicyValue = sum / float64(rows)
	t.own.Backward(t.pool, t.critic.W, dq, nil, rows, true)
	if t.loads != nil {
		t.loads.climb(t.pool, t.slope, action, 1/float64(rows))
	}
}

// imitate takes the gradient of the data's likelihood off dout [B,2A].
func (t *Trainer) imitate(stats *train.Stats) {
	s := &t.scope
	rows, acts := int64(t.cfg.Batch), int64(t.dims.Act)
	likely, by := s.Likelihood(s.Gaussian(s.Data(t.at.Y[:len(t.dout)], rows, 2*acts)), s.Data(t.batch.Act, rows, acts), t.cfg.CloneEdge)
	stats.Imitation = -likely
	for i, v := range nn.Floats(by) {
		t.dout[i] -= v
	}
}
