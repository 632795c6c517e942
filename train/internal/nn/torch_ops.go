//go:build torch

package nn

import torch "github.com/sugarme/gotch/libtch"

// unary is the result of an operation on one tensor.
func (s *Scope) unary(what string, op func(*Tensor, Tensor), x Tensor) Tensor {
	var t Tensor
	op(&t, x)
	return s.keep(what, t)
}

// binary is the result of an operation on two tensors.
func (s *Scope) binary(what string, op func(*Tensor, Tensor, Tensor), x, y Tensor) Tensor {
	var t Tensor
	op(&t, x, y)
	return s.keep(what, t)
}

// Views: they share their argument's memory.

func (s *Scope) view(x Tensor, shape ...int64) Tensor {
	var t Tensor
	torch.AtgView(&t, x, shape, len(shape))
	return s.keep("view", t)
}

func (s *Scope) expand(x Tensor, shape ...int64) Tensor {
	var t Tensor
	torch.AtgExpand(&t, x, shape, len(shape), 0)
	return s.keep("expand", t)
}

// Narrow is the slice [start, start+length) of a dimension.
func (s *Scope) Narrow(x Tensor, dim, start, length int64) Tensor {
	var t Tensor
	torch.AtgNarrow(&t, x, dim, start, length)
	return s.keep("narrow", t)
}

// contiguous is x, copied where its elements are not in order.
func (s *Scope) contiguous(x Tensor) Tensor { return s.unary("contiguous", torch.AtgContiguous, x) }

// Element by element; arguments broadcast.

func (s *Scope) add(x, y Tensor) Tensor { return s.binary("add", torch.AtgAdd, x, y) }

// Sub is x - y.
func (s *Scope) Sub(x, y Tensor) Tensor { return s.binary("sub", torch.AtgSub, x, y) }

func (s *Scope) mul(x, y Tensor) Tensor { return s.binary("mul", torch.AtgMul, x, y) }

func (s *Scope) div(x, y Tensor) Tensor { return s.binary("div", torch.AtgDiv, x, y) }

// equal is 1 where x equals y and 0 elsewhere.
func (s *Scope) equal(x, y Tensor) Tensor { return s.binary("eq", torch.AtgEqTensor, x, y) }

// Scale is x*v.
func (s *Scope) Scale(x Tensor, v float64) Tensor {
	var t Tensor
	torch.AtgMulScalar(&t, x, s.scalar(v))
	return s.keep("scale", t)
}

// Shift is x+v.
func (s *Scope) Shift(x Tensor, v float64) Tensor {
	var t Tensor
	torch.AtgAddScalar(&t, x, s.scalar(v))
	return s.keep("shift", t)
}

func (s *Scope) clamp(x Tensor, low, high float64) Tensor {
	var t Tensor
	torch.AtgClamp(&t, x, s.scalar(low), s.scalar(high))
	return s.keep("clamp", t)
}

func (s *Scope) square(x Tensor) Tensor { return s.unary("square", torch.AtgSquare, x) }

func (s *Scope) exp(x Tensor) Tensor { return s.unary("exp", torch.AtgExp, x) }

func (s *Scope) log(x Tensor) Tensor { return s.unary("log", torch.AtgLog, x) }

func (s *Scope) tanh(x Tensor) Tensor { return s.unary("tanh", torch.AtgTanh, x) }

func (s *Scope) atanh(x Tensor) Tensor { return s.unary("atanh", torch.AtgAtanh, x) }

// Reductions.

// Sum is the sum of all elements.
func (s *Scope) Sum(x Tensor) Tensor {
	var t Tensor
	torch.AtgSum(&t, x, sameKind)
	return s.keep("sum", t)
}

// LogSumExp is log(sum(exp(x))) over a dimension, which goes away.
func (s *Scope) LogSumExp(x Tensor, dim int64) Tensor {
	var t Tensor
	torch.AtgLogsumexp(&t, x, []int64{dim}, 1, 0)
	return s.keep("logsumexp", t)
}

// Softmax is exp(x) divided by its sum over a dimension.
func (s *Scope) Softmax(x Tensor, dim int64) Tensor {
	var t Tensor
	torch.AtgSoftmax(&t, x, dim, sameKind)
	return s.keep("softmax", t)
}

// Cat is xs one after the other along dimension dim.
func (s *Scope) Cat(dim int64, xs ...Tensor) Tensor {
	var t Tensor
	torch.AtgCat(&t, xs, len(xs), dim)
	return s.keep("cat", t)
}
