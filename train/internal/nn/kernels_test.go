//go:build torch

package nn

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/train/internal/naive"
)

// TestGemm compares both ways to multiply with the definition, for views with gaps.
func TestGemm(t *testing.T) {
	SingleThread()
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.IntRange(1, 40)
		m, k, n := size.Draw(rt, "m"), size.Draw(rt, "k"), size.Draw(rt, "n")
		opA, opB := Op(rapid.Bool().Draw(rt, "ta")), Op(rapid.Bool().Draw(rt, "tb"))
		beta := float32(rapid.IntRange(0, 1).Draw(rt, "beta"))
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		gap := rapid.IntRange(0, 3)
		view := func(rows, cols int, o Op) Matrix {
			if o {
				rows, cols = cols, rows
			}
			stride := cols + gap.Draw(rt, "gap")
			return Matrix{naive.Random(rng, rows*stride), rows, cols, stride}
		}
		a, b, c := view(m, k, opA), view(k, n, opB), view(m, n, AsIs)
		before := append([]float32{}, c.V...)
		want := make([]float64, len(c.V))
		for i := range want {
			want[i] = float64(before[i]) // the gaps must stay
		}
		at := func(x Matrix, o Op, i, j int) float64 {
			if o {
				i, j = j, i
			}
			return float64(x.V[i*x.Stride+j])
		}
		for i := range m {
			for j := range n {
				sum := float64(beta * before[i*c.Stride+j])
				for l := range k {
					sum += at(a, opA, i, l) * at(b, opB, l, j)
				}
				want[i*c.Stride+j] = sum
			}
		}
		Gemm(c, a, opA, b, opB, beta)
		naive.Near(t, "BLAS", c.V, want, 1e-5)
		copy(c.V, before)
		gemmTorch(c, a, opA, b, opB, beta)
		naive.Near(t, "libtorch", c.V, want, 1e-5)
	})
}

func TestGemmRefusesShapes(t *testing.T) {
	ok := Mat(make([]float32, 6), 2, 3)
	for _, c := range []struct {
		why     string
		c, a, b Matrix
	}{
		{"inner sizes differ", Mat(make([]float32, 4), 2, 2), ok, ok},
		{"result has other rows", Mat(make([]float32, 9), 3, 3), ok, Mat(make([]float32, 9), 3, 3)},
		{"an operand is shorter than its shape", ok, ok, Mat(make([]float32, 8), 3, 3)},
	} {
		t.Run(c.why, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			Gemm(c.c, c.a, AsIs, c.b, AsIs, 0)
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
	tanhAdd(Mat(y, 1, len(y)), Mat(make([]float32, len(y)), 1, len(y)), 1)
	for i := range x {
		want := math.Tanh(float64(x[i]))
		if math.Abs(float64(y[i])-want) > 2.5e-7*math.Abs(want) {
			t.Fatalf("tanh(%v) is %v, want %v", x[i], y[i], want)
		}
	}
	y = []float32{float32(math.NaN()), 1}
	tanhAdd(Mat(y, 2, 1), Mat([]float32{0, 1}, 2, 1), 1)
	if y[0] == y[0] {
		t.Errorf("tanh(NaN) is %v", y[0])
	}
	naive.CloseTo(t, "tanh(1+1)", float64(y[1]), math.Tanh(2), 1e-6)
}

func TestElementwise(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		rows, times, cols := rapid.IntRange(1, 5).Draw(rt, "rows"), rapid.IntRange(1, 5).Draw(rt, "times"), rapid.IntRange(1, 20).Draw(rt, "cols")
		stride := cols + rapid.IntRange(0, 3).Draw(rt, "gap")
		src := Matrix{naive.Random(rng, rows*times*stride), rows * times, cols, stride}
		dst := Mat(make([]float32, rows*cols), rows, cols)
		fold(dst, src, times)
		want := make([]float64, rows*cols)
		for r := range rows * times {
			for j := range cols {
				want[r/times*cols+j] += float64(src.V[r*stride+j])
			}
		}
		naive.Near(t, "fold", dst.V, want, 1e-5)

		sum := 0.0
		for _, v := range src.V {
			sum += float64(v) * float64(v)
		}
		naive.CloseTo(t, "squares", squares(src.V), sum, 1e-9)

		d, h := naive.Random(rng, cols), naive.Random(rng, cols)
		before := slices.Clone(d)
		tanhGrad(d, h)
		for j, got := range d {
			// 1 - h*h is rounded to the larger of its terms: near 1 it has few digits.
			square := float64(h[j]) * float64(h[j])
			want := float64(before[j]) * (1 - square)
			if bound := 1e-6 * math.Abs(float64(before[j])) * max(1, square); math.Abs(float64(got)-want) > bound {
				t.Errorf("tanh's slope[%d] is %v, want %v to within %v", j, got, want, bound)
			}
		}

		fill(dst, h)
		for i, v := range dst.V {
			if v != h[i%cols] {
				t.Fatalf("fill[%d] is %v, want %v", i, v, h[i%cols])
			}
		}
	})
}

func TestPoolRunsEveryTaskOnce(t *testing.T) {
	defer goleak.VerifyNone(t) // helpers end by themselves
	for _, threads := range []int{1, 2, 5} {
		p := &Pool{Threads: threads}
		for _, n := range []int{1, 2, 3, 100, 3, 1, 50} {
			counts := make([]int, n)
			p.Run(n, func(i int) { counts[i]++ })
			for i, c := range counts {
				if c != 1 {
					t.Errorf("%d threads, %d tasks: task %d ran %d times", threads, n, i, c)
				}
			}
		}
	}
	covered := make([]int, 10)
	(&Pool{Threads: 2}).Split(10, 4, func(part, from, to int) {
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
