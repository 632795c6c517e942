//go:build torch

package shares

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/saspart/saspart/engine/fluid"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/naive"
)

// bandit has one window per episode: the reward is highest where the action is a function of
// the observation.
type bandit struct {
	behaviour func(rng *rand.Rand, best float64) float64
}

func best(obs []float32, j int) float64 { return 0.6 * float64(obs[j]) }

func (s bandit) Sample(rng *rand.Rand, b *train.Batch) error {
	for i := range b.Reward {
		miss := 0.0
		for j := range 2 {
			b.Obs[2*i+j] = 2*rng.Float32() - 1
			want := best(b.Obs[2*i:2*i+2], j)
			act := s.behaviour(rng, want)
			b.Act[2*i+j] = float32(act)
			miss += (act - want) * (act - want)
		}
		b.Reward[i], b.Terminal[i] = float32(1-miss), 1
	}
	return nil
}

var (
	anywhere = bandit{func(rng *rand.Rand, _ float64) float64 { return 2*rng.Float64() - 1 }}
	narrow   = bandit{func(rng *rand.Rand, _ float64) float64 { return 0.2 * (2*rng.Float64() - 1) }}
	imitable = bandit{func(rng *rand.Rand, best float64) float64 { return best + 0.1*rng.NormFloat64() }}
)

// miss is how far the policy's actions are from the best ones, root mean square.
func miss(tr *Trainer) float64 {
	rng, sum := rand.New(rand.NewPCG(11, 0)), 0.0
	act := make([]float32, 2)
	const n = 500
	for range n {
		obs := naive.Random(rng, 2)
		tr.Act(obs, act, false)
		for j := range act {
			d := float64(act[j]) - best(obs, j)
			sum += d * d / (2 * n)
		}
	}
	return math.Sqrt(sum)
}

// TestLearns: each algorithm with the data that it is for.
func TestLearns(t *testing.T) {
	for _, c := range []struct {
		why       string
		algorithm train.Algorithm
		src       train.Source
		above     float64
		below     float64
	}{
		{"SAC-N finds the best action in data of random ones", train.SACN, anywhere, 0, 0.1},
		{"so does CQL, whose data cover every action", train.CQL, anywhere, 0, 0.1},
		{"so does Cal-QL", train.CalQL, anywhere, 0, 0.1},
		{"so does EDAC", train.EDAC, anywhere, 0, 0.1},
		{"IQL weighs random actions by their advantage", train.IQL, anywhere, 0, 0.15},
		{"TD3+BC leaves them for better ones", train.TD3BC, anywhere, 0, 0.15},
		{"cloning copies a good behaviour", train.BC, imitable, 0, 0.1},
		{"cloning learns nothing from the rewards of random actions", train.BC, anywhere, 0.2, 1},
	} {
		t.Run(c.why, func(t *testing.T) {
			cfg := train.Default()
			cfg.Algorithm, cfg.Hidden, cfg.Batch, cfg.CQL.Actions = c.algorithm, []int{32, 32}, 64, 4
			cfg.ActorRate, cfg.CriticRate = 3e-3, 3e-3
			cfg.IQL.Temperature, cfg.IQL.Expectile, cfg.TD3BC.Alpha = 10, 0.8, 10
			tr, err := newTrainer(cfg, train.Dims{Obs: 2, Act: 2}, 1)
			if err != nil {
				t.Fatal(err)
			}
			before := miss(tr)
			trained(t, tr, c.src, 1000)
			if after := miss(tr); after > c.below || after < c.above || before < 0.2 {
				t.Errorf("misses by %.3f, want from %v to %v; %.3f before", after, c.above, c.below, before)
			}
		})
	}
}

// TestDoubt: of data with small actions only, CQL must value large ones less than SAC-N alone
// does, and Cal-QL not below what the behaviour earns.
func TestDoubt(t *testing.T) {
	value := func(a train.Algorithm, weight float64) (sum float64) {
		cfg := small(a)
		cfg.CriticRate, cfg.CQL.Weight = 3e-3, weight
		tr, err := newTrainer(cfg, train.Dims{Obs: 2, Act: 2}, 1)
		if err != nil {
			t.Fatal(err)
		}
		trained(t, tr, narrow, 800)
		s := tr.s.Data(make([]float32, 8), 4, 2)
		sum = tr.q(s, tr.s.Data([]float32{0.9, 0.9, -0.9, 0.9, 0.9, -0.9, -0.9, -0.9}, 4, 2)).Item()
		tr.s.Free()
		return sum
	}
	without, cql, calql := value(train.CQL, 0), value(train.CQL, 1), value(train.CalQL, 1)
	if cql > without-0.5 {
		t.Errorf("actions not in the data are valued %v with CQL and %v without", cql, without)
	}
	if calql < cql {
		t.Errorf("actions not in the data are valued %v with Cal-QL and %v with CQL", calql, cql)
	}
}

