//go:build torch

package nn

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/saspart/saspart/train/internal/naive"
)

// A step is what the formulas say, one number at a time, on columns of larger matrices
// and on them alone.
func TestMuonStep(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		why                      string
		rows, cols, from, stride int
	}{
		{"wider than high", 3, 7, 2, 11},
		{"higher than wide", 8, 5, 5, 15},
		{"a square without gaps", 6, 6, 0, 6},
		{"a single row", 1, 4, 3, 9},
		{"a single column", 4, 1, 0, 2},
	} {
		var u Muon
		fresh := func() ([]float32, Matrix) {
			v := make([]float32, c.rows*c.stride)
			for i := range v {
				v[i] = float32(rng.NormFloat64())
			}
			return v, Mat(v, c.rows, c.stride).Columns(c.from, c.from+c.cols)
		}
		wv, w := fresh()
		mv, m := fresh()
		for step := range 3 {
			gv, g := fresh()
			wantW, wantM := naiveMuon(c.rows, c.cols, c.from, c.stride, wv, mv, gv, 0.1)
			u.Step(w, m, g, 0.1)
			for i := range wv {
				if math.Abs(float64(wv[i])-wantW[i]) > 1e-5 || math.Abs(float64(mv[i])-wantM[i]) > 1e-5 {
					t.Fatalf("%s, step %d: number %d is %v with momentum %v, not %v and %v", c.why, step, i, wv[i], mv[i], wantW[i], wantM[i])
				}
			}
		}
	}
}

// naiveMuon is what weights and momenta are after a step: Nesterov's momentum, five
// iterations on the whole matrix, whichever way it lies.
func naiveMuon(rows, cols, from, stride int, w, m, g []float32, rate float64) (newW, newM []float64) {
	newW, newM = naive.Wide(w), naive.Wide(m)
	x, length := make([][]float64, rows), 0.0
	for i := range x {
		x[i] = make([]float64, cols)
		for j := range x[i] {
			at := i*stride + from + j
			newM[at] = 0.95*newM[at] + 0.05*float64(g[at])
			x[i][j] = 0.95*newM[at] + 0.05*float64(g[at])
			length += x[i][j] * x[i][j]
		}
	}
	for i := range x {
		for j := range x[i] {
			x[i][j] /= math.Sqrt(length)
		}
	}
	for range 5 {
		xxx := times(times(x, turned(x)), x)
		xxxxx := times(times(x, turned(x)), xxx)
		for i := range x {
			for j := range x[i] {
				x[i][j] = 3.4445*x[i][j] - 4.7750*xxx[i][j] + 2.0315*xxxxx[i][j]
			}
		}
	}
	for i := range x {
		for j, v := range x[i] {
			newW[i*stride+from+j] -= rate * 0.2 * math.Sqrt(float64(max(rows, cols))) * v
		}
	}
	return newW, newM
}

func times(a, b [][]float64) [][]float64 {
	c := make([][]float64, len(a))
	for i := range a {
		c[i] = make([]float64, len(b[0]))
		for k, v := range a[i] {
			for j, w := range b[k] {
				c[i][j] += v * w
			}
		}
	}
	return c
}

func turned(a [][]float64) [][]float64 {
	c := make([][]float64, len(a[0]))
	for i := range a {
		for j, v := range a[i] {
			if i == 0 {
				c[j] = make([]float64, len(a))
			}
			c[j][i] = v
		}
	}
	return c
}

// Directions that differ a hundredfold in the gradient come out about alike: of a
// diagonal matrix only the signs are left, its zeros stay.
func TestMuonCountsDirectionsAlike(t *testing.T) {
	var u Muon
	w, m, g := make([]float32, 9), make([]float32, 9), []float32{1, 0, 0, 0, -0.1, 0, 0, 0, 0.01}
	u.Step(Mat(w, 3, 3), Mat(m, 3, 3), Mat(g, 3, 3), 1)
	full := muonLength * math.Sqrt(3)
	for i, v := range w {
		want := 0.0
		if g[i] != 0 {
			want = -math.Copysign(full, float64(g[i]))
		}
		if math.Abs(float64(v)-want) > 0.35*full {
			t.Errorf("number %d moves by %v, not about %v", i, v, want)
		}
	}
	clear(g)
	clear(m)
	was := slices.Clone(w)
	u.Step(Mat(w, 3, 3), Mat(m, 3, 3), Mat(g, 3, 3), 1)
	if !slices.Equal(w, was) {
		t.Errorf("no gradient moves the weights from %v to %v", was, w)
	}
}
