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
	"github.com/saspart/saspart/runlog"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/nn"
	"github.com/saspart/saspart/train/recording"
)

// RecurrentSACN trains the capacity policy from recorded windows and their rewards, offline
// or while the job runs: by SAC-N, by CQL(H), or by behaviour cloning (docs/algorithms.md,
// "Recurrent SAC-N"). It is for one goroutine at a time.
//
// The action is each worker's log capacity in the next window. The policy is a normal
// distribution around the log capacity of the filter, with a standard deviation that the
// head puts out beside gain and correction. So an untrained policy is a fixed smoothing, and
// exploration changes capacities but never estimates. The mean of the log capacities has no
// meaning; it is subtracted from what critics and jobs get.
//
// The policy has a memory, so it is unrolled over stretches of windows, and gradients go
// back through time. Instead of a memory, the critics see the newest windows under fixed
// smoothings. They pool over the workers.
type RecurrentSACN struct {
	cfg   RecurrentConfig
	start *checkpoint.Checkpoint // what the policy started from: inputs, units, scales
	pool  *nn.Pool
	pcg   *rand.PCG
	rng   *rand.Rand

	net           nn.GRU
	critics       *pooled
	actor, critic *nn.Params
	target        []float32  // the target critics' parameters, laid out as critic.W
	alpha         *nn.Params // log alpha, one number
	updates       uint64

	unroll     unroll
	workspaces map[int]*workspace // by P
}

// workspace is the memory that an update of one P needs.
type workspace struct {
	workers, transitions int // P, B

	state, next               []float32 // [B*P,recording.StateWidth+recording.CommonWidth]
	common, nextCommon        []float32 // [B,recording.CommonWidth]
	noise                     []float32 // [2,B*P,1+K] standard normal, at s and then at s'
	first, own                []float32 // [B*P,1] actions: SAC's at s', at s
	sampled                   []float32 // [B*P,1+3K]
	density                   []float64 // [B,3K]
	y                         []float64 // [B]
	dq, dOwn                  []float32 // [N,B,1+3K], [N,B]
	byShare                   []float64 // [S,R]
	byLogStd                  []float32 // [S,R]
	targets, values, policies *pooledTape
}

