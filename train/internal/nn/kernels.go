//go:build torch

package nn

// #cgo CXXFLAGS: -std=c++17 -O3
// #include <stdint.h>
// void saspart_single_thread();
// void saspart_gemm(int, int, int, int, int, const float*, int, const float*, int, float, float*, int);
// void saspart_gemm_torch(int, int, int, int, int, const float*, int, const float*, int, float, float*, int);
// void saspart_tanh(float*, const float*, int64_t, int64_t, int64_t);
// void saspart_tanh_grad(float*, const float*, int64_t);
// void saspart_fill(float*, const float*, int64_t, int64_t);
// void saspart_fold(float*, const float*, int64_t, int64_t, int64_t, int64_t);
// void saspart_adam(float*, float*, float*, const float*, int64_t, float, double, double, float, float, float);
// void saspart_toward(float*, const float*, int64_t, float);
// double saspart_squares(const float*, int64_t);
// void saspart_normals(float*, int64_t, uint64_t, uint64_t);
// void saspart_uniforms(float*, int64_t, uint64_t, uint64_t);
import "C"

import (
	"fmt"

	_ "github.com/sugarme/gotch/libtch" // links libtorch
)

// Matrix is a row-major view: rows of cols numbers, stride apart.
type Matrix struct {
	V                  []float32
	Rows, Cols, Stride int
}

// Mat is v as rows of cols numbers without gaps.
func Mat(v []float32, rows, cols int) Matrix { return Matrix{v, rows, cols, cols} }

// Columns is the view of columns [from, to).
func (m Matrix) Columns(from, to int) Matrix {
	return Matrix{m.V[from:], m.Rows, to - from, m.Stride}
}

// top is the view of the first n rows, below that of the others.
func (m Matrix) top(n int) Matrix   { return Matrix{m.V, n, m.Cols, m.Stride} }
func (m Matrix) below(n int) Matrix { return Matrix{m.V[n*m.Stride:], m.Rows - n, m.Cols, m.Stride} }

func (m Matrix) whole() bool {
	return m.Rows > 0 && m.Cols > 0 && len(m.V) >= (m.Rows-1)*m.Stride+m.Cols
}

// dense says that there are no gaps.
func (m Matrix) dense() bool { return m.Stride == m.Cols && m.whole() }

func ptr(v []float32) *C.float { return (*C.float)(&v[0]) }

// Op is what a matrix is taken as in a product.
type Op bool

// A matrix as it stands, or transposed.
const (
	AsIs       Op = false
	Transposed Op = true
)

func (o Op) int() C.int {
	if o {
		return 1
	}
	return 0
}

// Gemm is c = opA(a)·opB(b) + beta*c, by the BLAS of libtorch.
func Gemm(c Matrix, a Matrix, opA Op, b Matrix, opB Op, beta float32) {
	m, n, k := product(c, a, opA, b, opB)
	C.saspart_gemm(opA.int(), opB.int(), m, n, k, ptr(a.V), C.int(a.Stride),
		ptr(b.V), C.int(b.Stride), C.float(beta), ptr(c.V), C.int(c.Stride))
}

// gemmTorch is what gemm does where libtorch keeps its BLAS to itself.
func gemmTorch(c Matrix, a Matrix, opA Op, b Matrix, opB Op, beta float32) {
	m, n, k := product(c, a, opA, b, opB)
	C.saspart_gemm_torch(opA.int(), opB.int(), m, n, k, ptr(a.V), C.int(a.Stride),
		ptr(b.V), C.int(b.Stride), C.float(beta), ptr(c.V), C.int(c.Stride))
}

