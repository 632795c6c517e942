package learned

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/filter"
	"github.com/saspart/saspart/policy/scenario"
)

// ExploringPolicy is a CapacityPolicy that explores: it draws log capacities from a normal
// distribution around those of the CapacityPolicy, with a standard deviation that the
// network puts out for each worker. The noise does not enter the estimates. It is for one
// goroutine.
type ExploringPolicy struct {
	Explore bool // whether it draws; if not, it decides as the CapacityPolicy does

	policy   *CapacityPolicy
	explored column // the head's, of the log standard deviation
	rng      *rand.Rand
	log      []float64 // [P] scratch
	std      []float64 // [P]
}

var _ scenario.Policy = (*ExploringPolicy)(nil)

// NewExploringPolicy returns the exploring policy of a checkpoint of kind capacity for P
// workers. It draws from rng.
func NewExploringPolicy(c *checkpoint.Checkpoint, workers int, rng *rand.Rand) (*ExploringPolicy, error) {
	p, err := NewCapacityPolicy(c, workers)
	if err != nil {
		return nil, err
	}
	return &ExploringPolicy{
		Explore: true, policy: p, explored: columnOf(c, filter.Explored), rng: rng, log: make([]float64, workers), std: make([]float64, workers),
	}, nil
}

// Adopt continues with newer parameters of the same network and keeps estimates and
// memories. A checkpoint of another network is an error and changes nothing.
func (x *ExploringPolicy) Adopt(c *checkpoint.Checkpoint) error {
	next, err := NewCapacityPolicy(c, len(x.std))
	if err != nil {
		return err
	}
	if fmt.Sprint(next.spec) != fmt.Sprint(x.policy.spec) {
		return fmt.Errorf("newer parameters are of a network of %+v, those in use of %+v", next.spec, x.policy.spec)
	}
	state := x.State()
	x.policy, x.explored = next, columnOf(c, filter.Explored)
	return x.Restore(state)
}

// Reset forgets the job.
func (x *ExploringPolicy) Reset() { x.policy.Reset() }

// Uncertainty is that of the CapacityPolicy.
func (x *ExploringPolicy) Uncertainty() []float64 { return x.policy.Uncertainty() }

// Deviations are the standard deviations of each worker's log capacity after the last
// window, with and without exploration.
func (x *ExploringPolicy) Deviations() []float64 {
	for w := range x.std {
		x.std[w] = math.Exp(float64(x.explored.logStd(x.policy, w)))
	}
	return x.std
}

// Decide implements scenario.Policy.
func (x *ExploringPolicy) Decide(m *scenario.Measured, capacity []float64) bool {
	decided := x.policy.Decide(m, capacity)
	if !decided || !x.Explore {
		return decided
	}
	f := x.policy.filter
	for w, std := range x.Deviations() {
		x.log[w] = f.Estimate()[w] + f.Hedge()[w] + std*x.rng.NormFloat64()
	}
	filter.Capacities(x.log, capacity, capacity)
	return true
}

// PolicyState is what an ExploringPolicy remembers of a job of P workers: with its
// parameters and its generator, all that it needs to continue.
type PolicyState struct {
	Log    []float64 // [P] estimates of the log speeds
	Hedge  []float64 // [P] what log capacities differ by from them
	Missed []float64 // [P] windows without a measurement
	Memory []float32 // [P,H] the network's
}

// State returns a copy of what the policy remembers.
func (x *ExploringPolicy) State() PolicyState {
	p := x.policy
	return PolicyState{Log: slices.Clone(p.filter.Estimate()), Hedge: slices.Clone(p.filter.Hedge()), Missed: slices.Clone(p.filter.Missed()), Memory: slices.Clone(p.memory)}
}

// Restore sets the policy to a state that State returned. A state of another number of
// workers or another network is an error and changes nothing.
func (x *ExploringPolicy) Restore(s PolicyState) error {
	p := x.policy
	if len(s.Log) != p.filter.Workers() || len(s.Hedge) != len(s.Log) || s.Missed != nil && len(s.Missed) != len(s.Log) || len(s.Memory) != len(p.memory) {
		return fmt.Errorf("restore the policy: a state of %d workers and a memory of %d numbers, where %d and %d belong",
			len(s.Log), len(s.Memory), p.filter.Workers(), len(p.memory))
	}
	copy(p.filter.Estimate(), s.Log)
	copy(p.filter.Hedge(), s.Hedge)
	clear(p.filter.Missed())
	copy(p.filter.Missed(), s.Missed) // nil in states of earlier versions
	copy(p.memory, s.Memory)
	return nil
}
