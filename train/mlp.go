//go:build torch

package train

import (
	"fmt"
	"math/rand/v2"
)

// mlp is an ensemble of networks of equal shape, computed together: fully connected,
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
type mlp struct {
	members     int   // N networks
	shared, own int   // widths of the two inputs, S and A
	widths      []int // widths of what the layers put out: hidden ones H, then the output O
}

// layout names the parameters: layer.weight [N,in,out] and layer.bias [N,out].
func (n *mlp) layout() []Tensor {
	var all []Tensor
	in := n.shared + n.own
	for l, out := range n.widths {
		all = append(all,
			Tensor{Name: fmt.Sprintf("%d.weight", l), Shape: []int{n.members, in, out}},
			Tensor{Name: fmt.Sprintf("%d.bias", l), Shape: []int{n.members, out}})
		in = out
	}
	return all
}

// init draws all parameters.
func (n *mlp) init(p *params, rng *rand.Rand) {
	in := n.shared + n.own
	for l, out := range n.widths {
		p.uniform(rng, 2*l, in)
		p.uniform(rng, 2*l+1, in)
		in = out
	}
}

// layer is one member's layer in a flat buffer of values or of gradients.
type layer struct {
	weight matrix    // [in,out]
	bias   []float32 // [out]
}

// layer finds layer l of a member in a flat buffer.
func (n *mlp) layer(flat []float32, l, member int) layer {
	in, at := n.shared+n.own, 0
	for i, out := range n.widths {
		if i == l {
			w := flat[at+member*in*out:]
			b := flat[at+n.members*in*out+member*out:]
			return layer{mat(w[:in*out], in, out), b[:out]}
		}
		at += n.members * (in + 1) * out
		in = out
	}
	panic(fmt.Sprintf("mlp: no layer %d", l))
}

// tape holds the activations of one forward pass and their gradients. It is made
// once for a number of rows and used again and again.
type tape struct {
	net         *mlp
	states, rep int         // B states with M rows each: R = B*M rows
	obs, act    []float32   // inputs of the last forward pass, [B,S] and [R,A]
	first       []float32   // [N,B,H] the states' part of the first layer, with the bias
	h           [][]float32 // [N,R,H] a hidden layer's output
	y           []float32   // [N,R,O] output
	dfirst      []float32   // [N,B,H] gradient by first; of use only when rep is above 1
	dz          [][]float32 // [N,R,H] gradient by a hidden layer's sum before tanh
	dact        []float32   // [N,R,A] gradient by act
}

// tape makes room for passes over states with rep rows each.
func (n *mlp) tape(states, rep int) *tape {
	rows := states * rep
	t := &tape{net: n, states: states, rep: rep}
	for _, width := range n.widths[:len(n.widths)-1] {
		t.h = append(t.h, make([]float32, n.members*rows*width))
		t.dz = append(t.dz, make([]float32, n.members*rows*width))
	}
	t.first = make([]float32, n.members*states*n.widths[0])
	t.dfirst = make([]float32, n.members*states*n.widths[0])
	t.y = make([]float32, n.members*rows*n.widths[len(n.widths)-1])
	t.dact = make([]float32, n.members*rows*n.own)
	return t
}

// rows is the view of one member's rows [from, to) in a buffer [N,total,width].
func rows(buf []float32, member, total, width, from, to int) matrix {
	at := member * total * width
	return mat(buf[at+from*width:at+to*width], to-from, width)
}

// chunks runs task for every member and every chunk [from, to) of the first states.
func (t *tape) chunks(p *pool, states int, task func(member, from, to int)) {
	// Half the work each, so that two threads have some, but from 64 to 256 rows:
	// there a matrix product is efficient and its operands fit the cache.
	rows := min(max(t.net.members*states*t.rep/2, 64), 256)
	size := max(1, rows/t.rep)
	each := parts(states, size)
	p.run(t.net.members*each, func(i int) {
		from := i % each * size
		task(i/each, from, min(states, from+size))
	})
}

