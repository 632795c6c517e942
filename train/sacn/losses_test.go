//go:build torch

package sacn

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/naive"
	"github.com/saspart/saspart/train/internal/nn"
)

// tiny is a configuration small enough for finite differences by every parameter.
func tiny(change func(*train.Config)) train.Config {
	c := train.Default()
	c.Hidden, c.Critics, c.Batch = []int{4, 3}, 3, 5
	c.CQL = train.CQL{Actions: 2, Temperature: 2, Weight: 0.7, Density: 0.5}
	c.InitialAlpha, c.HuberDelta, c.Tau, c.GradClip = 0.3, 0.4, 0.25, 0
	c.CriticRate, c.ActorRate = 1e-3, 1e-3
	change(&c)
	return c
}

// edgySource has ends of episodes, rewards beyond Huber's delta, actions at ±1 and
// rows of unequal weight.
type edgySource struct{ learned []float64 }

// Learned implements Listener.
func (e *edgySource) Learned(errors []float32) { e.learned = naive.Wide(errors) }

func (*edgySource) Sample(rng *rand.Rand, b *train.Batch) error {
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
		change func(*train.Config)
	}{
		{"plain SAC-N", func(c *train.Config) { c.Algorithm = train.SACN }},
		{"one critic: the minimum is over one", func(c *train.Config) { c.Algorithm, c.Critics = train.SACN, 1 }},
		{"CQL(H)", func(c *train.Config) { c.Algorithm = train.SACNCQL }},
		{"CQL(H) as the reference weighs uniform actions", func(c *train.Config) { c.Algorithm, c.CQL.Density = train.SACNCQL, 1 }},
		{"cloning instead of improving at first", func(c *train.Config) { c.Algorithm, c.CloneUpdates = train.SACNCQL, 1 }},
		{"one hidden layer", func(c *train.Config) { c.Algorithm, c.Hidden = train.SACNCQL, []int{5} }},
		{"behaviour cloning", func(c *train.Config) { c.Algorithm = train.BC }},
	} {
		for _, spread := range []struct {
			why   string
			shift float32
		}{{"free", 0}, {"log std at its lower bound", -6}, {"log std at its upper bound", 3}} {
			t.Run(c.why+", "+spread.why, func(t *testing.T) {
				cfg := tiny(c.change)
				tr, err := New(cfg, train.Dims{Obs: 3, Act: 2}, 7)
				if err != nil {
					t.Fatal(err)
				}
				bias := tr.actor.Layout[len(tr.actor.Layout)-1].Data
				bias[2] += spread.shift // of the first action's log std
				src := &edgySource{}
				n, stats := watch(t, tr, src)

				if cfg.Algorithm == train.BC {
					naive.Near(t, "actor gradient", tr.actor.Grad, slopes(n.actor, func(w []float64) float64 { return n.actorLoss(w, true, 0) }), 1e-3)
					naive.CloseTo(t, "imitation", stats.Imitation, n.actorLoss(n.actor, true, 0), 1e-4)
					naive.Near(t, "critic", tr.critic.W, n.critic, 0)
					return
				}
				naive.Near(t, "critic gradient", tr.critic.Grad, slopes(n.critic, func(w []float64) float64 {
					td, gap := n.criticLoss(w)
					return float64(cfg.Critics) * (td + cfg.CQL.Weight*gap)
				}), 1e-3)
				td, gap := n.criticLoss(n.critic)
				naive.CloseTo(t, "TD loss", stats.TD, td, 1e-4)
				naive.Near(t, "errors that the source is told", tr.errors, n.errors, 1e-4)
				naive.Near(t, "errors that the source is told", tr.errors, src.learned, 0)
				naive.CloseTo(t, "CQL gap", stats.CQL, gap, 1e-4)

				imitate := cfg.CloneUpdates > 0
				naive.Near(t, "actor gradient", tr.actor.Grad, slopes(n.actor, func(w []float64) float64 { return n.actorLoss(w, imitate, n.alpha) }), 1e-3)
				naive.CloseTo(t, "actor loss", stats.Actor, n.actorLoss(n.actor, imitate, n.alpha), 1e-4)

				entropy := 0.0
				for i := range n.rows {
					_, logProb := n.drawn(n.actor, 0, i, 0)
					entropy -= logProb / float64(n.rows)
				}
				naive.CloseTo(t, "entropy", stats.Entropy, entropy, 1e-4)
				naive.CloseTo(t, "alpha's gradient", float64(tr.alpha.Grad[0]), entropy+6, 1e-4) // target entropy is -3 for each of 2 numbers

				moved := make([]float64, len(n.target))
				for i := range moved {
					moved[i] = n.target[i] + cfg.Tau*(n.criticAfter[i]-n.target[i])
				}
				naive.Near(t, "target critics", tr.target, moved, 1e-6)
			})
		}
	}
}

// TestHandWorked checks the formulas on numbers small enough for paper.
func TestGapByHand(t *testing.T) {
	var s nn.Scope
	defer s.Free()

	// One state, two critics, sampled values (0, log 3) of density 1 and data's value
	// 1: log(1+3) - 1 = 0.386294 each; the softmax is (1/4, 3/4).
	q := s.Data([]float32{0, float32(math.Log(3)), 0, float32(math.Log(3))}, 2, 1, 2)
	gap, byData, bySampled := conservative(&s, train.CQL{Temperature: 1, Weight: 2}, q,
		s.Data([]float32{0, 0}, 1, 2), s.Data([]float32{1, 1}, 2, 1))
	naive.CloseTo(t, "gap", gap, 2*0.386294, 1e-6)
	naive.CloseTo(t, "gradient by the data's value", byData, -2, 0)
	naive.Near(t, "gradient by the samples", nn.Floats(bySampled), []float64{0.5, 1.5, 0.5, 1.5}, 1e-6)
}
