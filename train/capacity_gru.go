//go:build torch

package train

// #include <stdint.h>
// void saspart_gates(float*, const float*, const float*, float*, int64_t, int64_t);
// void saspart_gates_back(float*, float*, const float*, float*, int64_t, int64_t);
// void saspart_squash(float*, int64_t);
import "C"

import "math/rand/v2"

// gru is policy.GRU for training: I inputs, H units of memory per worker, A actions.
type gru struct {
	inputs, units, actions int
	pool                   bool // workers see the mean of their job's memories
}

// Entries of the layout.
const (
	inputWeight = iota
	inputBias
	memoryWeight
	memoryBias
	headWeight
	headBias
	poolWeight // where memories are pooled
	capacityTensors
)

// layout names the parameters as policy.NewGRU does.
func (n gru) layout() []Tensor {
	i, h := n.inputs, n.units
	all := []Tensor{
		{Name: "gru.input.weight", Shape: []int{i, 3 * h}}, {Name: "gru.input.bias", Shape: []int{3 * h}},
		{Name: "gru.memory.weight", Shape: []int{h, 3 * h}}, {Name: "gru.memory.bias", Shape: []int{3 * h}},
		{Name: "head.weight", Shape: []int{h, 2 * n.actions}}, {Name: "head.bias", Shape: []int{2 * n.actions}},
	}
	if n.pool {
		all = append(all, Tensor{Name: "gru.pool.weight", Shape: []int{h, 3 * h}})
	}
	return all
}

// init draws the unit's parameters as torch.nn.GRU does. The head starts as a fixed
// smoothing: a gain of sigmoid(2 * -0.5) = 0.27, no correction and no hedge, and a standard
// deviation of exp(-2) for those who explore.
func (n gru) init(p *params, rng *rand.Rand) {
	for entry := range headWeight {
		p.uniform(rng, entry, n.units)
	}
	if n.pool {
		p.uniform(rng, poolWeight, n.units)
	}
	bias := p.layout[headBias].Data
	bias[0] = -0.5
	for i := n.actions; i < len(bias); i++ {
		bias[i] = -2
	}
}

// views cuts a flat buffer of values or gradients as layout says.
func (n gru) views(flat []float32) (v [capacityTensors]matrix) {
	for entry, t := range n.layout() {
		rows, cols := 1, t.Shape[len(t.Shape)-1]
		if len(t.Shape) == 2 {
			rows = t.Shape[0]
		}
		v[entry] = mat(flat[:rows*cols], rows, cols)
		flat = flat[rows*cols:]
	}
	return v
}

// means are the head's columns that the means of the action come from.
func means(head matrix) matrix { return head.columns(0, head.cols/2) }

// gruTape is the unit's way through T steps of R rows, each row a worker of one of J
// jobs, whose rows follow each other.
type gruTape struct {
	net     gru
	jobs    []int // [J] workers of each
	rows    int
	x       []float32 // [T,R,I] inputs
	h       []float32 // [T+1,R,H] memories, of zeros at first
	i, m    []float32 // [T,R,3H] gates and the memory's sums; on the way back, gradients by the sums
	a       []float32 // [T,R,A] actions
	da      []float32 // [T,R,A] gradients by the actions, then by their sums before tanh
	dh      []float32 // [R,H] gradient by the memory
	dx      []float32 // [R,I] gradient by the inputs of the step last gone back through
	steps   int
	biasRow []float32 // [A] the head's bias
	common  []float32 // [J,3H] what a job's input sums begin with
	mean    []float32 // [T,J,H] mean memories
	dcommon []float32 // [T,J,3H] gradient by common
	dmean   []float32 // [J,H] gradient by mean
}

// begin makes room for so many steps of jobs of so many workers.
func (t *gruTape) begin(net gru, steps int, jobs []int) {
	rows := 0
	for _, workers := range jobs {
		rows += workers
	}
	t.net, t.jobs, t.rows, t.steps = net, jobs, rows, steps
	n, h := steps*rows, net.units
	t.x, t.h = resized(t.x, n*net.inputs), resized(t.h, (n+rows)*h)
	t.i, t.m = resized(t.i, n*3*h), resized(t.m, n*3*h)
	t.a, t.da = resized(t.a, n*net.actions), resized(t.da, n*net.actions)
	t.dh, t.dx = resized(t.dh, rows*h), resized(t.dx, rows*net.inputs)
	t.biasRow = resized(t.biasRow, net.actions)
	j := len(jobs)
	t.common, t.dmean = resized(t.common, j*3*h), resized(t.dmean, j*h)
	t.mean, t.dcommon = resized(t.mean, steps*j*h), resized(t.dcommon, steps*j*3*h)
	clear(t.h[:rows*h])
	clear(t.dh)
}

// at is step s of a buffer [T,R,width].
func (t *gruTape) at(v []float32, s, width int) matrix {
	n := t.rows * width
	return mat(v[s*n:(s+1)*n], t.rows, width)
}

// job is what step s of a buffer [T,J,width] has of all jobs.
func (t *gruTape) job(v []float32, s, width int) matrix {
	n := len(t.jobs) * width
	return mat(v[s*n:(s+1)*n], len(t.jobs), width)
}

// eachJob calls f with every job and its rows of a matrix [R,width].
func (t *gruTape) eachJob(m matrix, f func(job int, rows matrix)) {
	from := 0
	for j, workers := range t.jobs {
		f(j, mat(m.v[from*m.cols:(from+workers)*m.cols], workers, m.cols))
		from += workers
	}
}

