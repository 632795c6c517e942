//go:build torch

package tensor

import (
	"math/rand/v2"
	"slices"

	torch "github.com/sugarme/gotch/libtch"

	"github.com/saspart/saspart/train/internal/nn"
)

// Network is an ensemble of N networks of equal shape with their parameters: of states [B,S]
// and, if it has actions, of M actions [B,M,A] in each. A pass of Forward runs the kernels of
// nn, and autograd sees its output as a leaf: Gradient goes back through the passes behind it.
// That takes half the tensor operations of a pass on autograd (Differentiable), which is for
// what needs second derivatives.
type Network struct {
	*nn.Params
	MLP  *nn.MLP
	Pool *nn.Pool
	Slow []float32 // target parameters, laid out as W; nil: none

	tapes map[[2]int][]*nn.Tape // not in use, by states and actions in each
}

// NewNetwork draws the parameters of an ensemble.
func NewNetwork(mlp nn.MLP, pool *nn.Pool, rng *rand.Rand) *Network {
	n := &Network{Params: nn.NewParams(mlp.Layout()), MLP: &mlp, Pool: pool, tapes: map[[2]int][]*nn.Tape{}}
	mlp.Init(n.Params, rng)
	return n
}

// Track gives the network target parameters, equal to its own.
func (n *Network) Track() { n.Slow = slices.Clone(n.W) }

// Follow moves the target parameters the part tau of the way to the network's own.
func (n *Network) Follow(tau float64) { nn.Toward(n.Pool, n.Slow, n.W, tau) }

// Step takes the t-th step of Adam along Grad, and returns its length before it is clipped.
func (n *Network) Step(rate float64, t uint64, clip float64) (float64, error) {
	return n.Params.Step(n.Pool, rate, t, clip)
}

// pass is a pass through the kernels.
type pass struct {
	net  *Network
	tape *nn.Tape
	act  Tensor // undefined: none
	y    Tensor
}

func (n *Network) idle(t *nn.Tape) {
	key := [2]int{t.States, t.Each}
	n.tapes[key] = append(n.tapes[key], t)
}

func (n *Network) tape(states, each int) *nn.Tape {
	key := [2]int{states, each}
	if idle := n.tapes[key]; len(idle) > 0 {
		n.tapes[key] = idle[:len(idle)-1]
		return idle[len(idle)-1]
	}
	return n.MLP.Tape(states, each)
}

// Forward is the networks' output for states [B,S] and actions [B,A] or [B,M,A], if any:
// [N,B,O] or [N,B,M,O].
func (n *Network) Forward(obs Tensor, act ...Tensor) Tensor {
	p := n.run(n.W, obs, act)
	if obs.s.frozen {
		obs.s.passes = append(obs.s.passes, p) // for its tape
		return p.y
	}
	var c torch.Ctensor
	torch.AtgSetRequiresGrad(&c, p.y.c, 1)
	p.y = obs.s.keep("requires grad", c)
	obs.s.passes = append(obs.s.passes, p)
	return p.y
}

// Target is Forward with the target parameters: a constant.
func (n *Network) Target(obs Tensor, act ...Tensor) Tensor {
	p := n.run(n.Slow, obs, act)
	n.idle(p.tape)
	return p.y
}

func (n *Network) run(w []float32, obs Tensor, act []Tensor) *pass {
	states := obs.Shape()[0]
	p, dims, own := &pass{net: n}, []int{n.MLP.Members, states}, []float32(nil)
	each := 1
	if len(act) > 0 {
		p.act, own = act[0], act[0].Floats()
		if shape := p.act.Shape(); len(shape) == 3 {
			each, dims = shape[1], append(dims, shape[1])
		}
	}
	p.tape = n.tape(states, each)
	p.tape.Forward(n.Pool, w, obs.Floats(), own)
	p.y = obs.s.Data(p.tape.Y, append(dims, n.MLP.Widths[len(n.MLP.Widths)-1])...)
	return p
}

// Differentiable is Forward on autograd, for each network's own actions [N,B,A]: [N,B,O].
func (n *Network) Differentiable(obs, act Tensor) Tensor {
	s, rows := obs.s, obs.Shape()[0]
	leaves := s.leaves[n]
	if leaves == nil {
		for _, p := range n.Layout {
			leaves = append(leaves, s.Variable(p.Data, p.Shape...))
		}
		if s.leaves == nil {
			s.leaves = map[*Network][]Tensor{}
		}
		s.leaves[n] = leaves
	}
	x := Cat(2, obs.Expand(n.MLP.Members, rows, n.MLP.Shared), act)
	for l, out := range n.MLP.Widths {
		if l > 0 {
			x = x.Tanh()
		}
		x = x.MatMul(leaves[2*l]).Add(leaves[2*l+1].View(n.MLP.Members, 1, out))
	}
	return x
}

// Gradient sets Grad to the gradient of a loss by the network's parameters. libtorch goes from
// the loss back to the outputs of the passes. From the last pass to the first, kernels then go
// on to the parameters and the actions, and libtorch from those to the passes before.
// Parameters must not change between the passes behind a loss and this.
func (n *Network) Gradient(loss Tensor) {
	s, at := loss.s, 0
	for _, g := range Gradients(loss, false, s.leaves[n]...) {
		at += copy(n.Grad[at:], g.Floats())
	}
	var passes []*pass // that autograd sees
	var ys []Tensor
	for _, p := range s.passes {
		if p.y.differentiable() {
			passes, ys = append(passes, p), append(ys, p.y)
		}
	}
	dy := gradients(loss, false, ys)
	for i := len(passes) - 1; i >= 0; i-- {
		p, byAct := passes[i], passes[i].act.differentiable()
		if dy[i].c == nil || !byAct && p.net != n {
			continue
		}
		var grad, before []float32
		if p.net == n {
			if grad = n.Grad; at > 0 { // the network was called before
				before = slices.Clone(grad)
			}
			at = len(grad)
		}
		p.tape.Backward(n.Pool, p.net.W, dy[i].Floats(), grad, byAct)
		for j, g := range before {
			grad[j] += g
		}
		if !byAct {
			continue
		}
		by := p.tape.DAct[:len(p.tape.DAct)/p.net.MLP.Members] // the sum over the networks
		for k, d := range p.tape.DAct[len(by):] {
			by[k%len(by)] += d
		}
		for j, g := range gradients(p.act.Mul(s.Data(by, p.act.Shape()...)), false, ys[:i]) {
			if g.c != nil && dy[j].c != nil {
				dy[j] = dy[j].Add(g)
			} else if g.c != nil {
				dy[j] = g
			}
		}
	}
	clear(n.Grad[at:]) // all, where the loss does not depend on the network
}
