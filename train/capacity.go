//go:build torch

package train

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/saspart/saspart/policy"
)

// Capacity trains the network of the capacity action by gradients through the fluid
// model (capacity.md, The network): whole scenarios are run under the network, and
// the loss of every window is taken back through shares, estimates and memories to
// the parameters. Nothing is sampled but the scenarios, so that minutes suffice where
// learning from rewards takes hours. It is for one goroutine at a time.
//
// The way back is written out, by hand and in float64 outside the network: with
// autograd a window of a few hundred workers is some hundred small operations, each
// of which costs more to start than to do.
type Capacity struct {
	cfg     CapacityConfig
	net     gru
	params  *params
	inputs  []int // of all inputs, those in use
	pool    *pool
	pcg     *rand.PCG
	rng     *rand.Rand
	updates uint64
	groups  []group
	muon    muon
}

// How many numbers the capacity action has per worker, without and with a hedge.
const (
	plainActions  = 2
	hedgedActions = 3
)

// actions is A, how many numbers the action has per worker.
func (c *CapacityConfig) actions() int {
	if c.Hedge {
		return hedgedActions
	}
	return plainActions
}

// group is a part of a batch that one thread takes through all windows. How a batch
// falls into groups does not depend on the threads.
type group struct {
	courses   []course
	jobs      []int // workers of each
	tape      gruTape
	features  []float64 // [P,allInputs] of one scenario
	grad      []float32 // laid out as the parameters
	loss      float64   // summed over scenarios and windows
	imbalance float64
}

// groupScenarios is how many scenarios a group has: with some ten workers each, rows
// enough for BLAS, and few enough for the caches.
const groupScenarios = 6

// inputScales bring the inputs in use to sizes near 1, in the order of
// policy.CapacityInputs: log speeds are off by some hundredths as a rule.
var inputScales = [...]float32{
	innovation: 5, surprise: 10, busy: 2, saturated: 1, lag: 2, change: 5, estimate: 2, busiest: 2, queue: 1,
	ratio: 1, load: 2, workerCount: 0.3, age: 0.5, calm: 0.3, contrast: 1,
}

// NewCapacity makes a trainer with a fresh network. Everything random in its life
// follows from seed.
func NewCapacity(cfg CapacityConfig, seed uint64) (*Capacity, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("training configuration: %w", err)
	}
	singleThread()
	pcg := rand.NewPCG(seed, 0xca9ac171)
	t := &Capacity{cfg: cfg, net: gru{inputs: len(cfg.Inputs), units: cfg.Units, actions: cfg.actions(), pool: cfg.Pool}, pool: &pool{threads: cfg.Threads}, pcg: pcg, rng: rand.New(pcg)}
	for _, name := range cfg.Inputs {
		at := slices.Index(policy.CapacityInputs(), name)
		if at >= allInputs {
			return nil, fmt.Errorf("training configuration: inputs: the fluid model has no %q", name)
		}
		t.inputs = append(t.inputs, at)
	}
	t.params = newParams(t.net.layout())
	t.net.init(t.params, t.rng)
	t.groups = make([]group, parts(cfg.Batch, groupScenarios))
	for i := range t.groups {
		g := &t.groups[i]
		g.courses = make([]course, min(groupScenarios, cfg.Batch-i*groupScenarios))
		g.grad = make([]float32, len(t.params.w))
	}
	return t, nil
}

// Updates is the number of updates done.
func (t *Capacity) Updates() uint64 { return t.updates }

// Generator is what everything random in the trainer's life is drawn from; it is part of
// the trainer's state, so that what else draws from it is resumed with it.
func (t *Capacity) Generator() *rand.Rand { return t.rng }

// Update draws a batch of scenarios and learns from it, as UpdateOn does.
func (t *Capacity) Update() (CapacityStats, error) {
	batch := make([]*policy.Scenario, t.cfg.Batch)
	low, high := math.Log(float64(t.cfg.Workers[0])), math.Log(float64(t.cfg.Workers[1])+1)
	workers, seeds := make([]int, len(batch)), make([]uint64, len(batch))
	for i := range batch {
		p := int(math.Exp(low + t.rng.Float64()*(high-low)))
		workers[i], seeds[i] = min(max(p, t.cfg.Workers[0]), t.cfg.Workers[1]), t.rng.Uint64()
	}
	t.pool.run(len(batch), func(i int) { batch[i] = policy.NewScenario(t.cfg.Scenarios, workers[i], seeds[i]) })
	return t.UpdateOn(batch)
}

