//go:build torch

package shares

import (
	"github.com/saspart/saspart/runlog"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/tensor"
)

var _ = define(train.TD3BC, algorithm{update: (*Trainer).td3bc, deterministic: true})

// td3bc is one update of TD3+BC (Fujimoto and Gu 2021, arXiv 2106.06860, equations 3 to 5), TD3
// with a term that imitates the data. The policy pi is deterministic, pi' its target:
//
//	a'      = pi'(s') + clip(noise), clipped to the actions
//	critics : sum_n mean w Huber(Q_n(s,a) - r - gamma (1-d) min_n Q'_n(s',a'))
//	policy  : -lambda mean Q_1(s,pi(s)) + mean (pi(s) - a)^2, lambda = alpha / mean |Q_1(s,pi(s))|
//
// The policy and the targets take a step in one of every few updates.
func (t *Trainer) td3bc(b *batch) {
	cfg, rows, acts := &t.cfg.TD3BC, t.cfg.Batch, t.dims.Act
	noise := t.normals(rows, acts).Scale(cfg.Noise).Clamp(-cfg.NoiseClip, cfg.NoiseClip)
	next := t.actor.Target(b.next).View(rows, 2*acts).Narrow(1, 0, acts).Tanh().Add(noise).Clamp(-1, 1)
	y := t.discounted(b, t.slowQ(b.next, next.Is(rows, acts)).Least(0))
	t.stepCritics(t.tdLoss(t.q(b.s, b.a), y, b))

	if (t.updates+1)%uint64(cfg.Every) != 0 {
		return
	}
	pi := t.policy(b.s).mean.Tanh()              // [B,A]
	q := t.q(b.s, pi).Narrow(0, 0, 1).View(rows) // [B]
	lambda := cfg.Alpha / max(q.Abs().Item(), 1e-6)
	away := pi.Sub(b.a).Square().Mean()
	t.note(runlog.ValuePolicy, q.Item())
	t.note(runlog.LossClone, away.Item())
	loss := away.Sub(q.Mean().Scale(lambda))
	t.stepPolicy(loss)
	t.actor.Follow(t.cfg.Tau)
	t.critic.Follow(t.cfg.Tau)
}

// fixSpread gives a deterministic policy the spread with which it explores.
func fixSpread(n *tensor.Network, acts int, logStd float64) {
	last := n.Layout[len(n.Layout)-2:]
	for i := range last[0].Data {
		if i%(2*acts) >= acts {
			last[0].Data[i] = 0
		}
	}
	for i := acts; i < 2*acts; i++ {
		last[1].Data[i] = float32(logStd)
	}
}
