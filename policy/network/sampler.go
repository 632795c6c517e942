package network

import (
	"fmt"
	"math"
)

// The bounds of a policy's log standard deviation, as in training.
const (
	leastLogStd = -5
	mostLogStd  = 2
)

// Sampler draws actions from a shares policy without libtorch. It has the whole squashed
// Gaussian head (Haarnoja et al. 2018, arXiv 1812.05905, appendix C), of which MLP uses only
// the most likely action. It is for one goroutine and allocates nothing
// after NewSampler.
type Sampler struct {
	network *MLP
	act     int
}

// NewSampler makes the network from the tensors that NewMLP takes. They are not copied.
func NewSampler(tensors []Tensor, obs, act int) (*Sampler, error) {
	n, err := NewMLP(tensors, obs, act)
	if err != nil {
		return nil, err
	}
	last := len(n.layers) - 1
	weight, err := Find(tensors, fmt.Sprintf("%d.weight", last))
	if err != nil {
		return nil, err
	}
	bias, err := Find(tensors, fmt.Sprintf("%d.bias", last))
	if err != nil {
		return nil, err
	}
	n.layers[last] = dense{weight.Data, bias.Data}
	n.widths[last+1] = 2 * act
	if len(n.x) < 2*act {
		n.x, n.y = make([]float32, 2*act), make([]float32, 2*act)
	}
	return &Sampler{network: n, act: act}, nil
}

// Act sets action, each number in [-1, 1], to the most likely one for an observation,
// or with a source of standard normal numbers to one drawn from the policy.
func (s *Sampler) Act(obs, action []float32, normal func() float64) {
	head := s.network.linear(obs)
	for i := range action {
		u := float64(head[i])
		if normal != nil {
			u += math.Exp(min(max(float64(head[s.act+i]), leastLogStd), mostLogStd)) * normal()
		}
		action[i] = float32(math.Tanh(u))
	}
}
