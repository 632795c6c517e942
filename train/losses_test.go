//go:build torch

package train

import (
	"math"
	"math/rand/v2"
	"testing"
)

// tiny is a configuration small enough for finite differences by every parameter.
func tiny(change func(*Config)) Config {
	c := Default()
	c.Hidden, c.Critics, c.Batch = []int{4, 3}, 3, 5
	c.CQL = CQL{Actions: 2, Temperature: 2, Weight: 0.7, Density: 0.5}
	c.InitialAlpha, c.HuberDelta, c.Tau, c.GradClip = 0.3, 0.4, 0.25, 0
	c.CriticRate, c.ActorRate = 1e-3, 1e-3
	change(&c)
	return c
}

// edgySource has ends of episodes, rewards beyond Huber's delta, actions at ±1 and
// rows of unequal weight.
type edgySource struct{ learned []float64 }

// Learned implements Listener.
func (e *edgySource) Learned(errors []float32) { e.learned = wide(errors) }

func (*edgySource) Sample(rng *rand.Rand, b *Batch) error {
	if err := (noiseSource{}).Sample(rng, b); err != nil {
		return err
	}
	for i := range b.Reward {
		b.Reward[i] *= 3
		b.Terminal[i] = float32(i % 2)
		b.Weight[i] = 0.4 * float32(i)
	}
	b.Act[0], b.Act[1] = -1, 1
	return nil
}

// TestLossGradients compares every gradient of an update with finite differences of
// the naive twin's loss, and every number reported with the twin's.
func TestLossGradients(t *testing.T) {
	for _, c := range []struct {
		why    string
		change func(*Config)
	}{
		{"plain SAC-N", func(c *Config) { c.Algorithm = SACN }},
		{"one critic: the minimum is over one", func(c *Config) { c.Algorithm, c.Critics = SACN, 1 }},
		{"CQL(H)", func(c *Config) { c.Algorithm = SACNCQL }},
		{"CQL(H) as the reference weighs uniform actions", func(c *Config) { c.Algorithm, c.CQL.Density = SACNCQL, 1 }},
		{"cloning instead of improving at first", func(c *Config) { c.Algorithm, c.CloneUpdates = SACNCQL, 1 }},
		{"one hidden layer", func(c *Config) { c.Algorithm, c.Hidden = SACNCQL, []int{5} }},
		{"behaviour cloning", func(c *Config) { c.Algorithm = BC }},
	} {
		for _, spread := range []struct {
			why   string
			shift float32
		}{{"free", 0}, {"log std at its lower bound", -6}, {"log std at its upper bound", 3}} {
			t.Run(c.why+", "+spread.why, func(t *testing.T) {
				cfg := tiny(c.change)
				tr, err := New(cfg, Dims{3, 2}, 7)
				if err != nil {
					t.Fatal(err)
				}
				bias := tr.actor.layout[len(tr.actor.layout)-1].Data
				bias[2] += spread.shift // of the first action's log std
				src := &edgySource{}
				n, stats := watch(t, tr, src)

				if cfg.Algorithm == BC {
					near(t, "actor gradient", tr.actor.grad, slopes(n.actor, func(w []float64) float64 { return n.actorLoss(w, true, 0) }), 1e-3)
					closeTo(t, "imitation", stats.Imitation, n.actorLoss(n.actor, true, 0), 1e-4)
					near(t, "critic", tr.critic.w, n.critic, 0)
					return
				}
				near(t, "critic gradient", tr.critic.grad, slopes(n.critic, func(w []float64) float64 {
					td, gap := n.criticLoss(w)
					return float64(cfg.Critics) * (td + cfg.CQL.Weight*gap)
				}), 1e-3)
				td, gap := n.criticLoss(n.critic)
				closeTo(t, "TD loss", stats.TD, td, 1e-4)
				near(t, "errors that the source is told", tr.errors, n.errors, 1e-4)
				near(t, "errors that the source is told", tr.errors, src.learned, 0)
				closeTo(t, "CQL gap", stats.CQL, gap, 1e-4)

				imitate := cfg.CloneUpdates > 0
				near(t, "actor gradient", tr.actor.grad, slopes(n.actor, func(w []float64) float64 { return n.actorLoss(w, imitate, n.alpha) }), 1e-3)
				closeTo(t, "actor loss", stats.Actor, n.actorLoss(n.actor, imitate, n.alpha), 1e-4)

				entropy := 0.0
				for i := range n.rows {
					_, logProb := n.drawn(n.actor, 0, i, 0)
					entropy -= logProb / float64(n.rows)
				}
				closeTo(t, "entropy", stats.Entropy, entropy, 1e-4)
				closeTo(t, "alpha's gradient", float64(tr.alpha.grad[0]), entropy+6, 1e-4) // target entropy is -3 for each of 2 numbers

				moved := make([]float64, len(n.target))
				for i := range moved {
					moved[i] = n.target[i] + cfg.Tau*(n.criticAfter[i]-n.target[i])
				}
				near(t, "target critics", tr.target, moved, 1e-6)
			})
		}
	}
}

