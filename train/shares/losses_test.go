//go:build torch

package shares

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/saspart/saspart/runlog"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/naive"
	"github.com/saspart/saspart/train/internal/tensor"
)

// tiny is a configuration small enough for finite differences by every parameter.
func tiny(a train.Algorithm) train.Config {
	c := train.Default()
	c.Algorithm, c.Hidden, c.Critics, c.Batch = a, []int{4, 3}, 3, 5
	c.CQL = train.CQLConfig{Actions: 2, Temperature: 2, Weight: 0.7, Density: 0.5}
	c.InitialAlpha, c.HuberDelta, c.Tau, c.GradClip = 0.3, 0.4, 0.25, 0
	c.TD3BC.Every = 1
	c.CriticRate = 1e-30 // the policy then meets the critics as they are
	return c
}

// TestGradients compares the gradients of an update with finite differences of the losses that
// it reports. That the losses are right, the tests below check by hand.
func TestGradients(t *testing.T) {
	change := func(a train.Algorithm, f func(*train.Config)) train.Config {
		c := tiny(a)
		f(&c)
		return c
	}
	for _, c := range []struct {
		why   string
		cfg   train.Config
		shift float32 // of an action's log standard deviation
	}{
		{"SAC-N", tiny(train.SACN), 0},
		{"one critic: the minimum is over one", change(train.SACN, func(c *train.Config) { c.Critics = 1 }), 0},
		{"log std at its lower bound", tiny(train.SACN), -6},
		{"log std at its upper bound", tiny(train.CQL), 3},
		{"CQL", tiny(train.CQL), 0},
		{"CQL of critics that know loads", change(train.CQL, func(c *train.Config) { c.LoadsRate = 1e-30 }), 0},
		{"cloning instead of improving at first", change(train.CQL, func(c *train.Config) { c.CloneUpdates = 1000 }), 0},
		{"one hidden layer", change(train.CQL, func(c *train.Config) { c.Hidden = []int{5} }), 0},
		{"Cal-QL", tiny(train.CalQL), 0},
		{"EDAC: a derivative of a derivative", tiny(train.EDAC), 0},
		{"IQL", tiny(train.IQL), 0},
		{"TD3+BC", tiny(train.TD3BC), 0},
		{"behaviour cloning", tiny(train.BC), 0},
	} {
		t.Run(c.why, func(t *testing.T) {
			tr := fresh(t, c.cfg, 7)
			tr.actor.Layout[len(tr.actor.Layout)-1].Data[6] += c.shift
			for i := range tr.critic.W { // away from what makes its loss flat
				tr.critic.W[i] += 0.2 * float32(math.Sin(float64(i)))
			}
			at := state(t, tr)
			var lambda float64
			update := func() (s train.Stats, critics, policy float64) {
				s = trained(t, tr, &edgySource{}, 1)
				critics = s.Values[runlog.LossCritic] * float64(c.cfg.Critics)
				switch policy = s.Values[runlog.LossActor]; c.cfg.Algorithm {
				case train.CQL, train.CalQL:
					critics += c.cfg.CQL.Weight * s.Values[runlog.LossCQL] * float64(c.cfg.Critics)
				case train.EDAC:
					critics += c.cfg.EDAC.Diversity * s.Values[runlog.LossDiversity]
				case train.TD3BC: // lambda is a constant of the gradient
					if lambda == 0 {
						lambda = (s.Values[runlog.LossClone] - s.Values[runlog.LossActor]) / s.Values[runlog.ValuePolicy]
					}
					policy = s.Values[runlog.LossClone] - lambda*s.Values[runlog.ValuePolicy]
				}
				return s, critics, policy
			}
			update()
			check := func(what string, n *tensor.Network, loss func() float64) {
				t.Helper()
				got, want := append([]float32{}, n.Grad...), make([]float64, len(n.Grad))
				const h = 4e-3
				for i := range want {
					for _, side := range []float32{h, -h} {
						if err := tr.Restore(at); err != nil {
							t.Fatal(err)
						}
						n.W[i] += side
						want[i] += loss() / float64(2*side)
					}
				}
				naive.Near(t, what, got, want, 1e-2)
			}
			check("policy", tr.actor, func() float64 { _, _, policy := update(); return policy })
			if c.cfg.Algorithm.Values() {
				if err := tr.Restore(at); err != nil {
					t.Fatal(err)
				}
				update()
				check("critics", tr.critic, func() float64 { _, critics, _ := update(); return critics })
			}
			if tr.value != nil {
				if err := tr.Restore(at); err != nil {
					t.Fatal(err)
				}
				update()
				check("value", tr.value, func() float64 { s, _, _ := update(); return s.Values[runlog.LossValue] })
			}
		})
	}
}

