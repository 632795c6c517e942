//go:build torch

package tensor

import torch "github.com/sugarme/gotch/libtch"

func (x Tensor) unary(what string, op func(*torch.Ctensor, torch.Ctensor)) Tensor {
	var t torch.Ctensor
	op(&t, x.c)
	return x.s.keep(what, t)
}

func (x Tensor) binary(what string, op func(*torch.Ctensor, torch.Ctensor, torch.Ctensor), y Tensor) Tensor {
	var t torch.Ctensor
	op(&t, x.c, y.c)
	return x.s.keep(what, t)
}

func (x Tensor) scalar(what string, op func(*torch.Ctensor, torch.Ctensor, torch.Cscalar), v float64) Tensor {
	var t torch.Ctensor
	op(&t, x.c, x.s.scalar(v))
	return x.s.keep(what, t)
}

// over is the result of a reduction over a dimension, which goes away.
func (x Tensor) over(what string, op func(*torch.Ctensor, torch.Ctensor, []int64, int, int32), dim int) Tensor {
	var t torch.Ctensor
	op(&t, x.c, []int64{int64(dim)}, 1, 0)
	return x.s.keep(what, t)
}

// Element by element; operands broadcast.

// Add is x + y.
func (x Tensor) Add(y Tensor) Tensor { return x.binary("add", torch.AtgAdd, y) }

// Sub is x - y.
func (x Tensor) Sub(y Tensor) Tensor { return x.binary("sub", torch.AtgSub, y) }

// Mul is x * y.
func (x Tensor) Mul(y Tensor) Tensor { return x.binary("mul", torch.AtgMul, y) }

// Div is x / y.
func (x Tensor) Div(y Tensor) Tensor { return x.binary("div", torch.AtgDiv, y) }

// Larger is the larger of x and y.
func (x Tensor) Larger(y Tensor) Tensor { return x.binary("maximum", torch.AtgMaximum, y) }

// Smaller is the smaller of x and y.
func (x Tensor) Smaller(y Tensor) Tensor { return x.binary("minimum", torch.AtgMinimum, y) }

// Scale is x * v.
func (x Tensor) Scale(v float64) Tensor { return x.scalar("scale", torch.AtgMulScalar, v) }

// Shift is x + v.
func (x Tensor) Shift(v float64) Tensor { return x.scalar("shift", torch.AtgAddScalar, v) }

// Clamp is x, or the nearest of low and high where x is beyond them.
func (x Tensor) Clamp(low, high float64) Tensor {
	var t torch.Ctensor
	torch.AtgClamp(&t, x.c, x.s.scalar(low), x.s.scalar(high))
	return x.s.keep("clamp", t)
}

// AtLeast is x, or low where x is below it.
func (x Tensor) AtLeast(low float64) Tensor { return x.scalar("clamp", torch.AtgClampMin, low) }

// AtMost is x, or high where x is above it.
func (x Tensor) AtMost(high float64) Tensor { return x.scalar("clamp", torch.AtgClampMax, high) }

// Above is 1 where x is above v and 0 elsewhere.
func (x Tensor) Above(v float64) Tensor {
	return x.scalar("above", torch.AtgGt, v).binary("above", torch.AtgMul, x.s.Data([]float32{1}, 1))
}

// Square is x*x.
func (x Tensor) Square() Tensor { return x.unary("square", torch.AtgSquare) }

// Sqrt is the square root.
func (x Tensor) Sqrt() Tensor { return x.unary("sqrt", torch.AtgSqrt) }

// Abs is |x|.
func (x Tensor) Abs() Tensor { return x.unary("abs", torch.AtgAbs) }

// Exp is e^x.
func (x Tensor) Exp() Tensor { return x.unary("exp", torch.AtgExp) }

// Log is the natural logarithm.
func (x Tensor) Log() Tensor { return x.unary("log", torch.AtgLog) }

// Tanh is the hyperbolic tangent.
func (x Tensor) Tanh() Tensor { return x.unary("tanh", torch.AtgTanh) }

// Atanh is the inverse of Tanh.
func (x Tensor) Atanh() Tensor { return x.unary("atanh", torch.AtgAtanh) }

// Softplus is log(1 + e^x).
func (x Tensor) Softplus() Tensor { return x.unary("softplus", torch.AtgSoftplus) }

// Huber is Huber's loss of x - y, whose slope is cut off at delta.
func (x Tensor) Huber(y Tensor, delta float64) Tensor {
	var t torch.Ctensor
	torch.AtgHuberLoss(&t, x.c, y.c, 0, delta)
	return x.s.keep("huber", t)
}

// Detach is x as a constant.
func (x Tensor) Detach() Tensor { return x.unary("detach", torch.AtgDetach) }

// Reductions.

// Sum is the sum of all elements.
func (x Tensor) Sum() Tensor {
	var t torch.Ctensor
	torch.AtgSum(&t, x.c, sameKind)
	return x.s.keep("sum", t)
}

// Mean is the mean of all elements.
func (x Tensor) Mean() Tensor {
	var t torch.Ctensor
	torch.AtgMean(&t, x.c, sameKind)
	return x.s.keep("mean", t)
}

// SumOver is the sum over a dimension, which goes away; -1 is the last.
func (x Tensor) SumOver(dim int) Tensor { return x.sum(dim, 0) }

// SumAlong is SumOver that leaves the dimension with size 1.
func (x Tensor) SumAlong(dim int) Tensor { return x.sum(dim, 1) }

func (x Tensor) sum(dim int, keep int32) Tensor {
	var t torch.Ctensor
	torch.AtgSumDimIntlist(&t, x.c, []int64{int64(dim)}, 1, keep, sameKind)
	return x.s.keep("sum", t)
}

// Least is the minimum over a dimension, which goes away.
func (x Tensor) Least(dim int) Tensor { return x.over("min", torch.AtgAmin, dim) }

// Most is the maximum over a dimension, which goes away.
func (x Tensor) Most(dim int) Tensor { return x.over("max", torch.AtgAmax, dim) }

// LogSumExp is log(sum(exp(x))) over a dimension, which goes away.
func (x Tensor) LogSumExp(dim int) Tensor { return x.over("logsumexp", torch.AtgLogsumexp, dim) }

// MatMul is the matrix product of x [..,n,k] and y [k,m], or [..,k,m].
func (x Tensor) MatMul(y Tensor) Tensor { return x.binary("matmul", torch.AtgMatmul, y) }

// Shapes. Results share the memory of x, except for Cat's.

// View is x with another shape of as many elements.
func (x Tensor) View(shape ...int) Tensor {
	var t torch.Ctensor
	torch.AtgReshape(&t, x.c, wide(shape), len(shape))
	return x.s.keep("view", t)
}

// Narrow is the slice [from, to) of a dimension.
func (x Tensor) Narrow(dim, from, to int) Tensor {
	var t torch.Ctensor
	torch.AtgNarrow(&t, x.c, int64(dim), int64(from), int64(to-from))
	return x.s.keep("narrow", t)
}

// Expand repeats the dimensions of size 1 to a shape.
func (x Tensor) Expand(shape ...int) Tensor {
	var t torch.Ctensor
	torch.AtgExpand(&t, x.c, wide(shape), len(shape), 0)
	return x.s.keep("expand", t)
}

// Cat is xs one after the other along a dimension.
func Cat(dim int, xs ...Tensor) Tensor {
	all := make([]torch.Ctensor, len(xs))
	for i, x := range xs {
		all[i] = x.c
	}
	var t torch.Ctensor
	torch.AtgCat(&t, all, len(all), int64(dim))
	return xs[0].s.keep("cat", t)
}
