//go:build torch

package shares

import (
	"github.com/saspart/saspart/runlog"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/tensor"
)

var _ = define(train.CalQL, algorithm{update: (*Trainer).calql, value: true})

// calql is one update of Cal-QL (Nakamoto et al. 2023, arXiv 2303.05479, equation 5): CQL that
// does not press the values of the policy's actions below V, the value of the behaviour in the
// data. Values then have the scale of returns, and learning online does not begin with
// unlearning:
//
//	CQL_n with max(Q_n(s,a_j), V(s)) in place of Q_n(s,a_j), for a_j of pi(s) and pi(s')
//	V     : mean (V(s) - r - gamma (1-d) V'(s'))^2
//
// The paper takes V from whole episodes' returns. A job has no end, so V is fitted to the
// transitions, with target parameters V'.
func (t *Trainer) calql(b *batch) {
	v := t.v(b.s) // [B]
	t.stepValue(v.Sub(t.discounted(b, t.value.Target(b.next).View(t.cfg.Batch))).Square().Mean())
	t.value.Follow(t.cfg.Tau)

	y, pi := t.softTarget(b), t.policy(b.s)
	data, others, density := t.scored(b, pi) // [N,B], [N,B,3K], [B,3K]
	k := t.cfg.CQL.Actions
	floor := v.Detach().View(1, t.cfg.Batch, 1)
	others = tensor.Cat(2, others.Narrow(2, 0, k), others.Narrow(2, k, 3*k).Larger(floor))
	gap := conservative(data, others, density, t.cfg.CQL.Temperature)
	t.note(runlog.LossCQL, gap.Item()/float64(t.cfg.Critics))
	t.stepCritics(t.tdLoss(data, y, b).Add(gap.Scale(t.cfg.CQL.Weight)))
	t.improve(pi, b)
	t.critic.Follow(t.cfg.Tau)
}
