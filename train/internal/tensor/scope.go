//go:build torch

package tensor

// #include <stdlib.h>
import "C"

import (
	"fmt"
	"slices"
	"unsafe"

	torch "github.com/sugarme/gotch/libtch"
)

// Tensor is a libtorch tensor of float32 on the CPU. It belongs to the scope that made it and
// dies with it. Operations make their results in the scope of the first operand; they panic
// where shapes do not fit (see Catch).
type Tensor struct {
	c torch.Ctensor // nil: undefined
	s *Scope
}

// failure is what the functions of this package panic with.
type failure struct{ error }

// Check panics with an error for Catch, if there is one.
func Check(err error) {
	if err != nil {
		panic(failure{err})
	}
}

// Catch sets err to what Check or an operation has panicked with, given what recover returns.
func Catch(err *error, recovered any) {
	switch e := recovered.(type) {
	case nil:
	case failure:
		*err = e.error
	default:
		panic(e)
	}
}

// Scope owns the tensors made in it, and the passes of networks, for Gradient to go back
// through. libtorch keeps errors per OS thread: the goroutine must be locked to its own.
type Scope struct {
	tensors []torch.Ctensor
	scalars []torch.Cscalar
	passes  []*pass
	leaves  map[*Network][]Tensor // parameters of passes on autograd
	frozen  bool                  // passes leave no trace
}

// Free releases everything made in the scope and leaves it ready for use.
func (s *Scope) Free() {
	for _, t := range s.tensors {
		torch.AtFree(t)
	}
	for _, v := range s.scalars {
		torch.AtsFree(v)
	}
	for _, p := range s.passes {
		p.net.idle(p.tape)
	}
	*s = Scope{tensors: s.tensors[:0], scalars: s.scalars[:0]}
}

// Live is the number of tensors and scalars not yet freed.
func (s *Scope) Live() int { return len(s.tensors) + len(s.scalars) }

// NoGrad runs f, in which passes of networks are constants.
func (s *Scope) NoGrad(f func()) {
	was := s.frozen
	s.frozen = true
	defer func() { s.frozen = was }()
	f()
}

// check panics with libtorch's last error, if there is one. The rest of its text is a C++
// stack trace.
func check(op string) {
	msg := torch.GetAndResetLastErr()
	if msg == nil {
		return
	}
	text := C.GoString((*C.char)(unsafe.Pointer(msg)))
	C.free(unsafe.Pointer(msg))
	for i, r := range text {
		if r == '\n' {
			text = text[:i]
			break
		}
	}
	Check(fmt.Errorf("libtorch: %s: %s", op, text))
}

func (s *Scope) keep(op string, t torch.Ctensor) Tensor {
	check(op)
	s.tensors = append(s.tensors, t)
	return Tensor{t, s}
}

func (s *Scope) scalar(v float64) torch.Cscalar {
	c := torch.AtsFloat(v)
	s.scalars = append(s.scalars, c)
	return c
}

const (
	float32Kind = 6  // c10::ScalarType::Float
	sameKind    = -1 // the result has the argument's type
)

// Data copies v into a new tensor of the given shape.
func (s *Scope) Data(v []float32, shape ...int) Tensor {
	if size(shape) != len(v) || len(v) == 0 {
		Check(fmt.Errorf("%d values for shape %v", len(v), shape))
	}
	return s.keep("data", torch.AtTensorOfData(unsafe.Pointer(&v[0]), wide(shape), uint(len(shape)), 4, float32Kind))
}

// Variable is Data that Gradients can be taken by.
func (s *Scope) Variable(v []float32, shape ...int) Tensor {
	t := s.Data(v, shape...)
	var c torch.Ctensor
	torch.AtgSetRequiresGrad(&c, t.c, 1)
	return s.keep("requires grad", c)
}

func size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

func wide(shape []int) []int64 {
	all := make([]int64, len(shape))
	for i, d := range shape {
		all[i] = int64(d)
	}
	return all
}

// Shape is the size of every dimension.
func (x Tensor) Shape() []int {
	all := make([]int64, torch.AtDim(x.c))
	if len(all) > 0 {
		torch.AtShape(x.c, unsafe.Pointer(&all[0]))
	}
	shape := make([]int, len(all))
	for i, d := range all {
		shape[i] = int(d)
	}
	return shape
}

// Is panics unless x has the shape that the comment beside it promises. It returns x.
func (x Tensor) Is(shape ...int) Tensor {
	if got := x.Shape(); !slices.Equal(got, shape) {
		Check(fmt.Errorf("a tensor has the shape %v, where %v belongs", got, shape))
	}
	return x
}

// Floats is the memory of x, in row-major order, as long as x lives.
func (x Tensor) Floats() []float32 {
	if !torch.AtIsContiguous(x.c) {
		x = x.unary("contiguous", torch.AtgContiguous)
	}
	return unsafe.Slice((*float32)(torch.AtDataPtr(x.c)), size(x.Shape()))
}

// Item is the mean of the elements, as a number.
func (x Tensor) Item() float64 {
	sum, v := 0.0, x.Floats()
	for _, e := range v {
		sum += float64(e)
	}
	return sum / float64(len(v))
}

func (x Tensor) differentiable() bool { return x.c != nil && torch.AtRequiresGrad(x.c) }

// Gradients are the gradients of a tensor's sum by variables, or by what operations have made
// of them; of zeros where it does not depend on one. With further they can themselves be
// differentiated.
func Gradients(of Tensor, further bool, by ...Tensor) []Tensor {
	raw := gradients(of, further, by)
	for i, g := range raw {
		if g.c == nil {
			raw[i] = by[i].Scale(0).Detach()
		}
	}
	return raw
}

// gradients leaves undefined what Gradients sets to zeros.
func gradients(of Tensor, further bool, by []Tensor) []Tensor {
	s := of.s
	got := make([]Tensor, len(by))
	if !of.differentiable() || len(by) == 0 {
		return got
	}
	// Fresh slices: cgo refuses addresses beside Go pointers.
	root, inputs, outputs := []torch.Ctensor{of.c}, make([]torch.Ctensor, len(by)), make([]torch.Ctensor, len(by))
	for i, x := range by {
		inputs[i] = x.c
	}
	create := 0
	if further {
		create = 1
	}
	torch.AtRunBackward(&root[0], 1, &inputs[0], len(inputs), &outputs[0], 1, create)
	check("backward")
	for i, c := range outputs {
		t := s.keep("backward", c)
		if torch.AtDefined(c) {
			got[i] = t
		}
	}
	return got
}
