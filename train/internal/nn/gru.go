//go:build torch

package nn

// #include <stdint.h>
// void saspart_gates(float*, const float*, const float*, float*, int64_t, int64_t);
// void saspart_gates_back(float*, float*, const float*, float*, int64_t, int64_t);
// void saspart_squash(float*, int64_t);
import "C"

import (
	"math/rand/v2"

	"github.com/saspart/saspart/train"
)

// GRU is network.GRU for training: I inputs, H units of memory per worker, A actions.
type GRU struct {
	Inputs, Units, Actions int
	Pool                   bool // workers see the mean of their job's memories
}

// Entries of the layout.
const (
	InputWeight = iota
	inputBias
	MemoryWeight
	memoryBias
	HeadWeight
	HeadBias
	PoolWeight // where memories are pooled
	GRUTensors
)

// Layout names the parameters as network.NewGRU does.
func (n GRU) Layout() []train.Tensor {
	i, h := n.Inputs, n.Units
	all := []train.Tensor{
		{Name: "gru.input.weight", Shape: []int{i, 3 * h}}, {Name: "gru.input.bias", Shape: []int{3 * h}},
		{Name: "gru.memory.weight", Shape: []int{h, 3 * h}}, {Name: "gru.memory.bias", Shape: []int{3 * h}},
		{Name: "head.weight", Shape: []int{h, 2 * n.Actions}}, {Name: "head.bias", Shape: []int{2 * n.Actions}},
	}
	if n.Pool {
		all = append(all, train.Tensor{Name: "gru.pool.weight", Shape: []int{h, 3 * h}})
	}
	return all
}

// Init draws the unit's parameters as torch.nn.GRU does. The head starts as a fixed
// smoothing: a gain of sigmoid(2 * -0.5) = 0.27, no correction and no hedge, and a standard
// deviation of exp(-2) for those who explore.
func (n GRU) Init(p *Params, rng *rand.Rand) {
	for entry := range HeadWeight {
		p.Uniform(rng, entry, n.Units)
	}
	if n.Pool {
		p.Uniform(rng, PoolWeight, n.Units)
	}
	bias := p.Layout[HeadBias].Data
	bias[0] = -0.5
	for i := n.Actions; i < len(bias); i++ {
		bias[i] = -2
	}
}

// Views cuts a flat buffer of values or gradients as layout says.
func (n GRU) Views(flat []float32) (v [GRUTensors]Matrix) {
	for entry, t := range n.Layout() {
		rows, cols := 1, t.Shape[len(t.Shape)-1]
		if len(t.Shape) == 2 {
			rows = t.Shape[0]
		}
		v[entry] = Mat(flat[:rows*cols], rows, cols)
		flat = flat[rows*cols:]
	}
	return v
}

// means are the head's columns that the means of the action come from.
func means(head Matrix) Matrix { return head.Columns(0, head.Cols/2) }

// GRUTape is the unit's way through T steps of R rows, each row a worker of one of J
// jobs, whose rows follow each other.
type GRUTape struct {
	Net     GRU
	jobs    []int // [J] workers of each
	rows    int
	X       []float32 // [T,R,I] inputs
	H       []float32 // [T+1,R,H] memories, of zeros at first
	i, m    []float32 // [T,R,3H] gates and the memory's sums; on the way back, gradients by the sums
	A       []float32 // [T,R,A] actions
	DA      []float32 // [T,R,A] gradients by the actions, then by their sums before tanh
	DH      []float32 // [R,H] gradient by the memory
	DX      []float32 // [R,I] gradient by the inputs of the step last gone back through
	steps   int
	biasRow []float32 // [A] the head's bias
	common  []float32 // [J,3H] what a job's input sums begin with
	mean    []float32 // [T,J,H] mean memories
	dcommon []float32 // [T,J,3H] gradient by common
	dmean   []float32 // [J,H] gradient by mean
}

// Begin makes room for so many steps of jobs of so many workers.
func (t *GRUTape) Begin(net GRU, steps int, jobs []int) {
	rows := 0
	for _, workers := range jobs {
		rows += workers
	}
	t.Net, t.jobs, t.rows, t.steps = net, jobs, rows, steps
	n, h := steps*rows, net.Units
	t.X, t.H = Resized(t.X, n*net.Inputs), Resized(t.H, (n+rows)*h)
	t.i, t.m = Resized(t.i, n*3*h), Resized(t.m, n*3*h)
	t.A, t.DA = Resized(t.A, n*net.Actions), Resized(t.DA, n*net.Actions)
	t.DH, t.DX = Resized(t.DH, rows*h), Resized(t.DX, rows*net.Inputs)
	t.biasRow = Resized(t.biasRow, net.Actions)
	j := len(jobs)
	t.common, t.dmean = Resized(t.common, j*3*h), Resized(t.dmean, j*h)
	t.mean, t.dcommon = Resized(t.mean, steps*j*h), Resized(t.dcommon, steps*j*3*h)
	clear(t.H[:rows*h])
	clear(t.DH)
}

// At is step s of a buffer [T,R,width].
func (t *GRUTape) At(v []float32, s, width int) Matrix {
	n := t.rows * width
	return Mat(v[s*n:(s+1)*n], t.rows, width)
}

// job is what step s of a buffer [T,J,width] has of all jobs.
func (t *GRUTape) job(v []float32, s, width int) Matrix {
	n := len(t.jobs) * width
	return Mat(v[s*n:(s+1)*n], len(t.jobs), width)
}

// eachJob calls f with every job and its rows of a matrix [R,width].
func (t *GRUTape) eachJob(m Matrix, f func(job int, rows Matrix)) {
	from := 0
	for j, workers := range t.jobs {
		f(j, Mat(m.V[from*m.Cols:(from+workers)*m.Cols], workers, m.Cols))
		from += workers
	}
}

