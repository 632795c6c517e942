//go:build torch

package shares

import (
	"fmt"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/nn"
	"github.com/saspart/saspart/train/internal/tensor"
)

// loads is what critics know without learning it by trial: how an action becomes a reward. An
// action's numbers are normalised to shares by key, a worker's load is linear in the shares that
// it gets, and the reward says how unequal busy times are (docs/algorithms.md, "The decision
// process"):
//
//	r_i = e_i / sum of e over i's key, e = a+1                     share of the mask's pair i
//	x_w = bias_w + sum over the pairs i of worker w of load_i r_i  its load, in any unit
//	g   = Reward((imbalance(x) + nmad(x)) / 2)
//
// load and bias, none negative, are fitted by least squares: x / mean(x) is to equal the measured
// busy ratios over their mean. A window has one of these for each worker, but a single reward.
// Cold keys end up in the bias, the workers' speeds in both, and noise averages out. A critic's
// value is g plus the output of its network, which starts at 0 and learns what g leaves
// unexplained: queues, later windows, whatever depends on the state.
//
// An adaptive observation says how slow each worker is, what it has whatever the action is, and
// how much each key has. Then
//
//	x_w = slow_w (bias_w fixed_w + sum over the pairs i of worker w of load_i key_i r_i)
//
// and load and bias, which start at 1, correct what the observation has wrong.
type loads struct {
	workers, pairs int // P, A
	p0             float64
	model          *nn.Params // load [A], bias [P]
	same, worker   []float32  // [A,A], [A,P]: 1 where two pairs are of one key, a pair of that worker
	key, width     []float32  // [K,A]: 1 where a pair is of that key; [K]: 4P over the number of its workers
	trained        []float32  // [K] load of each key in training

	// Of the update under way: [A,A], [A,P], the loads of all pairs [A,P], and of the state.
	samePairs, workerOf, loadOf, bias tensor.Tensor
	keyOf, scale, mean                tensor.Tensor
}

// leastSum is the least that a key's numbers, and all loads, are divided by.
const leastSum = 1e-3

// newLoads begins with what the mask alone says. It gives a key workers in proportion to its
// weight, so a key that is split evenly puts the same load on each of them.
func newLoads(o policy.Observation, p0 float64) *loads {
	mask := o.Mask
	l := &loads{workers: mask.Workers, pairs: mask.Pairs(), p0: p0}
	l.model = nn.NewParams([]train.Tensor{{Name: "load", Shape: []int{l.pairs}}, {Name: "bias", Shape: []int{l.workers}}})
	l.same, l.worker = make([]float32, l.pairs*l.pairs), make([]float32, l.pairs*l.workers)
	l.key = make([]float32, len(mask.Keys)*l.pairs)
	from := 0
	for rank, row := range mask.Keys {
		for i, w := range row {
			pair := from + i
			l.model.W[pair] = float32(l.workers*len(row)) / float32(l.pairs)
			l.worker[pair*l.workers+int(w)] = 1
			l.key[rank*l.pairs+pair] = 1
			for j := range row {
				l.same[pair*l.pairs+from+j] = 1
			}
		}
		from += len(row)
	}
	if o.Trained == nil {
		return l
	}
	for i := range l.model.W {
		l.model.W[i] = 1
	}
	for rank, row := range mask.Keys {
		l.width = append(l.width, float32(len(row))/float32(policy.ObservationScale*l.workers))
		l.trained = append(l.trained, float32(o.Trained[rank]))
	}
	return l
}

// begin makes the tensors of an update. The loads of the pairs and the bias are constants
// until fit.
func (l *loads) begin(s *tensor.Scope) {
	l.samePairs, l.workerOf = s.Data(l.same, l.pairs, l.pairs), s.Data(l.worker, l.pairs, l.workers)
	if keys := len(l.trained); keys > 0 {
		l.keyOf, l.scale, l.mean = s.Data(l.key, keys, l.pairs), s.Data(l.width, keys), s.Data(l.trained, keys)
	}
	l.take(s.Data)
}

// take makes tensors of the model, constants or variables.
func (l *loads) take(of func(v []float32, shape ...int) tensor.Tensor) (load, bias tensor.Tensor) {
	load, l.bias = of(l.model.W[:l.pairs], l.pairs, 1), of(l.model.W[l.pairs:], l.workers)
	l.loadOf = l.workerOf.Mul(load)
	return load, l.bias
}

