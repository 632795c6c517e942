//go:build torch

package capacity

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/filter"
	"github.com/saspart/saspart/policy/network"
	"github.com/saspart/saspart/policy/scenario"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/nn"
)

// ModelTrainer trains the network of the capacity action by gradients through the fluid
// model (docs/algorithms.md, "Training through the model"). Whole scenarios run under the
// network, and the loss of every window is taken back through capacities, estimates and
// memories to the parameters. Only the scenarios are random, so that training takes minutes
// where training from rewards takes hours. It is for one goroutine at a time.
//
// The backward pass is written by hand, and in float64 outside the network. Under autograd a
// window of a few hundred workers is some hundred small operations, and starting one costs
// more than its work.
type ModelTrainer struct {
	cfg     Config
	net     nn.GRU
	params  *nn.Params
	policy  *nn.Params // the moving average, if the policy is one; else params
	inputs  filter.Inputs
	pool    *nn.Pool
	pcg     *rand.PCG
	rng     *rand.Rand
	updates uint64
	groups  []group
	muon    nn.Muon
}

// group is a part of a batch that one thread runs through all windows. How a batch is
// divided does not depend on the threads.
type group struct {
	rollouts  []rollout
	jobs      []int // workers of each
	tape      nn.GRUTape
	held      held
	unsure    uncertainty
	grad      []float32 // laid out as the parameters
	loss      float64   // summed over scenarios and windows
	imbalance float64
	score     float64 // negative log-likelihood of the log speeds, less a constant
}

// groupScenarios is the number of scenarios in a group: with some ten workers each, enough
// rows for BLAS, and few enough for the caches.
const groupScenarios = 6

// NewModelTrainer makes a trainer with a new network. Everything random follows from seed.
func NewModelTrainer(cfg Config, seed uint64) (*ModelTrainer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("training configuration: %w", err)
	}
	inputs, err := filter.TrainingInputs(cfg.Inputs)
	if err != nil {
		return nil, fmt.Errorf("training configuration: inputs: %w", err)
	}
	nn.SingleThread()
	pcg := rand.NewPCG(seed, 0xca9ac171)
	t := &ModelTrainer{
		cfg: cfg, net: nn.GRU{Inputs: inputs.Len(), Units: cfg.Units, Actions: filter.Actions(cfg.Hedge), Pool: cfg.Pool}, inputs: inputs,
		pool: &nn.Pool{Threads: cfg.Threads}, pcg: pcg, rng: rand.New(pcg),
	}
	t.params = nn.NewParams(t.net.Layout())
	t.net.Init(t.params, t.rng)
	t.policy = t.params
	if cfg.Average > 0 {
		t.policy = nn.NewParams(t.net.Layout())
		copy(t.policy.W, t.params.W)
	}
	t.groups = make([]group, nn.Parts(cfg.Batch, groupScenarios))
	for i := range t.groups {
		g := &t.groups[i]
		g.rollouts = make([]rollout, min(groupScenarios, cfg.Batch-i*groupScenarios))
		g.grad = make([]float32, len(t.params.W))
	}
	return t, nil
}

// Updates is the number of updates done.
func (t *ModelTrainer) Updates() uint64 { return t.updates }

// Generator is the trainer's random generator. It is part of the trainer's state, so a caller
// that draws from it resumes with it.
func (t *ModelTrainer) Generator() *rand.Rand { return t.rng }

// Update draws a batch of scenarios and learns from it, as UpdateOn does.
func (t *ModelTrainer) Update() (Stats, error) {
	batch := make([]*scenario.Scenario, t.cfg.Batch)
	workers, seeds := make([]int, len(batch)), make([]uint64, len(batch))
	for i := range batch {
		workers[i], seeds[i] = t.cfg.workers(t.rng.Float64()), t.rng.Uint64()
	}
	t.pool.Run(len(batch), func(i int) { batch[i] = t.cfg.Scenarios.New(workers[i], seeds[i]) })
	return t.UpdateOn(batch)
}