// TestHandWorked checks the formulas on numbers small enough for paper.
func TestHandWorked(t *testing.T) {
	var s scope
	defer s.free()

	logProb := func(out, noise []float32) float64 {
		d := newDraws(1, 1, 1)
		d.sample(&pool{threads: 1}, out, noise)
		return float64(d.logProb[0])
	}
	// Mean 0, std 1, noise 0: log N(0) = -0.918939, and log(1 - tanh(0)^2) = 0.
	closeTo(t, "log-probability at the mean", logProb([]float32{0, 0}, []float32{0}), -0.918939, 1e-6)
	// Mean 20, std 1: tanh rounds to 1, but log(1 - a^2) = 2 log 2 - 2u = -38.613706.
	closeTo(t, "log-probability far out", logProb([]float32{20, 0}, []float32{0}), -0.918939+38.613706, 1e-5)
	closeTo(t, "log-probability beyond any action", logProb([]float32{-1000, 0}, []float32{0}), -0.918939-2*math.Ln2+2000, 1e-5)

	// One state, two critics, sampled values (0, log 3) of density 1 and data's value
	// 1: log(1+3) - 1 = 0.386294 each; the softmax is (1/4, 3/4).
	q := s.data([]float32{0, float32(math.Log(3)), 0, float32(math.Log(3))}, 2, 1, 2)
	gap, byData, bySampled := conservative(&s, CQL{Temperature: 1, Weight: 2}, q,
		s.data([]float32{0, 0}, 1, 2), s.data([]float32{1, 1}, 2, 1))
	closeTo(t, "gap", gap, 2*0.386294, 1e-6)
	closeTo(t, "gradient by the data's value", byData, -2, 0)
	near(t, "gradient by the samples", floats(bySampled), []float64{0.5, 1.5, 0.5, 1.5}, 1e-6)

	// Adam's first step is the rate, whatever the gradient's length; its second with
	// the same gradient too.
	p := newParams([]Tensor{{Name: "w", Shape: []int{2}}})
	for step := uint64(1); step <= 2; step++ {
		p.grad[0], p.grad[1] = 1e-3, -400
		norm, err := p.step(&pool{threads: 1}, 0.1, step, 0)
		if err != nil {
			t.Fatal(err)
		}
		closeTo(t, "norm", norm, 400, 1e-6)
		near(t, "parameters", p.w, []float64{-0.1 * float64(step), 0.1 * float64(step)}, 1e-4)
	}
	// A gradient (3,4) clipped to length 1 is (0.6,0.8): a tenth of it is the first moment.
	p = newParams([]Tensor{{Name: "w", Shape: []int{2}}})
	p.grad[0], p.grad[1] = 3, 4
	if _, err := p.step(&pool{threads: 1}, 0.1, 1, 1); err != nil {
		t.Fatal(err)
	}
	near(t, "first moment", p.m, []float64{0.06, 0.08}, 1e-6)
	near(t, "second moment", p.v, []float64{0.00036, 0.00064}, 1e-5)
}

// TestDensity integrates the squashed density over (-1,1): it must be 1.
func TestDensity(t *testing.T) {
	const n = 20000
	noise := make([]float32, n) // from -8 to 8 standard deviations
	for i := range noise {
		noise[i] = 16*float32(i)/(n-1) - 8
	}
	for _, out := range [][]float32{{0, 0}, {0.8, -1}, {-1.5, 0.3}} {
		d := newDraws(1, n, 1)
		d.sample(&pool{threads: 1}, out, noise)
		action, logProb, sum := wide(d.action), wide(d.logProb), 0.0
		for i := 1; i < n; i++ {
			sum += (action[i] - action[i-1]) * (math.Exp(logProb[i]) + math.Exp(logProb[i-1])) / 2
		}
		closeTo(t, "integral of the density", sum, 1, 1e-3)
	}
}