// handSource has two transitions of one observation and one action.
type handSource struct{}

func (handSource) Sample(_ *rand.Rand, b *train.Batch) error {
	copy(b.Act, []float32{0, 0.5})
	copy(b.Reward, []float32{1, -3})
	copy(b.Terminal, []float32{0, 1})
	copy(b.Weight, []float32{1, 0.5})
	return nil
}

// constant makes the networks put out the same for all inputs.
func constant(n *tensor.Network, slow []float32, out ...float32) {
	clear(n.W)
	bias := n.Layout[len(n.Layout)-1].Data
	copy(bias, slow)
	n.Track()
	copy(bias, out)
}

// TestLossesByHand: with critics 1 and 2, target critics 0.5 and 1.5, V 0.2 and its target 0.4, a
// normal policy of mean 0 and deviation 1 before tanh, gamma 1/2 and no entropy,
//
//	y = 1 + 0.5/2 = 1.25 and, at the end, -3
//	errors -0.25, 4 and 0.75, 5; Huber losses 0.03125, 3.5 and 0.28125, 4.5
//	TD, with weights 1 and 1/2: (0.890625 + 1.265625)/2
//
// The log-probability of the actions 0 and 1/2 is -0.918939, and, with atanh(1/2) = 0.549306,
// -0.918939 - 0.549306^2/2 - log(3/4) = -0.782126.
func TestLossesByHand(t *testing.T) {
	for _, c := range []struct {
		algorithm        train.Algorithm
		td, value, actor float64 // NaN: it depends on noise
		why              string
	}{
		{train.BC, 0, 0, 0.850533, "the mean of the two log-probabilities"},
		{train.SACN, 1.078125, 0, -1, "the least critic's value"},
		{train.CQL, 1.078125, 0, -1, ""},
		{train.EDAC, 1.078125, 0, -1, ""},
		{train.CalQL, 1.078125, 5.62, -1, "V aims at 1 + 0.4/2 and -3"},
		{train.IQL, 1.1025, 0.072, 2.091972, "y is 1 + 0.2/2 and -3; u = 0.3, V's loss 0.8*0.09; the policy's weight is e^0.9"},
		{train.TD3BC, 1.078125, 0, -2.375, "lambda = 2.5/1, and the actions are 0 and 1/2 away from 0"},
	} {
		cfg := train.Default()
		cfg.Algorithm, cfg.Hidden, cfg.Critics, cfg.Batch, cfg.Gamma = c.algorithm, []int{3}, 2, 2, 0.5
		cfg.InitialAlpha, cfg.CriticRate, cfg.TD3BC.Every, cfg.IQL.Expectile = 1e-12, 1e-30, 1, 0.8
		tr, err := newTrainer(cfg, train.Dims{Obs: 1, Act: 1}, 1)
		if err != nil {
			t.Fatal(err)
		}
		constant(tr.actor, nil, 0, 0)
		constant(tr.critic, []float32{0.5, 1.5}, 1, 2)
		if tr.value != nil {
			constant(tr.value, []float32{0.4}, 0.2)
		}
		got := trained(t, tr, handSource{}, 1)
		naive.CloseTo(t, string(c.algorithm)+": TD", got.Values[runlog.LossCritic], c.td, 1e-6)
		naive.CloseTo(t, string(c.algorithm)+": V", got.Values[runlog.LossValue], c.value, 1e-6)
		naive.CloseTo(t, string(c.algorithm)+": policy: "+c.why, got.Values[runlog.LossActor], c.actor, 2e-6)
	}
}

// TestErrorsAreReported: the source receives |Q - y|, a mean over the critics: of the example
// above (0.25 + 0.75)/2 and (4 + 5)/2.
func TestErrorsAreReported(t *testing.T) {
	cfg := train.Default()
	cfg.Algorithm, cfg.Hidden, cfg.Critics, cfg.Batch, cfg.Gamma = train.SACN, []int{3}, 2, 2, 0.5
	cfg.InitialAlpha = 1e-12
	tr, err := newTrainer(cfg, train.Dims{Obs: 1, Act: 1}, 1)
	if err != nil {
		t.Fatal(err)
	}
	constant(tr.critic, []float32{0.5, 1.5}, 1, 2)
	heard := &edgySource{}
	trained(t, tr, listening{handSource{}, heard}, 1)
	naive.Near(t, "errors", heard.learned, []float64{0.5, 4.5}, 1e-6)
	trained(t, fresh(t, small(train.BC), 1), listening{&edgySource{}, heard}, 1)
	if len(heard.learned) != 2 {
		t.Error("cloning reports errors of critics that it does not train")
	}
}

