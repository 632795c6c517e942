//go:build torch

package nn

import (
	"fmt"
	"math/rand/v2"

	"github.com/saspart/saspart/train"
)

// MLP is an ensemble of networks of equal shape, computed together: fully connected,
// tanh between the layers, the last one linear.
//
// A network has two inputs: one shared by rep consecutive rows (a state) and one of
// each row's own (an action; none for a policy). Their rows are the first layer's
// weights one below the other, which is a network of the joined input; but the
// shared part is multiplied once for all rows of a state. CQL scores 3K+1 actions
// in each state, and this takes most of the first layer's work away.
//
// The passes are written out here because autograd is too slow for them on a CPU:
// it takes every activation through memory several times, its threads fight with
// BLAS's, and a call of its engine costs as much as a small layer. Here a task takes
// a few rows through all layers in the cache.
type MLP struct {
	Members     int   // N networks
	Shared, Own int   // widths of the two inputs, S and A
	Widths      []int // widths of what the layers put out: hidden ones H, then the output O
}

// Layout names the parameters: layer.weight [N,in,out] and layer.bias [N,out].
func (n *MLP) Layout() []train.Tensor {
	var all []train.Tensor
	in := n.Shared + n.Own
	for l, out := range n.Widths {
		all = append(all,
			train.Tensor{Name: fmt.Sprintf("%d.weight", l), Shape: []int{n.Members, in, out}},
			train.Tensor{Name: fmt.Sprintf("%d.bias", l), Shape: []int{n.Members, out}})
		in = out
	}
	return all
}

// Init draws all parameters.
func (n *MLP) Init(p *Params, rng *rand.Rand) {
	in := n.Shared + n.Own
	for l, out := range n.Widths {
		p.Uniform(rng, 2*l, in)
		p.Uniform(rng, 2*l+1, in)
		in = out
	}
}

// layer is one member's layer in a flat buffer of values or of gradients.
type layer struct {
	weight Matrix    // [in,out]
	bias   []float32 // [out]
}

// layer finds layer l of a member in a flat buffer.
func (n *MLP) layer(flat []float32, l, member int) layer {
	in, at := n.Shared+n.Own, 0
	for i, out := range n.Widths {
		if i == l {
			w := flat[at+member*in*out:]
			b := flat[at+n.Members*in*out+member*out:]
			return layer{Mat(w[:in*out], in, out), b[:out]}
		}
		at += n.Members * (in + 1) * out
		in = out
	}
	panic(fmt.Sprintf("mlp: no layer %d", l))
}

// Tape holds the activations of one forward pass and their gradients. It is made
// once for a number of rows and used again and again.
type Tape struct {
	net          *MLP
	States, Each int         // B states with M rows each: R = B*M rows
	obs, act     []float32   // inputs of the last forward pass, [B,S] and [R,A]
	first        []float32   // [N,B,H] the states' part of the first layer, with the bias
	h            [][]float32 // [N,R,H] a hidden layer's output
	Y            []float32   // [N,R,O] output
	dfirst       []float32   // [N,B,H] gradient by first; of use only when Each is above 1
	dz           [][]float32 // [N,R,H] gradient by a hidden layer's sum before tanh
	DAct         []float32   // [N,R,A] gradient by act
}

// Tape makes room for passes over states with rep rows each.
func (n *MLP) Tape(states, rep int) *Tape {
	rows := states * rep
	t := &Tape{net: n, States: states, Each: rep}
	for _, width := range n.Widths[:len(n.Widths)-1] {
		t.h = append(t.h, make([]float32, n.Members*rows*width))
		t.dz = append(t.dz, make([]float32, n.Members*rows*width))
	}
	t.first = make([]float32, n.Members*states*n.Widths[0])
	t.dfirst = make([]float32, n.Members*states*n.Widths[0])
	t.Y = make([]float32, n.Members*rows*n.Widths[len(n.Widths)-1])
	t.DAct = make([]float32, n.Members*rows*n.Own)
	return t
}

// rows is the view of one member's rows [from, to) in a buffer [N,total,width].
func rows(buf []float32, member, total, width, from, to int) Matrix {
	at := member * total * width
	return Mat(buf[at+from*width:at+to*width], to-from, width)
}

// chunks runs task for every member and every chunk [from, to) of the states.
func (t *Tape) chunks(p *Pool, task func(member, from, to int)) {
	// Half the work each, so that two threads have some, but from 64 to 256 rows:
	// there a matrix product is efficient and its operands fit the cache.
	rows := min(max(t.net.Members*t.States*t.Each/2, 64), 256)
	size := max(1, rows/t.Each)
	each := Parts(t.States, size)
	p.Run(t.net.Members*each, func(i int) {
		from := i % each * size
		task(i/each, from, min(t.States, from+size))
	})
}

