//go:build torch

package nn

import (
	"math/rand/v2"
	"testing"

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
		tp.Backward(threads, p.W, dy, p.Grad, n.Own > 0)

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
	together.Backward(&Pool{Threads: 1}, p.W, dy, p.Grad, true)

	one := &MLP{Members: 1, Shared: 16, Own: 17, Widths: all.Widths}
	for m := range all.Members {
		q := NewParams(one.Layout())
		for i, whole := range p.Layout {
			n := q.Layout[i].Len()
			copy(q.Layout[i].Data, whole.Data[m*n:(m+1)*n])
		}
		alone := one.Tape(states, rep)
		alone.Forward(&Pool{Threads: 1}, q.W, obs, act)
		alone.Backward(&Pool{Threads: 1}, q.W, dy[m*states*rep:(m+1)*states*rep], q.Grad, true)
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
