//go:build torch

package tensor

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/train/internal/naive"
	"github.com/saspart/saspart/train/internal/nn"
)

// TestOperations compares each operation's gradient with finite differences, and some values
// with ones worked out by hand.
func TestOperations(t *testing.T) {
	x := []float32{0.3, -0.4, 0.7, 1.2, -0.9, 0.1}
	weight := []float32{0.5, -1, 0.3, 0.9, 0.2, -0.6} // the loss weighs the results
	for _, c := range []struct {
		name string
		f    func(x Tensor) Tensor // of [2,3]
		want []float64             // nil: only the gradient is checked
	}{
		{"add, sub, mul and div", func(x Tensor) Tensor { return x.Add(x.Square()).Sub(x.Mul(x)).Div(x.Square().Shift(2)) }, nil},
		{"clamp has no slope outside", func(x Tensor) Tensor { return x.Clamp(-0.5, 0.9).Mul(x) }, nil},
		{"one-sided clamps", func(x Tensor) Tensor { return x.AtLeast(0).Add(x.AtMost(0.5)) }, []float64{0.6, -0.4, 1.2, 1.7, -0.9, 0.2}},
		{"larger", func(x Tensor) Tensor { return x.Larger(x.Square()) }, []float64{0.3, 0.16, 0.7, 1.44, 0.81, 0.1}},
		{"smaller", func(x Tensor) Tensor { return x.Smaller(x.Square()) }, []float64{0.09, -0.4, 0.49, 1.2, -0.9, 0.01}},
		{"exp, log, sqrt, tanh", func(x Tensor) Tensor { return x.Exp().Log().Tanh().Add(x.Square().Shift(1).Sqrt()) }, nil},
		{"atanh and softplus", func(x Tensor) Tensor { return x.Scale(0.5).Atanh().Add(x.Softplus()) }, nil},
		{"abs", Tensor.Abs, []float64{0.3, 0.4, 0.7, 1.2, 0.9, 0.1}},
		{"huber: quadratic to 0.5, then linear", func(x Tensor) Tensor { return x.Huber(x.Scale(0).Detach(), 0.5) }, []float64{0.045, 0.08, 0.225, 0.475, 0.325, 0.005}},
		{"above is a constant", func(x Tensor) Tensor { return x.Above(0).Mul(x) }, []float64{0.3, 0, 0.7, 1.2, 0, 0.1}},
		{"reductions", func(x Tensor) Tensor {
			return x.SumOver(1).Add(x.Least(1)).Add(x.Most(1)).Add(x.LogSumExp(1)).Add(x.Mean()).Add(x.Sum()).Add(x.SumAlong(0).Square().SumOver(-1))
		}, nil},
		{"sums", func(x Tensor) Tensor { return x.SumOver(-1) }, []float64{0.6, 0.4}},
		{"shapes", func(x Tensor) Tensor {
			return Cat(1, x.View(3, 2).Narrow(0, 1, 3), x.View(1, 6).Narrow(1, 0, 1).Expand(2, 1)).MatMul(x.View(3, 2))
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s Scope
			defer s.Free()
			loss := func(v []float32) (of, by, y Tensor) {
				by = s.Variable(v, 2, 3)
				y = c.f(by)
				n := size(y.Shape())
				return y.View(n).Mul(s.Data(weight[:n], n)).Sum(), by, y
			}
			of, by, y := loss(x)
			if c.want != nil {
				naive.Near(t, "value", y.Floats(), c.want, 1e-6)
			}
			got := Gradients(of, false, by)[0].Is(2, 3).Floats()
			const h = 1e-2
			want := make([]float64, len(x))
			for i := range x {
				v := append([]float32{}, x...)
				v[i] += h
				up, _, _ := loss(v)
				v[i] -= 2 * h
				down, _, _ := loss(v)
				want[i] = (up.Item() - down.Item()) / (2 * h)
			}
			naive.Near(t, "gradient", got, want, 2e-3)
		})
	}
}

// TestSecondDerivative: of the sum of x^3 squared, by hand.
func TestSecondDerivative(t *testing.T) {
	var s Scope
	defer s.Free()
	x := s.Variable([]float32{2, -1}, 2)
	slope := Gradients(x.Square().Mul(x), true, x)[0] // 3x^2
	naive.Near(t, "first", slope.Floats(), []float64{12, 3}, 1e-6)
	naive.Near(t, "of its square", Gradients(slope.Square(), false, x)[0].Floats(), []float64{288, -36}, 1e-6) // 36 x^3
	unused := s.Variable([]float32{1}, 1)
	naive.Near(t, "of what does not depend on it", Gradients(slope, false, unused)[0].Floats(), []float64{0}, 0)
}

