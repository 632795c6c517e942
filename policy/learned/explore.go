package learned

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/network"
	"github.com/saspart/saspart/policy/scenario"
)

// The bounds of the log standard deviation of an explored log share.
const (
	minLogStd = -5
	maxLogStd = 0
)

// ExploringCapacity is a Capacity for a job that is learned from: its log shares are
// drawn from a normal distribution around those that a Capacity would decide on, with
// the standard deviation that the network's head puts out for each worker. The noise
// goes to the shares alone, so that estimates are as good as without it. It is for one
// goroutine.
type ExploringCapacity struct {
	Explore bool // else it decides as a Capacity does

	policy *Capacity
	weight []float32 // [H] the head's column of the log standard deviation
	bias   float32
	rng    *rand.Rand
	log    []float64 // [P] scratch
	std    []float64 // [P]
}

var _ CapacityFollower = (*ExploringCapacity)(nil)

// NewExploringCapacity returns the follower of a checkpoint of kind capacity, for a
// job of P workers. It draws from rng.
func NewExploringCapacity(c *checkpoint.Checkpoint, workers int, rng *rand.Rand) (*ExploringCapacity, error) {
	f, err := NewCapacity(c, workers)
	if err != nil {
		return nil, err
	}
	x := &ExploringCapacity{Explore: true, policy: f, rng: rng, log: make([]float64, workers), std: make([]float64, workers)}
	return x, x.head(c)
}

// head takes over the columns of the head that a Capacity has no use for.
func (x *ExploringCapacity) head(c *checkpoint.Checkpoint) error {
	weight, err := network.Find(c.Tensors, "head.weight")
	if err != nil {
		return err
	}
	bias, err := network.Find(c.Tensors, "head.bias")
	if err != nil {
		return err
	}
	actions := c.Capacity.Actions()
	x.weight, x.bias = x.weight[:0], bias.Data[actions]
	for at := actions; at < len(weight.Data); at += len(bias.Data) {
		x.weight = append(x.weight, weight.Data[at])
	}
	return nil
}

// Adopt goes on with newer parameters of the same network, and with everything that
// was remembered. A checkpoint of another network is an error and changes nothing.
func (x *ExploringCapacity) Adopt(c *checkpoint.Checkpoint) error {
	next, err := NewCapacity(c, len(x.std))
	if err != nil {
		return err
	}
	if fmt.Sprint(next.spec) != fmt.Sprint(x.policy.spec) {
		return fmt.Errorf("newer parameters are of a network of %+v, those in use of %+v", next.spec, x.policy.spec)
	}
	if err := x.head(c); err != nil {
		return err
	}
	next.state, next.memory, next.kept, next.action = x.policy.state, x.policy.memory, x.policy.kept, x.policy.action
	x.policy = next
	return nil
}

// Reset forgets everything: a new job begins.
func (x *ExploringCapacity) Reset() {
	x.policy.state.Reset()
	clear(x.policy.memory)
}

// Deviations are the standard deviations of each worker's log share after the last
// window, whether explored with or not.
func (x *ExploringCapacity) Deviations() []float64 {
	h := len(x.weight)
	for w := range x.std {
		v := x.bias
		for u, m := range x.policy.memory[w*h : (w+1)*h] {
			v += m * x.weight[u]
		}
		x.std[w] = math.Exp(float64(min(max(v, minLogStd), maxLogStd)))
	}
	return x.std
}

// Follow implements CapacityFollower.
func (x *ExploringCapacity) Follow(m *scenario.Measured, share []float64) bool {
	decided := x.policy.Follow(m, share)
	if !decided || !x.Explore {
		return decided
	}
	for w, std := range x.Deviations() {
		x.log[w] = x.policy.state.log[w] + x.policy.state.hedge[w] + std*x.rng.NormFloat64()
	}
	scenario.Softmax(share, x.log)
	for w := range share {
		share[w] = max(share[w], leastCapacity/float64(len(share)))
	}
	scenario.ScaleTo1(share)
	return true
}
