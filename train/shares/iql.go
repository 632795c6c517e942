//go:build torch

package shares

import "github.com/saspart/saspart/train"

var _ = define(train.IQL, algorithm{update: (*Trainer).iql, value: true})

// mostAdvantage bounds the weight of a row in IQL's policy loss, as in the paper's code.
const mostAdvantage = 100

// iql is one update of implicit Q-learning (Kostrikov et al. 2021, arXiv 2110.06169, equations
// 5 to 7). It never values an action that is not in the data. With u = min_n Q'_n(s,a) - V(s):
//
//	V       : mean |expectile - 1(u < 0)| u^2
//	critics : sum_n mean w Huber(Q_n(s,a) - r - gamma (1-d) V(s'))
//	policy  : -mean min(exp(temperature u), 100) log pi(a|s)
//	targets : Q'_n += tau (Q_n - Q'_n)
func (t *Trainer) iql(b *batch) {
	cfg, rows := &t.cfg.IQL, t.cfg.Batch
	next := t.v(b.next).Detach()                  // [B], before V's step
	u := t.slowQ(b.s, b.a).Least(0).Sub(t.v(b.s)) // [B]
	side := u.Above(0).Scale(2*cfg.Expectile - 1).Shift(1 - cfg.Expectile)
	t.stepValue(side.Mul(u.Square()).Mean())

	t.stepCritics(t.tdLoss(t.q(b.s, b.a), t.discounted(b, next), b))

	weight := u.Detach().Scale(cfg.Temperature).Exp().AtMost(mostAdvantage).Is(rows)
	loss := weight.Mul(t.policy(b.s).logProb(b.a, t.cfg.CloneEdge)).Mean().Scale(-1)
	t.stepPolicy(loss)
	t.critic.Follow(t.cfg.Tau)
}
