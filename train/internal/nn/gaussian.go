//go:build torch

package nn

// The bounds of the policy's log standard deviation, as in the reference's library.
const (
	MinLogStd = -5
	MaxLogStd = 2
)

// HalfLogTwoPi is log(sqrt(2*pi)).
const HalfLogTwoPi = 0.91893853320467274178

// Draws are K actions in each of R states from diagonal normal distributions squashed
// by tanh into (-1,1) (Haarnoja et al. 2018, arXiv 1812.05905, appendix C). A policy's
// output for a state is the A means, then the A log standard deviations.
type Draws struct {
	Each, acts int       // K, A
	spread     []float32 // [R,K,A] std*noise
	Action     []float32 // [R,K,A]
	LogProb    []float32 // [R,K] log-density of the action
}

// DrawRows is how many rows a task takes.
const DrawRows = 16

// NewDraws makes room for each draws of acts numbers, for each of rows.
func NewDraws(rows, each, acts int) Draws {
	n := rows * each * acts
	return Draws{each, acts, make([]float32, n), make([]float32, n), make([]float32, rows*each)}
}

// rows is the view of rows [from, to).
func (d Draws) rows(from, to int) Draws {
	wide := d.Each * d.acts
	return Draws{d.Each, d.acts, d.spread[from*wide : to*wide], d.Action[from*wide : to*wide], d.LogProb[from*d.Each : to*d.Each]}
}

// Sample turns standard normal noise [R,K,A] into actions of the policy that puts out
// out [R,2A]:
//
//	u = mean + std*noise, a = tanh(u)
//	log p(a) = sum over A of log N(u) - log(1 - a^2)
func (d Draws) Sample(p *Pool, out, noise []float32) {
	p.Split(len(out)/(2*d.acts), DrawRows, func(_, from, to int) {
		wide := d.Each * d.acts
		sampleRows(d.rows(from, to), out[from*2*d.acts:to*2*d.acts], noise[from*wide:to*wide], make([]float32, 2*d.acts))
	})
}

// First copies the first action in each row into act [R,A].
func (d Draws) First(p *Pool, act []float32) {
	p.Split(len(act)/d.acts, 8*DrawRows, func(_, from, to int) {
		for i := from; i < to; i++ {
			copy(act[i*d.acts:(i+1)*d.acts], d.Action[i*d.Each*d.acts:])
		}
	})
}

// Entropy is minus the mean log-probability of the first actions in the first rows.
func (d Draws) Entropy(rows int) float64 {
	sum := 0.0
	for i := range rows {
		sum -= float64(d.LogProb[i*d.Each])
	}
	return sum / float64(rows)
}

// Through sets dout [B,2A] to the gradient by the policy's output of
//
//	mean over B of alpha*log p(a) - <a, rise>*B
//
// for the first action in each of the first B rows, where rise [B,A], how a value
// averaged over B rises with a, is slope [B,A] plus the sum of by [N,B,A]. With
// d log p/du = 2a and da/du = 1 - a^2:
//
//	by mean    : du = 2 alpha a / B - rise (1 - a^2)
//	by log std : du * std * noise - alpha / B, where it is within its bounds
func (d Draws) Through(p *Pool, dout, out, slope, by []float32, alpha float64) {
	all := len(slope) // B*A
	rows := all / d.acts
	p.Split(rows, DrawRows, func(_, from, to int) {
		a, b := from*d.acts, to*d.acts
		throughRows(d.rows(from, to), dout[2*a:2*b], out[2*a:2*b], slope[a:b], by[a:len(by)-all+b], all, alpha/float64(rows))
	})
}

// gaussian is what likelihood needs of the distributions, as tensors.
type gaussian struct {
	mean, logStd, std Tensor // [B,1,A]
	free              Tensor // [B,1,A] whether logStd is within its bounds and so has a gradient
}

// Gaussian reads a policy's output [B,2A]: means, then log standard deviations.
func (s *Scope) Gaussian(out Tensor) gaussian {
	shape := ShapeOf(out)
	rows, width := shape[0], shape[1]/2
	AssertShape("policy output", out, rows, 2*width)
	out = s.view(out, rows, 2, width)
	raw := s.Narrow(out, 1, 1, 1)
	logStd := s.clamp(raw, MinLogStd, MaxLogStd)
	return gaussian{mean: s.Narrow(out, 1, 0, 1), logStd: logStd, std: s.exp(logStd), free: s.equal(raw, logStd)}
}

// Likelihood is the mean log-probability of actions [B,A], taken to lie at least edge
// inside (-1,1), and its gradient by the policy's output, [B,2A]. With e = (u-mean)/std:
//
//	by mean    : e / std / B
//	by log std : (e^2 - 1) / B
func (s *Scope) Likelihood(g gaussian, action Tensor, edge float64) (mean float64, gradient Tensor) {
	shape := ShapeOf(action)
	rows, width := shape[0], shape[1]
	a := s.view(s.clamp(action, -1+edge, 1-edge), rows, 1, width)
	e := s.div(s.Sub(s.atanh(a), g.mean), g.std)
	square := s.square(e)
	slope := s.log(s.Shift(s.Scale(s.square(a), -1), 1)) // log(1 - a^2)
	logProb := s.Sub(s.Sub(s.Scale(square, -0.5), g.logStd), slope)
	mean = Item(s.Sum(logProb))/float64(rows) - float64(width)*HalfLogTwoPi
	by := s.Cat(1, s.div(e, g.std), s.mul(s.Shift(square, -1), g.free))
	return mean, s.Scale(s.view(by, rows, 2*width), 1/float64(rows))
}
