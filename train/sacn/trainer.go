//go:build torch

package sacn

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/nn"
)

// Trainer learns a policy with its critics. It is for one goroutine at a time.
type Trainer struct {
	cfg  train.Config
	dims train.Dims
	pool *nn.Pool
	pcg  *rand.PCG
	rng  *rand.Rand

	policy, ensemble *nn.MLP
	actor, critic    *nn.Params
	target           []float32  // the target critics' parameters, laid out as critic.w
	alpha            *nn.Params // log alpha, one number
	loads            *loads     // nil where the critics are plain networks
	updates          uint64

	// Room for the passes of an update; each is used once per update.
	batch   *train.Batch
	at      *nn.Tape  // policy at s and, in the second half of the rows, at s'
	targets *nn.Tape  // target critics at s'
	values  *nn.Tape  // critics at s: the data's action, for CQL the sampled ones after it
	own     *nn.Tape  // critics at s and the policy's action
	one     *nn.Tape  // policy at a single observation
	noise   []float32 // [2B,1+K,A] standard normal, at s and then at s'
	drawn   nn.Draws  // the policy's actions there, 1+K in each state
	act     []float32 // [2B,A] the first of each state
	y       []float32 // [B] the critics' target
	errors  []float32 // [B] mean |TD error| over the critics
	slope   []float32 // [B,A] gradient of the policy's value by its actions, where critics know it
	dout    []float32 // [B,2A] gradient by the policy's output
	uniform []float32 // [B,K,A] in [-1,1), for CQL
	sampled []float32 // [B,1+3K,A] CQL's actions after the data's
	density []float32 // [B,3K] their log-densities
	scope   nn.Scope
}

// New makes a trainer with fresh networks and critics that know nothing, for actions
// of any kind. Everything random in its life follows from seed.
func New(cfg train.Config, dims train.Dims, seed uint64) (*Trainer, error) {
	if cfg.LoadsRate > 0 {
		return nil, errors.New("training configuration: loads_rate: critics that know of loads need the mask (NewShares); set it to 0 for plain ones")
	}
	return newTrainer(cfg, dims, seed)
}

// NewShares makes a trainer for the shares action of a mask, observations being
// policy.Observation's as they are and rewards policy.Reward's with p0. With
// Config.LoadsRate above 0 the critics know how an action becomes loads.
func NewShares(cfg train.Config, mask policy.Mask, p0 float64, seed uint64) (*Trainer, error) {
	t, err := newTrainer(cfg, train.Dims{Obs: policy.Observation{}.Size(mask.Workers), Act: mask.Pairs()}, seed)
	if err != nil || cfg.LoadsRate == 0 || !cfg.Algorithm.Values() {
		return t, err
	}
	t.loads = newLoads(mask, p0, cfg.Batch)
	last := len(t.critic.Layout) - 2
	for _, own := range t.critic.Layout[last:] {
		clear(own.Data)
	}
	copy(t.target, t.critic.W)
	return t, nil
}

func newTrainer(cfg train.Config, dims train.Dims, seed uint64) (*Trainer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("training configuration: %w", err)
	}
	if dims.Obs < 1 || dims.Act < 1 {
		return nil, fmt.Errorf("networks need at least 1 observation and 1 action, not %d and %d", dims.Obs, dims.Act)
	}
	nn.SingleThread()
	pcg := rand.NewPCG(seed, 0x5a5a)
	t := &Trainer{cfg: cfg, dims: dims, pool: &nn.Pool{Threads: cfg.Threads}, pcg: pcg, rng: rand.New(pcg)}

	widths := func(out int) []int { return append(append([]int{}, cfg.Hidden...), out) }
	t.policy = &nn.MLP{Members: 1, Shared: dims.Obs, Widths: widths(2 * dims.Act)}
	t.ensemble = &nn.MLP{Members: cfg.Critics, Shared: dims.Obs, Own: dims.Act, Widths: widths(1)}
	t.actor, t.critic = nn.NewParams(t.policy.Layout()), nn.NewParams(t.ensemble.Layout())
	t.policy.Init(t.actor, t.rng)
	t.ensemble.Init(t.critic, t.rng)
	t.target = append([]float32{}, t.critic.W...)
	t.alpha = nn.NewParams([]train.Tensor{{Name: "log", Shape: []int{1}}})
	t.alpha.W[0] = float32(math.Log(cfg.InitialAlpha))

	rows, samples := cfg.Batch, t.samples()
	t.batch = train.NewBatch(rows, dims)
	t.at = t.policy.Tape(2*rows, 1)
	t.one = t.policy.Tape(1, 1)
	t.dout = make([]float32, rows*2*dims.Act)
	if cfg.Algorithm.Values() {
		t.targets, t.own = t.ensemble.Tape(rows, 1), t.ensemble.Tape(rows, 1)
		t.values = t.ensemble.Tape(rows, 1+3*samples)
		acts := dims.Act
		t.noise, t.drawn = make([]float32, 2*rows*(1+samples)*acts), nn.NewDraws(2*rows, 1+samples, acts)
		t.act, t.y, t.errors = make([]float32, 2*rows*acts), make([]float32, rows), make([]float32, rows)
		t.slope = make([]float32, rows*acts)
		t.uniform, t.sampled = make([]float32, rows*samples*acts), make([]float32, rows*(1+3*samples)*acts)
		t.density = make([]float32, rows*3*samples)
	}
	return t, nil
}

