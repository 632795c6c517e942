//go:build torch

package shares

import (
	"fmt"
	"math"

	"github.com/saspart/saspart/runlog"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/tensor"
)

var _ = define(train.SACN, algorithm{update: (*Trainer).sacn})

// sacn is one update of SAC with N critics Q_n and target critics Q'_n (Haarnoja et al. 2018,
// arXiv 1812.05905, algorithm 1; the minimum over N: An et al. 2021, arXiv 2110.01548, equation
// 2). With a' ~ pi(s'), b ~ pi(s) and importance weights w:
//
//	y       = r + gamma (1-d) (min_n Q'_n(s',a') - alpha log pi(a'|s'))
//	critics : sum_n mean w Huber(Q_n(s,a) - y)
//	policy  : mean alpha log pi(b|s) - min_n Q_n(s,b)
//	alpha   : -log alpha (mean log pi(b|s) + target entropy)
//	targets : Q'_n += tau (Q_n - Q'_n)
func (t *Trainer) sacn(b *batch) {
	y := t.softTarget(b)
	q := t.q(b.s, b.a) // [N,B]
	t.stepCritics(t.tdLoss(q, y, b))
	t.improve(t.policy(b.s), b)
	t.critic.Follow(t.cfg.Tau)
}

// softTarget is y [B].
func (t *Trainer) softTarget(b *batch) (y tensor.Tensor) {
	if t.cfg.Gamma == 0 {
		return b.r
	}
	t.s.NoGrad(func() {
		next, logProb := t.policy(b.next).sample(t.normals(t.cfg.Batch, t.dims.Act)) // [B,A], [B]
		soft := t.slowQ(b.next, next).Least(0).Sub(logProb.Scale(t.temperature()))   // [B]
		y = t.discounted(b, soft)
	})
	return y
}

// improve takes the steps of policy and alpha. In the first clone_updates the policy imitates
// the data instead of maximising its value.
func (t *Trainer) improve(pi gaussian, b *batch) {
	alpha := t.temperature()
	own, logProb := pi.sample(t.normals(t.cfg.Batch, t.dims.Act)) // [B,A], [B]
	loss := logProb.Mean().Scale(alpha)
	if t.updates < uint64(t.cfg.CloneUpdates) {
		loss = loss.Add(t.imitation(pi, b))
	} else {
		value := t.q(b.s, own).Least(0).Mean()
		t.note(runlog.ValuePolicy, value.Item())
		loss = loss.Sub(value)
	}
	entropy := -logProb.Item()
	t.note(runlog.Entropy, entropy)
	t.note(runlog.Alpha, alpha)
	t.stepPolicy(loss)

	t.alpha.Grad[0] = float32(entropy - t.targetEntropy())
	if _, err := t.alpha.Step(t.pool, t.cfg.AlphaRate, t.updates+1, 0); err != nil {
		tensor.Check(fmt.Errorf("alpha's %w", err))
	}
}

// temperature is alpha, the weight of the entropy.
func (t *Trainer) temperature() float64 { return math.Exp(float64(t.alpha.W[0])) }

// targetEntropy is what alpha is steered to.
func (t *Trainer) targetEntropy() float64 {
	if t.cfg.TargetEntropy != nil {
		return *t.cfg.TargetEntropy
	}
	return t.cfg.EntropyEach * float64(t.dims.Act)
}
