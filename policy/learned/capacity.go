package learned

import (
	"fmt"
	"math"
	"slices"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/network"
	"github.com/saspart/saspart/policy/scenario"
)

// CapacityState is what the capacity action remembers of a job, apart from the
// network's memory: an estimate e of each worker's log speed, of mean 0. A window is
// Observe, then Apply with the network's action for Features. The estimate is part
// of the state and the action only says how to correct it, so that any network is a
// filter and an untrained one a fixed smoothing. It allocates nothing after
// NewCapacityState and is for one goroutine.
type CapacityState struct {
	inputs   []int // features in use, by their place in checkpoint.CapacityInputs
	log      []float64
	hedge    []float64 // what log shares differ by from log
	innov    []float64 // innovation, NaN where not measured
	features []float32 // [P,I]
}

// fewRecords is how many finished records make an innovation count half.
const fewRecords = 30

// leastSurprise keeps the input ratio small where nothing surprises, and leastContrast
// contrast where next to nothing does.
const (
	leastSurprise = 0.01
	leastContrast = 1e-3
)

// NewCapacityState returns the state of a job of P workers that are taken to be
// equal, for a network with the named inputs.
func NewCapacityState(workers int, inputs []string) (*CapacityState, error) {
	s := &CapacityState{
		log: make([]float64, workers), hedge: make([]float64, workers), innov: make([]float64, workers), features: make([]float32, workers*len(inputs)),
	}
	if err := checkpoint.CheckInputs(inputs); err != nil {
		return nil, err
	}
	for _, name := range inputs {
		s.inputs = append(s.inputs, slices.Index(checkpoint.CapacityInputs(), name))
	}
	return s, nil
}

// Reset takes all workers to be equal again.
func (s *CapacityState) Reset() {
	clear(s.log)
	clear(s.hedge)
}

// Features are the inputs [P,I] that the last Observe computed.
func (s *CapacityState) Features() []float32 { return s.features }

// Estimate is e: each worker's log speed, of mean 0.
func (s *CapacityState) Estimate() []float64 { return s.log }

// Observe takes in what was measured in a window. It reports whether any worker was:
// if none, nothing is known of the speeds and there is no action to take.
//
// What innovations have in common says nothing about proportions and is taken out,
// as far as workers were measured. One that finished few records has been measured
// badly: with n of them, or n expected of it, its innovation is n/(n+30) of what it
// would be.
func (s *CapacityState) Observe(m *scenario.Measured) bool {
	workers := float64(len(s.log))
	n, mean, expected, busiest, load := 0.0, 0.0, 0.0, 0.0, 0.0
	for w, e := range s.log {
		s.innov[w] = math.NaN()
		b := m.Busy[w]
		if !(b > 0) || math.IsInf(b, 1) || !(m.Seen[w] > 0) {
			continue
		}
		s.innov[w] = math.Log(m.Seen[w]*workers/b) - e
		mean += s.innov[w]
		n++
		expected += math.Exp(e) * b
		busiest = max(busiest, b)
		load += b
	}
	if n == 0 {
		return false
	}
	mean /= n
	surprise := 0.0
	for w := range s.innov {
		if s.innov[w] != s.innov[w] {
			continue
		}
		s.innov[w] -= mean
		if m.Records > 0 {
			k := m.Records * max(m.Seen[w], math.Exp(s.log[w])*m.Busy[w]/expected)
			s.innov[w] *= k / (k + fewRecords)
		}
		surprise += math.Abs(s.innov[w]) / n
	}
	for w, e := range s.log {
		all := [...]float64{
			s.innov[w], surprise, m.Busy[w], 0, math.Log(m.Share[w]*workers) - e, math.Log(m.Seen[w] / m.Share[w]), e, busiest, m.Queue[w],
			s.innov[w] / (surprise + leastSurprise), load / n, math.Log(workers), m.Age,
			math.Log(surprise + leastContrast), s.innov[w] / (surprise + leastContrast),
		}
		if m.Busy[w] >= scenario.Saturated {
			all[3] = 1
		}
		if s.innov[w] != s.innov[w] {
			all[0], all[5], all[9], all[14] = 0, 0, 0, 0
		}
		for i, at := range s.inputs {
			s.features[w*len(s.inputs)+i] = bounded(all[at])
		}
	}
	return true
}

// bounded is v as a network's input: within ±100, and 0 where there is none.
func bounded(v float64) float32 {
	if v != v {
		return 0
	}
	return float32(min(max(v, -100), 100))
}

// Measured reports whether the last Observe had a measurement of a worker.
func (s *CapacityState) Measured(worker int) bool { return s.innov[worker] == s.innov[worker] }

// The largest correction of a log speed in one window, and the largest difference of
// a log share from what the estimate says.
const (
	mostCorrection = 0.3
	mostHedge      = 0.6
)

