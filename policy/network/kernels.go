package network

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// tile and panel are the numbers of rows and columns that a matrix product handles at a time.
// They are small enough for gonum to use no goroutines and for the operands to stay in the
// caches, and large enough to fetch a weight once for many rows.
const (
	tile  = 64
	panel = 128
)

// multiply adds a [rows,in] times the columns [0,out) of w [in,stride] to c
// [rows,out], all row-major.
func multiply(c, a, w []float32, rows, in, out, stride int) {
	for row := 0; row < rows; row += tile {
		for col := 0; col < out; col += panel {
			gonum.Implementation{}.Sgemm(blas.NoTrans, blas.NoTrans, min(tile, rows-row), min(panel, out-col), in,
				1, a[row*in:], in, w[col:], stride, 1, c[row*out+col:], out)
		}
	}
}

// repeat fills c with copies of row.
func repeat(c, row []float32) {
	for len(c) > 0 {
		c = c[copy(c, row):]
	}
}

// logistics replaces each x by base + height / (1 + e^(-slope*x)): the sigmoid with
// 1, 1, 0, tanh with 2, 2, -1. The error is below 1e-6 times height. NaN stays NaN.
//
// Let n + f = -slope*x / ln 2, with n whole and |f| <= 1/2. The power is 2^n, made from n's
// bits, times a polynomial 1 + f*q(f), where q interpolates (2^f - 1)/f at five Chebyshev
// nodes. The polynomial is 2^f to within 2e-7, and exact at 0.
func logistics(x []float32, slope, height, base float32) {
	const (
		c1 = 0.69314718056
		c2 = 0.24022349038
		c3 = 0.055503810138
		c4 = 0.00966636851539
		c5 = 0.00133813025373
		// Adding it moves a float32's whole part to its lowest bits.
		shift = 3 << 22
		// Beyond, the result is base or base + height.
		most = 100
	)
	scale := -slope * math.Log2E
	for i, v := range x {
		t := v * scale
		if t > most {
			t = most
		} else if t < -most {
			t = -most
		}
		s := t + shift
		f := t - (s - shift)
		f2 := f * f
		p := (1 + f*c1) + f2*((c2+f*c3)+f2*(c4+f*c5))
		x[i] = base + height/(1+p*math.Float32frombits(math.Float32bits(s)<<23+1<<23*127))
	}
}

// sigmoids replaces each x by its sigmoid.
func sigmoids(x []float32) { logistics(x, 1, 1, 0) }

// tanhs replaces each x by its hyperbolic tangent, which never lies beyond ±1.
func tanhs(x []float32) { logistics(x, 2, 2, -1) }