// TestPassesEqualAutograd: values and gradients of passes through the kernels are those of
// libtorch's own operations, also where a network is called twice and where an action comes
// from another network.
func TestPassesEqualAutograd(t *testing.T) {
	nn.SingleThread()
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		rows, states, acts := rapid.SampledFrom([]int{1, 3, 70}).Draw(rt, "rows"), rapid.IntRange(1, 4).Draw(rt, "states"), rapid.IntRange(1, 3).Draw(rt, "actions")
		members, each := rapid.IntRange(1, 3).Draw(rt, "members"), rapid.IntRange(1, 3).Draw(rt, "each")
		hidden := rapid.SliceOfN(rapid.IntRange(1, 6), 1, 3).Draw(rt, "hidden")
		pool := &nn.Pool{Threads: rapid.IntRange(1, 2).Draw(rt, "threads")}
		make := func(members, own, out int) *Network {
			return NewNetwork(nn.MLP{Members: members, Shared: states, Own: own, Widths: append(append([]int{}, hidden...), out)}, pool, rng)
		}
		actor, critic := make(1, 0, acts), make(members, acts, 1)
		var s Scope
		defer s.Free()
		obs, data := s.Data(naive.Random(rng, rows*states), rows, states), s.Data(naive.Random(rng, rows*each*acts), rows, each, acts)
		weight := s.Data(naive.Random(rng, members*rows*each), members, rows, each)

		own := actor.Forward(obs).View(rows, acts).Tanh()
		first := critic.Forward(obs, data).View(members, rows, each)
		second := critic.Forward(obs, own).View(members, rows)
		loss := first.Mul(weight).Sum().Add(second.Square().Sum())

		// The same on autograd: the actions of a state one after the other.
		leaves := []Tensor{}
		for _, p := range actor.Layout {
			leaves = append(leaves, s.Variable(p.Data, p.Shape...))
		}
		x := obs.View(1, rows, states)
		for l := range actor.MLP.Widths {
			if l > 0 {
				x = x.Tanh()
			}
			x = x.MatMul(leaves[2*l]).Add(leaves[2*l+1].View(1, 1, -1))
		}
		twinOwn := x.View(rows, acts).Tanh()
		var columns []Tensor
		for k := range each {
			columns = append(columns, critic.Differentiable(obs, data.Narrow(1, k, k+1).View(1, rows, acts).Expand(members, rows, acts)))
		}
		twinFirst := Cat(2, columns...)
		twinSecond := critic.Differentiable(obs, twinOwn.View(1, rows, acts).Expand(members, rows, acts)).View(members, rows)
		twin := twinFirst.Mul(weight).Sum().Add(twinSecond.Square().Sum())
		naive.Near(t, "first", first.Floats(), naive.Wide(twinFirst.Floats()), 1e-5)
		naive.Near(t, "second", second.Floats(), naive.Wide(twinSecond.Floats()), 1e-5)

		var want []float64
		for _, g := range Gradients(twin, false, leaves...) {
			want = append(want, naive.Wide(g.Floats())...)
		}
		actor.Gradient(loss)
		naive.Near(t, "gradient by the actor", actor.Grad, want, 1e-4)
		critic.Gradient(twin)
		want = naive.Wide(critic.Grad)
		for i := range want {
			want[i] *= 2
		}
		critic.Gradient(loss.Add(twin)) // passes of both kinds add up
		naive.Near(t, "gradient by the critics", critic.Grad, want, 1e-4)
	})
}

// TestConstants: passes in NoGrad, and those of target parameters, have no gradient.
func TestConstants(t *testing.T) {
	n := NewNetwork(nn.MLP{Members: 2, Shared: 2, Widths: []int{3, 1}}, &nn.Pool{Threads: 1}, rand.New(rand.NewPCG(1, 1)))
	n.Track()
	var s Scope
	defer s.Free()
	obs := s.Data([]float32{1, 2}, 1, 2)
	var y Tensor
	s.NoGrad(func() { y = n.Forward(obs) })
	n.Grad[0] = 7
	n.Gradient(y.Add(n.Target(obs)).Sum())
	naive.Near(t, "gradient", n.Grad, make([]float64, len(n.Grad)), 0)
	naive.Near(t, "target", n.Target(obs).Floats(), naive.Wide(y.Floats()), 0)
	x := s.Variable([]float32{3}, 1)
	naive.Near(t, "gradient of x times a constant of its value", Gradients(x.Detach().Mul(x), false, x)[0].Floats(), []float64{3}, 0)
	n.W[0]++
	n.Follow(0.25)
	naive.CloseTo(t, "a parameter that follows", float64(n.W[0]-n.Slow[0]), 0.75, 1e-6)
}

// TestScopeOwns: everything is freed, tapes are used again, and errors are returned in a line.
func TestScopeOwns(t *testing.T) {
	n := NewNetwork(nn.MLP{Members: 1, Shared: 2, Widths: []int{3, 1}}, &nn.Pool{Threads: 1}, rand.New(rand.NewPCG(1, 1)))
	var s Scope
	for range 3 {
		obs := s.Data([]float32{1, 2}, 1, 2)
		n.Gradient(n.Forward(obs).Add(n.Differentiable(obs, s.Data([]float32{0}, 1, 1, 1).Narrow(2, 0, 0))).Sum())
		if s.Live() == 0 {
			t.Fatal("nothing is alive")
		}
		if s.Free(); s.Live() != 0 {
			t.Fatalf("%d tensors are left", s.Live())
		}
	}
	if len(n.tapes[[2]int{1, 1}]) != 1 {
		t.Errorf("%d tapes for passes of one shape", len(n.tapes[[2]int{1, 1}]))
	}
	for _, c := range []struct {
		why  string
		f    func()
		want string
	}{
		{"libtorch refuses", func() { s.Data([]float32{1, 2}, 2).Add(s.Data([]float32{1, 2, 3}, 3)) }, "libtorch: add: The size of tensor a (2) must match"},
		{"another shape than promised", func() { s.Data([]float32{1, 2}, 2).Is(1, 2) }, "has the shape [2], where [1 2] belongs"},
		{"numbers for another shape", func() { s.Data([]float32{1, 2}, 3) }, "2 values for shape [3]"},
		{"an error of the caller", func() { Check(errors.New("no")) }, "no"},
	} {
		err := func() (err error) {
			defer func() { Catch(&err, recover()) }()
			c.f()
			return nil
		}()
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", c.why, err)
		}
	}
	s.Free()
	if math.IsNaN(s.Data([]float32{1}, 1).Item()) {
		t.Error("the scope is of no use after an error")
	}
	s.Free()
}
