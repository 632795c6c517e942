package network

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func TestSquashing(t *testing.T) {
	x, s, h := make([]float64, 0, 1<<17), []float32{}, []float32{}
	for v := -30.0; v < 30; v += 0.0007 {
		x = append(x, float64(float32(v)))
	}
	x = append(x, -1e30, 1e30, math.Inf(-1), math.Inf(1), 0)
	for _, v := range x {
		s, h = append(s, float32(v)), append(h, float32(v))
	}
	sigmoids(s)
	tanhs(h)
	for i, v := range x {
		if d := math.Abs(float64(s[i]) - 1/(1+math.Exp(-v))); d > 1e-6 {
			t.Fatalf("sigmoid(%v) is off by %g", v, d)
		}
		if d := math.Abs(float64(h[i]) - math.Tanh(v)); d > 1e-6 || h[i] > 1 || h[i] < -1 {
			t.Fatalf("tanh(%v) = %v is off by %g", v, h[i], d)
		}
	}
	if last := len(x) - 1; h[last] != 0 || s[last] != 0.5 {
		t.Errorf("tanh(0) = %v, sigmoid(0) = %v", h[last], s[last])
	}
	nan := []float32{float32(math.NaN())}
	if tanhs(nan); nan[0] == nan[0] {
		t.Errorf("tanh hides a NaN behind %v", nan[0])
	}
}

func TestMultiplyEqualsNaiveTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, in, out := rapid.IntRange(0, 130).Draw(t, "rows"), rapid.IntRange(1, 9).Draw(t, "in"), rapid.IntRange(1, 300).Draw(t, "out")
		stride := out + rapid.IntRange(0, 3).Draw(t, "more columns")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		draw := func(n int) []float32 {
			v := make([]float32, n)
			for i := range v {
				v[i] = float32(rng.NormFloat64())
			}
			return v
		}
		a, w, c := draw(rows*in), draw(in*stride), draw(rows*out)
		want := make([]float64, len(c))
		for r := range rows {
			for j := range out {
				want[r*out+j] = float64(c[r*out+j])
				for i := range in {
					want[r*out+j] += float64(a[r*in+i]) * float64(w[i*stride+j])
				}
			}
		}
		multiply(c, a, w, rows, in, out, stride)
		for i, v := range want {
			if d := math.Abs(float64(c[i]) - v); d > 1e-4 {
				t.Fatalf("[%d,%d] times [%d,%d]: number %d is off by %g", rows, in, in, out, i, d)
			}
		}
	})
}