// begun sets the input sums i of step s to what does not come from the inputs: the
// bias, and what the mean memories add to it.
func (t *GRUTape) begun(w *[GRUTensors]Matrix, s int, i, from Matrix) {
	if !t.Net.Pool {
		fill(i, w[inputBias].V)
		return
	}
	mean, common := t.job(t.mean, s, t.Net.Units), Mat(t.common, len(t.jobs), 3*t.Net.Units)
	t.eachJob(from, func(job int, h Matrix) {
		row := Mat(mean.V[job*h.Cols:][:h.Cols], 1, h.Cols)
		fold(row, h, h.Rows)
		for u := range row.V {
			row.V[u] /= float32(h.Rows)
		}
	})
	fill(common, w[inputBias].V)
	Gemm(common, mean, AsIs, w[PoolWeight], AsIs, 1)
	t.eachJob(i, func(job int, rows Matrix) { fill(rows, common.V[job*i.Cols:][:i.Cols]) })
}

// pooled goes back through begun, from the gradient by i, and adds to that by the memories.
func (t *GRUTape) pooled(w *[GRUTensors]Matrix, s int, i, dh Matrix) {
	if !t.Net.Pool {
		return
	}
	dcommon, dmean := t.job(t.dcommon, s, i.Cols), Mat(t.dmean, len(t.jobs), dh.Cols)
	t.eachJob(i, func(job int, rows Matrix) { fold(Mat(dcommon.V[job*i.Cols:][:i.Cols], 1, i.Cols), rows, rows.Rows) })
	Gemm(dmean, dcommon, AsIs, w[PoolWeight], Transposed, 0)
	t.eachJob(dh, func(job int, rows Matrix) {
		for u, d := range dmean.V[job*dh.Cols:][:dh.Cols] {
			d /= float32(rows.Rows)
			for row := range rows.Rows {
				rows.V[row*dh.Cols+u] += d
			}
		}
	})
}

// Forward takes step s, from x and h to the actions and the next h, with the
// parameters w (gru.views).
func (t *GRUTape) Forward(w *[GRUTensors]Matrix, s int) {
	h := t.Net.Units
	i, m := t.At(t.i, s, 3*h), t.At(t.m, s, 3*h)
	from, to := t.At(t.H, s, h), t.At(t.H, s+1, h)
	t.begun(w, s, i, from)
	Gemm(i, t.At(t.X, s, t.Net.Inputs), AsIs, w[InputWeight], AsIs, 1)
	fill(m, w[memoryBias].V)
	Gemm(m, from, AsIs, w[MemoryWeight], AsIs, 1)
	C.saspart_gates(ptrOf(i), ptrOf(m), ptrOf(from), ptrOf(to), C.int64_t(t.rows), C.int64_t(h))
	a := t.At(t.A, s, t.Net.Actions)
	copy(t.biasRow, w[HeadBias].V)
	fill(a, t.biasRow)
	Gemm(a, to, AsIs, means(w[HeadWeight]), AsIs, 1)
	C.saspart_squash(ptrOf(a), C.int64_t(len(a.V)))
}

// Backward goes back through step s, the steps after it being done: from da of this
// step to dx. Gradients by the parameters are left to gradients.
func (t *GRUTape) Backward(w *[GRUTensors]Matrix, s int) {
	h := t.Net.Units
	da, a := t.At(t.DA, s, t.Net.Actions), t.At(t.A, s, t.Net.Actions)
	tanhGrad(da.V, a.V)
	dh := Mat(t.DH, t.rows, h)
	Gemm(dh, da, AsIs, means(w[HeadWeight]), Transposed, 1)
	i, m, from := t.At(t.i, s, 3*h), t.At(t.m, s, 3*h), t.At(t.H, s, h)
	C.saspart_gates_back(ptrOf(i), ptrOf(m), ptrOf(from), ptrOf(dh), C.int64_t(t.rows), C.int64_t(h))
	Gemm(dh, m, AsIs, w[MemoryWeight], Transposed, 1)
	t.pooled(w, s, i, dh)
	Gemm(Mat(t.DX, t.rows, t.Net.Inputs), i, AsIs, w[InputWeight], Transposed, 0)
}

// Gradients sums the gradients by the parameters over all steps into g (gru.views),
// once all have been gone back through.
func (t *GRUTape) Gradients(g *[GRUTensors]Matrix) {
	n, h := t.steps*t.rows, t.Net.Units
	i, m, da := Mat(t.i, n, 3*h), Mat(t.m, n, 3*h), Mat(t.DA, n, t.Net.Actions)
	fold(g[inputBias], i, n)
	Gemm(g[InputWeight], Mat(t.X, n, t.Net.Inputs), Transposed, i, AsIs, 0)
	if t.Net.Pool {
		all := t.steps * len(t.jobs)
		Gemm(g[PoolWeight], Mat(t.mean, all, h), Transposed, Mat(t.dcommon, all, 3*h), AsIs, 0)
	}
	fold(g[memoryBias], m, n)
	Gemm(g[MemoryWeight], Mat(t.H, n, h), Transposed, m, AsIs, 0)
	clear(g[HeadWeight].V)
	Gemm(means(g[HeadWeight]), Mat(t.H[t.rows*h:], n, h), Transposed, da, AsIs, 0)
	clear(g[HeadBias].V)
	fold(Mat(t.biasRow, 1, t.Net.Actions), da, n)
	copy(g[HeadBias].V, t.biasRow)
}

func ptrOf(m Matrix) *C.float { return (*C.float)(&m.V[0]) }

// Resized is v with length n, in the same memory where that is enough.
func Resized[T any](v []T, n int) []T {
	if cap(v) < n {
		return make([]T, n)
	}
	return v[:n]
}
