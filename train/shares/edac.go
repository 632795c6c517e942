//go:build torch

package shares

import (
	"github.com/saspart/saspart/runlog"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/tensor"
)

var _ = define(train.EDAC, algorithm{update: (*Trainer).edac})

// edac is one update of EDAC (An et al. 2021, arXiv 2110.01548, algorithm 1): SAC-N whose
// critics' gradients by the action must differ, so that fewer critics suffice. The critics'
// loss is SAC-N's plus diversity times
//
//	mean_s sum_{i != j} <u_i, u_j> / (N-1),  u_n = grad_a Q_n(s,a) / |grad_a Q_n(s,a)|
//
// of the critics' networks. Its gradient is a second derivative, so this pass is on autograd.
func (t *Trainer) edac(b *batch) {
	n, rows, acts := t.cfg.Critics, t.cfg.Batch, t.dims.Act
	y := t.softTarget(b)
	a := t.s.Variable(b.a.Expand(n, rows, acts).Floats(), n, rows, acts)
	q := t.critic.Differentiable(b.s, a).View(n, rows)
	alike := similarity(tensor.Gradients(q, true, a)[0])
	t.note(runlog.LossDiversity, alike.Item())
	loss := t.tdLoss(t.valued(q, b.s, b.a), y, b).Add(alike.Scale(t.cfg.EDAC.Diversity))
	t.stepCritics(loss)
	t.improve(t.policy(b.s), b)
	t.critic.Follow(t.cfg.Tau)
}

// similarity is the term for gradients [N,B,A]. As the u_n are of length 1,
// sum_{i != j} <u_i, u_j> = |sum_n u_n|^2 - N.
func similarity(g tensor.Tensor) tensor.Tensor {
	shape := g.Shape()
	n := shape[0]
	length := g.Square().SumAlong(2).Shift(1e-12).Sqrt()
	together := g.Div(length).SumOver(0).Square().SumOver(1) // [B]
	return together.Shift(-float64(n)).Mean().Scale(1 / float64(n-1))
}
