//go:build torch

package shares

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/network"
	"github.com/saspart/saspart/runlog"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/nn"
	"github.com/saspart/saspart/train/internal/tensor"
)

// algorithm is what makes a learner: one update, and the networks that it needs beside policy
// and critics.
type algorithm struct {
	update        func(t *Trainer, b *batch)
	value         bool // a network V(s), with a target
	deterministic bool // the policy has a target, and a fixed spread to explore with
}

var algorithms = map[train.Algorithm]algorithm{}

// define adds an algorithm of train.Algorithms.
func define(name train.Algorithm, a algorithm) algorithm {
	algorithms[name] = a
	return a
}

// Trainer learns a policy of the shares action. It is for one goroutine at a time.
type Trainer struct {
	cfg  train.Config
	dims train.Dims
	algorithm
	pool *nn.Pool
	pcg  *rand.PCG
	rng  *rand.Rand

	actor   *tensor.Network // O to 2A: means before tanh, log standard deviations
	critic  *tensor.Network // N of O+A to 1, and their targets
	value   *tensor.Network // O to 1; nil: the algorithm has none
	alpha   *nn.Params      // log alpha, one number
	loads   *loads          // nil: the critics are plain networks
	updates uint64

	sampler *network.Sampler // acts with the actor's parameters
	rows    *train.Batch
	s       tensor.Scope // of an update
	stats   train.Stats  // of an update
	errors  []float32    // [B] mean |TD error| over the critics
}

// batch is a batch as tensors.
type batch struct {
	s, a, r, next tensor.Tensor // [B,O], [B,A], [B], [B,O]
	goes          tensor.Tensor // [B] 1 - terminal
	w             tensor.Tensor // [B] importance weights
}

// New makes a trainer for the shares action of an observation's mask, with fresh networks;
// rewards are policy.Reward's with p0. With Config.LoadsRate above 0 the critics know how an
// action becomes loads; observations then are as they are, without a normalisation. Everything
// random follows from seed.
func New(cfg train.Config, o policy.Observation, p0 float64, seed uint64) (*Trainer, error) {
	t, err := newTrainer(cfg, train.Dims{Obs: o.Size(), Act: o.Mask.Pairs()}, seed)
	if err != nil || cfg.LoadsRate == 0 || !cfg.Algorithm.Values() {
		return t, err
	}
	t.loads = newLoads(o, p0)
	for _, last := range t.critic.Layout[len(t.critic.Layout)-2:] {
		clear(last.Data)
	}
	t.critic.Track()
	return t, nil
}

// newTrainer makes a trainer with plain critics, for actions of any kind.
func newTrainer(cfg train.Config, dims train.Dims, seed uint64) (*Trainer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("training configuration: %w", err)
	}
	if dims.Obs < 1 || dims.Act < 1 {
		return nil, fmt.Errorf("networks need at least 1 observation and 1 action, not %d and %d", dims.Obs, dims.Act)
	}
	nn.SingleThread()
	pcg := rand.NewPCG(seed, 0x5a5a)
	t := &Trainer{
		cfg: cfg, dims: dims, algorithm: algorithms[cfg.Algorithm], pool: &nn.Pool{Threads: cfg.Threads}, pcg: pcg, rng: rand.New(pcg),
		rows: train.NewBatch(cfg.Batch, dims), errors: make([]float32, cfg.Batch),
	}
	net := func(members, own, out int) *tensor.Network {
		widths := append(append([]int{}, cfg.Hidden...), out)
		return tensor.NewNetwork(nn.MLP{Members: members, Shared: dims.Obs, Own: own, Widths: widths}, t.pool, t.rng)
	}
	t.actor, t.critic = net(1, 0, 2*dims.Act), net(cfg.Critics, dims.Act, 1)
	t.critic.Track()
	if t.algorithm.value {
		t.value = net(1, 0, 1)
		t.value.Track()
	}
	if t.deterministic {
		fixSpread(t.actor, dims.Act, math.Log(cfg.TD3BC.Explore))
		t.actor.Track()
	}
	t.alpha = nn.NewParams([]train.Tensor{{Name: "log", Shape: []int{1}}})
	t.alpha.W[0] = float32(math.Log(cfg.InitialAlpha))
	var err error
	t.sampler, err = network.NewSampler(t.actor.Layout, dims.Obs, dims.Act)
	return t, err
}

