package checkpoint

import (
	"math"
	"math/rand/v2"

	"github.com/saspart/saspart/policy/filter"
	"github.com/saspart/saspart/policy/network"
)

// UntrainedCapacity is an untrained capacity policy with the given memory per worker. Its
// memory works, but its head always puts out a gain of 0.27 and no correction: it is a fixed
// smoothing.
func UntrainedCapacity(units int, seed uint64) *Checkpoint {
	rng := rand.New(rand.NewPCG(seed, 0xca9ac17))
	inputs, actions := filter.InputNames(), filter.Actions(false)
	draw := func(name string, shape ...int) network.Tensor {
		t := network.Tensor{Name: name, Shape: shape}
		t.Data = make([]float32, t.Len())
		bound := 1 / math.Sqrt(float64(units)) // as torch.nn.GRU
		for i := range t.Data {
			t.Data[i] = float32((2*rng.Float64() - 1) * bound)
		}
		return t
	}
	return &Checkpoint{
		Format: Format, Kind: KindCapacity, CreatedBy: "saspart, untrained",
		Capacity: &CapacitySpec{Inputs: inputs, Units: units},
		Tensors: []network.Tensor{
			draw("gru.input.weight", len(inputs), 3*units), draw("gru.input.bias", 3*units),
			draw("gru.memory.weight", units, 3*units), draw("gru.memory.bias", 3*units),
			{Name: "head.weight", Shape: []int{units, 2 * actions}, Data: make([]float32, units*2*actions)},
			// sigmoid(2 * -0.5) is 0.27; a standard deviation of 0.14 to explore with.
			{Name: "head.bias", Shape: []int{2 * actions}, Data: []float32{-0.5, 0, -2, -2}},
		},
	}
}
