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
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/nn"
	"github.com/saspart/saspart/train/recording"
)

// Recurrent learns the capacity action's policy from recorded windows and their
// rewards, off-line or while the job runs, with what Trainer learns the shares action
// with: SAC-N, CQL(H) on top, or cloning. It is for one goroutine at a time.
//
// Its action is each worker's log share of the work in the next window. The policy is
// a normal distribution around the log share that the network's estimate comes to
// (learned.CapacityState), with a deviation that the head puts out beside gain and
// correction. So an untrained policy is a fixed smoothing, and the noise of exploring
// goes to the shares and never into the estimate. What log shares have in common is
// no share of anything: it is taken out of what critics and jobs get.
//
// The policy remembers, so that it is taken through stretches of windows in order, and
// gradients go back through time. Critics see the newest windows under fixed
// smoothings instead of a memory, and pool over the workers.
type Recurrent struct {
	cfg   RecurrentConfig
	start *checkpoint.Checkpoint // what the policy started from: inputs, units, scales
	pool  *nn.Pool
	pcg   *rand.PCG
	rng   *rand.Rand

	net           nn.GRU
	critics       *pooled
	actor, critic *nn.Params
	target        []float32  // the target critics' parameters, laid out as critic.w
	alpha         *nn.Params // log alpha, one number
	updates       uint64

	unroll unroll
	rooms  map[int]*room // by P
}

// room is what an update of one P needs.
type room struct {
	workers, transitions int // P, B

	state, next              []float32 // [B*P,recording.StateWidth+recording.CommonWidth]
	common, nextCommon       []float32 // [B,recording.CommonWidth]
	noise                    []float32 // [2,B*P,1+K] standard normal, at s and then at s'
	first, own               []float32 // [B*P,1] actions: SAC's at s', at s
	sampled                  []float32 // [B*P,1+3K]
	density                  []float64 // [B,3K]
	y                        []float64 // [B]
	dq, dOwn                 []float32 // [N,B,1+3K], [N,B]
	byShare                  []float64 // [S,R]
	byLogStd                 []float32 // [S,R]
	targets, values, policys *pooledTape
}

// NewRecurrent makes a trainer. Its policy starts as the checkpoint's, of kind
// capacity, or, where start is nil, as a fixed smoothing. Everything random in its
// life follows from seed.
func NewRecurrent(cfg RecurrentConfig, start *checkpoint.Checkpoint, seed uint64) (*Recurrent, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("training configuration: %w", err)
	}
	if cfg.Algorithm == train.Model {
		return nil, fmt.Errorf("training configuration: learner.algorithm is %s, which learns from no rewards; train with Capacity", train.Model)
	}
	nn.SingleThread()
	pcg := rand.NewPCG(seed, 0x4ec044)
	t := &Recurrent{
		cfg: cfg, pool: &nn.Pool{Threads: cfg.Threads}, pcg: pcg, rng: rand.New(pcg),
		critics: newPooled(&cfg), rooms: map[int]*room{},
	}
	if err := t.begin(start); err != nil {
		return nil, err
	}
	t.critic = nn.NewParams(t.critics.layout())
	t.critics.init(t.critic, t.rng)
	t.target = slices.Clone(t.critic.W)
	t.alpha = nn.NewParams([]train.Tensor{{Name: "log", Shape: []int{1}}})
	t.alpha.W[0] = float32(math.Log(cfg.InitialAlpha))
	return t, nil
}

// begin makes the policy.
func (t *Recurrent) begin(start *checkpoint.Checkpoint) error {
	spec := checkpoint.CapacitySpec{Inputs: slices.Clone(t.cfg.Inputs), Units: t.cfg.Units, Hedge: t.cfg.Hedge, Pool: t.cfg.Pool}
	inputs, err := filter.TrainingInputs(spec.Inputs)
	if start != nil {
		if err := CheckStart(start); err != nil {
			return err
		}
		spec = *start.Capacity
		spec.Inputs = slices.Clone(spec.Inputs)
		inputs, err = start.FilterInputs()
	}
	if err != nil {
		return fmt.Errorf("training configuration: inputs: %w", err)
	}
	t.net = nn.GRU{Inputs: inputs.Len(), Units: spec.Units, Actions: spec.Actions(), Pool: spec.Pool}
	t.unroll.net, t.unroll.inputs = t.net, inputs
	t.actor = nn.NewParams(t.net.Layout())
	t.net.Init(t.actor, t.rng)
	if start != nil {
		takeOver(t.actor, start)
	}
	t.start = &checkpoint.Checkpoint{
		Format: checkpoint.Format, Kind: checkpoint.KindCapacity, CreatedBy: "saspart",
		Capacity: &spec, Normalisation: &checkpoint.Normalisation{Mean: inputs.Mean, Scale: inputs.Scale},
	}
	return nil
}