// forward computes y from obs [B,S] and act [R,A] (nil when A is 0) with the
// parameters w. Both inputs must stay as they are until the backward pass is done.
func (t *tape) forward(p *pool, w, obs, act []float32) {
	n, total := t.net, t.states*t.rep
	if len(obs) != t.states*n.shared || len(act) != total*n.own {
		panic(fmt.Sprintf("mlp: inputs of %d and %d numbers, want [%d,%d] and [%d,%d]",
			len(obs), len(act), t.states, n.shared, total, n.own))
	}
	t.obs, t.act = obs, act
	t.chunks(p, t.states, func(member, from, to int) {
		r0, r1 := from*t.rep, to*t.rep
		lay := n.layer(w, 0, member)
		x := rows(t.h[0], member, total, n.widths[0], r0, r1)
		state := rows(obs, 0, t.states, n.shared, from, to)
		if n.own == 0 {
			gemm(x, state, asIs, lay.weight, asIs, 0)
			tanhAdd(x, mat(lay.bias, 1, x.cols), x.rows)
		} else {
			first := rows(t.first, member, t.states, n.widths[0], from, to)
			fill(first, lay.bias)
			gemm(first, state, asIs, lay.weight.top(n.shared), asIs, 1)
			gemm(x, rows(act, 0, total, n.own, r0, r1), asIs, lay.weight.below(n.shared), asIs, 0)
			tanhAdd(x, first, t.rep)
		}
		for l := 1; l < len(t.h); l++ {
			lay, out := n.layer(w, l, member), rows(t.h[l], member, total, n.widths[l], r0, r1)
			gemm(out, x, asIs, lay.weight, asIs, 0)
			tanhAdd(out, mat(lay.bias, 1, out.cols), out.rows)
			x = out
		}
		lay = n.layer(w, len(t.h), member)
		y := rows(t.y, member, total, n.widths[len(t.h)], r0, r1)
		fill(y, lay.bias)
		gemm(y, x, asIs, lay.weight, asIs, 1)
	})
}

// backward takes dy, the gradient by the first rows of y, [N,r,O] for r = states*rep,
// back through the last forward pass: by the parameters into grad, unless that is
// nil, and by act into t.dact [N,r,A] if wanted. With several members, all states
// must take part.
func (t *tape) backward(p *pool, w, dy, grad []float32, states int, wantAct bool) {
	n, total := t.net, t.states*t.rep
	last := len(t.h)
	if len(dy) != n.members*states*t.rep*n.widths[last] || n.members > 1 && states != t.states {
		panic(fmt.Sprintf("mlp: gradient of %d numbers for %d of %d states", len(dy), states, t.states))
	}
	t.chunks(p, states, func(member, from, to int) {
		r0, r1 := from*t.rep, to*t.rep
		d := rows(dy, member, total, n.widths[last], r0, r1)
		for l := last - 1; l >= 0; l-- {
			dz := rows(t.dz[l], member, total, n.widths[l], r0, r1)
			gemm(dz, d, asIs, n.layer(w, l+1, member).weight, transposed, 0)
			tanhGrad(dz.v, rows(t.h[l], member, total, n.widths[l], r0, r1).v)
			d = dz
		}
		if grad != nil && t.rep > 1 {
			fold(rows(t.dfirst, member, t.states, n.widths[0], from, to), d, t.rep)
		}
		if wantAct {
			dact := rows(t.dact, member, total, n.own, r0, r1)
			gemm(dact, d, asIs, n.layer(w, 0, member).weight.below(n.shared), transposed, 0)
		}
	})
	if grad != nil {
		t.gradients(p, dy, grad, states)
	}
}

// gradients sums over the rows: weight' = input^T · dz, bias' = the sum of dz. A task
// takes some columns of one layer; the first layer, often the smallest, comes last.
func (t *tape) gradients(p *pool, dy, grad []float32, states int) {
	columns := 256
	if t.net.members == 1 {
		columns = 128 // for a second thread to have some
	}
	type task struct{ layer, member, from, to int }
	var tasks []task
	for i := range t.net.widths {
		l := (i + 1) % len(t.net.widths)
		for member := range t.net.members {
			for from := 0; from < t.net.widths[l]; from += columns {
				tasks = append(tasks, task{l, member, from, min(from+columns, t.net.widths[l])})
			}
		}
	}
	n, total, some := t.net, t.states*t.rep, states*t.rep
	p.run(len(tasks), func(i int) {
		k := tasks[i]
		// part is the task's columns of the first rows of a gradient buffer.
		part := func(buf []float32, total, rowCount int) matrix {
			return rows(buf, k.member, total, n.widths[k.layer], 0, rowCount).columns(k.from, k.to)
		}
		from := dy
		if k.layer < len(t.h) {
			from = t.dz[k.layer]
		}
		dz := part(from, total, some)
		g := n.layer(grad, k.layer, k.member)
		dw, db := g.weight.columns(k.from, k.to), mat(g.bias[k.from:k.to], 1, k.to-k.from)
		if k.layer > 0 {
			fold(db, dz, some)
			gemm(dw, rows(t.h[k.layer-1], k.member, total, n.widths[k.layer-1], 0, some), transposed, dz, asIs, 0)
			return
		}
		dfirst := dz
		if t.rep > 1 {
			dfirst = part(t.dfirst, t.states, states)
		}
		fold(db, dfirst, states)
		gemm(dw.top(n.shared), rows(t.obs, 0, t.states, n.shared, 0, states), transposed, dfirst, asIs, 0)
		if n.own > 0 {
			gemm(dw.below(n.shared), rows(t.act, 0, total, n.own, 0, some), transposed, dz, asIs, 0)
		}
	})
}
