package toy

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/saspart/saspart/policy/network"
)

// drawn is a tensor of normal numbers of the given deviation.
func drawn(rng *rand.Rand, deviation float64, name string, shape ...int) network.Tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	t := network.Tensor{Name: name, Shape: shape, Data: make([]float32, n)}
	for i := range t.Data {
		t.Data[i] = float32(deviation * rng.NormFloat64())
	}
	return t
}

// MLPTensors are those of a shares policy.
func MLPTensors(rng *rand.Rand, obs, act int, hidden ...int) []network.Tensor {
	var all []network.Tensor
	in := obs
	for i, out := range append(hidden, 2*act) {
		all = append(all,
			drawn(rng, 1/math.Sqrt(float64(in)), fmt.Sprintf("%d.weight", i), 1, in, out),
			drawn(rng, 0.1, fmt.Sprintf("%d.bias", i), 1, out))
		in = out
	}
	return all
}

// GRUTensors are those of a capacity policy.
func GRUTensors(rng *rand.Rand, inputs, units, actions int, pool bool) []network.Tensor {
	d := 1 / math.Sqrt(float64(units))
	all := []network.Tensor{
		drawn(rng, d, "gru.input.weight", inputs, 3*units), drawn(rng, d, "gru.input.bias", 3*units),
		drawn(rng, d, "gru.memory.weight", units, 3*units), drawn(rng, d, "gru.memory.bias", 3*units),
		drawn(rng, d, "head.weight", units, 2*actions), drawn(rng, d, "head.bias", 2*actions),
	}
	if pool {
		all = append(all, drawn(rng, d, "gru.pool.weight", units, 3*units))
	}
	return all
}

// Normals are n standard normal numbers.
func Normals(rng *rand.Rand, n int) []float32 {
	return drawn(rng, 1, "", n).Data
}

// NaiveDense is a row of input times a weight, plus a bias.
func NaiveDense(x []float64, weight, bias network.Tensor) []float64 {
	out := len(bias.Data)
	y := make([]float64, out)
	for j := range y {
		y[j] = float64(bias.Data[j])
		for i, v := range x {
			y[j] += v * float64(weight.Data[i*out+j])
		}
	}
	return y
}

// NaiveMLP is the most likely action of a shares policy.
func NaiveMLP(tensors []network.Tensor, x []float64) []float64 {
	for i := 0; i < len(tensors); i += 2 {
		x = NaiveDense(x, tensors[i], tensors[i+1])
		if i+2 < len(tensors) {
			for j := range x {
				x[j] = math.Tanh(x[j])
			}
		}
	}
	for j := range x {
		x[j] = math.Tanh(x[j])
	}
	return x[:len(x)/2]
}
