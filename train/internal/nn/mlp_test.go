//go:build torch

package nn

import (
	"math/rand/v2"
	"testing"

	torch "github.com/sugarme/gotch/libtch"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/train/internal/naive"
)

func dot(a []float32, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += float64(a[i]) * b[i]
	}
	return sum
}

// TestMLP compares both passes with the naive twin, for every shape: values one by
// one, gradients along a random direction by central differences.
func TestMLP(t *testing.T) {
	SingleThread()
	rapid.Check(t, func(rt *rapid.T) {
		n := &MLP{
			Members: rapid.IntRange(1, 3).Draw(rt, "members"),
			Shared:  rapid.IntRange(1, 4).Draw(rt, "shared"),
			Own:     rapid.IntRange(0, 3).Draw(rt, "own"),
			Widths:  rapid.SliceOfN(rapid.IntRange(1, 5), 2, 4).Draw(rt, "widths"),
		}
		rep := 1
		if n.Own > 0 {
			rep = rapid.IntRange(1, 4).Draw(rt, "rep")
		}
		states := rapid.SampledFrom([]int{1, 2, 7, 65, 300}).Draw(rt, "states") // below and above a task's share
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		p := NewParams(n.Layout())
		n.Init(p, rng)
		rows, out := states*rep, n.Widths[len(n.Widths)-1]
		obs, act, dy := naive.Random(rng, states*n.Shared), naive.Random(rng, rows*n.Own), naive.Random(rng, n.Members*rows*out)
		tp := n.Tape(states, rep)
		threads := &Pool{Threads: rapid.IntRange(1, 3).Draw(rt, "threads")}
		tp.Forward(threads, p.W, obs, act)
		tp.Backward(threads, p.W, dy, p.Grad, states, n.Own > 0)

		twin := func(w, act []float64) []float64 {
			var y []float64
			for m := range n.Members {
				for r := range rows {
					y = append(y, naive.Net(n.Members, n.Widths, w, m, naive.Join(naive.Row(naive.Wide(obs), r/rep, n.Shared), naive.Row(act, r, n.Own)))...)
				}
			}
			return y
		}
		w, a := naive.Wide(p.W), naive.Wide(act)
		naive.Near(t, "output", tp.Y, twin(w, a), 1e-5)

		const h = 1e-6
		along := func(v, dir []float64, sign float64) []float64 {
			at := append([]float64{}, v...)
			for i := range at {
				at[i] += sign * h * dir[i]
			}
			return at
		}
		dir := naive.Wide(naive.Random(rng, len(w)))
		slope := (dot(dy, twin(along(w, dir, 1), a)) - dot(dy, twin(along(w, dir, -1), a))) / (2 * h)
		naive.CloseTo(t, "slope along the parameters", dot(p.Grad, dir), slope, 1e-3)
		if n.Own > 0 {
			// The naive actions are shared by the members, so that their slope is the sum.
			dir := naive.Wide(naive.Random(rng, len(a)))
			slope := (dot(dy, twin(w, along(a, dir, 1))) - dot(dy, twin(w, along(a, dir, -1)))) / (2 * h)
			sum := 0.0
			for m := range n.Members {
				sum += dot(tp.DAct[m*len(a):(m+1)*len(a)], dir)
			}
			naive.CloseTo(t, "slope along the actions", sum, slope, 1e-3)
		}
	})
}