// UpdateOn learns from a batch of scenarios, of any P, as many and as long as the
// configuration says: recorded ones, for instance (RecordedScenario). An error from a
// gradient that is not finite leaves the parameters as they were.
func (t *Capacity) UpdateOn(batch []*policy.Scenario) (CapacityStats, error) {
	stats := CapacityStats{Update: t.updates + 1}
	if len(batch) != t.cfg.Batch {
		return stats, fmt.Errorf("update %d: %d scenarios, where the configuration's batch has %d", stats.Update, len(batch), t.cfg.Batch)
	}
	for _, s := range batch {
		if s.Windows != t.cfg.Scenarios.Windows {
			return stats, fmt.Errorf("update %d: a scenario of %d windows, where the configuration's have %d", stats.Update, s.Windows, t.cfg.Scenarios.Windows)
		}
	}
	done := min(float64(t.updates)/float64(t.cfg.Updates), 1)
	k := t.cfg.Sharpness[0] + done*(t.cfg.Sharpness[1]-t.cfg.Sharpness[0])
	stats.Rate = t.cfg.Rate[1] + (t.cfg.Rate[0]-t.cfg.Rate[1])*(1+math.Cos(math.Pi*done))/2
	w := t.net.views(t.params.w)
	// Groups of scenarios of like sizes, the largest first, so that threads finish together.
	batch = slices.Clone(batch)
	slices.SortFunc(batch, func(a, b *policy.Scenario) int { return b.Workers - a.Workers })
	t.pool.run(len(t.groups), func(i int) {
		g := &t.groups[i]
		for j := range g.courses {
			g.courses[j].begin(batch[i*groupScenarios+j])
		}
		t.pass(g, &w, k)
	})
	clear(t.params.grad)
	windows := float64(t.cfg.Batch * t.cfg.Scenarios.Windows)
	for i := range t.groups {
		for j, v := range t.groups[i].grad {
			t.params.grad[j] += v
		}
		stats.Loss += t.groups[i].loss / windows
		stats.Imbalance += t.groups[i].imbalance / windows
	}
	var err error
	stats.Norm, err = t.step(stats.Rate)
	if err != nil {
		return stats, fmt.Errorf("update %d: the network's %w; lower the rate, or restart from an earlier checkpoint", stats.Update, err)
	}
	t.updates++
	return stats, nil
}

// step moves the parameters along their gradient, and returns its length.
func (t *Capacity) step(rate float64) (float64, error) {
	p, number := t.params, t.updates+1
	if !t.cfg.Muon {
		return p.step(t.pool, rate, number, t.cfg.GradClip)
	}
	norm, scale, err := p.clipped(t.pool, t.cfg.GradClip)
	if err != nil {
		return norm, err
	}
	for i := range p.grad {
		p.grad[i] *= float32(scale)
	}
	w, m, g := t.net.views(p.w), t.net.views(p.m), t.net.views(p.grad)
	at := 0
	for entry, tensor := range p.layout {
		from, h := at, t.net.units
		at += tensor.Len()
		switch entry {
		case inputWeight, memoryWeight, poolWeight:
			// Each gate's is a matrix of its own.
			for gate := 0; gate < 3*h; gate += h {
				t.muon.step(w[entry].columns(gate, gate+h), m[entry].columns(gate, gate+h), g[entry].columns(gate, gate+h), rate)
			}
		default:
			p.adam(t.pool, from, at, 1, rate, number)
		}
	}
	return norm, nil
}

// pass takes a group's scenarios through all windows and back, and leaves loss,
// imbalance and gradient in the group.
func (t *Capacity) pass(g *group, w *[capacityTensors]matrix, k float64) {
	windows, widest := t.cfg.Scenarios.Windows, 0
	g.jobs = g.jobs[:0]
	for i := range g.courses {
		g.jobs = append(g.jobs, g.courses[i].s.Workers)
		widest = max(widest, g.courses[i].s.Workers)
	}
	g.features = resized(g.features, widest*allInputs)
	g.tape.begin(t.net, windows-1, g.jobs)
	g.loss, g.imbalance = 0, 0
	weight := 1 / float64(t.cfg.Batch*windows)
	for s := range windows {
		t.eachCourse(g, func(c *course, from int) {
			c.share(s)
			loss, imbalance := c.loss(s, k, weight*t.counts(c.s.Workers))
			g.loss += loss
			g.imbalance += imbalance
			if s < windows-1 {
				c.observe(s, g.features)
				t.see(c, g, s, from)
			}
		})
		if s == windows-1 {
			break // what is decided now has no consequences
		}
		g.tape.forward(w, s)
		t.eachCourse(g, func(c *course, from int) { c.apply(s, g.actions(g.tape.a, s, c, from)) })
	}
	t.eachCourse(g, func(c *course, _ int) { c.shared(windows - 1) })
	for s := windows - 2; s >= 0; s-- {
		t.eachCourse(g, func(c *course, from int) { c.applied(s, g.actions(g.tape.da, s, c, from)) })
		g.tape.backward(w, s)
		t.eachCourse(g, func(c *course, from int) {
			t.unsee(c, g, from)
			c.observed(s, g.features)
			c.shared(s)
		})
	}
	grad := t.net.views(g.grad)
	g.tape.gradients(&grad)
}

