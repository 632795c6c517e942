//go:build torch

package shares

import (
	"math"

	"github.com/saspart/saspart/runlog"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/tensor"
)

var _ = define(train.CQL, algorithm{update: (*Trainer).cql})

// cql is one update of SAC-N with CQL(H) (Kumar et al. 2020, arXiv 2006.04779, equation 4 and
// appendix F). The critics' loss is SAC-N's plus weight times the sum over n of
//
//	CQL_n = mean_s T log sum_j exp((Q_n(s,a_j) - log density(a_j)) / T) - Q_n(s,a)
//
// over 3K actions a_j, K each that are uniform, of pi(s) and of pi(s'): how far the critics
// value actions that may not be in the data above those that are. Like the published system it
// leaves out the constant log 3K, which has no gradient.
func (t *Trainer) cql(b *batch) {
	y, pi := t.softTarget(b), t.policy(b.s)
	data, others, density := t.scored(b, pi) // [N,B], [N,B,3K], [B,3K]
	gap := conservative(data, others, density, t.cfg.CQL.Temperature)
	t.note(runlog.LossCQL, gap.Item()/float64(t.cfg.Critics))
	t.stepCritics(t.tdLoss(data, y, b).Add(gap.Scale(t.cfg.CQL.Weight)))
	t.improve(pi, b)
	t.critic.Follow(t.cfg.Tau)
}

// scored are the critics' values at s, of the data's actions [N,B] and of sampled ones
// [N,B,3K], with the log densities of those [B,3K].
func (t *Trainer) scored(b *batch, pi gaussian) (data, others, density tensor.Tensor) {
	n, rows, k, acts := t.cfg.Critics, t.cfg.Batch, t.cfg.CQL.Actions, t.dims.Act
	var sampled tensor.Tensor // [B,1+3K,A]
	t.s.NoGrad(func() {
		uniform := t.uniforms(rows, k, acts)
		flat := uniform.SumOver(2).Scale(0).Shift(float64(acts) * math.Log(t.cfg.CQL.Density)) // [B,K]
		here, hereProb := pi.detach().sample(t.normals(rows, k, acts))                         // [B,K,A], [B,K]
		there, thereProb := t.policy(b.next).sample(t.normals(rows, k, acts))                  // [B,K,A], [B,K]
		sampled = tensor.Cat(1, b.a.View(rows, 1, acts), uniform, here, there)
		density = tensor.Cat(1, flat, hereProb, thereProb)
	})
	q := t.q(b.s, sampled)
	return q.Narrow(2, 0, 1).View(n, rows), q.Narrow(2, 1, 1+3*k), density
}

// conservative is the gap, summed over the critics.
func conservative(data, others, density tensor.Tensor, temperature float64) tensor.Tensor {
	soft := others.Sub(density).Scale(1 / temperature).LogSumExp(2).Scale(temperature) // [N,B]
	return soft.Sub(data).Sum().Scale(1 / float64(data.Shape()[1]))
}