// begun sets the input sums i of step s to what does not come from the inputs: the
// bias, and what the mean memories add to it.
func (t *gruTape) begun(w *[capacityTensors]matrix, s int, i, from matrix) {
	if !t.net.pool {
		fill(i, w[inputBias].v)
		return
	}
	mean, common := t.job(t.mean, s, t.net.units), mat(t.common, len(t.jobs), 3*t.net.units)
	t.eachJob(from, func(job int, h matrix) {
		row := mat(mean.v[job*h.cols:][:h.cols], 1, h.cols)
		fold(row, h, h.rows)
		for u := range row.v {
			row.v[u] /= float32(h.rows)
		}
	})
	fill(common, w[inputBias].v)
	gemm(common, mean, asIs, w[poolWeight], asIs, 1)
	t.eachJob(i, func(job int, rows matrix) { fill(rows, common.v[job*i.cols:][:i.cols]) })
}

// pooled goes back through begun, from the gradient by i, and adds to that by the memories.
func (t *gruTape) pooled(w *[capacityTensors]matrix, s int, i, dh matrix) {
	if !t.net.pool {
		return
	}
	dcommon, dmean := t.job(t.dcommon, s, i.cols), mat(t.dmean, len(t.jobs), dh.cols)
	t.eachJob(i, func(job int, rows matrix) { fold(mat(dcommon.v[job*i.cols:][:i.cols], 1, i.cols), rows, rows.rows) })
	gemm(dmean, dcommon, asIs, w[poolWeight], transposed, 0)
	t.eachJob(dh, func(job int, rows matrix) {
		for u, d := range dmean.v[job*dh.cols:][:dh.cols] {
			d /= float32(rows.rows)
			for row := range rows.rows {
				rows.v[row*dh.cols+u] += d
			}
		}
	})
}

// forward takes step s, from x and h to the actions and the next h, with the
// parameters w (gru.views).
func (t *gruTape) forward(w *[capacityTensors]matrix, s int) {
	h := t.net.units
	i, m := t.at(t.i, s, 3*h), t.at(t.m, s, 3*h)
	from, to := t.at(t.h, s, h), t.at(t.h, s+1, h)
	t.begun(w, s, i, from)
	gemm(i, t.at(t.x, s, t.net.inputs), asIs, w[inputWeight], asIs, 1)
	fill(m, w[memoryBias].v)
	gemm(m, from, asIs, w[memoryWeight], asIs, 1)
	C.saspart_gates(ptrOf(i), ptrOf(m), ptrOf(from), ptrOf(to), C.int64_t(t.rows), C.int64_t(h))
	a := t.at(t.a, s, t.net.actions)
	copy(t.biasRow, w[headBias].v)
	fill(a, t.biasRow)
	gemm(a, to, asIs, means(w[headWeight]), asIs, 1)
	C.saspart_squash(ptrOf(a), C.int64_t(len(a.v)))
}

// backward goes back through step s, the steps after it being done: from da of this
// step to dx. Gradients by the parameters are left to gradients.
func (t *gruTape) backward(w *[capacityTensors]matrix, s int) {
	h := t.net.units
	da, a := t.at(t.da, s, t.net.actions), t.at(t.a, s, t.net.actions)
	tanhGrad(da.v, a.v)
	dh := mat(t.dh, t.rows, h)
	gemm(dh, da, asIs, means(w[headWeight]), transposed, 1)
	i, m, from := t.at(t.i, s, 3*h), t.at(t.m, s, 3*h), t.at(t.h, s, h)
	C.saspart_gates_back(ptrOf(i), ptrOf(m), ptrOf(from), ptrOf(dh), C.int64_t(t.rows), C.int64_t(h))
	gemm(dh, m, asIs, w[memoryWeight], transposed, 1)
	t.pooled(w, s, i, dh)
	gemm(mat(t.dx, t.rows, t.net.inputs), i, asIs, w[inputWeight], transposed, 0)
}

// gradients sums the gradients by the parameters over all steps into g (gru.views),
// once all have been gone back through.
func (t *gruTape) gradients(g *[capacityTensors]matrix) {
	n, h := t.steps*t.rows, t.net.units
	i, m, da := mat(t.i, n, 3*h), mat(t.m, n, 3*h), mat(t.da, n, t.net.actions)
	fold(g[inputBias], i, n)
	gemm(g[inputWeight], mat(t.x, n, t.net.inputs), transposed, i, asIs, 0)
	if t.net.pool {
		all := t.steps * len(t.jobs)
		gemm(g[poolWeight], mat(t.mean, all, h), transposed, mat(t.dcommon, all, 3*h), asIs, 0)
	}
	fold(g[memoryBias], m, n)
	gemm(g[memoryWeight], mat(t.h, n, h), transposed, m, asIs, 0)
	clear(g[headWeight].v)
	gemm(means(g[headWeight]), mat(t.h[t.rows*h:], n, h), transposed, da, asIs, 0)
	clear(g[headBias].v)
	fold(mat(t.biasRow, 1, t.net.actions), da, n)
	copy(g[headBias].v, t.biasRow)
}

func ptrOf(m matrix) *C.float { return (*C.float)(&m.v[0]) }

func resized[T any](v []T, n int) []T {
	if cap(v) < n {
		return make([]T, n)
	}
	return v[:n]
}
