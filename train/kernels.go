//go:build torch

package train

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
// void saspart_sample(const float*, const float*, int64_t, int64_t, int64_t, float, float, float*, float*, float*, float*);
// void saspart_through(const float*, const float*, const float*, int64_t, const float*, const float*, int64_t, int64_t, int64_t, int64_t, float, float, float, float*);
import "C"

import "fmt"

// matrix is a row-major view: rows of cols numbers, stride apart.
type matrix struct {
	v                  []float32
	rows, cols, stride int
}

// mat is v as rows of cols numbers without gaps.
func mat(v []float32, rows, cols int) matrix { return matrix{v, rows, cols, cols} }

// columns is the view of columns [from, to).
func (m matrix) columns(from, to int) matrix {
	return matrix{m.v[from:], m.rows, to - from, m.stride}
}

// top is the view of the first n rows, below that of the others.
func (m matrix) top(n int) matrix   { return matrix{m.v, n, m.cols, m.stride} }
func (m matrix) below(n int) matrix { return matrix{m.v[n*m.stride:], m.rows - n, m.cols, m.stride} }

func (m matrix) whole() bool {
	return m.rows > 0 && m.cols > 0 && len(m.v) >= (m.rows-1)*m.stride+m.cols
}

// dense says that there are no gaps.
func (m matrix) dense() bool { return m.stride == m.cols && m.whole() }

func ptr(v []float32) *C.float { return (*C.float)(&v[0]) }

type op bool

const (
	asIs       op = false
	transposed op = true
)

func (o op) int() C.int {
	if o {
		return 1
	}
	return 0
}

// gemm is c = opA(a)·opB(b) + beta*c, by the BLAS of libtorch.
func gemm(c matrix, a matrix, opA op, b matrix, opB op, beta float32) {
	m, n, k := product(c, a, opA, b, opB)
	C.saspart_gemm(opA.int(), opB.int(), m, n, k, ptr(a.v), C.int(a.stride),
		ptr(b.v), C.int(b.stride), C.float(beta), ptr(c.v), C.int(c.stride))
}

// gemmTorch is what gemm does where libtorch keeps its BLAS to itself.
func gemmTorch(c matrix, a matrix, opA op, b matrix, opB op, beta float32) {
	m, n, k := product(c, a, opA, b, opB)
	C.saspart_gemm_torch(opA.int(), opB.int(), m, n, k, ptr(a.v), C.int(a.stride),
		ptr(b.v), C.int(b.stride), C.float(beta), ptr(c.v), C.int(c.stride))
}

// product checks that the shapes fit and returns the sizes [m,n] = [m,k]·[k,n].
func product(c matrix, a matrix, opA op, b matrix, opB op) (m, n, k C.int) {
	rows, inner := a.rows, a.cols
	if opA {
		rows, inner = inner, rows
	}
	innerB, cols := b.rows, b.cols
	if opB {
		innerB, cols = cols, innerB
	}
	if inner != innerB || c.rows != rows || c.cols != cols || !a.whole() || !b.whole() || !c.whole() {
		panic(fmt.Sprintf("gemm: [%d,%d] = [%d,%d]·[%d,%d]", c.rows, c.cols, rows, inner, innerB, cols))
	}
	return C.int(rows), C.int(cols), C.int(inner)
}

// tanhAdd is x = tanh(x + bias), a row of bias for every repeat rows of x.
func tanhAdd(x, bias matrix, repeat int) {
	if x.rows != bias.rows*repeat || x.cols != bias.cols || !x.dense() || !bias.dense() {
		panic(fmt.Sprintf("tanh: [%d,%d] + %d times [%d,%d]", x.rows, x.cols, repeat, bias.rows, bias.cols))
	}
	C.saspart_tanh(ptr(x.v), ptr(bias.v), C.int64_t(x.rows), C.int64_t(repeat), C.int64_t(x.cols))
}

// tanhGrad turns the gradient by h = tanh(z) into the gradient by z.
func tanhGrad(d, h []float32) { C.saspart_tanh_grad(ptr(d), ptr(h[:len(d)]), C.int64_t(len(d))) }

// singleThread keeps libtorch and its BLAS to the calling threads, in the whole
// process.
func singleThread() { C.saspart_single_thread() }

// fill writes row into every row of dst.
func fill(dst matrix, row []float32) {
	if len(row) != dst.cols || !dst.dense() {
		panic(fmt.Sprintf("fill: [%d,%d] with %d numbers", dst.rows, dst.cols, len(row)))
	}
	C.saspart_fill(ptr(dst.v), ptr(row), C.int64_t(dst.rows), C.int64_t(dst.cols))
}

// fold adds up: a row of dst is the sum of times rows of src.
func fold(dst, src matrix, times int) {
	if src.rows != dst.rows*times || dst.cols != src.cols || !dst.dense() || !src.whole() {
		panic(fmt.Sprintf("fold: [%d,%d] = [%d,%d] by %d", dst.rows, dst.cols, src.rows, src.cols, times))
	}
	C.saspart_fold(ptr(dst.v), ptr(src.v), C.int64_t(dst.rows), C.int64_t(times), C.int64_t(src.stride), C.int64_t(src.cols))
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

// normals and uniforms fill x with numbers that are standard normal, and uniform in
// [-1, 1). They follow from seed and from which stream of it is asked for.
func normals(x []float32, seed uint64, stream int) {
	C.saspart_normals(ptr(x), C.int64_t(len(x)), C.uint64_t(seed), C.uint64_t(stream))
}

func uniforms(x []float32, seed uint64, stream int) {
	C.saspart_uniforms(ptr(x), C.int64_t(len(x)), C.uint64_t(seed), C.uint64_t(stream))
}

// sampleRows is draws.sample on all rows of its arguments; room is 2*acts numbers.
func sampleRows(d draws, out, noise, room []float32) {
	rows := len(out) / (2 * d.acts)
	if n := rows * d.each * d.acts; len(noise) != n || len(d.spread) != n || len(d.action) != n || len(d.logProb) != rows*d.each || len(room) < 2*d.acts {
		panic(fmt.Sprintf("sample: %d rows of %d actions of %d numbers from %d numbers of noise", rows, d.each, d.acts, len(noise)))
	}
	C.saspart_sample(ptr(out), ptr(noise), C.int64_t(rows), C.int64_t(d.each), C.int64_t(d.acts), minLogStd, maxLogStd,
		ptr(d.spread), ptr(d.action), ptr(d.logProb), ptr(room))
}

// throughRows is draws.through on all rows of dout; by is several [B,A], apart numbers
// from each other.
func throughRows(d draws, dout, out, slope, by []float32, apart int, weight float64) {
	rows := len(dout) / (2 * d.acts)
	members := parts(len(by), apart)
	if n := rows * d.acts; len(out) != 2*n || len(slope) != n || len(d.action) != n*d.each || len(d.spread) != n*d.each || len(by) != (members-1)*apart+n {
		panic(fmt.Sprintf("through: %d rows of %d numbers, slopes of %d", rows, d.acts, len(slope)))
	}
	C.saspart_through(ptr(out), ptr(d.spread), ptr(d.action), C.int64_t(d.each*d.acts), ptr(slope), ptr(by),
		C.int64_t(members), C.int64_t(apart), C.int64_t(rows), C.int64_t(d.acts), minLogStd, maxLogStd, C.float(weight), ptr(dout))
}