// NewRecurrentSACN makes a trainer. Its policy starts as that of the capacity checkpoint
// start, or as a fixed smoothing if start is nil. Everything random follows from seed.
func NewRecurrentSACN(cfg RecurrentConfig, start *checkpoint.Checkpoint, seed uint64) (*RecurrentSACN, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("training configuration: %w", err)
	}
	if cfg.Algorithm == train.Model {
		return nil, fmt.Errorf("training configuration: learner.algorithm is %s, which does not learn from rewards; use NewModelTrainer", train.Model)
	}
	nn.SingleThread()
	pcg := rand.NewPCG(seed, 0x4ec044)
	t := &RecurrentSACN{
		cfg: cfg, pool: &nn.Pool{Threads: cfg.Threads}, pcg: pcg, rng: rand.New(pcg),
		critics: newPooled(&cfg), workspaces: map[int]*workspace{},
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
func (t *RecurrentSACN) begin(start *checkpoint.Checkpoint) error {
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

// CheckStart reports why training cannot start from a checkpoint.
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

// samples is K, the number of actions that CQL draws from each of its three distributions.
func (t *RecurrentSACN) samples() int {
	if t.cfg.Algorithm == train.CQL {
		return t.cfg.CQL.Actions
	}
	return 0
}

// Updates is the number of updates done.
func (t *RecurrentSACN) Updates() uint64 { return t.updates }

// Update draws a batch from src and learns from it. A loss or gradient that is not finite is
// an error and leaves the parameters to which it belongs unchanged.
func (t *RecurrentSACN) Update(src recording.Stretches) (train.Stats, error) {
	var got losses
	stats := train.Stats{Update: t.updates + 1}
	batch, err := src.Sample(t.rng, t.cfg.Stretch, t.cfg.stretches)
	if err != nil {
		return stats, fmt.Errorf("update %d: sample a batch: %w", stats.Update, err)
	}
	r := t.workspaceFor(batch)
	w := t.net.Views(t.actor.W)
	t.unroll.begin(batch, t.cfg.BurnIn, t.cfg.BurnIn+t.cfg.Stretch+1)
	t.unroll.forward(&w)
	if t.cfg.Algorithm == train.BC {
		err = t.clone(r, &got)
	} else {
		err = t.improve(r, &got)
	}
	if err != nil {
		return stats, fmt.Errorf("update %d: %w; lower the learning rates, or look for NaN and infinite values in the data", stats.Update, err)
	}
	t.updates++
	stats.Values = got.values(&t.cfg)
	return stats, nil
}

// losses are what an update reports, averaged over the batch and the critics.
type losses struct {
	TD, CQL, Q, Target, PolicyValue, CriticNorm float64
	Actor, Entropy, Alpha, Imitation, ActorNorm float64
}

// values are those that the algorithm computes, by metric name.
func (l *losses) values(c *RecurrentConfig) map[string]float64 {
	values := map[string]float64{runlog.LossActor: l.Actor, runlog.GradActor: l.ActorNorm}
	if c.Algorithm == train.BC || c.CloneUpdates > 0 {
		values[runlog.LossClone] = l.Imitation
	}
	if c.Algorithm != train.BC {
		values[runlog.LossCritic], values[runlog.GradCritic] = l.TD, l.CriticNorm
		values[runlog.ValueData], values[runlog.ValueTarget], values[runlog.ValuePolicy] = l.Q, l.Target, l.PolicyValue
		values[runlog.Alpha], values[runlog.Entropy] = l.Alpha, l.Entropy
	}
	if c.Algorithm == train.CQL {
		values[runlog.LossCQL] = l.CQL
	}
	return values
}

// workspaceFor returns the workspace for a batch and makes it if there is none of its size.
func (t *RecurrentSACN) workspaceFor(batch []recording.Stretch) *workspace {
	workers, n := batch[0].Recording.Raw.Workers, len(batch)*t.cfg.Stretch
	if r := t.workspaces[workers]; r != nil && r.transitions == n {
		return r
	}
	rows, k, steps := n*workers, t.samples(), t.cfg.BurnIn+t.cfg.Stretch+1
	r := &workspace{
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
		r.targets, r.policies = t.critics.tape(n, workers, 1), t.critics.tape(n, workers, 1)
		r.values = t.critics.tape(n, workers, 1+3*k)
	}
	t.workspaces[workers] = r
	return r
}

// Checkpoint is the policy as it is now; it shares no memory with the trainer.
func (t *RecurrentSACN) Checkpoint() *checkpoint.Checkpoint {
	c := *t.start
	for _, p := range t.actor.Layout {
		c.Tensors = append(c.Tensors, network.Tensor{Name: p.Name, Shape: slices.Clone(p.Shape), Data: slices.Clone(p.Data)})
	}
	return &c
}

// tensors are all parts of the state that are numbers, in the order of State.
func (t *RecurrentSACN) tensors() []train.Tensor {
	all := append(t.actor.Named("actor"), t.critic.Named("critic")...)
	all = append(all, train.Tensor{Name: "target", Shape: []int{len(t.target)}, Data: t.target})
	return append(all, t.alpha.Named("alpha")...)
}

// State returns a copy of everything needed to resume exactly.
func (t *RecurrentSACN) State() (train.State, error) {
	return nn.TakeState(t.updates, t.pcg, t.tensors())
}

// Restore sets the trainer to a state that State returned. A state of other networks is an
// error and changes nothing.
func (t *RecurrentSACN) Restore(s train.State) error {
	return nn.PutState(s, &t.updates, t.pcg, t.tensors())
}

// stretches is the number of stretches of P workers in an update.
func (c *RecurrentConfig) stretches(workers int) int { return max(2, c.Rows/workers) }
