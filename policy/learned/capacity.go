package learned

import (
	"fmt"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/filter"
	"github.com/saspart/saspart/policy/network"
	"github.com/saspart/saspart/policy/scenario"
)

// CapacityPolicy is the policy of a capacity checkpoint: the filter of worker speeds with
// its network. It allocates only in NewCapacityPolicy, and in Start for another number of
// workers, and is for one goroutine.
type CapacityPolicy struct {
	spec    checkpoint.CapacitySpec
	inputs  filter.Inputs
	network *network.GRU

	filter *filter.Filter
	memory []float32 // [P,H]
	kept   []float32 // [P,H]: memory before the window
	action []float32 // [P,A]

	stated, growth column    // where the network states its uncertainty
	std            []float64 // [P] scratch
}

var _ scenario.Starter = (*CapacityPolicy)(nil)

// NewCapacityPolicy returns the policy of a checkpoint of kind capacity for P workers.
func NewCapacityPolicy(c *checkpoint.Checkpoint, workers int) (*CapacityPolicy, error) {
	if c.Capacity == nil {
		return nil, fmt.Errorf("checkpoint of kind %s: it has no capacity network", c.Kind)
	}
	network, err := c.Capacity.Network(c.Tensors)
	if err != nil {
		return nil, err
	}
	inputs, err := c.FilterInputs()
	if err != nil {
		return nil, err
	}
	p := &CapacityPolicy{spec: *c.Capacity, inputs: inputs, network: network}
	if p.spec.Uncertainty {
		p.stated, p.growth = columnOf(c, filter.Stated), columnOf(c, filter.Growth)
	}
	p.begin(workers)
	return p, nil
}

func (p *CapacityPolicy) begin(workers int) {
	p.filter = filter.New(workers, p.inputs)
	p.memory, p.kept = make([]float32, workers*p.spec.Units), make([]float32, workers*p.spec.Units)
	p.action = make([]float32, workers*p.spec.Actions())
	p.std = make([]float64, workers)
}

// column is a column of the network's head beside those of the action.
type column struct {
	weight []float32 // [H]
	bias   float32
}

// columnOf reads a column of a checkpoint whose network is sound: filter.Explored and so on.
func columnOf(c *checkpoint.Checkpoint, at int) (v column) {
	weight, _ := network.Find(c.Tensors, "head.weight")
	bias, _ := network.Find(c.Tensors, "head.bias")
	at += c.Capacity.Actions()
	v.bias = bias.Data[at]
	for ; at < len(weight.Data); at += len(bias.Data) {
		v.weight = append(v.weight, weight.Data[at])
	}
	return v
}

// logStd is what the column puts out for a worker.
func (v *column) logStd(p *CapacityPolicy, worker int) float32 {
	h := len(v.weight)
	s, _ := filter.LogStd(p.memory[worker*h:(worker+1)*h], v.weight, v.bias)
	return s
}

// Uncertainty is the standard deviation of each worker's log speed around its log capacity, as
// the network states it; nil if it does not. It is valid until the next call.
func (p *CapacityPolicy) Uncertainty() []float64 {
	if !p.spec.Uncertainty {
		return nil
	}
	for w, n := range p.filter.Missed() {
		p.std[w] = filter.Uncertainty(p.stated.logStd(p, w), p.growth.logStd(p, w), n)
	}
	return p.std
}

// Reset forgets the job.
func (p *CapacityPolicy) Reset() {
	p.filter.Reset()
	clear(p.memory)
}

// Start implements scenario.Starter.
func (p *CapacityPolicy) Start(s *scenario.Scenario) {
	if s.Workers != p.filter.Workers() {
		p.begin(s.Workers)
		return
	}
	p.Reset()
}

// Decide implements scenario.Policy. An unmeasured worker keeps its estimate and its
// memory. Where the network puts out NaN, capacities stay as they are and memories are
// cleared.
func (p *CapacityPolicy) Decide(m *scenario.Measured, capacity []float64) bool {
	decided := p.filter.Observe(m)
	if decided {
		h := p.spec.Units
		copy(p.kept, p.memory)
		p.network.Forward(p.filter.Features(), p.memory, p.action)
		for w := range capacity {
			if !p.filter.Measured(w) {
				copy(p.memory[w*h:(w+1)*h], p.kept[w*h:])
			}
		}
		decided = p.filter.Apply(p.action) == nil
		if !decided {
			clear(p.memory)
		}
	}
	p.filter.Capacities(capacity)
	return decided
}