// UpdateOn learns from a batch of scenarios of any P, for instance recorded ones
// (recording.Scenario). Their number and length must be those of the configuration. If no
// gradient is finite, that is an error and leaves the parameters unchanged.
func (t *ModelTrainer) UpdateOn(batch []*scenario.Scenario) (Stats, error) {
	stats := Stats{Update: t.updates + 1}
	if len(batch) != t.cfg.Batch {
		return stats, fmt.Errorf("update %d: %d scenarios, where the configuration's batch has %d", stats.Update, len(batch), t.cfg.Batch)
	}
	for _, s := range batch {
		if s.Windows != t.cfg.Scenarios.Windows() {
			return stats, fmt.Errorf("update %d: a scenario of %d windows, where the configuration's have %d", stats.Update, s.Windows, t.cfg.Scenarios.Windows())
		}
	}
	done := min(float64(t.updates)/float64(t.cfg.Updates), 1)
	k := t.cfg.Sharpness[0] + done*(t.cfg.Sharpness[1]-t.cfg.Sharpness[0])
	stats.Rate = t.cfg.Rate[1] + (t.cfg.Rate[0]-t.cfg.Rate[1])*(1+math.Cos(math.Pi*done))/2
	w := t.net.Views(t.params.W)
	// Groups of scenarios of like sizes, the largest first, so that threads finish together.
	batch = slices.Clone(batch)
	slices.SortFunc(batch, func(a, b *scenario.Scenario) int { return b.Workers - a.Workers })
	t.pool.Run(len(t.groups), func(i int) {
		g := &t.groups[i]
		for j := range g.rollouts {
			g.rollouts[j].begin(batch[i*groupScenarios+j])
		}
		t.pass(g, &w, k)
	})
	clear(t.params.Grad)
	finite := 0
	windows := float64(t.cfg.Batch * t.cfg.Scenarios.Windows())
	for i := range t.groups {
		if t.groups[i].bound(t.cfg.GradClip) {
			finite++
		}
		for j, v := range t.groups[i].grad {
			t.params.Grad[j] += v
		}
		stats.Loss += t.groups[i].loss / windows
		stats.Imbalance += t.groups[i].imbalance / windows
		stats.Score += t.groups[i].score / windows
	}
	if finite == 0 {
		return stats, fmt.Errorf("update %d: the network's gradient is not finite; lower the rate, or restart from an earlier checkpoint", stats.Update)
	}
	var err error
	if stats.Norm, err = t.step(stats.Rate); err != nil {
		return stats, fmt.Errorf("update %d: the network's %w", stats.Update, err)
	}
	t.updates++
	if t.policy != t.params {
		nn.Toward(t.pool, t.policy.W, t.params.W, 1-t.cfg.Average)
	}
	return stats, nil
}

// step updates the parameters and returns the length of their gradient.
func (t *ModelTrainer) step(rate float64) (float64, error) {
	p, number := t.params, t.updates+1
	if !t.cfg.Muon {
		return p.Step(t.pool, rate, number, t.cfg.GradClip)
	}
	norm, scale, err := p.Clipped(t.pool, t.cfg.GradClip)
	if err != nil {
		return norm, err
	}
	for i := range p.Grad {
		p.Grad[i] *= float32(scale)
	}
	w, m, g := t.net.Views(p.W), t.net.Views(p.M), t.net.Views(p.Grad)
	at := 0
	for entry, tensor := range p.Layout {
		from, h := at, t.net.Units
		at += tensor.Len()
		switch entry {
		case nn.InputWeight, nn.MemoryWeight, nn.PoolWeight:
			// Each gate's is a matrix of its own.
			for gate := 0; gate < 3*h; gate += h {
				t.muon.Step(w[entry].Columns(gate, gate+h), m[entry].Columns(gate, gate+h), g[entry].Columns(gate, gate+h), rate)
			}
		default:
			p.Adam(t.pool, from, at, 1, rate, number)
		}
	}
	return norm, nil
}

