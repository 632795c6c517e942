//go:build torch

package nn

// #include <stdlib.h>
import "C"

import (
	"fmt"
	"unsafe"

	torch "github.com/sugarme/gotch/libtch"
)

// Tensor is a libtorch tensor of float32 on the CPU. It belongs to the scope that
// made it and dies with it.
//
// The code below stands on gotch's C binding (libtch), not on its ts package, where
// a tensor costs 100 KB of Go memory, a lock and a finalizer.
type Tensor = torch.Ctensor

// torchError is what libtorch said; operations panic with it, and the exported
// functions return it (see catch).
type torchError struct{ op, msg string }

func (e torchError) Error() string { return fmt.Sprintf("libtorch: %s: %s", e.op, e.msg) }

// Catch turns a panicking torchError into an error.
func Catch(err *error) {
	switch e := recover().(type) {
	case nil:
	case torchError:
		*err = e
	default:
		panic(e)
	}
}

// Scope owns the tensors made in it. libtorch keeps errors per OS thread, so a
// scope must be used with the goroutine locked to its thread.
type Scope struct {
	tensors []Tensor
	scalars []torch.Cscalar
}

// Free gives everything made in the scope back and leaves it ready for use.
func (s *Scope) Free() {
	for _, t := range s.tensors {
		torch.AtFree(t)
	}
	for _, v := range s.scalars {
		torch.AtsFree(v)
	}
	s.tensors, s.scalars = s.tensors[:0], s.scalars[:0]
}

// Empty tells whether nothing is left to free.
func (s *Scope) Empty() bool { return len(s.tensors) == 0 && len(s.scalars) == 0 }

// check panics with libtorch's last error, if there is one.
func check(op string) {
	msg := torch.GetAndResetLastErr()
	if msg == nil {
		return
	}
	e := torchError{op, C.GoString((*C.char)(unsafe.Pointer(msg)))}
	C.free(unsafe.Pointer(msg))
	panic(e)
}

func (s *Scope) keep(op string, t Tensor) Tensor {
	check(op)
	s.tensors = append(s.tensors, t)
	return t
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
func (s *Scope) Data(v []float32, shape ...int64) Tensor {
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	if n != int64(len(v)) || n == 0 {
		panic(torchError{"data", fmt.Sprintf("%d values for shape %v", len(v), shape)})
	}
	return s.keep("data", torch.AtTensorOfData(unsafe.Pointer(&v[0]), shape, uint(len(shape)), 4, float32Kind))
}

// zeros is a new tensor of zeros.
func (s *Scope) zeros(shape ...int64) Tensor {
	var t Tensor
	torch.AtgZeros(&t, shape, len(shape), float32Kind, -1)
	return s.keep("zeros", t)
}

// ShapeOf returns the size of every dimension.
func ShapeOf(t Tensor) []int64 {
	shape := make([]int64, torch.AtDim(t))
	if len(shape) > 0 {
		torch.AtShape(t, unsafe.Pointer(&shape[0]))
	}
	check("shape")
	return shape
}

// Floats is the memory of a contiguous tensor, as long as the tensor lives.
func Floats(t Tensor) []float32 {
	n := int64(1)
	for _, d := range ShapeOf(t) {
		n *= d
	}
	if !torch.AtIsContiguous(t) {
		panic(torchError{"floats", "tensor is not contiguous"})
	}
	return unsafe.Slice((*float32)(torch.AtDataPtr(t)), n)
}

// Item is the value of a tensor of one element.
func Item(t Tensor) float64 {
	v := Floats(t)
	if len(v) != 1 {
		panic(torchError{"item", fmt.Sprintf("tensor has %d elements", len(v))})
	}
	return float64(v[0])
}

// AssertShape panics unless t has the shape that the comment beside it promises.
func AssertShape(what string, t Tensor, want ...int64) {
	got := ShapeOf(t)
	if len(got) == len(want) {
		same := true
		for i := range got {
			same = same && got[i] == want[i]
		}
		if same {
			return
		}
	}
	panic(torchError{what, fmt.Sprintf("shape is %v, want %v", got, want)})
}