type listening struct {
	train.Source
	train.Listener
}

func TestTermsByHand(t *testing.T) {
	var s tensor.Scope
	defer s.Free()

	// One state, two critics, sampled values (0, log 3) of density 1 and data's value 1:
	// log(1+3) - 1 = 0.386294 each; its gradient is a softmax, (1/4, 3/4), and -1.
	q, data := s.Variable([]float32{0, float32(math.Log(3)), 0, float32(math.Log(3))}, 2, 1, 2), s.Variable([]float32{1, 1}, 2, 1)
	gap := conservative(data, q, s.Data([]float32{0, 0}, 1, 2), 1)
	naive.CloseTo(t, "gap", gap.Item(), 2*0.386294, 1e-6)
	by := tensor.Gradients(gap, false, data, q)
	naive.Near(t, "by the data's values", by[0].Floats(), []float64{-1, -1}, 1e-6)
	naive.Near(t, "by the sampled ones", by[1].Floats(), []float64{0.25, 0.75, 0.25, 0.75}, 1e-6)

	// Two critics: at right angles the cosines sum to 0, and along a line to 2 of 2 ordered
	// pairs; the mean over the states of sum/(N-1) is 1.
	g := s.Data([]float32{1, 0, 1, 0, 0, 2, 3, 0}, 2, 2, 2)
	naive.CloseTo(t, "similarity", similarity(g).Item(), 1, 1e-6)

	// Mean 0, std 1, noise 0: log N(0) = -0.918939, and log(1 - tanh(0)^2) = 0. Mean 20: tanh
	// rounds to 1, but log(1 - a^2) = 2 log 2 - 2u = -38.613706.
	pi := gaussian{s.Data([]float32{0, 20, -1000}, 3, 1), s.Data([]float32{0, 0, 0}, 3, 1)}
	_, logProb := pi.sample(s.Data([]float32{0, 0, 0}, 3, 1))
	naive.Near(t, "log-probability", logProb.Floats()[:2], []float64{-0.918939, -0.918939 + 38.613706}, 1e-6)
	naive.CloseTo(t, "beyond any action", float64(logProb.Floats()[2]), -0.918939-2*math.Ln2+2000, 1e-6)

	// Where V is below all values, Cal-QL's gap is CQL's; where it is 50 above, so is the gap.
	gaps := map[float32]float64{}
	for _, v := range []float32{-100, 50} {
		tr := fresh(t, small(train.CalQL), 1)
		constant(tr.critic, nil)
		constant(tr.value, nil, v)
		gaps[v] = trained(t, tr, &edgySource{}, 1).Values[runlog.LossCQL]
	}
	if apart := gaps[50] - gaps[-100]; math.Abs(apart-50) > 1 {
		t.Errorf("the floor of 50 raises the gap by %v", apart)
	}
}

// TestSampleAgainstTwin: actions and log-densities of many rows, with several actions in each,
// are the naive twin's, and so is the log-density of a given action.
func TestSampleAgainstTwin(t *testing.T) {
	tr := fresh(t, small(train.SACN), 1)
	defer tr.s.Free()
	rng := rand.New(rand.NewPCG(4, 4))
	const rows, k = 37, 3
	obs, noise := naive.Random(rng, rows*6), naive.Random(rng, rows*k*6)
	for i := range tr.actor.W {
		tr.actor.W[i] *= 6 // some log standard deviations beyond their bounds
	}
	pi := tr.policy(tr.s.Data(obs, rows, 6))
	action, logProb := pi.sample(tr.s.Data(noise, rows, k, 6))
	again := pi.logProb(action.Narrow(1, 0, 1).View(rows, 6), 1e-6).Floats()
	for i := range rows {
		out := naive.Net(1, tr.actor.MLP.Widths, naive.Wide(tr.actor.W), 0, naive.Wide(obs[i*6:(i+1)*6]))
		for j := range k {
			at := i*k + j
			want, density := naive.Sample(out, naive.Wide(noise[at*6:(at+1)*6]))
			naive.Near(t, "action", action.Floats()[at*6:(at+1)*6], want, 1e-5)
			naive.CloseTo(t, "log-probability", float64(logProb.Floats()[at]), density, 1e-4)
		}
		if inside := action.Floats()[i*k*6 : i*k*6+6]; largest(inside) < 0.999 {
			naive.CloseTo(t, "log-probability of a given action", float64(again[i]), float64(logProb.Floats()[i*k]), 1e-3)
		}
	}
}

func largest(v []float32) (most float64) {
	for _, x := range v {
		most = max(most, math.Abs(float64(x)))
	}
	return most
}
