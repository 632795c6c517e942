//go:build torch

package sacn

import (
	"math"
	"testing"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/naive"
	"github.com/saspart/saspart/train/internal/nn"
)

// The naive twin: the same mathematics one number at a time, in float64.

// naiveUpdate holds what an update saw, in float64.
type naiveUpdate struct {
	t                       *Trainer
	obs, act, reward        []float64
	next, terminal, weight  []float64
	errors                  []float64 // filled by criticLoss
	noise, uniform          []float64
	actor, critic, target   []float64 // parameters before the update
	criticAfter             []float64
	loads, loadsAfter       []float64 // what critics know, as criticLoss and actorLoss take it; as the update left it
	alpha                   float64
	rows, obsWidth, actions int
	k                       int
}

// watch runs one update and returns what the naive twin needs to repeat it.
func watch(t *testing.T, tr *Trainer, src train.Source) (*naiveUpdate, train.Stats) {
	t.Helper()
	n := &naiveUpdate{
		t: tr, actor: naive.Wide(tr.actor.W), critic: naive.Wide(tr.critic.W), target: naive.Wide(tr.target),
		alpha: math.Exp(float64(tr.alpha.W[0])), rows: tr.cfg.Batch, obsWidth: tr.dims.Obs, actions: tr.dims.Act, k: tr.samples(),
	}
	if tr.loads != nil {
		n.loads = naive.Wide(tr.loads.model.W)
	}
	stats, err := tr.Update(src)
	if err != nil {
		t.Fatal(err)
	}
	b := tr.batch
	n.obs, n.act, n.reward, n.next, n.terminal = naive.Wide(b.Obs), naive.Wide(b.Act), naive.Wide(b.Reward), naive.Wide(b.Next), naive.Wide(b.Terminal)
	n.weight = naive.Wide(b.Weight)
	n.noise, n.uniform, n.criticAfter = naive.Wide(tr.noise), naive.Wide(tr.uniform), naive.Wide(tr.critic.W)
	if tr.loads != nil {
		n.loadsAfter = naive.Wide(tr.loads.model.W)
	}
	return n, stats
}

// drawn is the k-th action that pi draws at s (half 0) or s' (half 1) in row i.
func (n *naiveUpdate) drawn(actor []float64, half, i, k int) ([]float64, float64) {
	obs := n.obs
	if half == 1 {
		obs = n.next
	}
	out := naive.Net(n.t.policy.Members, n.t.policy.Widths, actor, 0, naive.Row(obs, i, n.obsWidth))
	return naive.Sample(out, naive.Row(n.noise, (half*n.rows+i)*(1+n.k)+k, n.actions))
}

func (n *naiveUpdate) q(w []float64, member int, obs, act []float64) float64 {
	q := naive.Net(n.t.ensemble.Members, n.t.ensemble.Widths, w, member, naive.Join(obs, act))[0]
	if n.t.loads != nil {
		q += policy.Reward(policy.Perf(naiveLoads(n.t.loads, n.loads, act)), n.t.loads.p0)
	}
	return q
}

func (n *naiveUpdate) least(w []float64, obs, act []float64) float64 {
	least := math.Inf(1)
	for m := range n.t.cfg.Critics {
		least = min(least, n.q(w, m, obs, act))
	}
	return least
}

// naiveLoads are the relative loads of an action by model: load [A], bias [P].
func naiveLoads(l *loads, model, act []float64) []float64 {
	x := make([]float64, l.workers)
	copy(x, model[l.pairs:])
	for _, k := range l.keys {
		sum := 0.0
		for i := range k.workers {
			sum += (act[k.from+i] + 1) / 2
		}
		for i, w := range k.workers {
			x[w] += model[k.from+i] * (act[k.from+i] + 1) / 2 / sum
		}
	}
	return x
}

func naiveHuber(e, delta float64) float64 {
	if math.Abs(e) <= delta {
		return e * e / 2
	}
	return delta * (math.Abs(e) - delta/2)
}

// criticLoss are a critic's TD loss and CQL gap, averaged over the critics, with the
// parameters w.
func (n *naiveUpdate) criticLoss(w []float64) (td, gap float64) {
	cfg := n.t.cfg
	n.errors = make([]float64, n.rows)
	for i := range n.rows {
		obs, act := naive.Row(n.obs, i, n.obsWidth), naive.Row(n.act, i, n.actions)
		next, logProb := n.drawn(n.actor, 1, i, 0)
		y := n.reward[i] + cfg.Gamma*(1-n.terminal[i])*(n.least(n.target, naive.Row(n.next, i, n.obsWidth), next)-n.alpha*logProb)
		for m := range cfg.Critics {
			data := n.q(w, m, obs, act)
			td += n.weight[i] * naiveHuber(data-y, cfg.HuberDelta)
			n.errors[i] += math.Abs(data-y) / float64(cfg.Critics)
			if n.k == 0 {
				continue
			}
			sum := 0.0
			for k := range n.k {
				density := math.Pow(cfg.CQL.Density, float64(n.actions))
				sum += math.Exp((n.q(w, m, obs, naive.Row(n.uniform, i*n.k+k, n.actions)) - math.Log(density)) / cfg.CQL.Temperature)
				for half := range 2 {
					a, logProb := n.drawn(n.actor, half, i, 1+k)
					sum += math.Exp((n.q(w, m, obs, a) - logProb) / cfg.CQL.Temperature)
				}
			}
			gap += cfg.CQL.Temperature*math.Log(sum) - data
		}
	}
	all := float64(n.rows * cfg.Critics)
	return td / all, gap / all
}

// actorLoss is the policy's loss with its parameters w: against the critics, or with
// imitate for the data's actions instead; alpha is its weight of the entropy.
func (n *naiveUpdate) actorLoss(w []float64, imitate bool, alpha float64) float64 {
	loss := 0.0
	for i := range n.rows {
		obs := naive.Row(n.obs, i, n.obsWidth)
		if alpha != 0 {
			a, logProb := n.drawn(w, 0, i, 0)
			loss += alpha * logProb
			if !imitate {
				loss -= n.least(n.criticAfter, obs, a)
			}
		}
		if imitate {
			out := naive.Net(n.t.policy.Members, n.t.policy.Widths, w, 0, obs)
			for j, a := range naive.Row(n.act, i, n.actions) {
				edge := n.t.cfg.CloneEdge
				a = min(max(a, -1+edge), 1-edge)
				std := math.Exp(min(max(out[n.actions+j], nn.MinLogStd), nn.MaxLogStd))
				loss -= naive.NormalLog(math.Atanh(a), out[j], std) - math.Log(1-a*a)
			}
		}
	}
	return loss / float64(n.rows)
}

// slopes is the gradient of f at w by central differences.
func slopes(w []float64, f func(w []float64) float64) []float64 {
	const h = 1e-5
	g := make([]float64, len(w))
	for i := range w {
		at := append([]float64{}, w...)
		at[i] = w[i] + h
		up := f(at)
		at[i] = w[i] - h
		g[i] = (up - f(at)) / (2 * h)
	}
	return g
}
