//go:build torch

package sacn

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/saspart/saspart/engine/fluid"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/naive"
)

// threeWorkers is a mask with a key on two of three workers, one on all and one on
// a single worker.
var threeWorkers = policy.Mask{Workers: 3, Keys: [][]uint16{{0, 1}, {0, 1, 2}, {2}}}

func freshShares(t *testing.T, cfg train.Config, seed uint64) *Trainer {
	t.Helper()
	tr, err := NewShares(cfg, threeWorkers, policy.DefaultP0, seed)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// busySource is a source of windows with busy ratios, some workers saturated.
type busySource struct{}

func (busySource) Sample(rng *rand.Rand, b *train.Batch) error {
	if err := (noiseSource{}).Sample(rng, b); err != nil {
		return err
	}
	for i := range b.Next {
		b.Next[i] = rng.Float32()
	}
	for i := range b.Reward {
		b.Weight[i] = 0.3 * float32(i)
		if i%2 == 0 {
			b.Next[6*i+3+i%3] = 2 // the busy ratios are the last three numbers
		}
	}
	clear(b.Next[3:6]) // an idle job
	return nil
}

// TestLoadsGradients compares the gradients of an update with finite differences of
// the naive twin's losses, where critics know of loads.
func TestLoadsGradients(t *testing.T) {
	for _, algorithm := range []train.Algorithm{train.SACN, train.SACNCQL} {
		t.Run(string(algorithm), func(t *testing.T) {
			cfg := tiny(func(c *train.Config) { c.Algorithm, c.LoadsRate = algorithm, 0.01 })
			tr := freshShares(t, cfg, 3)
			trained(t, tr, busySource{}, 3) // away from the networks' zeros
			n, stats := watch(t, tr, busySource{})

			fit := func(w []float64) float64 { return n.loadsLoss(w) }
			naive.Near(t, "loads' gradient", tr.loads.model.Grad, slopes(n.loads, fit), 1e-3)
			naive.CloseTo(t, "loads' loss", stats.Loads, fit(n.loads), 1e-5)

			n.loads = n.loadsAfter // critics and policy learn with the new ones
			naive.Near(t, "critic gradient", tr.critic.Grad, slopes(n.critic, func(w []float64) float64 {
				td, gap := n.criticLoss(w)
				return float64(cfg.Critics) * (td + cfg.CQL.Weight*gap)
			}), 1e-3)
			td, gap := n.criticLoss(n.critic)
			naive.CloseTo(t, "TD loss", stats.TD, td, 1e-4)
			naive.CloseTo(t, "CQL gap", stats.CQL, gap, 1e-4)
			naive.Near(t, "actor gradient", tr.actor.Grad, slopes(n.actor, func(w []float64) float64 {
				return n.actorLoss(w, false, n.alpha)
			}), 1e-3)
			naive.CloseTo(t, "actor loss", stats.Actor, n.actorLoss(n.actor, false, n.alpha), 1e-4)
		})
	}
}

// loadsLoss is the loss that loads are fitted by.
func (n *naiveUpdate) loadsLoss(model []float64) float64 {
	loss, p := 0.0, n.t.loads.workers
	for i := range n.rows {
		x := naiveLoads(n.t.loads, model, naive.Row(n.act, i, n.actions))
		busy := naive.Row(n.next, i, n.obsWidth)[n.obsWidth-p:]
		mean, level := 0.0, 0.0
		for w, v := range busy {
			mean += math.Min(v, 1) / float64(p)
			level += x[w] / float64(p)
		}
		for w, v := range busy {
			e := 0.0
			switch {
			case mean == 0: // nobody has worked, nothing is known
			case v < 1:
				e = x[w]/level - v/mean
			default:
				e = math.Max(0, 1/mean-x[w]/level)
			}
			loss += n.weight[i] * e * e / 2 / float64(n.rows*p)
		}
	}
	return loss
}

// TestLoadsAreFound: from windows of unequal workers, with noise on their busy ratios,
// the loads are those that the windows were made with.
func TestLoadsAreFound(t *testing.T) {
	load, bias := []float64{1.5, 0.5, 0.3, 0.6, 0.3, 0.4}, []float64{0.2, 0.1, 0.4}
	cfg := tiny(func(c *train.Config) { c.Algorithm, c.Batch, c.LoadsRate = train.SACN, 64, 0.02 })
	tr := freshShares(t, cfg, 5)
	truth := append(append([]float64{}, load...), bias...)
	src := func(rng *rand.Rand, b *train.Batch) {
		for i := range b.Reward {
			act := b.Act[6*i : 6*i+6]
			for j := range act {
				act[j] = 2*rng.Float32() - 1
			}
			for w, x := range naiveLoads(tr.loads, truth, naive.Wide(act)) {
				b.Next[6*i+3+w] = float32(0.3 * x * (1 + 0.03*rng.NormFloat64()))
			}
		}
	}
	trained(t, tr, sourceFunc(src), 1500)
	// Only relative loads can be known, and of a key with one worker only the sum with
	// that worker's bias.
	x, want := make([]float64, 3), 0.0
	for _, act := range [][]float32{{1, -1, 1, -1, -1, 1}, {-1, 1, -1, -1, 1, 1}, {0, 0, 0, 0, 0, 0}} {
		tr.loads.of(x, act)
		truly := naiveLoads(tr.loads, truth, naive.Wide(act))
		for w := range x {
			got := x[w] / (x[0] + x[1] + x[2])
			want = truly[w] / (truly[0] + truly[1] + truly[2])
			if math.Abs(got-want) > 0.02 {
				t.Errorf("action %v: worker %d has %.3f of the load, want %.3f", act, w, got, want)
			}
		}
	}
}

type sourceFunc func(rng *rand.Rand, b *train.Batch)

func (f sourceFunc) Sample(rng *rand.Rand, b *train.Batch) error {
	f(rng, b)
	return nil
}

// TestLoadsResumeExactly: what critics know is part of the state, and threads do not
// matter.
func TestLoadsResumeExactly(t *testing.T) {
	cfg := small(train.SACN)
	cfg.LoadsRate, cfg.Batch = 5e-3, 96
	whole := freshShares(t, cfg, 5)
	trained(t, whole, busySource{}, 20)

	first := freshShares(t, cfg, 5)
	trained(t, first, busySource{}, 10)
	cfg.Threads = 2
	resumed := freshShares(t, cfg, 99)
	if err := resumed.Restore(state(t, first)); err != nil {
		t.Fatal(err)
	}
	trained(t, resumed, busySource{}, 10)
	same(t, "resumed on two threads", state(t, whole), state(t, resumed))
	plain := cfg
	plain.LoadsRate = 0
	if err := freshShares(t, plain, 1).Restore(state(t, first)); err == nil {
		t.Error("plain critics took the state of others")
	}
}

func TestLoadsNeedTheMask(t *testing.T) {
	cfg := train.Default()
	cfg.LoadsRate = 1e-3
	_, err := New(cfg, train.Dims{Obs: 6, Act: 6}, 1)
	if err == nil || !strings.Contains(err.Error(), "loads_rate: critics that know of loads need the mask") {
		t.Errorf("error is %v", err)
	}
}

// TestLoadsLearnFaster: from windows of the reference's simulated environment with
// random actions, the policy is better than that of plain critics.
func TestLoadsLearnFaster(t *testing.T) {
	speeds := []float64{1, 1.2, 0.9, 1.1}
	for i := range speeds {
		speeds[i] *= 9e5
	}
	learnt := func(rate float64) float64 {
		env := fluid.NewReferenceEnv(speeds, false)
		mask := env.Mask()
		cfg := small(train.SACN)
		cfg.Batch, cfg.Gamma, cfg.ActorRate, cfg.CriticRate, cfg.LoadsRate = 64, 0, 1e-3, 3e-3, rate
		tr, err := NewShares(cfg, mask, policy.DefaultP0, 1)
		if err != nil {
			t.Fatal(err)
		}
		action, obs := make([]float64, mask.Pairs()), make([]float64, 8)
		trained(t, tr, sourceFunc(func(rng *rand.Rand, b *train.Batch) {
			for i := range b.Reward {
				for j := range action {
					b.Act[i*len(action)+j] = 2*rng.Float32() - 1
					action[j] = float64(b.Act[i*len(action)+j]+1) / 2
				}
				_, reward, _ := env.Step(action, obs)
				b.Reward[i] = float32(reward)
				copy(b.Obs[8*i:8*i+8], b.Next[8*i:])
				for j, v := range obs {
					b.Next[8*i+j] = float32(v)
				}
			}
		}), 800)
		act := make([]float32, len(action))
		tr.Act(tr.batch.Next[:8], act, false)
		for j, a := range act {
			action[j] = float64(a+1) / 2
		}
		imbalance, _, _ := env.Step(action, obs)
		return imbalance
	}
	plain, known := learnt(0), learnt(1e-2)
	t.Logf("imbalance %.3f with plain critics, %.3f with ones that know of loads", plain, known)
	if known > 0.08 || known > plain/2 {
		t.Errorf("imbalance is %.3f, with plain critics %.3f", known, plain)
	}
}
