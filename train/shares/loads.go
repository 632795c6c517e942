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
// load and bias, none negative, are fitted by least squares for x / mean(x) to be the busy ratios
// that were measured, over their mean: every window has one for each worker, where it has a single
// reward. Cold keys end up in the bias, the workers' speeds in both, and noise averages out. The
// value of each critic is g plus what its network puts out, which starts at 0 and learns what g
// leaves unexplained: queues, later windows, whatever depends on the state.
type loads struct {
	workers, pairs int // P, A
	p0             float64
	model          *nn.Params // load [A], bias [P]
	same, worker   []float32  // [A,A], [A,P]: 1 where two pairs are of one key, a pair of that worker

	// Of the update under way.
	samePairs, workerOf, load, bias tensor.Tensor // [A,A], [A,P], [A], [P]
}

// leastSum is the least that a key's numbers, and all loads, are divided by.
const leastSum = 1e-3

// newLoads begins with what the mask alone says: it gives a key workers in proportion to its
// weight, so that a key split evenly puts the same on each of them, whichever key it is.
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

// begin makes the tensors of an update.
func (l *loads) begin(s *tensor.Scope) {
	l.samePairs, l.workerOf = s.Data(l.same, l.pairs, l.pairs), s.Data(l.worker, l.pairs, l.workers)
	l.load, l.bias = s.Variable(l.model.W[:l.pairs], l.pairs), s.Variable(l.model.W[l.pairs:], l.workers)
}

// of are the loads of actions [R,A], as parts of their sum: [R,P].
func (l *loads) of(act tensor.Tensor) tensor.Tensor {
	e := act.Shift(1)
	share := e.Div(e.MatMul(l.samePairs).AtLeast(leastSum)) // [R,A]
	x := share.Mul(l.load).MatMul(l.workerOf).Add(l.bias)   // [R,P]
	return x.Div(x.SumAlong(1).AtLeast(leastSum))
}

// reward is g [R] of actions [R,A]. With f = (p0 - perf)/p0 it is f (2 + |f|).
func (l *loads) reward(act tensor.Tensor) tensor.Tensor {
	apart := l.of(act).Shift(-1 / float64(l.workers))
	imbalance, nmad := apart.Most(1).Scale(float64(l.workers)), apart.Abs().SumOver(1)
	f := imbalance.Add(nmad).Scale(-0.5 / l.p0).Shift(1)
	return f.Mul(f.Abs().Shift(2))
}

// fit takes a step of Adam, the t-th, down the weighted mean over the rows of half the mean
// squared error of the loads of the actions in b against the busy ratios that followed, relative
// to their mean. Of a saturated worker it is only known that its load is no less than what it
// shows. fit returns the loss before the step.
func (l *loads) fit(b *batch, rate float64, t uint64, s *tensor.Scope) float64 {
	l.begin(s)
	shape, p := b.next.Shape(), float64(l.workers)
	shown := b.next.Narrow(1, shape[1]-l.workers, shape[1]) // [B,P]; 2 stands for saturated
	busy := shown.AtMost(1)
	all := busy.SumAlong(1)                                                         // [B,1]
	e := l.of(b.a).Sub(busy.Div(all.AtLeast(1e-9))).Scale(p)                        // [B,P]
	e = e.AtMost(0).Add(e.AtLeast(0).Mul(shown.Above(1 - 1e-7).Scale(-1).Shift(1))) // of saturated ones, what is below
	each := e.Square().SumOver(1).Mul(b.w).Mul(all.Above(0).View(-1))               // [B]; nothing of an idle job
	loss := each.Sum().Scale(0.5 / (float64(shape[0]) * p))
	for i, g := range tensor.Gradients(loss, false, l.load, l.bias) {
		copy(l.model.Grad[i*l.pairs:], g.Floats())
	}
	if _, err := l.model.Step(&nn.Pool{Threads: 1}, rate, t, 0); err != nil {
		tensor.Check(fmt.Errorf("the loads' %w", err))
	}
	for i, v := range l.model.W {
		l.model.W[i] = max(v, 0)
	}
	l.begin(s)
	return loss.Item()
}
