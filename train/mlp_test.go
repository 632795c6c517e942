//go:build torch

package train

import (
	"math/rand/v2"
	"testing"

	torch "github.com/sugarme/gotch/libtch"
	"pgregory.net/rapid"
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
	singleThread()
	rapid.Check(t, func(rt *rapid.T) {
		n := &mlp{
			members: rapid.IntRange(1, 3).Draw(rt, "members"),
			shared:  rapid.IntRange(1, 4).Draw(rt, "shared"),
			own:     rapid.IntRange(0, 3).Draw(rt, "own"),
			widths:  rapid.SliceOfN(rapid.IntRange(1, 5), 2, 4).Draw(rt, "widths"),
		}
		rep := 1
		if n.own > 0 {
			rep = rapid.IntRange(1, 4).Draw(rt, "rep")
		}
		states := rapid.SampledFrom([]int{1, 2, 7, 65, 300}).Draw(rt, "states") // below and above a task's share
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		p := newParams(n.layout())
		n.init(p, rng)
		rows, out := states*rep, n.widths[len(n.widths)-1]
		obs, act, dy := random(rng, states*n.shared), random(rng, rows*n.own), random(rng, n.members*rows*out)
		tp := n.tape(states, rep)
		threads := &pool{threads: rapid.IntRange(1, 3).Draw(rt, "threads")}
		tp.forward(threads, p.w, obs, act)
		tp.backward(threads, p.w, dy, p.grad, states, n.own > 0)

		twin := func(w, act []float64) []float64 {
			var y []float64
			for m := range n.members {
				for r := range rows {
					y = append(y, naiveNet(n.members, n.widths, w, m, join(row(wide(obs), r/rep, n.shared), row(act, r, n.own)))...)
				}
			}
			return y
		}
		w, a := wide(p.w), wide(act)
		near(t, "output", tp.y, twin(w, a), 1e-5)

		const h = 1e-6
		along := func(v, dir []float64, sign float64) []float64 {
			at := append([]float64{}, v...)
			for i := range at {
				at[i] += sign * h * dir[i]
			}
			return at
		}
		dir := wide(random(rng, len(w)))
		slope := (dot(dy, twin(along(w, dir, 1), a)) - dot(dy, twin(along(w, dir, -1), a))) / (2 * h)
		closeTo(t, "slope along the parameters", dot(p.grad, dir), slope, 1e-3)
		if n.own > 0 {
			// The naive actions are shared by the members, so that their slope is the sum.
			dir := wide(random(rng, len(a)))
			slope := (dot(dy, twin(w, along(a, dir, 1))) - dot(dy, twin(w, along(a, dir, -1)))) / (2 * h)
			sum := 0.0
			for m := range n.members {
				sum += dot(tp.dact[m*len(a):(m+1)*len(a)], dir)
			}
			closeTo(t, "slope along the actions", sum, slope, 1e-3)
		}
	})
}

// TestEnsembleIsSeparateNetworks trains nothing: it takes the members apart.
func TestEnsembleIsSeparateNetworks(t *testing.T) {
	singleThread()
	rng := rand.New(rand.NewPCG(1, 2))
	all := &mlp{members: 5, shared: 16, own: 17, widths: []int{64, 32, 1}}
	p := newParams(all.layout())
	all.init(p, rng)
	const states, rep = 40, 3
	obs, act, dy := random(rng, states*16), random(rng, states*rep*17), random(rng, 5*states*rep)
	together := all.tape(states, rep)
	together.forward(&pool{threads: 1}, p.w, obs, act)
	together.backward(&pool{threads: 1}, p.w, dy, p.grad, states, true)

	one := &mlp{members: 1, shared: 16, own: 17, widths: all.widths}
	for m := range all.members {
		q := newParams(one.layout())
		for i, whole := range p.layout {
			n := q.layout[i].Len()
			copy(q.layout[i].Data, whole.Data[m*n:(m+1)*n])
		}
		alone := one.tape(states, rep)
		alone.forward(&pool{threads: 1}, q.w, obs, act)
		alone.backward(&pool{threads: 1}, q.w, dy[m*states*rep:(m+1)*states*rep], q.grad, states, true)
		near(t, "output", alone.y, wide(together.y[m*states*rep:(m+1)*states*rep]), 1e-5)
		near(t, "gradient by actions", alone.dact, wide(together.dact[m*len(act):(m+1)*len(act)]), 1e-5)
		for i, whole := range all.layout() {
			n := q.layout[i].Len()
			_, at := whole, 0
			for _, before := range all.layout()[:i] {
				at += before.Len()
			}
			mine := 0
			for _, before := range one.layout()[:i] {
				mine += before.Len()
			}
			near(t, "gradient by "+whole.Name, q.grad[mine:mine+n], wide(p.grad[at+m*n:at+(m+1)*n]), 1e-4)
		}
	}
}

// TestMLPEqualsAutograd compares with libtorch's own passes at the reference's sizes.
func TestMLPEqualsAutograd(t *testing.T) {
	singleThread()
	rng := rand.New(rand.NewPCG(3, 4))
	n := &mlp{members: 2, shared: 16, own: 17, widths: []int{256, 256, 1}}
	const states, rep = 128, 31
	p := newParams(n.layout())
	n.init(p, rng)
	obs, act, dy := random(rng, states*16), random(rng, states*rep*17), random(rng, 2*states*rep)
	tp := n.tape(states, rep)
	tp.forward(&pool{threads: 2}, p.w, obs, act)
	tp.backward(&pool{threads: 2}, p.w, dy, p.grad, states, false)

	var s scope
	defer s.free()
	var leaves []tensor
	var joined []float32 // [R,S+A]
	for r := range states * rep {
		joined = append(append(joined, obs[r/rep*16:r/rep*16+16]...), act[r*17:r*17+17]...)
	}
	x := s.expand(s.data(joined, 1, states*rep, 33), 2, states*rep, 33)
	for i := 0; i < len(p.layout); i += 2 {
		in, out := int64(p.layout[i].Shape[1]), int64(p.layout[i].Shape[2])
		w := leaf(&s, s.data(p.layout[i].Data, 2, in, out))
		b := leaf(&s, s.data(p.layout[i+1].Data, 2, 1, out))
		leaves = append(leaves, w, b)
		var y tensor
		one := s.scalar(1)
		torch.AtgBaddbmm(&y, b, x, w, one, one)
		x = s.keep("baddbmm", y)
		if i+2 < len(p.layout) {
			x = s.tanh(x)
		}
	}
	near(t, "output", tp.y, wide(floats(x)), 1e-5)
	loss := s.sum(s.mul(x, s.data(dy, 2, states*rep, 1)))
	got := 0
	for i, g := range grads(&s, loss, leaves) {
		want := wide(floats(s.contiguous(g)))
		near(t, "gradient by "+p.layout[i].Name, p.grad[got:got+len(want)], want, 1e-4)
		got += len(want)
	}
}

// leaf is x as something to differentiate by.
func leaf(s *scope, x tensor) tensor {
	var t tensor
	torch.AtgSetRequiresGrad(&t, x, 1)
	return s.keep("leaf", t)
}

// grads differentiates loss with respect to leaves.
func grads(s *scope, loss tensor, leaves []tensor) []tensor {
	out := make([]tensor, len(leaves))
	torch.AtRunBackward(&loss, 1, &leaves[0], len(leaves), &out[0], 0, 0)
	check("backward")
	s.tensors = append(s.tensors, out...)
	return out
}