// begin prepares for tensors. The function that it returns is deferred.
func (t *Trainer) begin(err *error) (end func()) {
	runtime.LockOSThread() // libtorch keeps its errors per thread
	return func() {
		defer runtime.UnlockOSThread()
		defer t.s.Free()
		tensor.Catch(err, recover())
	}
}

// Update draws a batch from src and learns from it. An error from a loss or gradient that is not
// finite leaves the parameters that it belongs to as they were.
func (t *Trainer) Update(src train.Source) (stats train.Stats, err error) {
	defer t.begin(&err)()
	t.rows.Alike()
	t.stats = train.Stats{Update: t.updates + 1, Values: map[string]float64{}}
	if err := src.Sample(t.rng, t.rows); err != nil {
		return train.Stats{}, fmt.Errorf("update %d: sample a batch: %w", t.updates+1, err)
	}
	if err := t.learn(); err != nil {
		return t.stats, fmt.Errorf("update %d: %w; lower the learning rates, or look for values in the data that are not finite", t.stats.Update, err)
	}
	if l, ok := src.(train.Listener); ok && t.cfg.Algorithm.Values() {
		l.Learned(t.errors)
	}
	t.updates++
	return t.stats, nil
}

func (t *Trainer) learn() (err error) {
	defer func() { tensor.Catch(&err, recover()) }()
	n, r := t.cfg.Batch, t.rows
	goes := make([]float32, n)
	for i, v := range r.Terminal {
		goes[i] = 1 - v
	}
	b := &batch{
		s: t.s.Data(r.Obs, n, t.dims.Obs), a: t.s.Data(r.Act, n, t.dims.Act), r: t.s.Data(r.Reward, n),
		next: t.s.Data(r.Next, n, t.dims.Obs), goes: t.s.Data(goes, n), w: t.s.Data(r.Weight, n),
	}
	if t.loads != nil {
		t.loads.begin(&t.s)
		t.note(runlog.LossLoads, t.loads.fit(b, r, t.cfg.LoadsRate, t.updates+1, &t.s))
	}
	t.update(t, b)
	return nil
}

// q are the critics' values of actions [B,A] or [B,M,A] at states [B,O]: [N,B] or [N,B,M].
func (t *Trainer) q(s, a tensor.Tensor) tensor.Tensor { return t.valued(t.critic.Forward(s, a), s, a) }

// slowQ are the target critics' values: constants.
func (t *Trainer) slowQ(s, a tensor.Tensor) tensor.Tensor {
	return t.valued(t.critic.Target(s, a), s, a)
}

// valued turns the networks' output [N,..,1] for actions [..,A] at states [B,O] into values [N,..].
func (t *Trainer) valued(y, s, a tensor.Tensor) tensor.Tensor {
	shape := a.Shape()
	y = y.View(append([]int{t.cfg.Critics}, shape[:len(shape)-1]...)...)
	if t.loads == nil {
		return y
	}
	return y.Add(t.loads.reward(s, a))
}

// v is V [B] at states [B,O].
func (t *Trainer) v(s tensor.Tensor) tensor.Tensor { return t.value.Forward(s).View(-1) }

// discounted is r + gamma (1-d) value, for values of s' [B].
func (t *Trainer) discounted(b *batch, value tensor.Tensor) tensor.Tensor {
	return b.r.Add(b.goes.Mul(value.Is(t.cfg.Batch)).Scale(t.cfg.Gamma))
}

// tdLoss is the sum over the critics of mean w Huber(q - y), for q [N,B] and y [B], a constant.
func (t *Trainer) tdLoss(q, y tensor.Tensor, b *batch) tensor.Tensor {
	n, rows := t.cfg.Critics, t.cfg.Batch
	goal := y.Floats()
	clear(t.errors)
	for i, v := range q.Is(n, rows).Floats() {
		t.errors[i%rows] += float32(math.Abs(float64(v-goal[i%rows])) / float64(n))
	}
	loss := q.Huber(y, t.cfg.HuberDelta).Mul(b.w).Sum().Scale(1 / float64(rows))
	t.note(runlog.ValueData, q.Item())
	t.note(runlog.ValueTarget, y.Item())
	t.note(runlog.LossCritic, loss.Item()/float64(n))
	return loss
}

