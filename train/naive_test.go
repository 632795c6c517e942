//go:build torch

package train

import (
	"math"
	"testing"

	"github.com/saspart/saspart/policy"
)

// The naive twin: the same mathematics one number at a time, in float64.

func wide(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

// naiveNet is one member's output for one input.
func naiveNet(n *mlp, w []float64, member int, x []float64) []float64 {
	at := 0
	for l, out := range n.widths {
		in := len(x)
		y := make([]float64, out)
		for j := range y {
			y[j] = w[at+n.members*in*out+member*out+j]
			for i := range x {
				y[j] += x[i] * w[at+(member*in+i)*out+j]
			}
			if l < len(n.widths)-1 {
				y[j] = math.Tanh(y[j])
			}
		}
		at += n.members * (in + 1) * out
		x = y
	}
	return x
}

func join(a, b []float64) []float64 { return append(append([]float64{}, a...), b...) }

// row is row i of a matrix with rows of width numbers.
func row(v []float64, i, width int) []float64 { return v[i*width : (i+1)*width] }

// naiveSample is the squashed action and its log-probability by another formula.
func naiveSample(out, noise []float64) (action []float64, logProb float64) {
	width := len(noise)
	for j := range width {
		logStd := min(max(out[width+j], minLogStd), maxLogStd)
		std := math.Exp(logStd)
		u := out[j] + std*noise[j]
		action = append(action, math.Tanh(u))
		logProb += normalLog(u, out[j], std) + 2*math.Log(math.Cosh(u)) // 1 - tanh^2 = 1/cosh^2
	}
	return action, logProb
}

func normalLog(x, mean, std float64) float64 {
	z := (x - mean) / std
	return -z*z/2 - math.Log(std*math.Sqrt(2*math.Pi))
}

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
func watch(t *testing.T, tr *Trainer, src Source) (*naiveUpdate, Stats) {
	t.Helper()
	n := &naiveUpdate{
		t: tr, actor: wide(tr.actor.w), critic: wide(tr.critic.w), target: wide(tr.target),
		alpha: math.Exp(float64(tr.alpha.w[0])), rows: tr.cfg.Batch, obsWidth: tr.dims.Obs, actions: tr.dims.Act, k: tr.samples(),
	}
	if tr.loads != nil {
		n.loads = wide(tr.loads.model.w)
	}
	stats, err := tr.Update(src)
	if err != nil {
		t.Fatal(err)
	}
	b := tr.batch
	n.obs, n.act, n.reward, n.next, n.terminal = wide(b.Obs), wide(b.Act), wide(b.Reward), wide(b.Next), wide(b.Terminal)
	n.weight = wide(b.Weight)
	n.noise, n.uniform, n.criticAfter = wide(tr.noise), wide(tr.uniform), wide(tr.critic.w)
	if tr.loads != nil {
		n.loadsAfter = wide(tr.loads.model.w)
	}
	return n, stats
}

// drawn is the k-th action that pi draws at s (half 0) or s' (half 1) in row i.
func (n *naiveUpdate) drawn(actor []float64, half, i, k int) ([]float64, float64) {
	obs := n.obs
	if half == 1 {
		obs = n.next
	}
	out := naiveNet(n.t.policy, actor, 0, row(obs, i, n.obsWidth))
	return naiveSample(out, row(n.noise, (half*n.rows+i)*(1+n.k)+k, n.actions))
}

func (n *naiveUpdate) q(w []float64, member int, obs, act []float64) float64 {
	q := naiveNet(n.t.ensemble, w, member, join(obs, act))[0]
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
		obs, act := row(n.obs, i, n.obsWidth), row(n.act, i, n.actions)
		next, logProb := n.drawn(n.actor, 1, i, 0)
		y := n.reward[i] + cfg.Gamma*(1-n.terminal[i])*(n.least(n.target, row(n.next, i, n.obsWidth), next)-n.alpha*logProb)
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
				sum += math.Exp((n.q(w, m, obs, row(n.uniform, i*n.k+k, n.actions)) - math.Log(density)) / cfg.CQL.Temperature)
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
		obs := row(n.obs, i, n.obsWidth)
		if alpha != 0 {
			a, logProb := n.drawn(w, 0, i, 0)
			loss += alpha * logProb
			if !imitate {
				loss -= n.least(n.criticAfter, obs, a)
			}
		}
		if imitate {
			out := naiveNet(n.t.policy, w, 0, obs)
			for j, a := range row(n.act, i, n.actions) {
				edge := n.t.cfg.CloneEdge
				a = min(max(a, -1+edge), 1-edge)
				std := math.Exp(min(max(out[n.actions+j], minLogStd), maxLogStd))
				loss -= normalLog(math.Atanh(a), out[j], std) - math.Log(1-a*a)
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

// near fails unless got is want to within tol of the longest element of want.
func near(t *testing.T, what string, got []float32, want []float64, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	scale := 1e-6
	for _, v := range want {
		scale = max(scale, math.Abs(v))
	}
	for i, v := range want {
		if !(math.Abs(float64(got[i])-v) <= tol*scale) {
			t.Fatalf("%s[%d] is %v, want %v", what, i, got[i], v)
		}
	}
}

// close fails unless got is want to within tol, relatively where want is above 1.
func closeTo(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol*max(1, math.Abs(want))) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}