// Apply corrects the estimates of the workers that the last Observe had measurements
// of, by an action [P,2] or [P,3] of numbers in [-1, 1] (capacity.md, The network):
//
//	e += gain * innovation + correction
//	gain = (1 + action[0]) / 2        correction = 0.3 * action[1]
//	hedge = 0.6 * action[2]
//
// and takes the mean over the workers out. The hedge, which capacity.md doesn't have,
// is what the next log share differs by from the estimate: it is for one window and
// leaves the estimate alone, so that caution does not become belief. Without a third
// number it is 0. A network whose squashed outputs are tanh(u) has the gain
// sigmoid(2u). An action of another length, or with a number outside [-1, 1], is an
// error and changes nothing.
func (s *CapacityState) Apply(action []float32) error {
	n := len(action) / len(s.log)
	if len(action) != n*len(s.log) || n != checkpoint.PlainActions && n != checkpoint.HedgedActions {
		return fmt.Errorf("capacity action: %d numbers for %d workers", len(action), len(s.log))
	}
	for i, v := range action {
		if !(v >= -1 && v <= 1) {
			return fmt.Errorf("capacity action: number %d is %v; it must lie in [-1, 1]", i, v)
		}
	}
	mean := 0.0
	for w := range s.log {
		if s.Measured(w) {
			a := action[n*w : n*(w+1)]
			gain, correction := (1+float64(a[0]))/2, mostCorrection*float64(a[1])
			s.log[w] += gain*s.innov[w] + correction
			if n == checkpoint.HedgedActions {
				s.hedge[w] = mostHedge * float64(a[2])
			}
		}
		mean += s.log[w] / float64(len(s.log))
	}
	for w := range s.log {
		s.log[w] -= mean
	}
	return nil
}

// leastCapacity is the least share of a worker, as a part of the mean, so that a slow
// one is still measured.
const leastCapacity = 0.02

// Capacity sets dst to each worker's part of the work, in proportion to
// exp(e + hedge) down
// to a fiftieth of the mean, summing to 1, and returns dst.
func (s *CapacityState) Capacity(dst []float64) []float64 {
	for w, e := range s.log {
		dst[w] = e + s.hedge[w]
	}
	scenario.Softmax(dst, dst)
	for w := range dst {
		dst[w] = max(dst[w], leastCapacity/float64(len(dst)))
	}
	scenario.ScaleTo1(dst)
	return dst
}

// Capacity is the capacity action with its network: a follower of worker speeds. It
// allocates nothing between Start and Start and is for one goroutine.
type Capacity struct {
	spec    checkpoint.CapacitySpec
	norm    *checkpoint.Normalisation
	network *network.GRU

	state  *CapacityState
	memory []float32 // [P,H]
	kept   []float32 // [P,H]: what workers remembered that were not measured
	action []float32 // [P,A]
}

// NewCapacity returns the follower of a checkpoint of kind capacity, for a job of P
// workers.
func NewCapacity(c *checkpoint.Checkpoint, workers int) (*Capacity, error) {
	if c.Capacity == nil {
		return nil, fmt.Errorf("checkpoint of kind %s: it has no capacity network", c.Kind)
	}
	network, err := c.Capacity.Network(c.Tensors)
	if err != nil {
		return nil, err
	}
	f := &Capacity{spec: *c.Capacity, norm: c.Normalisation, network: network}
	return f, f.begin(workers)
}

func (f *Capacity) begin(workers int) error {
	state, err := NewCapacityState(workers, f.spec.Inputs)
	f.state = state
	f.memory, f.kept = make([]float32, workers*f.spec.Units), make([]float32, workers*f.spec.Units)
	f.action = make([]float32, workers*f.spec.Actions())
	return err
}

var _ scenario.Follower = (*Capacity)(nil)

// Start implements Follower.
func (f *Capacity) Start(s *scenario.Scenario) {
	if s.Workers != len(f.state.log) {
		// The inputs' names were checked when the follower was made.
		_ = f.begin(s.Workers)
		return
	}
	f.state.Reset()
	clear(f.memory)
}

// Next implements Follower.
func (f *Capacity) Next(_ int, m scenario.Measured, share []float64) { f.Follow(&m, share) }

// Follow takes in what was measured in a window and sets share to each worker's part
// of the work from now on, summing to 1. A worker that was not measured keeps its
// estimate and its memory. It reports whether the network had anything to decide and
// decided on numbers; if not, the shares follow the estimates as they were.
func (f *Capacity) Follow(m *scenario.Measured, share []float64) bool {
	decided := f.state.Observe(m)
	if decided {
		x := f.state.features
		f.norm.Apply(x)
		h := f.spec.Units
		for w := range share {
			if !f.state.Measured(w) {
				copy(f.kept[w*h:(w+1)*h], f.memory[w*h:])
			}
		}
		f.network.Forward(x, f.memory, f.action)
		for w := range share {
			if !f.state.Measured(w) {
				copy(f.memory[w*h:(w+1)*h], f.kept[w*h:])
			}
		}
		decided = f.state.Apply(f.action) == nil
		if !decided {
			clear(f.memory)
		}
	}
	f.state.Capacity(share)
	return decided
}