// TestEnsembleIsSeparateNetworks trains nothing: it takes the members apart.
func TestEnsembleIsSeparateNetworks(t *testing.T) {
	SingleThread()
	rng := rand.New(rand.NewPCG(1, 2))
	all := &MLP{Members: 5, Shared: 16, Own: 17, Widths: []int{64, 32, 1}}
	p := NewParams(all.Layout())
	all.Init(p, rng)
	const states, rep = 40, 3
	obs, act, dy := naive.Random(rng, states*16), naive.Random(rng, states*rep*17), naive.Random(rng, 5*states*rep)
	together := all.Tape(states, rep)
	together.Forward(&Pool{Threads: 1}, p.W, obs, act)
	together.Backward(&Pool{Threads: 1}, p.W, dy, p.Grad, states, true)

	one := &MLP{Members: 1, Shared: 16, Own: 17, Widths: all.Widths}
	for m := range all.Members {
		q := NewParams(one.Layout())
		for i, whole := range p.Layout {
			n := q.Layout[i].Len()
			copy(q.Layout[i].Data, whole.Data[m*n:(m+1)*n])
		}
		alone := one.Tape(states, rep)
		alone.Forward(&Pool{Threads: 1}, q.W, obs, act)
		alone.Backward(&Pool{Threads: 1}, q.W, dy[m*states*rep:(m+1)*states*rep], q.Grad, states, true)
		naive.Near(t, "output", alone.Y, naive.Wide(together.Y[m*states*rep:(m+1)*states*rep]), 1e-5)
		naive.Near(t, "gradient by actions", alone.DAct, naive.Wide(together.DAct[m*len(act):(m+1)*len(act)]), 1e-5)
		for i, whole := range all.Layout() {
			n := q.Layout[i].Len()
			_, at := whole, 0
			for _, before := range all.Layout()[:i] {
				at += before.Len()
			}
			mine := 0
			for _, before := range one.Layout()[:i] {
				mine += before.Len()
			}
			naive.Near(t, "gradient by "+whole.Name, q.Grad[mine:mine+n], naive.Wide(p.Grad[at+m*n:at+(m+1)*n]), 1e-4)
		}
	}
}

// TestMLPEqualsAutograd compares with libtorch's own passes at the reference's sizes.
func TestMLPEqualsAutograd(t *testing.T) {
	SingleThread()
	rng := rand.New(rand.NewPCG(3, 4))
	n := &MLP{Members: 2, Shared: 16, Own: 17, Widths: []int{256, 256, 1}}
	const states, rep = 128, 31
	p := NewParams(n.Layout())
	n.Init(p, rng)
	obs, act, dy := naive.Random(rng, states*16), naive.Random(rng, states*rep*17), naive.Random(rng, 2*states*rep)
	tp := n.Tape(states, rep)
	tp.Forward(&Pool{Threads: 2}, p.W, obs, act)
	tp.Backward(&Pool{Threads: 2}, p.W, dy, p.Grad, states, false)

	var s Scope
	defer s.Free()
	var leaves []Tensor
	var joined []float32 // [R,S+A]
	for r := range states * rep {
		joined = append(append(joined, obs[r/rep*16:r/rep*16+16]...), act[r*17:r*17+17]...)
	}
	x := s.expand(s.Data(joined, 1, states*rep, 33), 2, states*rep, 33)
	for i := 0; i < len(p.Layout); i += 2 {
		in, out := int64(p.Layout[i].Shape[1]), int64(p.Layout[i].Shape[2])
		w := leaf(&s, s.Data(p.Layout[i].Data, 2, in, out))
		b := leaf(&s, s.Data(p.Layout[i+1].Data, 2, 1, out))
		leaves = append(leaves, w, b)
		var y Tensor
		one := s.scalar(1)
		torch.AtgBaddbmm(&y, b, x, w, one, one)
		x = s.keep("baddbmm", y)
		if i+2 < len(p.Layout) {
			x = s.tanh(x)
		}
	}
	naive.Near(t, "output", tp.Y, naive.Wide(Floats(x)), 1e-5)
	loss := s.Sum(s.mul(x, s.Data(dy, 2, states*rep, 1)))
	got := 0
	for i, g := range grads(&s, loss, leaves) {
		want := naive.Wide(Floats(s.contiguous(g)))
		naive.Near(t, "gradient by "+p.Layout[i].Name, p.Grad[got:got+len(want)], want, 1e-4)
		got += len(want)
	}
}

// leaf is x as something to differentiate by.
func leaf(s *Scope, x Tensor) Tensor {
	var t Tensor
	torch.AtgSetRequiresGrad(&t, x, 1)
	return s.keep("leaf", t)
}

// grads differentiates loss with respect to leaves.
func grads(s *Scope, loss Tensor, leaves []Tensor) []Tensor {
	out := make([]Tensor, len(leaves))
	torch.AtRunBackward(&loss, 1, &leaves[0], len(leaves), &out[0], 0, 0)
	check("backward")
	s.tensors = append(s.tensors, out...)
	return out
}
