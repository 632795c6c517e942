// Package naive is what the tests of trainers share: the naive twins' mathematics, one
// number at a time in float64, and how results are compared with them.
package naive

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Wide is v in float64.
func Wide(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

// Net is one member's output for one input.
func Net(members int, widths []int, w []float64, member int, x []float64) []float64 {
	at := 0
	for l, out := range widths {
		in := len(x)
		y := make([]float64, out)
		for j := range y {
			y[j] = w[at+members*in*out+member*out+j]
			for i := range x {
				y[j] += x[i] * w[at+(member*in+i)*out+j]
			}
			if l < len(widths)-1 {
				y[j] = math.Tanh(y[j])
			}
		}
		at += members * (in + 1) * out
		x = y
	}
	return x
}

// Join is b behind a.
func Join(a, b []float64) []float64 { return append(append([]float64{}, a...), b...) }

// Row is row i of a matrix with rows of width numbers.
func Row(v []float64, i, width int) []float64 { return v[i*width : (i+1)*width] }

// Sample is the squashed action and its log-probability by another formula.
func Sample(out, noise []float64) (action []float64, logProb float64) {
	width := len(noise)
	for j := range width {
		logStd := min(max(out[width+j], -5), 2)
		std := math.Exp(logStd)
		u := out[j] + std*noise[j]
		action = append(action, math.Tanh(u))
		logProb += NormalLog(u, out[j], std) + 2*math.Log(math.Cosh(u)) // 1 - tanh^2 = 1/cosh^2
	}
	return action, logProb
}

// NormalLog is the log-density of a normal distribution.
func NormalLog(x, mean, std float64) float64 {
	z := (x - mean) / std
	return -z*z/2 - math.Log(std*math.Sqrt(2*math.Pi))
}

// Near fails unless got is want to within tol of the longest element of want.
func Near(t *testing.T, what string, got []float32, want []float64, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	scale := 1e-6
	for _, v := range want {
		scale = max(scale, math.Abs(v))
	}
	for i, v := range want {
		if !(math.Abs(float64(got[i])-v) <= tol*scale) {
			t.Fatalf("%s[%d] is %v, want %v", what, i, got[i], v)
		}
	}
}

// CloseTo fails unless got is want to within tol, relatively where want is above 1.
func CloseTo(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol*max(1, math.Abs(want))) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// Random are n numbers in [-1,1).
func Random(rng *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = 2*rng.Float32() - 1
	}
	return v
}