// pass runs a group's scenarios through all windows and back, and sets the group's loss,
// imbalance and gradient.
func (t *ModelTrainer) pass(g *group, w *[nn.GRUTensors]nn.Matrix, k float64) {
	windows := t.cfg.Scenarios.Windows()
	g.jobs = g.jobs[:0]
	for i := range g.rollouts {
		g.jobs = append(g.jobs, g.rollouts[i].s.Workers)
	}
	tape := &g.tape
	tape.Begin(t.net, windows-1, g.jobs)
	g.loss, g.imbalance, g.score = 0, 0, 0
	weight := 1 / float64(t.cfg.Batch*windows)
	for s := range windows {
		g.each(func(c *rollout, from int) {
			c.capacities(s)
			loss, imbalance := c.loss(s, k, weight)
			g.loss += loss
			g.imbalance += imbalance
			if s < windows-1 {
				c.observe(s, &t.inputs, c.rows(tape.At(tape.X, s, t.net.Inputs), from))
			}
		})
		if s == windows-1 {
			break // a decision after the last window has no effect
		}
		g.held.forward(tape, w, s, g.unmeasured(s))
		g.each(func(c *rollout, from int) { c.filter.Steps[s].Apply(c.rows(tape.At(tape.A, s, t.net.Actions), from)) })
	}
	g.each(func(c *rollout, _ int) { c.capacitiesBack(windows - 1) })
	states := t.cfg.Uncertainty > 0
	if states {
		g.unsure.begin(t.net, w, windows-1, len(tape.DH)/t.net.Units)
	}
	for s := windows - 2; s >= 0; s-- {
		g.each(func(c *rollout, from int) {
			da := c.rows(tape.At(tape.DA, s, t.net.Actions), from)
			c.filter.Steps[s].ApplyBack(&c.back, da)
			c.commonBack(s, t.cfg.Common*weight, c.rows(tape.At(tape.A, s, t.net.Actions), from), da)
		})
		if states {
			g.unsure.back(g, s, t.cfg.Uncertainty*weight)
		}
		g.held.backward(tape, w, s, g.unmeasured(s))
		g.each(func(c *rollout, from int) {
			c.observeBack(s, &t.inputs, c.rows(tape.At(tape.DX, 0, t.net.Inputs), from))
			c.capacitiesBack(s)
		})
	}
	grad := t.net.Views(g.grad)
	tape.Gradients(&grad)
	if states {
		g.unsure.stated.gradients(tape, &grad, g.unsure.byStated)
		g.unsure.growth.gradients(tape, &grad, g.unsure.byGrowth)
	}
}

// bound shortens the group's gradient to clip, unless that is 0. Where the course of a scenario
// depends on every rounding, its gradient is long and says nothing, and must not drown those of
// the other groups. One that is not finite becomes 0, which ok reports.
func (g *group) bound(clip float64) (ok bool) {
	sum := 0.0
	for _, v := range g.grad {
		sum += float64(v) * float64(v)
	}
	length := math.Sqrt(sum)
	if math.IsNaN(length) || math.IsInf(length, 0) {
		clear(g.grad)
		return false
	}
	if clip > 0 && length > clip {
		for i := range g.grad {
			g.grad[i] *= float32(clip / length)
		}
	}
	return true
}

// rows are a rollout's rows, from a first one, of a matrix with a row for each worker.
func (c *rollout) rows(m nn.Matrix, from int) []float32 {
	return m.V[m.Cols*from : m.Cols*(from+c.s.Workers)]
}

// each calls f with every rollout of a group and the first of its rows.
func (g *group) each(f func(c *rollout, from int)) {
	from := 0
	for i := range g.rollouts {
		f(&g.rollouts[i], from)
		from += g.rollouts[i].s.Workers
	}
}