// of are the loads of actions [B,..,A] at states [B,O], as parts of their sum: [B,..,P].
func (l *loads) of(state, act tensor.Tensor) tensor.Tensor {
	e := act.Shift(1)
	share := e.Div(e.MatMul(l.samePairs).AtLeast(leastSum)) // [B,..,A]
	var x tensor.Tensor                                     // [B,..,P]
	if l.trained == nil {
		x = share.MatMul(l.loadOf).Add(l.bias)
	} else {
		key, fixed, slow := l.state(state, len(act.Shape()))
		x = share.Mul(key).MatMul(l.loadOf).Add(fixed.Mul(l.bias)).Mul(slow)
	}
	return x.Div(x.SumAlong(-1).AtLeast(leastSum))
}

// state is what adaptive observations [B,O] say: the load of each pair's key [B,..,A], what each
// worker has whatever the action is and how slow it is [B,..,P].
func (l *loads) state(s tensor.Tensor, dims int) (key, fixed, slow tensor.Tensor) {
	p, rows := l.workers, s.Shape()[0]
	view := func(t tensor.Tensor, width int) tensor.Tensor {
		if dims == 3 {
			return t.View(rows, 1, width)
		}
		return t
	}
	keys := s.Narrow(1, 4*p, 4*p+len(l.trained)).Mul(l.scale).Add(l.mean) // [B,K]
	rest := keys.SumAlong(-1).Scale(-1).Shift(1).Scale(1 / float64(p))    // [B,1] the mean of fixed
	fixed = s.Narrow(1, 3*p, 4*p).Scale(1 / float64(policy.ObservationScale*p)).Add(rest)
	slow = s.Narrow(1, 2*p, 3*p).Scale(1. / policy.ObservationScale).Exp()
	return view(keys.MatMul(l.keyOf), l.pairs), view(fixed, p), view(slow, p)
}

// reward is g [B,..] of actions [B,..,A] at states [B,O]. With f = (p0 - perf)/p0 it is f (2 + |f|).
func (l *loads) reward(state, act tensor.Tensor) tensor.Tensor {
	apart := l.of(state, act).Shift(-1 / float64(l.workers))
	imbalance, nmad := apart.Most(-1).Scale(float64(l.workers)), apart.Abs().SumOver(-1)
	f := imbalance.Add(nmad).Scale(-0.5 / l.p0).Shift(1)
	return f.Mul(f.Abs().Shift(2))
}

// fit takes the t-th step of Adam and returns the loss before it: half the mean squared error of
// the relative loads of the actions in b against the relative busy ratios that followed, weighted
// by row. A saturated worker's load is only known to be no less than what it shows, and an idle
// job shows nothing.
func (l *loads) fit(b *batch, rows *train.Batch, rate float64, t uint64, s *tensor.Scope) float64 {
	n, p := len(rows.Reward), l.workers
	wide := len(rows.Next) / n
	shown, most, weight := make([]float32, n*p), make([]float32, n*p), make([]float32, n) // [B,P], [B,P], [B]
	for i := range n {
		busy, all := rows.Next[i*wide+p:i*wide+2*p], float32(0)
		for _, v := range busy {
			all += min(v, 1) // 2 stands for saturated
		}
		if all == 0 {
			continue
		}
		weight[i] = rows.Weight[i] * float32(p) / float32(2*n)
		for w, v := range busy {
			shown[i*p+w] = min(v, 1) / all
			if most[i*p+w] = 2; v >= 1 { // an error is at most 1
				most[i*p+w] = 0
			}
		}
	}
	load, bias := l.take(s.Variable)
	errors := l.of(b.s, b.a).Sub(s.Data(shown, n, p)).Smaller(s.Data(most, n, p)) // [B,P]
	loss := errors.Square().Mul(s.Data(weight, n, 1)).Sum()
	for i, g := range tensor.Gradients(loss, false, load, bias) {
		copy(l.model.Grad[i*l.pairs:], g.Floats())
	}
	if _, err := l.model.Step(&nn.Pool{Threads: 1}, rate, t, 0); err != nil {
		tensor.Check(fmt.Errorf("the loads' %w", err))
	}
	for i, v := range l.model.W {
		l.model.W[i] = max(v, 0)
	}
	l.take(s.Data)
	return loss.Item()
}