// Forward computes y from obs [B,S] and act [R,A] (nil when A is 0) with the
// parameters w. Both inputs must stay as they are until the backward pass is done.
func (t *Tape) Forward(p *Pool, w, obs, act []float32) {
	n, total := t.net, t.States*t.Each
	if len(obs) != t.States*n.Shared || len(act) != total*n.Own {
		panic(fmt.Sprintf("mlp: inputs of %d and %d numbers, want [%d,%d] and [%d,%d]",
			len(obs), len(act), t.States, n.Shared, total, n.Own))
	}
	t.obs, t.act = obs, act
	t.chunks(p, func(member, from, to int) {
		r0, r1 := from*t.Each, to*t.Each
		lay := n.layer(w, 0, member)
		x := rows(t.h[0], member, total, n.Widths[0], r0, r1)
		state := rows(obs, 0, t.States, n.Shared, from, to)
		if n.Own == 0 {
			Gemm(x, state, AsIs, lay.weight, AsIs, 0)
			tanhAdd(x, Mat(lay.bias, 1, x.Cols), x.Rows)
		} else {
			first := rows(t.first, member, t.States, n.Widths[0], from, to)
			fill(first, lay.bias)
			Gemm(first, state, AsIs, lay.weight.top(n.Shared), AsIs, 1)
			Gemm(x, rows(act, 0, total, n.Own, r0, r1), AsIs, lay.weight.below(n.Shared), AsIs, 0)
			tanhAdd(x, first, t.Each)
		}
		for l := 1; l < len(t.h); l++ {
			lay, out := n.layer(w, l, member), rows(t.h[l], member, total, n.Widths[l], r0, r1)
			Gemm(out, x, AsIs, lay.weight, AsIs, 0)
			tanhAdd(out, Mat(lay.bias, 1, out.Cols), out.Rows)
			x = out
		}
		lay = n.layer(w, len(t.h), member)
		y := rows(t.Y, member, total, n.Widths[len(t.h)], r0, r1)
		fill(y, lay.bias)
		Gemm(y, x, AsIs, lay.weight, AsIs, 1)
	})
}

// Backward takes dy, the gradient by y [N,R,O], back through the last forward pass: by the
// parameters into grad, unless that is nil, and by act into DAct [N,R,A] if wanted.
func (t *Tape) Backward(p *Pool, w, dy, grad []float32, wantAct bool) {
	n, total := t.net, t.States*t.Each
	last := len(t.h)
	if len(dy) != len(t.Y) {
		panic(fmt.Sprintf("mlp: gradient of %d numbers by %d", len(dy), len(t.Y)))
	}
	t.chunks(p, func(member, from, to int) {
		r0, r1 := from*t.Each, to*t.Each
		d := rows(dy, member, total, n.Widths[last], r0, r1)
		for l := last - 1; l >= 0; l-- {
			dz := rows(t.dz[l], member, total, n.Widths[l], r0, r1)
			Gemm(dz, d, AsIs, n.layer(w, l+1, member).weight, Transposed, 0)
			tanhGrad(dz.V, rows(t.h[l], member, total, n.Widths[l], r0, r1).V)
			d = dz
		}
		if grad != nil && t.Each > 1 {
			fold(rows(t.dfirst, member, t.States, n.Widths[0], from, to), d, t.Each)
		}
		if wantAct {
			dact := rows(t.DAct, member, total, n.Own, r0, r1)
			Gemm(dact, d, AsIs, n.layer(w, 0, member).weight.below(n.Shared), Transposed, 0)
		}
	})
	if grad != nil {
		t.gradients(p, dy, grad)
	}
}

// gradients sums over the rows: weight' = input^T · dz, bias' = the sum of dz. A task
// takes some columns of one layer; the first layer, often the smallest, comes last.
func (t *Tape) gradients(p *Pool, dy, grad []float32) {
	columns := 256
	if t.net.Members == 1 {
		columns = 128 // for a second thread to have some
	}
	type task struct{ layer, member, from, to int }
	var tasks []task
	for i := range t.net.Widths {
		l := (i + 1) % len(t.net.Widths)
		for member := range t.net.Members {
			for from := 0; from < t.net.Widths[l]; from += columns {
				tasks = append(tasks, task{l, member, from, min(from+columns, t.net.Widths[l])})
			}
		}
	}
	n, total := t.net, t.States*t.Each
	p.Run(len(tasks), func(i int) {
		k := tasks[i]
		// part is the task's columns of a gradient buffer.
		part := func(buf []float32, total int) Matrix {
			return rows(buf, k.member, total, n.Widths[k.layer], 0, total).Columns(k.from, k.to)
		}
		from := dy
		if k.layer < len(t.h) {
			from = t.dz[k.layer]
		}
		dz := part(from, total)
		g := n.layer(grad, k.layer, k.member)
		dw, db := g.weight.Columns(k.from, k.to), Mat(g.bias[k.from:k.to], 1, k.to-k.from)
		if k.layer > 0 {
			fold(db, dz, total)
			Gemm(dw, rows(t.h[k.layer-1], k.member, total, n.Widths[k.layer-1], 0, total), Transposed, dz, AsIs, 0)
			return
		}
		dfirst := dz
		if t.Each > 1 {
			dfirst = part(t.dfirst, t.States)
		}
		fold(db, dfirst, t.States)
		Gemm(dw.top(n.Shared), rows(t.obs, 0, t.States, n.Shared, 0, t.States), Transposed, dfirst, AsIs, 0)
		if n.Own > 0 {
			Gemm(dw.below(n.Shared), rows(t.act, 0, total, n.Own, 0, total), Transposed, dz, AsIs, 0)
		}
	})
}
