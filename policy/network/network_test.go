package network_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/saspart/saspart/policy/filter"
	"github.com/saspart/saspart/policy/internal/toy"
	"github.com/saspart/saspart/policy/network"
)

// The naive twins: the same mathematics one number at a time, in float64, with the
// weights as they are in the tensors.

// naiveGRU is one worker's step; mean is the mean of all workers' memories.
func naiveGRU(tensors []network.Tensor, x, h, mean []float64) (next, action []float64) {
	sigmoid := func(v float64) float64 { return 1 / (1 + math.Exp(-v)) }
	units := len(h)
	i, m := toy.NaiveDense(x, tensors[0], tensors[1]), toy.NaiveDense(h, tensors[2], tensors[3])
	if len(tensors) > 6 {
		for j := range i {
			for u, v := range mean {
				i[j] += v * float64(tensors[6].Data[u*3*units+j])
			}
		}
	}
	for u := range units {
		r, z := sigmoid(i[u]+m[u]), sigmoid(i[units+u]+m[units+u])
		n := math.Tanh(i[2*units+u] + r*m[2*units+u])
		next = append(next, (1-z)*n+z*h[u])
	}
	out := toy.NaiveDense(next, tensors[4], tensors[5])
	for _, v := range out[:len(out)/2] {
		action = append(action, math.Tanh(v))
	}
	return next, action
}

func wide(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

// far is the largest distance between numbers.
func far(a []float32, b []float64) float64 {
	d := 0.0
	for i := range a {
		d = max(d, math.Abs(float64(a[i])-b[i]))
	}
	return d
}

func TestMLPEqualsNaiveTwin(t *testing.T) {
	for _, c := range []struct {
		why      string
		obs, act int
		hidden   []int
	}{
		{"the published system's at 8 workers", 16, 17, []int{256, 256}},
		{"the published system's at 64 workers", 128, 73, []int{256, 256}},
		{"layers wider than two panels, and of odd widths", 3, 1, []int{257, 129, 400}},
		{"as small as it gets", 1, 1, []int{1}},
	} {
		rng := rand.New(rand.NewPCG(7, uint64(c.obs)))
		tensors := toy.MLPTensors(rng, c.obs, c.act, c.hidden...)
		n, err := network.NewMLP(tensors, c.obs, c.act)
		if err != nil {
			t.Fatalf("%s: %v", c.why, err)
		}
		got := make([]float32, c.act)
		for range 3 {
			x := toy.Normals(rng, c.obs)
			n.Forward(x, got)
			if d := far(got, toy.NaiveMLP(tensors, wide(x))); d > 5e-6 {
				t.Errorf("%s: it is %g from the naive twin", c.why, d)
			}
		}
	}
}

// Fifty windows on, the memory still has what the naive twin has.
func TestGRUEqualsNaiveTwin(t *testing.T) {
	for _, c := range []struct {
		why                             string
		workers, inputs, units, actions int
		pool                            bool
	}{
		{"the first version's at 8 workers", 8, 9, 32, filter.Actions(false), false},
		{"a whole tile", 64, 12, 32, filter.Actions(true), false},
		{"tiles with a rest", 200, 12, 32, filter.Actions(true), false},
		{"gates of more than two panels", 3, 5, 100, filter.Actions(false), false},
		{"as small as it gets", 1, 1, 1, filter.Actions(false), false},
		{"pooled memories", 8, 9, 32, filter.Actions(false), true},
		{"pooled over tiles with a rest, before any of them continues", 130, 12, 32, filter.Actions(true), true},
		{"a pool of one", 1, 2, 100, filter.Actions(true), true},
	} {
		rng := rand.New(rand.NewPCG(8, uint64(c.workers)))
		tensors := toy.GRUTensors(rng, c.inputs, c.units, c.actions, c.pool)
		n, err := network.NewGRU(tensors, c.inputs, c.units, c.actions, c.pool)
		if err != nil {
			t.Fatalf("%s: %v", c.why, err)
		}
		memory, action := make([]float32, c.workers*c.units), make([]float32, c.actions*c.workers)
		naive := make([]float64, len(memory))
		for step := range 50 {
			x := toy.Normals(rng, c.workers*c.inputs)
			n.Forward(x, memory, action)
			var want []float64
			mean := make([]float64, c.units)
			for i, v := range naive {
				mean[i%c.units] += v / float64(c.workers)
			}
			for w := range c.workers {
				h := naive[w*c.units : (w+1)*c.units]
				next, a := naiveGRU(tensors, wide(x[w*c.inputs:(w+1)*c.inputs]), h, mean)
				copy(h, next)
				want = append(want, a...)
			}
			if d := max(far(action, want), far(memory, naive)); d > 5e-6 {
				t.Fatalf("%s: at step %d it is %g from the naive twin", c.why, step, d)
			}
		}
	}
}

func TestNetworksRefuse(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, c := range []struct {
		why, says string
		change    func(mlp, gru []network.Tensor) ([]network.Tensor, []network.Tensor)
	}{
		{"a missing tensor", "missing", func(m, g []network.Tensor) ([]network.Tensor, []network.Tensor) {
			m[0].Name, g[0].Name = "x", "x"
			return m, g
		}},
		{"a transposed weight", "shape", func(m, g []network.Tensor) ([]network.Tensor, []network.Tensor) {
			m[0].Shape, g[0].Shape = []int{1, 8, 4}, []int{18, 9}
			return m, g
		}},
		{"fewer numbers than the shape says", "has", func(m, g []network.Tensor) ([]network.Tensor, []network.Tensor) {
			m[2].Data, g[2].Data = m[2].Data[1:], g[2].Data[1:]
			return m, g
		}},
		{"a number that is none", "NaN", func(m, g []network.Tensor) ([]network.Tensor, []network.Tensor) {
			m[1].Data[2], g[1].Data[2] = float32(math.NaN()), float32(math.NaN())
			return m, g
		}},
		{"an infinite number", "-Inf", func(m, g []network.Tensor) ([]network.Tensor, []network.Tensor) {
			m[3].Data[0], g[3].Data[0] = float32(math.Inf(-1)), float32(math.Inf(-1))
			return m, g
		}},
		{"tensors that do not pair", "tensors", func(m, g []network.Tensor) ([]network.Tensor, []network.Tensor) { return m[:3], append(g, m[0]) }},
		{"none", "tensors", func(_, g []network.Tensor) ([]network.Tensor, []network.Tensor) { return nil, append(g, g[0]) }},
	} {
		m, g := c.change(toy.MLPTensors(rng, 4, 3, 8), toy.GRUTensors(rng, 9, 6, filter.Actions(false), false))
		if _, err := network.NewMLP(m, 4, 3); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: the shares network says %v", c.why, err)
		}
		if _, err := network.NewGRU(g, 9, 6, filter.Actions(false), false); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: the capacity network says %v", c.why, err)
		}
	}
}

