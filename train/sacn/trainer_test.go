//go:build torch

package sacn

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/saspart/saspart/policy/network"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/naive"
	"github.com/saspart/saspart/train/internal/nn"
)

// small is a configuration that updates quickly.
func small(algorithm train.Algorithm) train.Config {
	c := train.Default()
	c.Algorithm, c.Hidden, c.Batch, c.CQL.Actions = algorithm, []int{16, 16}, 16, 3
	return c
}

func trained(t *testing.T, tr *Trainer, src train.Source, updates int) train.Stats {
	t.Helper()
	var last train.Stats
	for range updates {
		s, err := tr.Update(src)
		if err != nil {
			t.Fatal(err)
		}
		last = s
	}
	return last
}

func fresh(t *testing.T, cfg train.Config, d train.Dims, seed uint64) *Trainer {
	t.Helper()
	tr, err := New(cfg, d, seed)
	if err != nil {
		t.Fatal(err)
	}
	return tr
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

func TestResumeIsExact(t *testing.T) {
	for _, algorithm := range []train.Algorithm{train.SACN, train.SACNCQL, train.BC} {
		t.Run(string(algorithm), func(t *testing.T) {
			cfg := small(algorithm)
			cfg.CloneUpdates = 12 // the change from cloning to improving comes after the break
			d := train.Dims{Obs: 4, Act: 3}
			whole := fresh(t, cfg, d, 5)
			trained(t, whole, noiseSource{}, 20)

			first := fresh(t, cfg, d, 5)
			trained(t, first, noiseSource{}, 10)
			saved := state(t, first)
			trained(t, first, noiseSource{}, 3) // a copy was saved: going on must not change it

			resumed := fresh(t, cfg, d, 99) // everything that the seed made is replaced
			if err := resumed.Restore(saved); err != nil {
				t.Fatal(err)
			}
			trained(t, resumed, noiseSource{}, 10)
			same(t, "resumed", state(t, whole), state(t, resumed))
		})
	}
}

// TestThreadsDoNotMatter: tasks are the same however many threads take them.
func TestThreadsDoNotMatter(t *testing.T) {
	cfg := train.Default()
	cfg.Batch, cfg.CQL.Actions = 96, 5
	var states []train.State
	for _, threads := range []int{1, 2, 3} {
		cfg.Threads = threads
		tr := fresh(t, cfg, train.Dims{Obs: 16, Act: 17}, 3)
		trained(t, tr, noiseSource{}, 5)
		states = append(states, state(t, tr))
	}
	same(t, "two threads", states[0], states[1])
	same(t, "three threads", states[0], states[2])
}

func TestSeedMatters(t *testing.T) {
	a, b := fresh(t, small(train.SACN), train.Dims{Obs: 4, Act: 3}, 1), fresh(t, small(train.SACN), train.Dims{Obs: 4, Act: 3}, 2)
	if slices.Equal(a.actor.W, b.actor.W) || slices.Equal(a.critic.W, b.critic.W) {
		t.Error("two seeds, the same networks")
	}
}

// bandit has one window per episode: the reward is highest where the action is a
// function of the observation.
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

func TestLearns(t *testing.T) {
	anywhere := bandit{func(rng *rand.Rand, _ float64) float64 { return 2*rng.Float64() - 1 }}
	imitable := bandit{func(rng *rand.Rand, best float64) float64 { return best + 0.1*rng.NormFloat64() }}
	for _, c := range []struct {
		why       string
		algorithm train.Algorithm
		src       train.Source
		below     float64
	}{
		{"SAC-N finds the best action in data of random ones", train.SACN, anywhere, 0.1},
		{"so does CQL, whose data cover every action", train.SACNCQL, anywhere, 0.1},
		{"cloning copies a good behaviour", train.BC, imitable, 0.1},
	} {
		t.Run(c.why, func(t *testing.T) {
			cfg := train.Default()
			cfg.Algorithm, cfg.Hidden, cfg.Batch, cfg.CQL.Actions = c.algorithm, []int{32, 32}, 64, 4
			cfg.ActorRate, cfg.CriticRate = 3e-3, 3e-3
			tr := fresh(t, cfg, train.Dims{Obs: 2, Act: 2}, 1)
			before := miss(tr)
			trained(t, tr, c.src, 1500)
			if after := miss(tr); after > c.below || before < 0.2 {
				t.Errorf("misses by %v, want below %v; %v before", after, c.below, before)
			}
		})
	}
	t.Run("cloning random actions does not find the best", func(t *testing.T) {
		cfg := small(train.BC)
		cfg.ActorRate = 3e-3
		tr := fresh(t, cfg, train.Dims{Obs: 2, Act: 2}, 1)
		trained(t, tr, anywhere, 1000)
		if after := miss(tr); after < 0.2 {
			t.Errorf("misses by %v: a control run must not learn from rewards", after)
		}
	})
}

// TestCQLDoubtsWhatItHasNotSeen: data with small actions only; CQL must value large
// ones less than SAC-N alone does.
func TestCQLDoubtsWhatItHasNotSeen(t *testing.T) {
	narrow := bandit{func(rng *rand.Rand, _ float64) float64 { return 0.2 * (2*rng.Float64() - 1) }}
	value := func(weight float64) float64 {
		cfg := small(train.SACNCQL)
		cfg.CriticRate, cfg.CQL.Weight = 3e-3, weight
		tr := fresh(t, cfg, train.Dims{Obs: 2, Act: 2}, 1)
		trained(t, tr, narrow, 800)
		tp := tr.ensemble.Tape(1, 1)
		sum := 0.0
		for _, act := range [][]float32{{0.9, 0.9}, {-0.9, 0.9}, {0.9, -0.9}, {-0.9, -0.9}} {
			tp.Forward(&nn.Pool{Threads: 1}, tr.critic.W, []float32{0, 0}, act)
			sum += float64(tp.Y[0]+tp.Y[1]) / 8
		}
		return sum
	}
	with, without := value(1), value(0)
	if with > without-0.5 {
		t.Errorf("actions not in the data are valued %v with CQL and %v without", with, without)
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
	err := noiseSource{}.Sample(rng, b)
	p.where(b)[0] = float32(p.value)
	return err
}

func TestBadBatches(t *testing.T) {
	for _, c := range []struct {
		why       string
		algorithm train.Algorithm
		src       train.Source
		want      string
	}{
		{"the source fails", train.SACN, failing{}, "update 3: sample a batch: trace.arrow: truncated"},
		{"a reward is NaN", train.SACN, poisoned{func(b *train.Batch) []float32 { return b.Reward }, math.NaN()}, "update 3: the critics' loss is NaN"},
		{"an observation is NaN", train.SACNCQL, poisoned{func(b *train.Batch) []float32 { return b.Obs }, math.NaN()}, "update 3: the critics' loss is NaN"},
		{"an observation is infinite", train.BC, poisoned{func(b *train.Batch) []float32 { return b.Obs }, math.Inf(1)}, "update 3: the policy's gradient has a norm of"},
		{"a reward is infinite, which Huber's slope hides", train.SACN, poisoned{func(b *train.Batch) []float32 { return b.Reward }, math.Inf(-1)}, "update 3: the critics' loss is +Inf"},
		{"an observation is NaN for cloning", train.BC, poisoned{func(b *train.Batch) []float32 { return b.Obs }, math.NaN()}, "update 3: the policy's gradient has a norm of NaN"},
	} {
		t.Run(c.why, func(t *testing.T) {
			tr := fresh(t, small(c.algorithm), train.Dims{Obs: 4, Act: 3}, 1)
			trained(t, tr, noiseSource{}, 2)
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
	good := state(t, fresh(t, small(train.SACN), train.Dims{Obs: 4, Act: 3}, 1))
	other := small(train.SACN)
	other.Hidden = []int{16, 8}
	for _, c := range []struct {
		why  string
		cfg  train.Config
		dims train.Dims
		edit func(*train.State)
		want string
	}{
		{"other widths", other, train.Dims{Obs: 4, Act: 3}, func(*train.State) {}, "actor.1.weight [1 16 16] in the state and actor.1.weight [1 16 8] here"},
		{"other workers", small(train.SACN), train.Dims{Obs: 8, Act: 3}, func(*train.State) {}, "tensor 0 is actor.0.weight"},
		{"a layer missing", small(train.SACN), train.Dims{Obs: 4, Act: 3}, func(s *train.State) { s.Tensors = s.Tensors[1:] }, "the state has"},
		{"short data", small(train.SACN), train.Dims{Obs: 4, Act: 3}, func(s *train.State) { s.Tensors[2].Data = s.Tensors[2].Data[:5] }, "tensor 2"},
		{"a broken generator", small(train.SACN), train.Dims{Obs: 4, Act: 3}, func(s *train.State) { s.Generator = []byte("pcg") }, "random generator"},
	} {
		t.Run(c.why, func(t *testing.T) {
			s := good
			s.Tensors = slices.Clone(good.Tensors)
			c.edit(&s)
			tr := fresh(t, c.cfg, c.dims, 2)
			before := state(t, tr)
			err := tr.Restore(s)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error is %v, want %q", err, c.want)
			}
			same(t, "after the refusal", before, state(t, tr))
		})
	}
}

func TestNewRefuses(t *testing.T) {
	bad := train.Default()
	bad.Critics = 0
	if _, err := New(bad, train.Dims{Obs: 4, Act: 3}, 1); err == nil || !strings.Contains(err.Error(), "critics: is 0") {
		t.Errorf("no critics: %v", err)
	}
	if _, err := New(train.Default(), train.Dims{Obs: 0, Act: 3}, 1); err == nil {
		t.Error("no observation: no error")
	}
}

// TestPolicyIsComplete computes an action from the exported tensors alone.
func TestPolicyIsComplete(t *testing.T) {
	tr := fresh(t, small(train.SACN), train.Dims{Obs: 4, Act: 3}, 1)
	x := naive.Random(rand.New(rand.NewPCG(2, 2)), 4)
	act := make([]float32, 3)
	tr.Act(x, act, false)
	y := naive.Wide(x)
	layers := tr.Policy()
	for i := 0; i < len(layers); i += 2 {
		if want := fmt.Sprintf("%d.weight", i/2); layers[i].Name != want {
			t.Fatalf("tensor %d is %s, want %s", i, layers[i].Name, want)
		}
		out := layers[i].Shape[2]
		next := naive.Wide(layers[i+1].Data)
		for j := range next {
			for k, v := range y {
				next[j] += v * float64(layers[i].Data[k*out+j])
			}
			if i+2 < len(layers) {
				next[j] = math.Tanh(next[j])
			}
		}
		y = next
	}
	for j, a := range act {
		naive.CloseTo(t, "action", float64(a), math.Tanh(y[j]), 1e-5)
	}
	explored := make([]float32, 3)
	tr.Act(x, explored, true)
	if slices.Equal(act, explored) {
		t.Error("exploring took the most likely action")
	}
}

// TestForwardWithoutTorch: the policy's pass in plain Go, which serves, equals the one
// that trains.
func TestForwardWithoutTorch(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	for _, hidden := range [][]int{{256, 256}, {7}, {33, 5, 64}} {
		for _, d := range []train.Dims{{Obs: 16, Act: 17}, {Obs: 128, Act: 73}, {Obs: 2, Act: 1}} {
			c := train.Default()
			c.Hidden = hidden
			tr := fresh(t, c, d, rng.Uint64())
			for i := range tr.actor.W {
				tr.actor.W[i] *= 4 * rng.Float32() // larger than at the start, so that tanh matters
			}
			var tensors []network.Tensor
			for _, x := range tr.Policy() {
				tensors = append(tensors, network.Tensor(x))
			}
			plain, err := network.NewMLP(tensors, d.Obs, d.Act)
			if err != nil {
				t.Fatal(err)
			}
			want, got := make([]float32, d.Act), make([]float32, d.Act)
			for range 20 {
				obs := naive.Random(rng, d.Obs)
				tr.Act(obs, want, false)
				plain.Forward(obs, got)
				for i := range want {
					if diff := math.Abs(float64(want[i] - got[i])); !(diff <= 1e-5) {
						t.Fatalf("hidden %v, %v: action %d is %v, with libtorch %v", hidden, d, i, got[i], want[i])
					}
				}
			}
		}
	}
}

// resident is the process's memory in bytes.
func resident(t *testing.T) int {
	t.Helper()
	debug.FreeOSMemory()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("needs /proc: ", err)
	}
	var total, pages int
	if _, err := fmt.Sscan(string(data), &total, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// TestMemoryIsFlat: a tensor forgotten per update would be some 200 bytes of it.
func TestMemoryIsFlat(t *testing.T) {
	if testing.Short() {
		t.Skip("20,000 updates")
	}
	cfg := small(train.SACNCQL)
	cfg.Batch, cfg.Hidden = 4, []int{8, 8}
	tr := fresh(t, cfg, train.Dims{Obs: 3, Act: 2}, 1)
	trained(t, tr, noiseSource{}, 4000)
	before := resident(t)
	trained(t, tr, noiseSource{}, 20000)
	grown := resident(t) - before
	t.Logf("grown by %d KB in 20,000 updates", grown/1024)
	if grown > 2<<20 {
		t.Errorf("memory has grown by %d KB in 20,000 updates", grown/1024)
	}
	if !tr.scope.Empty() {
		t.Error("tensors are left after an update")
	}
}