// imitation is minus the mean log-probability of the data's actions.
func (t *Trainer) imitation(pi gaussian, b *batch) tensor.Tensor {
	loss := pi.logProb(b.a, t.cfg.CloneEdge).Mean().Scale(-1)
	t.note(runlog.LossClone, loss.Item())
	return loss
}

func (t *Trainer) stepCritics(loss tensor.Tensor) {
	t.note(runlog.GradCritic, t.step("the critics'", t.critic, loss, t.cfg.CriticRate))
}

func (t *Trainer) stepPolicy(loss tensor.Tensor) {
	t.note(runlog.LossActor, loss.Item())
	t.note(runlog.GradActor, t.step("the policy's", t.actor, loss, t.cfg.ActorRate))
}

func (t *Trainer) stepValue(loss tensor.Tensor) {
	t.note(runlog.LossValue, loss.Item())
	t.step("the value's", t.value, loss, t.cfg.CriticRate)
}

// step takes a step of Adam down a loss, and returns the length of the gradient.
func (t *Trainer) step(whose string, n *tensor.Network, loss tensor.Tensor, rate float64) float64 {
	if v := loss.Item(); math.IsNaN(v) || math.IsInf(v, 0) { // Huber's slope hides an infinite error
		tensor.Check(fmt.Errorf("%s loss is %v", whose, v))
	}
	n.Gradient(loss)
	norm, err := n.Step(rate, t.updates+1, t.cfg.GradClip)
	if err != nil {
		tensor.Check(fmt.Errorf("%s %w", whose, err))
	}
	return norm
}

// note reports a value of the update.
func (t *Trainer) note(metric string, v float64) { t.stats.Values[metric] = v }

// normals are standard normal numbers.
func (t *Trainer) normals(shape ...int) tensor.Tensor { return t.draw(nn.Normals, shape) }

// uniforms are numbers uniform in [-1,1).
func (t *Trainer) uniforms(shape ...int) tensor.Tensor { return t.draw(nn.Uniforms, shape) }

func (t *Trainer) draw(from func(x []float32, seed uint64, stream int), shape []int) tensor.Tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	x := make([]float32, n)
	from(x, t.rng.Uint64(), 0)
	return t.s.Data(x, shape...)
}

// Updates is the number of updates done.
func (t *Trainer) Updates() uint64 { return t.updates }

// Act writes the policy's action for an observation into act: the most likely one, or with
// explore one drawn from the policy.
func (t *Trainer) Act(obs, act []float32, explore bool) {
	normal := t.rng.NormFloat64
	if !explore {
		normal = nil
	}
	t.sampler.Act(obs, act, normal)
}

// Policy returns the policy's parameters: for layer i, i.weight [1,in,out] and i.bias [1,out]; a
// row of input times the weight plus the bias, tanh between layers. The last layer's first half
// are means before tanh, its second log standard deviations. They share the trainer's memory:
// copy what must outlive the next update.
func (t *Trainer) Policy() []train.Tensor { return t.actor.Layout }

// tensors are all parts of the state that are numbers, in the order of State.
func (t *Trainer) tensors() []train.Tensor {
	whole := func(name string, v []float32) train.Tensor {
		return train.Tensor{Name: name, Shape: []int{len(v)}, Data: v}
	}
	all := t.actor.Named("actor")
	if t.deterministic {
		all = append(all, whole("actor.target", t.actor.Slow))
	}
	all = append(append(all, t.critic.Named("critic")...), whole("target", t.critic.Slow))
	if t.value != nil {
		all = append(append(all, t.value.Named("value")...), whole("value.target", t.value.Slow))
	}
	if t.loads != nil {
		all = append(all, t.loads.model.Named("loads")...)
	}
	return append(all, t.alpha.Named("alpha")...)
}

// State returns a copy of everything that an exact resumption needs.
func (t *Trainer) State() (train.State, error) { return nn.TakeState(t.updates, t.pcg, t.tensors()) }

// Restore makes the trainer what it was when s was taken. A state of other networks is refused
// and changes nothing.
func (t *Trainer) Restore(s train.State) error {
	return nn.PutState(s, &t.updates, t.pcg, t.tensors())
}
