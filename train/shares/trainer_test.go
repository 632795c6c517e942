//go:build torch

package shares

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/network"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/naive"
)

// threeWorkers is a mask with a key on two of three workers, one on all and one on a single
// worker: 6 observations, 6 actions.
var threeWorkers = policy.Mask{Workers: 3, Keys: [][]uint16{{0, 1}, {0, 1, 2}, {2}}}

// small is a configuration that updates quickly.
func small(a train.Algorithm) train.Config {
	c := train.Default()
	c.Algorithm, c.Hidden, c.Batch, c.CQL.Actions = a, []int{16, 16}, 16, 3
	return c
}

func fresh(t testing.TB, cfg train.Config, seed uint64) *Trainer {
	t.Helper()
	tr, err := New(cfg, policy.Observation{Mask: threeWorkers}, policy.DefaultP0, seed)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func trained(t testing.TB, tr *Trainer, src train.Source, updates int) (last train.Stats) {
	t.Helper()
	for range updates {
		var err error
		if last, err = tr.Update(src); err != nil {
			t.Fatal(err)
		}
	}
	return last
}

func state(t *testing.T, tr *Trainer) train.State {
	t.Helper()
	s, err := tr.State()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// same fails unless two states are equal bit for bit.
func same(t *testing.T, what string, a, b train.State) {
	t.Helper()
	if a.Updates != b.Updates || string(a.Generator) != string(b.Generator) {
		t.Errorf("%s: updates or generator differ", what)
	}
	for i := range a.Tensors {
		for j, v := range a.Tensors[i].Data {
			if math.Float32bits(v) != math.Float32bits(b.Tensors[i].Data[j]) {
				t.Fatalf("%s: %s[%d] is %v and %v", what, a.Tensors[i].Name, j, v, b.Tensors[i].Data[j])
			}
		}
	}
}

// each runs a test for every algorithm, with critics that know loads and without.
func each(t *testing.T, test func(t *testing.T, cfg train.Config)) {
	for _, row := range train.Algorithms() {
		for _, rate := range []float64{0, 5e-3} {
			t.Run(fmt.Sprintf("%s, loads_rate %v", row.Name, rate), func(t *testing.T) {
				cfg := small(row.Name)
				cfg.LoadsRate = rate
				test(t, cfg)
			})
		}
	}
}

// edgySource has ends of episodes, rewards beyond Huber's delta, actions at ±1, saturated
// workers, an idle job, and rows of unequal weight.
type edgySource struct{ learned []float32 }

func (e *edgySource) Learned(errors []float32) { e.learned = slices.Clone(errors) }

func (*edgySource) Sample(rng *rand.Rand, b *train.Batch) error {
	for _, v := range [][]float32{b.Obs, b.Act, b.Reward} {
		for i := range v {
			v[i] = 2*rng.Float32() - 1
		}
	}
	width := len(b.Next) / len(b.Reward)
	for i := range b.Next {
		b.Next[i] = rng.Float32()
	}
	for i := range b.Reward {
		b.Reward[i] *= 3
		b.Terminal[i], b.Weight[i] = float32(i%2), 0.3*float32(i%5)
		if i%2 == 0 {
			b.Next[i*width+width-1-i%3] = 2 // the busy ratios are the last three numbers
		}
	}
	clear(b.Next[width-3 : width])
	b.Act[0], b.Act[1] = -1, 1
	return nil
}

// TestEveryAlgorithmHasItsUpdate: the rows of train.Algorithms are those defined here.
func TestEveryAlgorithmHasItsUpdate(t *testing.T) {
	for _, row := range train.Algorithms() {
		if algorithms[row.Name].update == nil {
			t.Errorf("%s has no update", row.Name)
		}
	}
	if len(algorithms) != len(train.Algorithms()) {
		t.Errorf("%d updates for %d algorithms", len(algorithms), len(train.Algorithms()))
	}
}

func TestResumeIsExact(t *testing.T) {
	each(t, func(t *testing.T, cfg train.Config) {
		cfg.CloneUpdates = 12 // the change from cloning to improving comes after the break
		whole := fresh(t, cfg, 5)
		trained(t, whole, &edgySource{}, 21)

		first := fresh(t, cfg, 5)
		trained(t, first, &edgySource{}, 11)
		saved := state(t, first)
		trained(t, first, &edgySource{}, 3) // a copy was saved: going on must not change it

		cfg.Threads = 2
		resumed := fresh(t, cfg, 99) // everything that the seed made is replaced
		if err := resumed.Restore(saved); err != nil {
			t.Fatal(err)
		}
		trained(t, resumed, &edgySource{}, 10)
		same(t, "resumed", state(t, whole), state(t, resumed))
	})
}

// TestThreadsDoNotMatter: tasks are the same however many threads take them.
func TestThreadsDoNotMatter(t *testing.T) {
	each(t, func(t *testing.T, cfg train.Config) {
		cfg.Batch, cfg.Hidden = 300, []int{64, 64}
		var states []train.State
		for _, threads := range []int{1, 3} {
			cfg.Threads = threads
			tr := fresh(t, cfg, 3)
			trained(t, tr, &edgySource{}, 3)
			states = append(states, state(t, tr))
		}
		same(t, "three threads", states[0], states[1])
	})
}

// TestNothingLeaks: an update leaves no tensor, and a tape for each shape of pass.
func TestNothingLeaks(t *testing.T) {
	each(t, func(t *testing.T, cfg train.Config) {
		tr := fresh(t, cfg, 1)
		for range 3 {
			trained(t, tr, &edgySource{}, 1)
			if live := tr.s.Live(); live != 0 {
				t.Fatalf("%d tensors are left", live)
			}
		}
		if _, err := tr.Update(failing{}); err == nil || tr.s.Live() != 0 {
			t.Errorf("error %v, %d tensors are left", err, tr.s.Live())
		}
	})
}

func TestSeedMatters(t *testing.T) {
	a, b := fresh(t, small(train.SACN), 1), fresh(t, small(train.SACN), 2)
	if slices.Equal(a.actor.W, b.actor.W) || slices.Equal(a.critic.W, b.critic.W) {
		t.Error("two seeds, the same networks")
	}
}

type failing struct{}

func (failing) Sample(*rand.Rand, *train.Batch) error { return errors.New("trace.arrow: truncated") }

// poisoned has one value that is not finite.
type poisoned struct {
	where func(b *train.Batch) []float32
	value float64
}

func (p poisoned) Sample(rng *rand.Rand, b *train.Batch) error {
	err := (&edgySource{}).Sample(rng, b)
	p.where(b)[2] = float32(p.value)
	return err
}

func TestBadBatches(t *testing.T) {
	reward, obs := func(b *train.Batch) []float32 { return b.Reward }, func(b *train.Batch) []float32 { return b.Obs }
	for _, c := range []struct {
		why       string
		algorithm train.Algorithm
		src       train.Source
		want      string
	}{
		{"the source fails", train.SACN, failing{}, "update 4: sample a batch: trace.arrow: truncated"},
		{"a reward is NaN", train.SACN, poisoned{reward, math.NaN()}, "update 4: the critics' loss is NaN"},
		{"an observation is NaN", train.CQL, poisoned{obs, math.NaN()}, "update 4: the critics' loss is NaN"},
		{"an observation is infinite", train.BC, poisoned{obs, math.Inf(1)}, "update 4: the policy's"},
		{"a reward is infinite, which Huber's slope hides", train.SACN, poisoned{reward, math.Inf(-1)}, "update 4: the critics' loss is +Inf"},
		{"V meets it first", train.IQL, poisoned{obs, math.NaN()}, "update 4: the value's loss is NaN"},
		{"in TD3+BC", train.TD3BC, poisoned{reward, math.NaN()}, "update 4: the critics' loss is NaN"},
		{"in EDAC", train.EDAC, poisoned{obs, math.NaN()}, "update 4: the critics' loss is NaN"},
	} {
		t.Run(c.why, func(t *testing.T) {
			tr := fresh(t, small(c.algorithm), 1)
			trained(t, tr, &edgySource{}, 3)
			before := state(t, tr)
			_, err := tr.Update(c.src)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error is %v, want %q", err, c.want)
			}
			after := state(t, tr)
			after.Generator = before.Generator // drawing the batch has used it
			same(t, "after the error", before, after)
		})
	}
}

func TestRestoreRefusesOtherNetworks(t *testing.T) {
	good := state(t, fresh(t, small(train.SACN), 1))
	wide, known := small(train.SACN), small(train.SACN)
	wide.Hidden, known.LoadsRate = []int{16, 8}, 1e-3
	for _, c := range []struct {
		why  string
		cfg  train.Config
		edit func(*train.State)
		want string
	}{
		{"other widths", wide, func(*train.State) {}, "actor.1.weight [1 16 16] in the state and actor.1.weight [1 16 8] here"},
		{"critics that know loads", known, func(*train.State) {}, "the state has"},
		{"an algorithm with another network", small(train.IQL), func(*train.State) {}, "the state has"},
		{"a layer missing", small(train.SACN), func(s *train.State) { s.Tensors = s.Tensors[1:] }, "the state has"},
		{"short data", small(train.SACN), func(s *train.State) { s.Tensors[2].Data = s.Tensors[2].Data[:5] }, "tensor 2"},
		{"a broken generator", small(train.SACN), func(s *train.State) { s.Generator = []byte("pcg") }, "random generator"},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := good
			s.Tensors = slices.Clone(good.Tensors)
			c.edit(&s)
			tr := fresh(t, c.cfg, 2)
			before := state(t, tr)
			if err := tr.Restore(s); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error is %v, want %q", err, c.want)
			}
			same(t, "after the refusal", before, state(t, tr))
		})
	}
}