// CheckStart reports what keeps a checkpoint from being started from.
func CheckStart(c *checkpoint.Checkpoint) error {
	if c.Kind != checkpoint.KindCapacity {
		return fmt.Errorf("start from a checkpoint of kind %s: the capacity action needs one of kind %s, or none", c.Kind, checkpoint.KindCapacity)
	}
	if err := c.Network(); err != nil {
		return fmt.Errorf("start from a checkpoint: %w", err)
	}
	return nil
}

// takeOver sets parameters to the tensors of a checkpoint, which has all of them.
func takeOver(p *nn.Params, c *checkpoint.Checkpoint) {
	for _, to := range p.Layout {
		at := slices.IndexFunc(c.Tensors, func(v network.Tensor) bool { return v.Name == to.Name })
		copy(to.Data, c.Tensors[at].Data)
	}
}

// samples is K, the actions that CQL draws from each of its three distributions.
func (t *Recurrent) samples() int {
	if t.cfg.Algorithm == train.SACNCQL {
		return t.cfg.CQL.Actions
	}
	return 0
}

// Updates is the number of updates done.
func (t *Recurrent) Updates() uint64 { return t.updates }

// Update draws a batch from src and learns from it. An error from a loss or gradient
// that is not finite leaves the parameters that it belongs to as they were.
func (t *Recurrent) Update(src recording.Stretches) (train.Stats, error) {
	stats := train.Stats{Update: t.updates + 1}
	batch, err := src.Sample(t.rng, t.cfg.Stretch, t.cfg.stretches)
	if err != nil {
		return stats, fmt.Errorf("update %d: sample a batch: %w", stats.Update, err)
	}
	r := t.enter(batch)
	w := t.net.Views(t.actor.W)
	t.unroll.begin(batch, t.cfg.BurnIn, t.cfg.BurnIn+t.cfg.Stretch+1)
	t.unroll.forward(&w)
	if t.cfg.Algorithm == train.BC {
		err = t.clone(r, &stats)
	} else {
		err = t.improve(r, &stats)
	}
	if err != nil {
		return stats, fmt.Errorf("update %d: %w; lower the learning rates, or look for values in the data that are not finite", stats.Update, err)
	}
	t.updates++
	return stats, nil
}

// enter finds the room for a batch, and makes it where there is none of its size.
func (t *Recurrent) enter(batch []recording.Stretch) *room {
	workers, n := batch[0].Recording.Raw.Workers, len(batch)*t.cfg.Stretch
	if r := t.rooms[workers]; r != nil && r.transitions == n {
		return r
	}
	rows, k, steps := n*workers, t.samples(), t.cfg.BurnIn+t.cfg.Stretch+1
	r := &room{
		workers: workers, transitions: n,
		byShare: make([]float64, steps*len(batch)*workers), byLogStd: make([]float32, steps*len(batch)*workers),
	}
	if t.cfg.Algorithm != train.BC {
		width := recording.StateWidth + recording.CommonWidth
		r.state, r.next = make([]float32, rows*width), make([]float32, rows*width)
		r.common, r.nextCommon = make([]float32, n*recording.CommonWidth), make([]float32, n*recording.CommonWidth)
		r.noise = make([]float32, 2*rows*(1+k))
		r.first, r.own, r.sampled = make([]float32, rows), make([]float32, rows), make([]float32, rows*(1+3*k))
		r.density, r.y = make([]float64, n*3*k), make([]float64, n)
		r.dq, r.dOwn = make([]float32, t.cfg.Critics*n*(1+3*k)), make([]float32, t.cfg.Critics*n)
		r.targets, r.policys = t.critics.tape(n, workers, 1), t.critics.tape(n, workers, 1)
		r.values = t.critics.tape(n, workers, 1+3*k)
	}
	t.rooms[workers] = r
	return r
}

// Checkpoint is the policy as it is now; it shares no memory with the trainer.
func (t *Recurrent) Checkpoint() *checkpoint.Checkpoint {
	c := *t.start
	for _, p := range t.actor.Layout {
		c.Tensors = append(c.Tensors, network.Tensor{Name: p.Name, Shape: slices.Clone(p.Shape), Data: slices.Clone(p.Data)})
	}
	return &c
}

// tensors are all parts of the state that are numbers, in the order of State.
func (t *Recurrent) tensors() []train.Tensor {
	all := append(t.actor.Named("actor"), t.critic.Named("critic")...)
	all = append(all, train.Tensor{Name: "target", Shape: []int{len(t.target)}, Data: t.target})
	return append(all, t.alpha.Named("alpha")...)
}

// State returns a copy of everything that an exact resumption needs.
func (t *Recurrent) State() (train.State, error) { return nn.TakeState(t.updates, t.pcg, t.tensors()) }

// Restore makes the trainer what it was when s was taken. A state of other networks
// is refused and changes nothing.
func (t *Recurrent) Restore(s train.State) error {
	return nn.PutState(s, &t.updates, t.pcg, t.tensors())
}

// stretches is how many stretches of P workers an update takes.
func (c *RecurrentConfig) stretches(workers int) int { return max(2, c.Rows/workers) }