// product checks that the shapes fit and returns the sizes [m,n] = [m,k]·[k,n].
func product(c Matrix, a Matrix, opA Op, b Matrix, opB Op) (m, n, k C.int) {
	rows, inner := a.Rows, a.Cols
	if opA {
		rows, inner = inner, rows
	}
	innerB, cols := b.Rows, b.Cols
	if opB {
		innerB, cols = cols, innerB
	}
	if inner != innerB || c.Rows != rows || c.Cols != cols || !a.whole() || !b.whole() || !c.whole() {
		panic(fmt.Sprintf("gemm: [%d,%d] = [%d,%d]·[%d,%d]", c.Rows, c.Cols, rows, inner, innerB, cols))
	}
	return C.int(rows), C.int(cols), C.int(inner)
}

// tanhAdd is x = tanh(x + bias), a row of bias for every repeat rows of x.
func tanhAdd(x, bias Matrix, repeat int) {
	if x.Rows != bias.Rows*repeat || x.Cols != bias.Cols || !x.dense() || !bias.dense() {
		panic(fmt.Sprintf("tanh: [%d,%d] + %d times [%d,%d]", x.Rows, x.Cols, repeat, bias.Rows, bias.Cols))
	}
	C.saspart_tanh(ptr(x.V), ptr(bias.V), C.int64_t(x.Rows), C.int64_t(repeat), C.int64_t(x.Cols))
}

// tanhGrad turns the gradient by h = tanh(z) into the gradient by z.
func tanhGrad(d, h []float32) { C.saspart_tanh_grad(ptr(d), ptr(h[:len(d)]), C.int64_t(len(d))) }

// SingleThread keeps libtorch and its BLAS to the calling threads, in the whole
// process.
func SingleThread() { C.saspart_single_thread() }

// fill writes row into every row of dst.
func fill(dst Matrix, row []float32) {
	if len(row) != dst.Cols || !dst.dense() {
		panic(fmt.Sprintf("fill: [%d,%d] with %d numbers", dst.Rows, dst.Cols, len(row)))
	}
	C.saspart_fill(ptr(dst.V), ptr(row), C.int64_t(dst.Rows), C.int64_t(dst.Cols))
}

// fold adds up: a row of dst is the sum of times rows of src.
func fold(dst, src Matrix, times int) {
	if src.Rows != dst.Rows*times || dst.Cols != src.Cols || !dst.dense() || !src.whole() {
		panic(fmt.Sprintf("fold: [%d,%d] = [%d,%d] by %d", dst.Rows, dst.Cols, src.Rows, src.Cols, times))
	}
	C.saspart_fold(ptr(dst.V), ptr(src.V), C.int64_t(dst.Rows), C.int64_t(times), C.int64_t(src.Stride), C.int64_t(src.Cols))
}

// adam is params.step on slices of equal length.
func adam(w, m, v, g []float32, scale, rate, root float64) {
	n := len(w)
	C.saspart_adam(ptr(w), ptr(m[:n]), ptr(v[:n]), ptr(g[:n]), C.int64_t(n),
		C.float(scale), beta1, beta2, C.float(rate), C.float(root), epsilon)
}

// polyak is toward on slices of equal length.
func polyak(dst, src []float32, tau float64) {
	C.saspart_toward(ptr(dst), ptr(src[:len(dst)]), C.int64_t(len(dst)), C.float(tau))
}

// squares is the sum of squares.
func squares(x []float32) float64 { return float64(C.saspart_squares(ptr(x), C.int64_t(len(x)))) }

// Normals fills x with standard normal numbers, which follow from seed and from which
// stream of it is asked for.
func Normals(x []float32, seed uint64, stream int) {
	C.saspart_normals(ptr(x), C.int64_t(len(x)), C.uint64_t(seed), C.uint64_t(stream))
}

// Uniforms is Normals with numbers that are uniform in [-1, 1).
func Uniforms(x []float32, seed uint64, stream int) {
	C.saspart_uniforms(ptr(x), C.int64_t(len(x)), C.uint64_t(seed), C.uint64_t(stream))
}

// HalfLogTwoPi is log(sqrt(2*pi)), of the normal density.
const HalfLogTwoPi = 0.91893853320467274178