// counts is what a scenario of P workers counts, 1 in the middle of those drawn.
func (t *Capacity) counts(workers int) float64 {
	middle := math.Sqrt(float64(t.cfg.Workers[0]) * float64(t.cfg.Workers[1]))
	return math.Pow(float64(workers)/middle, t.cfg.Weight)
}

// actions are a course's rows, from a first one, of what the tape has of the actions,
// or the gradients by them, of step s.
func (g *group) actions(v []float32, s int, c *course, from int) []float32 {
	n := g.tape.net.actions
	return g.tape.at(v, s, n).v[n*from : n*(from+c.s.Workers)]
}

// eachCourse calls f with every course of a group and the first of its rows.
func (t *Capacity) eachCourse(g *group, f func(c *course, from int)) {
	from := 0
	for i := range g.courses {
		f(&g.courses[i], from)
		from += g.courses[i].s.Workers
	}
}

// see makes the network's inputs in step s of the features in use.
func (t *Capacity) see(c *course, g *group, s, from int) {
	x := g.tape.at(g.tape.x, s, t.net.inputs).v[from*t.net.inputs:]
	for row := range c.s.Workers {
		for i, at := range t.inputs {
			x[row*t.net.inputs+i] = float32(g.features[row*allInputs+at]) * inputScales[at]
		}
	}
}

// unsee makes gradients by features of those by the inputs.
func (t *Capacity) unsee(c *course, g *group, from int) {
	dx := g.tape.dx[from*t.net.inputs:]
	clear(g.features)
	for row := range c.s.Workers {
		for i, at := range t.inputs {
			g.features[row*allInputs+at] = float64(dx[row*t.net.inputs+i] * inputScales[at])
		}
	}
}

// Checkpoint is the policy as it is now; it shares no memory with the trainer.
func (t *Capacity) Checkpoint() *policy.Checkpoint {
	n := &policy.Normalisation{Mean: make([]float32, len(t.inputs))}
	for _, at := range t.inputs {
		n.Scale = append(n.Scale, inputScales[at])
	}
	c := &policy.Checkpoint{
		Format: policy.CheckpointFormat, Kind: policy.KindCapacity, CreatedBy: "saspart",
		Capacity:      &policy.CapacitySpec{Inputs: slices.Clone(t.cfg.Inputs), Units: t.cfg.Units, Hedge: t.cfg.Hedge, Pool: t.cfg.Pool},
		Normalisation: n,
	}
	for _, p := range t.params.layout {
		c.Tensors = append(c.Tensors, policy.Tensor{Name: p.Name, Shape: slices.Clone(p.Shape), Data: slices.Clone(p.Data)})
	}
	return c
}

// State returns a copy of everything that an exact resumption needs.
func (t *Capacity) State() (State, error) { return taken(t.updates, t.pcg, t.params.named("capacity")) }

// Restore makes the trainer what it was when s was taken. A state of another network
// is refused and changes nothing.
func (t *Capacity) Restore(s State) error {
	return put(s, &t.updates, t.pcg, t.params.named("capacity"))
}

// StartFrom takes over the network of a checkpoint, of the same inputs and units, whose
// inputs may be of other scales. One that takes means out of them is an error.
func (t *Capacity) StartFrom(c *policy.Checkpoint) error {
	takeOver(t.params, c)
	w := t.net.views(t.params.w)[inputWeight]
	for i, at := range t.inputs {
		mean, scale := float32(0), float32(1)
		if n := c.Normalisation; n != nil {
			mean, scale = n.Mean[i], n.Scale[i]
		}
		if mean != 0 {
			return fmt.Errorf("start from a checkpoint: %q has mean %v taken out, which training by the model has no place for", c.Capacity.Inputs[i], mean)
		}
		for j := range w.cols {
			w.v[i*w.stride+j] *= scale / inputScales[at]
		}
	}
	return nil
}