func TestNewRefuses(t *testing.T) {
	bad := train.Default()
	bad.Critics = 0
	if _, err := New(bad, policy.Observation{Mask: threeWorkers}, 0.6, 1); err == nil || !strings.Contains(err.Error(), "critics: is 0") {
		t.Errorf("no critics: %v", err)
	}
	if _, err := New(train.Default(), policy.Observation{Mask: policy.Mask{Workers: 2}}, 0.6, 1); err == nil {
		t.Error("no action: no error")
	}
}

// TestActs: the policy's pass in plain Go, which acts and serves, equals the training pass, and
// sees its parameters without a copy.
func TestActs(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	for _, hidden := range [][]int{{256, 256}, {7}, {33, 5, 64}} {
		for _, d := range []train.Dims{{Obs: 16, Act: 17}, {Obs: 128, Act: 73}, {Obs: 2, Act: 1}} {
			c := train.Default()
			c.Hidden = hidden
			tr, err := newTrainer(c, d, rng.Uint64())
			if err != nil {
				t.Fatal(err)
			}
			for i := range tr.actor.W {
				tr.actor.W[i] *= 4 * rng.Float32() // larger than at the start, so that tanh matters
			}
			plain, err := network.NewMLP(tr.Policy(), d.Obs, d.Act)
			if err != nil {
				t.Fatal(err)
			}
			act, served := make([]float32, d.Act), make([]float32, d.Act)
			for range 5 {
				obs := naive.Random(rng, d.Obs)
				want := tr.policy(tr.s.Data(obs, 1, d.Obs)).mean.Tanh()
				tr.Act(obs, act, false)
				plain.Forward(obs, served)
				naive.Near(t, "action", act, naive.Wide(want.Floats()), 1e-5)
				naive.Near(t, "action served", served, naive.Wide(want.Floats()), 1e-5)
				tr.Act(obs, served, true)
				if slices.Equal(act, served) {
					t.Error("exploring took the most likely action")
				}
			}
			tr.s.Free()
		}
	}
}