type sourceFunc func(rng *rand.Rand, b *train.Batch)

func (f sourceFunc) Sample(rng *rand.Rand, b *train.Batch) error {
	f(rng, b)
	return nil
}

// naiveLoads are the loads of an action by a model, load [A] and bias [P], as parts of their sum.
func naiveLoads(mask policy.Mask, model []float64, act []float32) []float64 {
	x := append([]float64{}, model[mask.Pairs():]...)
	from, total := 0, 0.0
	for _, row := range mask.Keys {
		sum := 0.0
		for i := range row {
			sum += float64(act[from+i]+1) / 2
		}
		for i, w := range row {
			x[w] += model[from+i] * float64(act[from+i]+1) / 2 / sum
		}
		from += len(row)
	}
	for _, v := range x {
		total += v
	}
	for w := range x {
		x[w] /= total
	}
	return x
}

// naiveAdaptive are the loads of an action by a model, where workers are slow, have fixed and keys
// have loads.
func naiveAdaptive(mask policy.Mask, model, slow, fixed, keys []float64, act []float32) []float64 {
	x, from, total := make([]float64, mask.Workers), 0, 0.0
	for rank, row := range mask.Keys {
		sum := 0.0
		for i := range row {
			sum += float64(act[from+i]+1) / 2
		}
		for i, w := range row {
			x[w] += model[from+i] * keys[rank] * float64(act[from+i]+1) / 2 / sum
		}
		from += len(row)
	}
	for w := range x {
		x[w] = slow[w] * (x[w] + model[from+w]*fixed[w])
		total += x[w]
	}
	for w := range x {
		x[w] /= total
	}
	return x
}

// TestAdaptiveLoads: critics turn an adaptive observation back into the speeds and loads that it
// was made of, for one action of each state and for several, and find what is wrong with them.
func TestAdaptiveLoads(t *testing.T) {
	o := policy.Observation{Mask: threeWorkers, Trained: []float64{0.4, 0.25, 0.1}}
	cfg := small(train.SACN)
	cfg.Batch, cfg.LoadsRate = 64, 0.02
	tr, err := New(cfg, o, policy.DefaultP0, 5)
	if err != nil {
		t.Fatal(err)
	}
	truth := []float64{1, 1, 1, 1, 1, 1, 1.3, 0.7, 1}
	ones := []float64{1, 1, 1, 1, 1, 1, 1, 1, 1}
	draw := func(rng *rand.Rand) (slow, fixed, keys []float64, obs []float32) {
		slow, fixed, keys = make([]float64, 3), make([]float64, 3), make([]float64, 3)
		seen := policy.Seen{Counts: make([]float64, 3), Busy: make([]float64, 3), Log: make([]float64, 3), Fixed: fixed, Keys: keys}
		rest := 1.0
		for i := range 3 {
			seen.Log[i] = 0.5*rng.NormFloat64() - 3
			slow[i] = math.Exp(seen.Log[i])
			keys[i] = o.Trained[i] * (0.7 + 0.4*rng.Float64())
			rest -= keys[i]
		}
		for w, part := range []float64{0.5, 0.3, 0.2} {
			fixed[w] = rest * part
		}
		for _, v := range o.Of(nil, &seen) {
			obs = append(obs, float32(v))
		}
		return slow, fixed, keys, obs
	}
	size := o.Size()
	rng := rand.New(rand.NewPCG(7, 7))
	check := func(model []float64, within float64) {
		t.Helper()
		defer tr.s.Free()
		tr.loads.begin(&tr.s)
		slow, fixed, keys, obs := draw(rng)
		acts := naive.Random(rng, 12)
		s := tr.s.Data(obs, 1, size)
		several := tr.loads.of(s, tr.s.Data(acts, 1, 2, 6)).Floats()
		one := tr.loads.of(s, tr.s.Data(acts[6:], 1, 6)).Floats()
		for i := range 2 {
			for w, want := range naiveAdaptive(threeWorkers, model, slow, fixed, keys, acts[6*i:6*i+6]) {
				naive.CloseTo(t, "load", float64(several[3*i+w]), want, within)
				if i == 1 {
					naive.CloseTo(t, "load of one action", float64(one[w]), want, within)
				}
			}
		}
	}
	check(ones, 1e-4)
	trained(t, tr, sourceFunc(func(_ *rand.Rand, b *train.Batch) {
		for i := range b.Reward {
			slow, fixed, keys, obs := draw(rng)
			copy(b.Obs[size*i:], obs)
			act := b.Act[6*i : 6*i+6]
			copy(act, naive.Random(rng, 6))
			for w, x := range naiveAdaptive(threeWorkers, truth, slow, fixed, keys, act) {
				b.Next[size*i+3+w] = float32(x)
			}
		}
	}), 1500)
	check(truth, 0.02)
}

