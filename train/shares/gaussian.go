//go:build torch

package shares

import (
	"math"

	"github.com/saspart/saspart/train/internal/nn"
	"github.com/saspart/saspart/train/internal/tensor"
)

// The bounds of the policy's log standard deviation, as in the published system's library.
const (
	minLogStd = -5
	maxLogStd = 2
)

// gaussian is a diagonal normal distribution in each state, squashed by tanh into (-1,1)
// (Haarnoja et al. 2018, arXiv 1812.05905, appendix C).
type gaussian struct{ mean, logStd tensor.Tensor } // [B,A]

// policy is pi(s) for states [B,O].
func (t *Trainer) policy(s tensor.Tensor) gaussian {
	acts := t.dims.Act
	out := t.actor.Forward(s).View(s.Shape()[0], 2*acts)
	return gaussian{out.Narrow(1, 0, acts), out.Narrow(1, acts, 2*acts).Clamp(minLogStd, maxLogStd)}
}

func (g gaussian) detach() gaussian { return gaussian{g.mean.Detach(), g.logStd.Detach()} }

// sample turns standard normal noise z, [B,A] or [B,K,A], into actions of that shape, and their
// log-probabilities, [B] or [B,K]. With u = mean + std z, an action is tanh u, and
//
//	log p = sum over A of -z^2/2 - log std - log(2 pi)/2 - log(1 - tanh^2 u)
//	log(1 - tanh^2 u) = 2 (log 2 - u - softplus(-2u))
func (g gaussian) sample(z tensor.Tensor) (action, logProb tensor.Tensor) {
	mean, logStd := g.mean, g.logStd
	shape := z.Shape()
	acts := shape[len(shape)-1]
	if len(shape) == 3 {
		mean, logStd = mean.View(shape[0], 1, acts), logStd.View(shape[0], 1, acts)
	}
	u := mean.Add(logStd.Exp().Mul(z))
	each := u.Add(u.Scale(-2).Softplus()).Scale(2).Sub(z.Square().Scale(0.5)).Sub(logStd)
	return u.Tanh(), each.SumOver(-1).Shift(-float64(acts) * (nn.HalfLogTwoPi + 2*math.Ln2))
}

// logProb is the log-probability [B] of actions [B,A], taken to lie at least edge inside (-1,1).
func (g gaussian) logProb(action tensor.Tensor, edge float64) tensor.Tensor {
	acts := action.Shape()[1]
	a := action.Clamp(-1+edge, 1-edge)
	z := a.Atanh().Sub(g.mean).Div(g.logStd.Exp())
	slope := a.Square().Scale(-1).Shift(1).Log()
	return z.Square().Scale(-0.5).Sub(g.logStd).Sub(slope).SumOver(1).Shift(-float64(acts) * nn.HalfLogTwoPi)
}