// A network pools memories exactly if it is said to.
func TestPoolIsAsSaid(t *testing.T) {
	for _, c := range []struct {
		why        string
		has, wants bool
		says       string
	}{
		{"a pool that is not used", true, false, "7 tensors"},
		{"a pool that is not there", false, true, "gru.pool.weight is missing"},
	} {
		tensors := toy.GRUTensors(rand.New(rand.NewPCG(1, 1)), 9, 6, filter.Actions(false), c.has)
		if _, err := network.NewGRU(tensors, 9, 6, filter.Actions(false), c.wants); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: it says %v", c.why, err)
		}
	}
}

// A decision allocates nothing, at any size.
func TestForwardAllocatesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	n, err := network.NewMLP(toy.MLPTensors(rng, 128, 73, 256, 256), 128, 73)
	if err != nil {
		t.Fatal(err)
	}
	x, a := toy.Normals(rng, 128), make([]float32, 73)
	if got := testing.AllocsPerRun(10, func() { n.Forward(x, a) }); got != 0 {
		t.Errorf("the shares network allocates %v times", got)
	}
	g, err := network.NewGRU(toy.GRUTensors(rng, 9, 128, filter.Actions(false), true), 9, 128, filter.Actions(false), true)
	if err != nil {
		t.Fatal(err)
	}
	x, h, a := toy.Normals(rng, 200*9), make([]float32, 200*128), make([]float32, 400)
	if got := testing.AllocsPerRun(10, func() { g.Forward(x, h, a) }); got != 0 {
		t.Errorf("the capacity network allocates %v times", got)
	}
}

func BenchmarkSharesForward(b *testing.B) {
	for _, c := range []struct{ workers, pairs int }{{8, 17}, {64, 73}} {
		b.Run(fmt.Sprintf("P=%d", c.workers), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 1))
			n, err := network.NewMLP(toy.MLPTensors(rng, 2*c.workers, c.pairs, 256, 256), 2*c.workers, c.pairs)
			if err != nil {
				b.Fatal(err)
			}
			x, a := toy.Normals(rng, 2*c.workers), make([]float32, c.pairs)
			b.ReportAllocs()
			for b.Loop() {
				n.Forward(x, a)
			}
		})
	}
}