// samples is K, the actions that CQL draws from each of its three distributions.
func (t *Trainer) samples() int {
	if t.cfg.Algorithm == train.SACNCQL {
		return t.cfg.CQL.Actions
	}
	return 0
}

// targetEntropy is what alpha is steered to.
func (t *Trainer) targetEntropy() float64 {
	if t.cfg.TargetEntropy != nil {
		return *t.cfg.TargetEntropy
	}
	return t.cfg.EntropyEach * float64(t.dims.Act)
}

// Update draws a batch from src and learns from it. An error from a loss or gradient
// that is not finite leaves the parameters that it belongs to as they were.
func (t *Trainer) Update(src train.Source) (stats train.Stats, err error) {
	runtime.LockOSThread() // libtorch keeps its errors per thread
	defer runtime.UnlockOSThread()
	defer t.scope.Free()
	defer nn.Catch(&err)

	t.batch.Alike()
	if err := src.Sample(t.rng, t.batch); err != nil {
		return train.Stats{}, fmt.Errorf("update %d: sample a batch: %w", t.updates+1, err)
	}
	stats.Update = t.updates + 1
	if !t.cfg.Algorithm.Values() {
		err = t.clone(&stats)
	} else {
		err = t.improve(src, &stats)
	}
	if err != nil {
		return stats, fmt.Errorf("update %d: %w; lower the learning rates, or look for values in the data that are not finite", stats.Update, err)
	}
	t.updates++
	return stats, nil
}

// Updates is the number of updates done.
func (t *Trainer) Updates() uint64 { return t.updates }

// Act writes the policy's action for an observation into act: the most likely one, or
// with explore one drawn from the policy.
func (t *Trainer) Act(obs, act []float32, explore bool) {
	if len(act) != t.dims.Act {
		panic(fmt.Sprintf("train: action of %d numbers, want %d", len(act), t.dims.Act))
	}
	t.one.Forward(&nn.Pool{Threads: 1}, t.actor.W, obs, nil)
	for i := range act {
		u := float64(t.one.Y[i])
		if explore {
			logStd := min(max(float64(t.one.Y[len(act)+i]), nn.MinLogStd), nn.MaxLogStd)
			u += math.Exp(logStd) * t.rng.NormFloat64()
		}
		act[i] = float32(math.Tanh(u))
	}
}

// Policy returns the policy's parameters: for layer i, i.weight [1,in,out] and i.bias
// [1,out]; a row of input times the weight plus the bias, tanh between layers. The
// last layer's first half are means before tanh, its second log standard deviations.
// They share the trainer's memory: copy what must outlive the next update.
func (t *Trainer) Policy() []train.Tensor { return t.actor.Layout }

// tensors are all parts of the state that are numbers, in the order of State.
func (t *Trainer) tensors() []train.Tensor {
	all := append(t.actor.Named("actor"), t.critic.Named("critic")...)
	all = append(all, train.Tensor{Name: "target", Shape: []int{len(t.target)}, Data: t.target})
	if t.loads != nil {
		all = append(all, t.loads.model.Named("loads")...)
	}
	return append(all, t.alpha.Named("alpha")...)
}

// State returns a copy of everything that an exact resumption needs.
func (t *Trainer) State() (train.State, error) { return nn.TakeState(t.updates, t.pcg, t.tensors()) }

// Restore makes the trainer what it was when s was taken. A state of other networks
// is refused and changes nothing.
func (t *Trainer) Restore(s train.State) error { return nn.PutState(s, &t.updates, t.pcg, t.tensors()) }
