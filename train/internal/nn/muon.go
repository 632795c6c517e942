//go:build torch

package nn

import "math"

// Muon takes steps on matrices in which all directions count alike (Muon, Jordan et al.
// 2024): in place of the gradient's momentum U S V', S diagonal, it goes along about U V'.
// What the gradients of rare events say moves the weights as far as what those of every
// window say, where Adam, which knows no directions, all but drowns it.
type Muon struct {
	x, y, square, power []float32 // scratch
}

const (
	// muonMomentum is the part of the momentum that stays in a step.
	muonMomentum = 0.95
	// muonLength is the root mean square of a weight's way in a step, in parts of the
	// rate: about what Adam's is.
	muonLength = 0.2
)

// Step moves the weights w, [rows,cols], whose gradient is g and momentum m. The three may
// be columns of larger matrices.
func (u *Muon) Step(w, m, g Matrix, rate float64) {
	x := Mat(Resized(u.x, w.Rows*w.Cols), w.Rows, w.Cols)
	length := 0.0
	for row := range w.Rows {
		for col := range w.Cols {
			by, mean := g.V[row*g.Stride+col], &m.V[row*m.Stride+col]
			*mean = muonMomentum**mean + (1-muonMomentum)*by
			// The gradient once more ahead, as Nesterov's momentum has it.
			v := muonMomentum**mean + (1-muonMomentum)*by
			x.V[row*w.Cols+col] = v
			length += float64(v) * float64(v)
		}
	}
	if length == 0 {
		return
	}
	scale := float32(1 / math.Sqrt(length))
	for i := range x.V {
		x.V[i] *= scale
	}
	x = u.orthogonal(x)
	far := float32(rate * muonLength * math.Sqrt(float64(max(w.Rows, w.Cols))))
	for row := range w.Rows {
		for col := range w.Cols {
			w.V[row*w.Stride+col] -= far * x.V[row*w.Cols+col]
		}
	}
}

// orthogonal is about U V' for x = U S V', whose singular values are at most 1; it lies
// in scratch, as x may. Five times
//
//	x = (a + b*x x' + c*(x x')^2) x
//
// with Jordan's numbers bring all but the smallest singular values to between 0.7 and
// 1.2, which is as good as 1 here. Of a matrix higher than wide, x' x takes the place of
// x x', from the other side.
func (u *Muon) orthogonal(x Matrix) Matrix {
	const a, b, c = 3.4445, -4.7750, 2.0315
	n := min(x.Rows, x.Cols)
	y := Mat(Resized(u.y, len(x.V)), x.Rows, x.Cols)
	square, power := Mat(Resized(u.square, n*n), n, n), Mat(Resized(u.power, n*n), n, n)
	for range 5 {
		if x.Rows <= x.Cols {
			Gemm(square, x, AsIs, x, Transposed, 0)
		} else {
			Gemm(square, x, Transposed, x, AsIs, 0)
		}
		Gemm(power, square, AsIs, square, AsIs, 0)
		for i, v := range square.V {
			power.V[i] = b*v + c*power.V[i]
		}
		for i := range n {
			power.V[i*n+i] += a
		}
		if x.Rows <= x.Cols {
			Gemm(y, power, AsIs, x, AsIs, 0)
		} else {
			Gemm(y, x, AsIs, power, AsIs, 0)
		}
		x, y = y, x
	}
	u.x, u.y, u.square, u.power = x.V, y.V, square.V, power.V
	return x
}