// TestLoadsAreFound: from windows of unequal workers, with noise on their busy ratios, the loads
// are those that the windows were made with, and g is the reward that they earn.
func TestLoadsAreFound(t *testing.T) {
	truth := []float64{1.5, 0.5, 0.3, 0.6, 0.3, 0.4, 0.2, 0.1, 0.4}
	cfg := small(train.SACN)
	cfg.Batch, cfg.LoadsRate = 64, 0.02
	tr := fresh(t, cfg, 5)
	trained(t, tr, sourceFunc(func(rng *rand.Rand, b *train.Batch) {
		for i := range b.Reward {
			act := b.Act[6*i : 6*i+6]
			copy(act, naive.Random(rng, 6))
			for w, x := range naiveLoads(threeWorkers, truth, act) {
				b.Next[6*i+3+w] = float32(1.2 * x * (1 + 0.03*rng.NormFloat64()))
			}
		}
	}), 1500)
	acts := []float32{1, -1, 1, -1, -1, 1, -1, 1, -1, -1, 1, 1, 0, 0, 0, 0, 0, 0}
	defer tr.s.Free()
	tr.loads.begin(&tr.s)
	a := tr.s.Data(acts, 3, 6)
	got, g := tr.loads.of(a, a).Floats(), tr.loads.reward(a, a).Floats()
	for i := range 3 {
		act := acts[6*i : 6*i+6]
		for w, want := range naiveLoads(threeWorkers, truth, act) {
			if math.Abs(float64(got[3*i+w])-want) > 0.02 {
				t.Errorf("action %v: worker %d has %.3f of the load, want %.3f", act, w, got[3*i+w], want)
			}
		}
		want := policy.Reward(policy.Perf(naiveLoads(threeWorkers, naive.Wide(tr.loads.model.W), act)), policy.DefaultP0)
		naive.CloseTo(t, "g", float64(g[i]), want, 1e-4)
	}
}

// TestLoadsLearnFaster: from windows of the published simulated environment with random actions,
// the policy is better than that of plain critics.
func TestLoadsLearnFaster(t *testing.T) {
	learned := func(rate float64) float64 {
		env := fluid.NewReferenceEnv([]float64{9e5, 10.8e5, 8.1e5, 9.9e5}, false)
		mask := env.Mask()
		cfg := small(train.SACN)
		cfg.Batch, cfg.Gamma, cfg.ActorRate, cfg.CriticRate, cfg.LoadsRate = 64, 0, 1e-3, 3e-3, rate
		tr, err := New(cfg, policy.Observation{Mask: mask}, policy.DefaultP0, 1)
		if err != nil {
			t.Fatal(err)
		}
		action, obs := make([]float64, mask.Pairs()), make([]float64, 8)
		step := func(act []float32) (imbalance, reward float64) {
			for j, a := range act {
				action[j] = float64(a+1) / 2
			}
			imbalance, reward, _ = env.Step(action, obs)
			return imbalance, reward
		}
		trained(t, tr, sourceFunc(func(rng *rand.Rand, b *train.Batch) {
			for i := range b.Reward {
				act := b.Act[i*len(action) : (i+1)*len(action)]
				copy(act, naive.Random(rng, len(act)))
				_, reward := step(act)
				b.Reward[i] = float32(reward)
				copy(b.Obs[8*i:8*i+8], b.Next[8*i:])
				for j, v := range obs {
					b.Next[8*i+j] = float32(v)
				}
			}
		}), 800)
		act := make([]float32, len(action))
		tr.Act(tr.rows.Next[:8], act, false)
		imbalance, _ := step(act)
		return imbalance
	}
	plain, known := learned(0), learned(1e-2)
	t.Logf("imbalance %.3f with plain critics, %.3f with ones that know loads", plain, known)
	if known > 0.08 || known > plain/2 {
		t.Errorf("imbalance is %.3f, with plain critics %.3f", known, plain)
	}
}
