//go:build torch

package capacity

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/nn"
	"github.com/saspart/saspart/train/recording"
)

// pooled is an ensemble of critics for any number of workers (Zaheer et al. 2017, "Deep
// Sets", arXiv 1703.06114, theorem 2). An encoder, the same for every worker, sees the
// worker's state, the common state and the worker's part of the action. Its outputs are
// pooled over the workers by mean and by maximum. A second network computes the value from
// the pools and the common state. The order of the workers makes no difference.
type pooled struct {
	each *nn.MLP // N members
	all  *nn.MLP // of one member, used once for each
	size int     // parameters of each; those of all follow, member by member
	tail int     // parameters of one all
}

func newPooled(c *RecurrentConfig) *pooled {
	p := &pooled{
		each: &nn.MLP{Members: c.Critics, Shared: recording.StateWidth + recording.CommonWidth, Own: 1, Widths: append(append([]int{}, c.Encoder...), c.Pooled)},
		all:  &nn.MLP{Members: 1, Shared: recording.CommonWidth, Own: 2 * c.Pooled, Widths: append(append([]int{}, c.Hidden...), 1)},
	}
	for _, t := range p.each.Layout() {
		p.size += t.Len()
	}
	for _, t := range p.all.Layout() {
		p.tail += t.Len()
	}
	return p
}

// layout names all parameters.
func (n *pooled) layout() []train.Tensor {
	var all []train.Tensor
	for _, t := range n.each.Layout() {
		all = append(all, train.Tensor{Name: "each." + t.Name, Shape: t.Shape})
	}
	for m := range n.each.Members {
		for _, t := range n.all.Layout() {
			all = append(all, train.Tensor{Name: fmt.Sprintf("all%d.%s", m, t.Name), Shape: t.Shape})
		}
	}
	return all
}

// init draws all parameters.
func (n *pooled) init(p *nn.Params, rng *rand.Rand) {
	for entry := 0; entry < len(p.Layout); entry += 2 {
		in := p.Layout[entry].Shape[1]
		p.Uniform(rng, entry, in)
		p.Uniform(rng, entry+1, in)
	}
}

// tailOf is a member's part of a flat buffer of values or gradients for all.
func (n *pooled) tailOf(flat []float32, member int) []float32 {
	if flat == nil {
		return nil
	}
	return flat[n.size+member*n.tail:][:n.tail]
}

// pooledTape is a pass of the critics over B states of P workers with M actions each.
type pooledTape struct {
	net          *pooled
	states, rep  int // B, M
	workers      int // P
	each         *nn.Tape
	all          []*nn.Tape  // [N]
	pools        [][]float32 // [N][B*M,2K] means, then maxima
	top          []int32     // [N,B*M,K] the worker of the maximum
	dy           []float32   // [N,B*P*M,K] gradient by what each puts out
	q            []float32   // [N,B*M]
	dact         []float32   // [B*P*M] gradient by the actions, summed over the members
	wide         int         // K
	each1, chunk int
}

func (n *pooled) tape(states, workers, rep int) *pooledTape {
	k, members := n.each.Widths[len(n.each.Widths)-1], n.each.Members
	t := &pooledTape{
		net: n, states: states, rep: rep, workers: workers, wide: k,
		each: n.each.Tape(states*workers, rep), top: make([]int32, members*states*rep*k),
		dy: make([]float32, members*states*workers*rep*k), q: make([]float32, members*states*rep),
		dact: make([]float32, states*workers*rep),
	}
	for range members {
		t.all = append(t.all, n.all.Tape(states, rep))
		t.pools = append(t.pools, make([]float32, states*rep*2*k))
	}
	t.chunk = max(1, states/8)
	t.each1 = nn.Parts(states, t.chunk)
	return t
}

// forward computes q [N,B*M] from what is known of the workers, [B*P,recording.StateWidth +
// recording.CommonWidth], and of all, [B,recording.CommonWidth], and from actions [B*P,M], with the
// parameters w. The inputs must stay as they are until the backward pass is done.
func (t *pooledTape) forward(p *nn.Pool, w, state, common, act []float32) {
	t.each.Forward(p, w[:t.net.size], state, act)
	p.Run(t.net.each.Members*t.each1, func(i int) {
		member, from := i/t.each1, i%t.each1*t.chunk
		for b := from; b < min(t.states, from+t.chunk); b++ {
			t.pool(member, b)
		}
	})
	for m, a := range t.all {
		a.Forward(p, t.net.tailOf(w, m), common, t.pools[m])
		copy(t.q[m*t.states*t.rep:], a.Y)
	}
}

// pool takes mean and maximum over the workers of state b.
func (t *pooledTape) pool(member, b int) {
	k, each := t.wide, 1/float32(t.workers)
	y := t.each.Y[(member*t.states+b)*t.workers*t.rep*k:][:t.workers*t.rep*k]
	pools := t.pools[member][b*t.rep*2*k:][:t.rep*2*k]
	top := t.top[(member*t.states+b)*t.rep*k:][:t.rep*k]
	for m := range t.rep {
		mean, most, who := pools[m*2*k:][:k], pools[m*2*k+k:][:k], top[m*k:][:k]
		clear(mean)
		clear(who)
		for j := range most {
			most[j] = float32(math.Inf(-1))
		}
		for w := range t.workers {
			for j, v := range y[(w*t.rep+m)*k:][:k] {
				mean[j] += v
				if v > most[j] {
					most[j], who[j] = v, int32(w)
				}
			}
		}
		for j := range mean {
			mean[j] *= each
		}
	}
}

// backward takes dq, the gradient by q, back through the last forward pass: by the
// parameters into grad, unless that is nil, and by the actions into t.dact if wanted.
func (t *pooledTape) backward(p *nn.Pool, w, dq, grad []float32, wantAct bool) {
	if len(dq) != len(t.q) {
		panic(fmt.Sprintf("critics: gradient of %d numbers for %d values", len(dq), len(t.q)))
	}
	n := t.states * t.rep
	for m, a := range t.all {
		a.Backward(p, t.net.tailOf(w, m), dq[m*n:(m+1)*n], t.net.tailOf(grad, m), true)
	}
	p.Run(t.net.each.Members*t.each1, func(i int) {
		member, from := i/t.each1, i%t.each1*t.chunk
		for b := from; b < min(t.states, from+t.chunk); b++ {
			t.spread(member, b)
		}
	})
	if grad != nil {
		grad = grad[:t.net.size]
	}
	t.each.Backward(p, w[:t.net.size], t.dy, grad, wantAct)
	if wantAct {
		rows := len(t.dact)
		copy(t.dact, t.each.DAct[:rows])
		for m := 1; m < t.net.each.Members; m++ {
			for i, v := range t.each.DAct[m*rows : (m+1)*rows] {
				t.dact[i] += v
			}
		}
	}
}

// spread goes back through pool.
func (t *pooledTape) spread(member, b int) {
	k, each := t.wide, 1/float32(t.workers)
	dy := t.dy[(member*t.states+b)*t.workers*t.rep*k:][:t.workers*t.rep*k]
	by := t.all[member].DAct[b*t.rep*2*k:][:t.rep*2*k]
	top := t.top[(member*t.states+b)*t.rep*k:][:t.rep*k]
	for m := range t.rep {
		mean, most := by[m*2*k:][:k], by[m*2*k+k:][:k]
		for w := range t.workers {
			row := dy[(w*t.rep+m)*k:][:k]
			for j, v := range mean {
				row[j] = v * each
			}
		}
		for j, w := range top[m*k:][:k] {
			dy[(int(w)*t.rep+m)*k+j] += most[j]
		}
	}
}
