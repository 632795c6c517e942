//go:build torch

package train

import "math"

// muon takes steps on matrices in which all directions count alike (Muon, Jordan et al.
// 2024): in place of the gradient's momentum U S V', S diagonal, it goes along about U V'.
// What the gradients of rare events say moves the weights as far as what those of every
// window say, where Adam, which knows no directions, all but drowns it.
type muon struct {
	x, y, square, power []float32 // scratch
}

const (
	// muonMomentum is the part of the momentum that stays in a step.
	muonMomentum = 0.95
	// muonLength is the root mean square of a weight's way in a step, in parts of the
	// rate: about what Adam's is.
	muonLength = 0.2
)

// step moves the weights w, [rows,cols], whose gradient is g and momentum m. The three may
// be columns of larger matrices.
func (u *muon) step(w, m, g matrix, rate float64) {
	x := mat(resized(u.x, w.rows*w.cols), w.rows, w.cols)
	length := 0.0
	for row := range w.rows {
		for col := range w.cols {
			by, mean := g.v[row*g.stride+col], &m.v[row*m.stride+col]
			*mean = muonMomentum**mean + (1-muonMomentum)*by
			// The gradient once more ahead, as Nesterov's momentum has it.
			v := muonMomentum**mean + (1-muonMomentum)*by
			x.v[row*w.cols+col] = v
			length += float64(v) * float64(v)
		}
	}
	if length == 0 {
		return
	}
	scale := float32(1 / math.Sqrt(length))
	for i := range x.v {
		x.v[i] *= scale
	}
	x = u.orthogonal(x)
	far := float32(rate * muonLength * math.Sqrt(float64(max(w.rows, w.cols))))
	for row := range w.rows {
		for col := range w.cols {
			w.v[row*w.stride+col] -= far * x.v[row*w.cols+col]
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
func (u *muon) orthogonal(x matrix) matrix {
	const a, b, c = 3.4445, -4.7750, 2.0315
	n := min(x.rows, x.cols)
	y := mat(resized(u.y, len(x.v)), x.rows, x.cols)
	square, power := mat(resized(u.square, n*n), n, n), mat(resized(u.power, n*n), n, n)
	for range 5 {
		if x.rows <= x.cols {
			gemm(square, x, asIs, x, transposed, 0)
		} else {
			gemm(square, x, transposed, x, asIs, 0)
		}
		gemm(power, square, asIs, square, asIs, 0)
		for i, v := range square.v {
			power.v[i] = b*v + c*power.v[i]
		}
		for i := range n {
			power.v[i*n+i] += a
		}
		if x.rows <= x.cols {
			gemm(y, power, asIs, x, asIs, 0)
		} else {
			gemm(y, x, asIs, power, asIs, 0)
		}
		x, y = y, x
	}
	u.x, u.y, u.square, u.power = x.v, y.v, square.v, power.v
	return x
}
