//go:build torch

package train

import torch "github.com/sugarme/gotch/libtch"

// Views: they share their argument's memory.

func (s *scope) view(x tensor, shape ...int64) tensor {
	var t tensor
	torch.AtgView(&t, x, shape, len(shape))
	return s.keep("view", t)
}

func (s *scope) expand(x tensor, shape ...int64) tensor {
	var t tensor
	torch.AtgExpand(&t, x, shape, len(shape), 0)
	return s.keep("expand", t)
}

// narrow is the slice [start, start+length) of a dimension.
func (s *scope) narrow(x tensor, dim, start, length int64) tensor {
	var t tensor
	torch.AtgNarrow(&t, x, dim, start, length)
	return s.keep("narrow", t)
}

// contiguous is x, copied where its elements are not in order.
func (s *scope) contiguous(x tensor) tensor {
	var t tensor
	torch.AtgContiguous(&t, x)
	return s.keep("contiguous", t)
}

// Element by element; arguments broadcast.

func (s *scope) add(x, y tensor) tensor {
	var t tensor
	torch.AtgAdd(&t, x, y)
	return s.keep("add", t)
}

func (s *scope) sub(x, y tensor) tensor {
	var t tensor
	torch.AtgSub(&t, x, y)
	return s.keep("sub", t)
}

func (s *scope) mul(x, y tensor) tensor {
	var t tensor
	torch.AtgMul(&t, x, y)
	return s.keep("mul", t)
}

func (s *scope) div(x, y tensor) tensor {
	var t tensor
	torch.AtgDiv(&t, x, y)
	return s.keep("div", t)
}

// equal is 1 where x equals y and 0 elsewhere.
func (s *scope) equal(x, y tensor) tensor {
	var t tensor
	torch.AtgEqTensor(&t, x, y)
	return s.keep("eq", t)
}

// scale is x*v.
func (s *scope) scale(x tensor, v float64) tensor {
	var t tensor
	torch.AtgMulScalar(&t, x, s.scalar(v))
	return s.keep("scale", t)
}

// shift is x+v.
func (s *scope) shift(x tensor, v float64) tensor {
	var t tensor
	torch.AtgAddScalar(&t, x, s.scalar(v))
	return s.keep("shift", t)
}

func (s *scope) clamp(x tensor, low, high float64) tensor {
	var t tensor
	torch.AtgClamp(&t, x, s.scalar(low), s.scalar(high))
	return s.keep("clamp", t)
}

func (s *scope) square(x tensor) tensor {
	var t tensor
	torch.AtgSquare(&t, x)
	return s.keep("square", t)
}

func (s *scope) exp(x tensor) tensor {
	var t tensor
	torch.AtgExp(&t, x)
	return s.keep("exp", t)
}

func (s *scope) log(x tensor) tensor {
	var t tensor
	torch.AtgLog(&t, x)
	return s.keep("log", t)
}

func (s *scope) tanh(x tensor) tensor {
	var t tensor
	torch.AtgTanh(&t, x)
	return s.keep("tanh", t)
}

func (s *scope) atanh(x tensor) tensor {
	var t tensor
	torch.AtgAtanh(&t, x)
	return s.keep("atanh", t)
}

// Reductions.

func (s *scope) sum(x tensor) tensor {
	var t tensor
	torch.AtgSum(&t, x, sameKind)
	return s.keep("sum", t)
}

// logSumExp is log(sum(exp(x))) over a dimension, which goes away.
func (s *scope) logSumExp(x tensor, dim int64) tensor {
	var t tensor
	torch.AtgLogsumexp(&t, x, []int64{dim}, 1, 0)
	return s.keep("logsumexp", t)
}

// softmax is exp(x) divided by its sum over a dimension.
func (s *scope) softmax(x tensor, dim int64) tensor {
	var t tensor
	torch.AtgSoftmax(&t, x, dim, sameKind)
	return s.keep("softmax", t)
}

func (s *scope) cat(dim int64, xs ...tensor) tensor {
	var t tensor
	torch.AtgCat(&t, xs, len(xs), dim)
	return s.keep("cat", t)
}
