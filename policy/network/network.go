// Package network evaluates policies' networks in plain Go: the multilayer perceptron of the
// shares action and the recurrent unit of the capacity action. Training has its own passes in
// train/internal/nn.
package network

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas/gonum"
)

// Tensor is a named array of float32, row-major.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
}

// Len is the number of elements of the shape.
func (t Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// MLP is the network of the shares action (docs/algorithms.md, "Published settings"): fully
// connected, tanh between the layers, and the most likely action of its squashed
// Gaussian head: tanh of the mean. It is for one goroutine and allocates nothing
// after NewMLP.
type MLP struct {
	widths []int // the input's, the hidden layers', the action's
	layers []dense
	x, y   []float32 // scratch
}

// dense is a fully connected layer: a row of input times the weight, plus the bias.
type dense struct {
	weight []float32 // [in,out]
	bias   []float32 // [out]
}

// NewMLP makes the network of obs inputs and act actions from the tensors of its
// layers, i.weight [1,in,out] and i.bias [1,out] for layer i. The last layer puts
// out 2*act numbers, the means before they are squashed and the log standard
// deviations, which only training needs.
func NewMLP(tensors []Tensor, obs, act int) (*MLP, error) {
	if len(tensors) < 2 || len(tensors)%2 != 0 {
		return nil, fmt.Errorf("network: %d tensors; a weight and a bias for each layer are needed", len(tensors))
	}
	n := &MLP{widths: []int{obs}}
	for i := range len(tensors) / 2 {
		in, out := n.widths[i], 2*act
		if last := 2*i+2 == len(tensors); !last {
			bias, err := Find(tensors, fmt.Sprintf("%d.bias", i))
			if err != nil {
				return nil, err
			}
			out = len(bias.Data)
		}
		weight, err := Find(tensors, fmt.Sprintf("%d.weight", i), 1, in, out)
		if err != nil {
			return nil, err
		}
		bias, err := Find(tensors, fmt.Sprintf("%d.bias", i), 1, out)
		if err != nil {
			return nil, err
		}
		n.widths = append(n.widths, out)
		n.layers = append(n.layers, dense{weight.Data, bias.Data})
	}
	last := len(n.layers) - 1
	n.layers[last] = n.layers[last].first(n.widths[last], act)
	n.widths[last+1] = act
	widest := slices.Max(n.widths)
	n.x, n.y = make([]float32, widest), make([]float32, widest)
	return n, nil
}

// first is the layer with its first outputs only, so that their weights lie together.
func (d dense) first(in, out int) dense {
	all := len(d.bias)
	f := dense{weight: make([]float32, 0, in*out), bias: d.bias[:out]}
	for i := range in {
		f.weight = append(f.weight, d.weight[i*all:i*all+out]...)
	}
	return f
}

// Forward sets action to the most likely action, each number in [-1, 1], for an
// observation. It panics if their lengths are not those of the network.
func (n *MLP) Forward(obs, action []float32) {
	if len(obs) != n.widths[0] || len(action) != n.widths[len(n.layers)] {
		panic(fmt.Sprintf("network: %d inputs and %d outputs, not %d and %d",
			n.widths[0], n.widths[len(n.layers)], len(obs), len(action)))
	}
	copy(action, n.linear(obs))
	tanhs(action)
}

// linear is what the last layer puts out for an observation; valid until the next call.
func (n *MLP) linear(obs []float32) []float32 {
	x, y := append(n.x[:0], obs...), n.y
	for i, l := range n.layers {
		if i > 0 {
			tanhs(x)
		}
		in, out := n.widths[i], n.widths[i+1]
		y = append(y[:0], l.bias...)
		multiply(y, x, l.weight, 1, in, out, out)
		x, y = y, x
	}
	return x
}

// GRU is the network of the capacity action (docs/algorithms.md, "The network"): a gated
// recurrent unit (Cho et al. 2014) that all workers share, each with its own memory. Its
// head is a squashed Gaussian of A numbers per worker, and the action is the most likely
// one: tanh of the means. It is for one goroutine and allocates nothing
// after NewGRU, whatever the number of workers.
//
// With a worker's inputs x and memory h, as rows, and the columns of the gates in
// the order r, z, n:
//
//	i = x Wx + bx                m = h Wh + bh
//	r = sigmoid(i_r + m_r)       z = sigmoid(i_z + m_z)
//	n = tanh(i_n + r * m_n)      h' = (1 - z) * n + z * h
//	action = tanh(h' Wo + bo), its first A columns
//
// If it pools memories, each worker also sees the mean of all workers' memories:
// i = x Wx + mean(h) Wp + bx. All workers share the job's noise and delay, and together
// estimate them better.
type GRU struct {
	inputs, units, actions int
	in, memory             dense     // Wx [I,3H], bx [3H]; Wh [H,3H], bh [3H]
	pool                   []float32 // Wp [H,3H]; nil where memories are not pooled
	head                   []float32 // [A,H]: the means' columns of Wo, as rows
	bias                   []float32 // [A]
	i, m                   []float32 // [gruTile,3H] scratch
	mean                   []float32 // [H] scratch: the mean memory
	common                 []float32 // [3H] scratch: mean Wp + bx
}

// gruTile is the number of workers that take a step at a time, small enough for the gates to
// stay in the nearest cache.
const gruTile = 16

// NewGRU makes a network from its tensors, whose sizes follow from the arguments:
// gru.input.weight [I,3H], gru.input.bias [3H], gru.memory.weight [H,3H],
// gru.memory.bias [3H], head.weight [H,2A], head.bias [2A] and, where it pools memories,
// gru.pool.weight [H,3H]. The head's columns are the means of the actions before they are
// squashed, and their log standard deviations, which only training needs. Weights are the
// transposes of libtorch's.
func NewGRU(tensors []Tensor, inputs, units, actions int, pool bool) (*GRU, error) {
	n := &GRU{
		inputs: inputs, units: units, actions: actions, i: make([]float32, gruTile*3*units), m: make([]float32, gruTile*3*units),
		mean: make([]float32, units), common: make([]float32, 3*units),
	}
	var head dense
	type wanted struct {
		name string
		to   *[]float32
		dims []int
	}
	all := []wanted{
		{"gru.input.weight", &n.in.weight, []int{inputs, 3 * units}},
		{"gru.input.bias", &n.in.bias, []int{3 * units}},
		{"gru.memory.weight", &n.memory.weight, []int{units, 3 * units}},
		{"gru.memory.bias", &n.memory.bias, []int{3 * units}},
		{"head.weight", &head.weight, []int{units, 2 * actions}},
		{"head.bias", &head.bias, []int{2 * actions}},
	}
	if pool {
		all = append(all, wanted{"gru.pool.weight", &n.pool, []int{units, 3 * units}})
	}
	for _, t := range all {
		found, err := Find(tensors, t.name, t.dims...)
		if err != nil {
			return nil, err
		}
		*t.to = found.Data
	}
	if len(tensors) != len(all) {
		return nil, fmt.Errorf("network: %d tensors, where this capacity network has %d", len(tensors), len(all))
	}
	n.bias = head.bias[:actions]
	for k := range n.bias {
		for u := range units {
			n.head = append(n.head, head.weight[u*2*actions+k])
		}
	}
	return n, nil
}

// Forward takes one step for each of P workers: x is [P,I], memory [P,H] and is
// updated, action is [P,A]. It panics if their lengths do not fit each other.
func (n *GRU) Forward(x, memory, action []float32) {
	workers := len(action) / n.actions
	if len(action) != workers*n.actions || len(x) != workers*n.inputs || len(memory) != workers*n.units {
		panic(fmt.Sprintf("network: [P,%d] inputs, [P,%d] of memory and [P,%d] actions needed, not %d, %d and %d numbers",
			n.inputs, n.units, n.actions, len(x), len(memory), len(action)))
	}
	n.share(workers, memory)
	for from := 0; from < workers; from += gruTile {
		to := min(workers, from+gruTile)
		n.step(to-from, x[from*n.inputs:to*n.inputs], memory[from*n.units:to*n.units])
	}
	for w := range workers {
		h := memory[w*n.units : (w+1)*n.units]
		for k, b := range n.bias {
			action[w*n.actions+k] = b + gonum.Implementation{}.Sdot(n.units, h, 1, n.head[k*n.units:], 1)
		}
	}
	tanhs(action)
}

// share sets what all workers' input sums begin with.
func (n *GRU) share(workers int, memory []float32) {
	copy(n.common, n.in.bias)
	if n.pool == nil || workers == 0 {
		return
	}
	clear(n.mean)
	for w := range workers {
		for u, v := range memory[w*n.units:][:n.units] {
			n.mean[u] += v
		}
	}
	for u := range n.mean {
		n.mean[u] /= float32(workers)
	}
	multiply(n.common, n.mean, n.pool, 1, n.units, 3*n.units, 3*n.units)
}

// step updates the memory [rows,H] of a tile of workers with inputs x [rows,I].
func (n *GRU) step(rows int, x, memory []float32) {
	h, gates := n.units, 3*n.units
	repeat(n.i[:rows*gates], n.common)
	repeat(n.m[:rows*gates], n.memory.bias)
	multiply(n.i[:rows*gates], x, n.in.weight, rows, n.inputs, gates, gates)
	multiply(n.m[:rows*gates], memory, n.memory.weight, rows, h, gates, gates)
	for row := range rows {
		i, m := n.i[row*gates:(row+1)*gates], n.m[row*gates:(row+1)*gates]
		open := i[:2*h]
		for j, v := range m[:2*h] {
			open[j] += v
		}
		sigmoids(open)
		r, z, next, from := i[:h], i[h:][:h], i[2*h:][:h], m[2*h:][:h]
		for j, v := range r {
			next[j] += v * from[j]
		}
		tanhs(next)
		mem := memory[row*h:][:h]
		for j, v := range next {
			mem[j] = v + z[j]*(mem[j]-v)
		}
	}
}

// Find finds a tensor and checks its shape, if one is given, and that its numbers
// are finite.
func Find(tensors []Tensor, name string, shape ...int) (Tensor, error) {
	for _, t := range tensors {
		if t.Name != name {
			continue
		}
		size := 1
		for _, d := range t.Shape {
			size *= d
		}
		if shape != nil && fmt.Sprint(t.Shape) != fmt.Sprint(shape) {
			return t, fmt.Errorf("network: tensor %s has shape %v, not %v", name, t.Shape, shape)
		}
		if size != len(t.Data) {
			return t, fmt.Errorf("network: tensor %s of shape %v has %d numbers", name, t.Shape, len(t.Data))
		}
		for i, v := range t.Data {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return t, fmt.Errorf("network: number %d of tensor %s is %v", i, name, v)
			}
		}
		return t, nil
	}
	return Tensor{}, fmt.Errorf("network: tensor %s is missing", name)
}
