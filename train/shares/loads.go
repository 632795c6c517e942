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
type loads struct {
	workers, pairs int // P, A
	p0             float64
	model          *nn.Params // load [A], bias [P]
	same, worker   []float32  // [A,A], [A,P]: 1 where two pairs are of one key, a pair of that worker

	// Of the update under way: [A,A], [A,P], and the loads of all pairs [A,P].
	samePairs, workerOf, loadOf, bias tensor.Tensor
}

// leastSum is the least that a key's numbers, and all loads, are divided by.
const leastSum = 1e-3

// newLoads begins with what the mask alone says. It gives a key workers in proportion to its
// weight, so a key that is split evenly puts the same load on each of them.
func newLoads(mask policy.Mask, p0 float64) *loads {
	l := &loads{workers: mask.Workers, pairs: mask.Pairs(), p0: p0}
	l.model = nn.NewParams([]train.Tensor{{Name: "load", Shape: []int{l.pairs}}, {Name: "bias", Shape: []int{l.workers}}})
	l.same, l.worker = make([]float32, l.pairs*l.pairs), make([]float32, l.pairs*l.workers)
	from := 0
	for _, row := range mask.Keys {
		for i, w := range row {
			pair := from + i
			l.model.W[pair] = float32(l.workers*len(row)) / float32(l.pairs)
			l.worker[pair*l.workers+int(w)] = 1
			for j := range row {
				l.same[pair*l.pairs+from+j] = 1
			}
		}
		from += len(row)
	}
	return l
}

// begin makes the tensors of an update. The loads of the pairs and the bias are constants
// until fit.
func (l *loads) begin(s *tensor.Scope) {
	l.samePairs, l.workerOf = s.Data(l.same, l.pairs, l.pairs), s.Data(l.worker, l.pairs, l.workers)
	l.take(s.Data)
}

// take makes tensors of the model, constants or variables.
func (l *loads) take(of func(v []float32, shape ...int) tensor.Tensor) (load, bias tensor.Tensor) {
	load, l.bias = of(l.model.W[:l.pairs], l.pairs, 1), of(l.model.W[l.pairs:], l.workers)
	l.loadOf = l.workerOf.Mul(load)
	return load, l.bias
}

// of are the loads of actions [..,A], as parts of their sum: [..,P].
func (l *loads) of(act tensor.Tensor) tensor.Tensor {
	e := act.Shift(1)
	share := e.Div(e.MatMul(l.samePairs).AtLeast(leastSum)) // [..,A]
	x := share.MatMul(l.loadOf).Add(l.bias)                 // [..,P]
	return x.Div(x.SumAlong(-1).AtLeast(leastSum))
}

// reward is g [..] of actions [..,A]. With f = (p0 - perf)/p0 it is f (2 + |f|).
func (l *loads) reward(act tensor.Tensor) tensor.Tensor {
	apart := l.of(act).Shift(-1 / float64(l.workers))
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
		busy, all := rows.Next[(i+1)*wide-p:(i+1)*wide], float32(0)
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
	errors := l.of(b.a).Sub(s.Data(shown, n, p)).Smaller(s.Data(most, n, p)) // [B,P]
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
