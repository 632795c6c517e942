//go:build torch

package train

import (
	"math"
	"math/rand/v2"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

// TestGemm compares both ways to multiply with the definition, for views with gaps.
func TestGemm(t *testing.T) {
	singleThread()
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.IntRange(1, 40)
		m, k, n := size.Draw(rt, "m"), size.Draw(rt, "k"), size.Draw(rt, "n")
		opA, opB := op(rapid.Bool().Draw(rt, "ta")), op(rapid.Bool().Draw(rt, "tb"))
		beta := float32(rapid.IntRange(0, 1).Draw(rt, "beta"))
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		gap := rapid.IntRange(0, 3)
		view := func(rows, cols int, o op) matrix {
			if o {
				rows, cols = cols, rows
			}
			stride := cols + gap.Draw(rt, "gap")
			return matrix{random(rng, rows*stride), rows, cols, stride}
		}
		a, b, c := view(m, k, opA), view(k, n, opB), view(m, n, asIs)
		before := append([]float32{}, c.v...)
		want := make([]float64, len(c.v))
		for i := range want {
			want[i] = float64(before[i]) // the gaps must stay
		}
		at := func(x matrix, o op, i, j int) float64 {
			if o {
				i, j = j, i
			}
			return float64(x.v[i*x.stride+j])
		}
		for i := range m {
			for j := range n {
				sum := float64(beta * before[i*c.stride+j])
				for l := range k {
					sum += at(a, opA, i, l) * at(b, opB, l, j)
				}
				want[i*c.stride+j] = sum
			}
		}
		gemm(c, a, opA, b, opB, beta)
		near(t, "BLAS", c.v, want, 1e-5)
		copy(c.v, before)
		gemmTorch(c, a, opA, b, opB, beta)
		near(t, "libtorch", c.v, want, 1e-5)
	})
}

func TestGemmRefusesShapes(t *testing.T) {
	ok := mat(make([]float32, 6), 2, 3)
	for _, c := range []struct {
		why     string
		c, a, b matrix
	}{
		{"inner sizes differ", mat(make([]float32, 4), 2, 2), ok, ok},
		{"result has other rows", mat(make([]float32, 9), 3, 3), ok, mat(make([]float32, 9), 3, 3)},
		{"an operand is shorter than its shape", ok, ok, mat(make([]float32, 8), 3, 3)},
	} {
		t.Run(c.why, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			gemm(c.c, c.a, asIs, c.b, asIs, 0)
		})
	}
}

func TestTanh(t *testing.T) {
	var x []float32
	for v := float32(1e-30); v < 1e30; v *= 1.01 {
		x = append(x, v, -v)
	}
	for v := float32(-12); v < 12; v += 1e-3 {
		x = append(x, v)
	}
	inf := float32(math.Inf(1))
	x = append(x, 0, inf, -inf)
	y := append([]float32{}, x...)
	tanhAdd(mat(y, 1, len(y)), mat(make([]float32, len(y)), 1, len(y)), 1)
	for i := range x {
		want := math.Tanh(float64(x[i]))
		if math.Abs(float64(y[i])-want) > 2.5e-7*math.Abs(want) {
			t.Fatalf("tanh(%v) is %v, want %v", x[i], y[i], want)
		}
	}
	y = []float32{float32(math.NaN()), 1}
	tanhAdd(mat(y, 2, 1), mat([]float32{0, 1}, 2, 1), 1)
	if y[0] == y[0] {
		t.Errorf("tanh(NaN) is %v", y[0])
	}
	closeTo(t, "tanh(1+1)", float64(y[1]), math.Tanh(2), 1e-6)
}

func TestElementwise(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		rows, times, cols := rapid.IntRange(1, 5).Draw(rt, "rows"), rapid.IntRange(1, 5).Draw(rt, "times"), rapid.IntRange(1, 20).Draw(rt, "cols")
		stride := cols + rapid.IntRange(0, 3).Draw(rt, "gap")
		src := matrix{random(rng, rows*times*stride), rows * times, cols, stride}
		dst := mat(make([]float32, rows*cols), rows, cols)
		fold(dst, src, times)
		want := make([]float64, rows*cols)
		for r := range rows * times {
			for j := range cols {
				want[r/times*cols+j] += float64(src.v[r*stride+j])
			}
		}
		near(t, "fold", dst.v, want, 1e-5)

		sum := 0.0
		for _, v := range src.v {
			sum += float64(v) * float64(v)
		}
		closeTo(t, "squares", squares(src.v), sum, 1e-9)

		d, h := random(rng, cols), random(rng, cols)
		slope := make([]float64, cols)
		for j := range slope {
			slope[j] = float64(d[j]) * (1 - float64(h[j])*float64(h[j]))
		}
		tanhGrad(d, h)
		near(t, "tanh's slope", d, slope, 1e-6)

		fill(dst, h)
		for i, v := range dst.v {
			if v != h[i%cols] {
				t.Fatalf("fill[%d] is %v, want %v", i, v, h[i%cols])
			}
		}
	})
}

func TestPoolRunsEveryTaskOnce(t *testing.T) {
	defer goleak.VerifyNone(t) // helpers end by themselves
	for _, threads := range []int{1, 2, 5} {
		p := &pool{threads: threads}
		for _, n := range []int{1, 2, 3, 100, 3, 1, 50} {
			counts := make([]int, n)
			p.run(n, func(i int) { counts[i]++ })
			for i, c := range counts {
				if c != 1 {
					t.Errorf("%d threads, %d tasks: task %d ran %d times", threads, n, i, c)
				}
			}
		}
	}
	covered := make([]int, 10)
	(&pool{threads: 2}).split(10, 4, func(part, from, to int) {
		for i := from; i < to; i++ {
			covered[i] = part
		}
	})
	for i, part := range covered {
		if part != i/4 {
			t.Errorf("split: %d is in part %d, want %d", i, part, i/4)
		}
	}
}