// unmeasured returns an iterator over the rows that were not measured in window s.
func (g *group) unmeasured(s int) func(f func(row int)) {
	return func(f func(row int)) {
		g.each(func(c *rollout, from int) {
			for w, ok := range c.filter.Steps[s].Measured {
				if !ok {
					f(from + w)
				}
			}
		})
	}
}

// Checkpoint is the policy as it is now; it shares no memory with the trainer.
func (t *ModelTrainer) Checkpoint() *checkpoint.Checkpoint {
	c := &checkpoint.Checkpoint{
		Format: checkpoint.Format, Kind: checkpoint.KindCapacity, CreatedBy: "saspart",
		Capacity:      &checkpoint.CapacitySpec{Inputs: slices.Clone(t.cfg.Inputs), Units: t.cfg.Units, Hedge: t.cfg.Hedge, Pool: t.cfg.Pool, Uncertainty: t.cfg.Uncertainty > 0},
		Normalisation: &checkpoint.Normalisation{Mean: slices.Clone(t.inputs.Mean), Scale: slices.Clone(t.inputs.Scale)},
	}
	for _, p := range t.policy.Layout {
		c.Tensors = append(c.Tensors, network.Tensor{Name: p.Name, Shape: slices.Clone(p.Shape), Data: slices.Clone(p.Data)})
	}
	return c
}

// State returns a copy of everything needed to resume exactly.
func (t *ModelTrainer) State() (train.State, error) {
	return nn.TakeState(t.updates, t.pcg, t.tensors())
}

// Restore sets the trainer to a state that State returned. A state of another network is an
// error and changes nothing.
func (t *ModelTrainer) Restore(s train.State) error {
	return nn.PutState(s, &t.updates, t.pcg, t.tensors())
}

// tensors are all that the trainer learns, in its own memory.
func (t *ModelTrainer) tensors() []train.Tensor {
	all := t.params.Named("capacity")
	if t.policy != t.params {
		all = append(all, train.Tensor{Name: "capacity.average", Shape: []int{len(t.policy.W)}, Data: t.policy.W})
	}
	return all
}

// StartFrom sets the network to that of a checkpoint with the same units, whose inputs are the
// first of the trainer's; its decisions do not depend on the others at first. Inputs may have
// other scales; a checkpoint that subtracts means from them is an error.
func (t *ModelTrainer) StartFrom(c *checkpoint.Checkpoint) error {
	from := c.Capacity.Inputs
	if len(from) > len(t.cfg.Inputs) || !slices.Equal(from, t.cfg.Inputs[:len(from)]) {
		return fmt.Errorf("start from a checkpoint: its inputs %v are not the first of the training's, %v", from, t.cfg.Inputs)
	}
	if s := c.Capacity; s.Units != t.cfg.Units || s.Hedge != t.cfg.Hedge || s.Pool != t.cfg.Pool {
		return fmt.Errorf("start from a checkpoint: its network of %d units, hedge %v, pool %v is not the training's of %d, %v, %v", s.Units, s.Hedge, s.Pool, t.cfg.Units, t.cfg.Hedge, t.cfg.Pool)
	}
	w := t.net.Views(t.params.W)[nn.InputWeight]
	clear(t.params.Layout[nn.InputWeight].Data)
	takeOver(t.params, c)
	for i := range from {
		mean, scale := float32(0), float32(1)
		if n := c.Normalisation; n != nil {
			mean, scale = n.Mean[i], n.Scale[i]
		}
		if mean != 0 {
			return fmt.Errorf("start from a checkpoint: %q has mean %v subtracted, which training through the model does not support", from[i], mean)
		}
		for j := range w.Cols {
			w.V[i*w.Stride+j] *= scale / t.inputs.Scale[i]
		}
	}
	copy(t.policy.W, t.params.W)
	return nil
}
