//go:build torch

package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/saspart/saspart/train"
)

// Adam's constants (Kingma and Ba 2015); the reference uses the same.
const (
	beta1   = 0.9
	beta2   = 0.999
	epsilon = 1e-8
)

// stride is how many parameters a task of an element-wise pass takes.
const stride = 1 << 15

// Params are all parameters of a family of networks in one flat buffer, with their
// gradient and Adam's moments beside it, so that a step is one pass over memory and
// a checkpoint is three copies.
type Params struct {
	Layout []train.Tensor // names and shapes; Data are views of w
	W      []float32      // values
	Grad   []float32      // gradient, written by the backward pass
	M, v   []float32      // Adam's first and second moments
}

// NewParams lays the tensors out one after the other, all zero.
func NewParams(layout []train.Tensor) *Params {
	n := 0
	for _, t := range layout {
		n += t.Len()
	}
	p := &Params{
		Layout: make([]train.Tensor, len(layout)),
		W:      make([]float32, n), Grad: make([]float32, n), M: make([]float32, n), v: make([]float32, n),
	}
	at := 0
	for i, t := range layout {
		p.Layout[i] = train.Tensor{Name: t.Name, Shape: t.Shape, Data: p.W[at : at+t.Len()]}
		at += t.Len()
	}
	return p
}

// norm is the gradient's Euclidean length.
func (p *Params) norm(pool *Pool) float64 {
	sums := make([]float64, Parts(len(p.Grad), stride))
	pool.Split(len(p.Grad), stride, func(i, from, to int) { sums[i] = squares(p.Grad[from:to]) })
	total := 0.0
	for _, s := range sums {
		total += s
	}
	return math.Sqrt(total)
}

// Step is one step of Adam, the t-th (from 1), after the gradient is scaled down to
// the length clip (0: never). It returns the length before; one that is not finite
// changes nothing and is an error.
func (p *Params) Step(pool *Pool, lr float64, t uint64, clip float64) (float64, error) {
	norm, scale, err := p.Clipped(pool, clip)
	if err == nil {
		p.Adam(pool, 0, len(p.W), scale, lr, t)
	}
	return norm, err
}

// Clipped returns the gradient's length, and what scales it down to the length clip. A
// length that is not finite is an error.
func (p *Params) Clipped(pool *Pool, clip float64) (norm, scale float64, err error) {
	norm, scale = p.norm(pool), 1
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		return norm, 0, fmt.Errorf("gradient has a norm of %v", norm)
	}
	if clip > 0 && norm > clip {
		scale = clip / norm
	}
	return norm, scale, nil
}

// Adam takes the parameters [from,to) a step further, the t-th, along scale times the
// gradient.
func (p *Params) Adam(pool *Pool, from, to int, scale, lr float64, t uint64) {
	rate := lr / (1 - math.Pow(beta1, float64(t)))
	root := 1 / math.Sqrt(1-math.Pow(beta2, float64(t)))
	pool.Split(to-from, stride, func(_, first, end int) {
		first, end = from+first, from+end
		adam(p.W[first:end], p.M[first:end], p.v[first:end], p.Grad[first:end], scale, rate, root)
	})
}

// Toward moves dst to src by the share tau of the way (Polyak averaging).
func Toward(pool *Pool, dst, src []float32, tau float64) {
	pool.Split(len(dst), stride, func(_, from, to int) { polyak(dst[from:to], src[from:to], tau) })
}

// Uniform draws every parameter of a layer from ±1/sqrt(inputs), weights and biases,
// as torch.nn.Linear does.
func (p *Params) Uniform(rng *rand.Rand, entry, inputs int) {
	bound := 1 / math.Sqrt(float64(inputs))
	d := p.Layout[entry].Data
	for i := range d {
		d[i] = float32((2*rng.Float64() - 1) * bound)
	}
}

// Named returns values and moments as tensors whose names begin with prefix; they
// share the buffers' memory.
func (p *Params) Named(prefix string) []train.Tensor {
	all := make([]train.Tensor, 0, len(p.Layout)+2)
	for _, t := range p.Layout {
		all = append(all, train.Tensor{Name: prefix + "." + t.Name, Shape: t.Shape, Data: t.Data})
	}
	n := []int{len(p.W)}
	return append(all, train.Tensor{Name: prefix + ".moment1", Shape: n, Data: p.M}, train.Tensor{Name: prefix + ".moment2", Shape: n, Data: p.v})
}

// matching reports where saved tensors are not of the same names and shapes as these.
func matching(mine, saved []train.Tensor) error {
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

// TakeState is a copy of a trainer's updates, generator and tensors.
func TakeState(updates uint64, pcg *rand.PCG, tensors []train.Tensor) (train.State, error) {
	generator, err := pcg.MarshalBinary()
	if err != nil {
		return train.State{}, fmt.Errorf("save the random generator: %w", err)
	}
	s := train.State{Updates: updates, Generator: generator, Tensors: slices.Clone(tensors)}
	for i := range s.Tensors {
		s.Tensors[i].Data = slices.Clone(s.Tensors[i].Data)
	}
	return s, nil
}

// PutState makes a trainer's updates, generator and tensors what they were when s was
// taken. A state of other tensors is refused and changes nothing.
func PutState(s train.State, updates *uint64, pcg *rand.PCG, mine []train.Tensor) error {
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
