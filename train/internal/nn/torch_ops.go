//go:build torch

package nn

import torch "github.com/sugarme/gotch/libtch"

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
func (s *Scope) contiguous(x Tensor) Tensor {
	var t Tensor
	torch.AtgContiguous(&t, x)
	return s.keep("contiguous", t)
}

// Element by element; arguments broadcast.

func (s *Scope) add(x, y Tensor) Tensor {
	var t Tensor
	torch.AtgAdd(&t, x, y)
	return s.keep("add", t)
}

// Sub is x - y.
func (s *Scope) Sub(x, y Tensor) Tensor {
	var t Tensor
	torch.AtgSub(&t, x, y)
	return s.keep("sub", t)
}

func (s *Scope) mul(x, y Tensor) Tensor {
	var t Tensor
	torch.AtgMul(&t, x, y)
	return s.keep("mul", t)
}

func (s *Scope) div(x, y Tensor) Tensor {
	var t Tensor
	torch.AtgDiv(&t, x, y)
	return s.keep("div", t)
}

// equal is 1 where x equals y and 0 elsewhere.
func (s *Scope) equal(x, y Tensor) Tensor {
	var t Tensor
	torch.AtgEqTensor(&t, x, y)
	return s.keep("eq", t)
}

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

func (s *Scope) square(x Tensor) Tensor {
	var t Tensor
	torch.AtgSquare(&t, x)
	return s.keep("square", t)
}

func (s *Scope) exp(x Tensor) Tensor {
	var t Tensor
	torch.AtgExp(&t, x)
	return s.keep("exp", t)
}

func (s *Scope) log(x Tensor) Tensor {
	var t Tensor
	torch.AtgLog(&t, x)
	return s.keep("log", t)
}

func (s *Scope) tanh(x Tensor) Tensor {
	var t Tensor
	torch.AtgTanh(&t, x)
	return s.keep("tanh", t)
}

func (s *Scope) atanh(x Tensor) Tensor {
	var t Tensor
	torch.AtgAtanh(&t, x)
	return s.keep("atanh", t)
}

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
