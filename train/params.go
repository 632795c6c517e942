//go:build torch

package train

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Adam's constants (Kingma and Ba 2015); the reference uses the same.
const (
	beta1   = 0.9
	beta2   = 0.999
	epsilon = 1e-8
)

// stride is how many parameters a task of an element-wise pass takes.
const stride = 1 << 15

// params are all parameters of a family of networks in one flat buffer, with their
// gradient and Adam's moments beside it, so that a step is one pass over memory and
// a checkpoint is three copies.
type params struct {
	layout []Tensor  // names and shapes; Data are views of w
	w      []float32 // values
	grad   []float32 // gradient, written by the backward pass
	m, v   []float32 // Adam's first and second moments
}

// newParams lays the tensors out one after the other, all zero.
func newParams(layout []Tensor) *params {
	n := 0
	for _, t := range layout {
		n += t.Len()
	}
	p := &params{
		layout: make([]Tensor, len(layout)),
		w:      make([]float32, n), grad: make([]float32, n), m: make([]float32, n), v: make([]float32, n),
	}
	at := 0
	for i, t := range layout {
		p.layout[i] = Tensor{Name: t.Name, Shape: t.Shape, Data: p.w[at : at+t.Len()]}
		at += t.Len()
	}
	return p
}

// norm is the gradient's Euclidean length.
func (p *params) norm(pool *pool) float64 {
	sums := make([]float64, parts(len(p.grad), stride))
	pool.split(len(p.grad), stride, func(i, from, to int) { sums[i] = squares(p.grad[from:to]) })
	total := 0.0
	for _, s := range sums {
		total += s
	}
	return math.Sqrt(total)
}

// step is one step of Adam, the t-th (from 1), after the gradient is scaled down to
// the length clip (0: never). It returns the length before; one that is not finite
// changes nothing and is an error.
func (p *params) step(pool *pool, lr float64, t uint64, clip float64) (float64, error) {
	norm, scale, err := p.clipped(pool, clip)
	if err == nil {
		p.adam(pool, 0, len(p.w), scale, lr, t)
	}
	return norm, err
}

// clipped returns the gradient's length, and what scales it down to the length clip. A
// length that is not finite is an error.
func (p *params) clipped(pool *pool, clip float64) (norm, scale float64, err error) {
	norm, scale = p.norm(pool), 1
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		return norm, 0, fmt.Errorf("gradient has a norm of %v", norm)
	}
	if clip > 0 && norm > clip {
		scale = clip / norm
	}
	return norm, scale, nil
}

// adam takes the parameters [from,to) a step further, the t-th, along scale times the
// gradient.
func (p *params) adam(pool *pool, from, to int, scale, lr float64, t uint64) {
	rate := lr / (1 - math.Pow(beta1, float64(t)))
	root := 1 / math.Sqrt(1-math.Pow(beta2, float64(t)))
	pool.split(to-from, stride, func(_, first, end int) {
		first, end = from+first, from+end
		adam(p.w[first:end], p.m[first:end], p.v[first:end], p.grad[first:end], scale, rate, root)
	})
}

// toward moves dst to src by the share tau of the way (Polyak averaging).
func toward(pool *pool, dst, src []float32, tau float64) {
	pool.split(len(dst), stride, func(_, from, to int) { polyak(dst[from:to], src[from:to], tau) })
}

// uniform draws every parameter of a layer from ±1/sqrt(inputs), weights and biases,
// as torch.nn.Linear does.
func (p *params) uniform(rng *rand.Rand, entry, inputs int) {
	bound := 1 / math.Sqrt(float64(inputs))
	d := p.layout[entry].Data
	for i := range d {
		d[i] = float32((2*rng.Float64() - 1) * bound)
	}
}

// named returns values and moments as tensors whose names begin with prefix; they
// share the buffers' memory.
func (p *params) named(prefix string) []Tensor {
	all := make([]Tensor, 0, len(p.layout)+2)
	for _, t := range p.layout {
		all = append(all, Tensor{Name: prefix + "." + t.Name, Shape: t.Shape, Data: t.Data})
	}
	n := []int{len(p.w)}
	return append(all, Tensor{Name: prefix + ".moment1", Shape: n, Data: p.m}, Tensor{Name: prefix + ".moment2", Shape: n, Data: p.v})
}

// matching reports where saved tensors are not of the same names and shapes as these.
func matching(mine, saved []Tensor) error {
	if len(saved) != len(mine) {
		return fmt.Errorf("restore: the state has %d tensors, here are %d; use the configuration it was trained with", len(saved), len(mine))
	}
	for i, m := range mine {
		if got := saved[i]; got.Name != m.Name || !slices.Equal(got.Shape, m.Shape) || len(got.Data) != len(m.Data) {
			return fmt.Errorf("restore: tensor %d is %s %v in the state and %s %v here; use the configuration it was trained with",
				i, got.Name, got.Shape, m.Name, m.Shape)
		}
	}
	return nil
}

// taken is a copy of a trainer's updates, generator and tensors.
func taken(updates uint64, pcg *rand.PCG, tensors []Tensor) (State, error) {
	generator, err := pcg.MarshalBinary()
	if err != nil {
		return State{}, fmt.Errorf("save the random generator: %w", err)
	}
	s := State{Updates: updates, Generator: generator, Tensors: slices.Clone(tensors)}
	for i := range s.Tensors {
		s.Tensors[i].Data = slices.Clone(s.Tensors[i].Data)
	}
	return s, nil
}

// put makes a trainer's updates, generator and tensors what they were when s was
// taken. A state of other tensors is refused and changes nothing.
func put(s State, updates *uint64, pcg *rand.PCG, mine []Tensor) error {
	if err := matching(mine, s.Tensors); err != nil {
		return err
	}
	was := *pcg
	if err := was.UnmarshalBinary(s.Generator); err != nil {
		return fmt.Errorf("restore: random generator: %w", err)
	}
	*pcg, *updates = was, s.Updates
	for i, m := range mine {
		copy(m.Data, s.Tensors[i].Data)
	}
	return nil
}
