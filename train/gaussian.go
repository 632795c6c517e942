//go:build torch

package train

// The bounds of the policy's log standard deviation, as in the reference's library.
const (
	minLogStd = -5
	maxLogStd = 2
)

// halfLogTwoPi is log(sqrt(2*pi)).
const halfLogTwoPi = 0.91893853320467274178

// draws are K actions in each of R states from diagonal normal distributions squashed
// by tanh into (-1,1) (Haarnoja et al. 2018, arXiv 1812.05905, appendix C). A policy's
// output for a state is the A means, then the A log standard deviations.
type draws struct {
	each, acts int       // K, A
	spread     []float32 // [R,K,A] std*noise
	action     []float32 // [R,K,A]
	logProb    []float32 // [R,K] log-density of the action
}

// drawRows is how many rows a task takes.
const drawRows = 16

func newDraws(rows, each, acts int) draws {
	n := rows * each * acts
	return draws{each, acts, make([]float32, n), make([]float32, n), make([]float32, rows*each)}
}

// rows is the view of rows [from, to).
func (d draws) rows(from, to int) draws {
	wide := d.each * d.acts
	return draws{d.each, d.acts, d.spread[from*wide : to*wide], d.action[from*wide : to*wide], d.logProb[from*d.each : to*d.each]}
}

// sample turns standard normal noise [R,K,A] into actions of the policy that puts out
// out [R,2A]:
//
//	u = mean + std*noise, a = tanh(u)
//	log p(a) = sum over A of log N(u) - log(1 - a^2)
func (d draws) sample(p *pool, out, noise []float32) {
	p.split(len(out)/(2*d.acts), drawRows, func(_, from, to int) {
		wide := d.each * d.acts
		sampleRows(d.rows(from, to), out[from*2*d.acts:to*2*d.acts], noise[from*wide:to*wide], make([]float32, 2*d.acts))
	})
}

// first copies the first action in each row into act [R,A].
func (d draws) first(p *pool, act []float32) {
	p.split(len(act)/d.acts, 8*drawRows, func(_, from, to int) {
		for i := from; i < to; i++ {
			copy(act[i*d.acts:(i+1)*d.acts], d.action[i*d.each*d.acts:])
		}
	})
}

// entropy is minus the mean log-probability of the first actions in the first rows.
func (d draws) entropy(rows int) float64 {
	sum := 0.0
	for i := range rows {
		sum -= float64(d.logProb[i*d.each])
	}
	return sum / float64(rows)
}

// through sets dout [B,2A] to the gradient by the policy's output of
//
//	mean over B of alpha*log p(a) - <a, rise>*B
//
// for the first action in each of the first B rows, where rise [B,A], how a value
// averaged over B rises with a, is slope [B,A] plus the sum of by [N,B,A]. With
// d log p/du = 2a and da/du = 1 - a^2:
//
//	by mean    : du = 2 alpha a / B - rise (1 - a^2)
//	by log std : du * std * noise - alpha / B, where it is within its bounds
func (d draws) through(p *pool, dout, out, slope, by []float32, alpha float64) {
	all := len(slope) // B*A
	rows := all / d.acts
	p.split(rows, drawRows, func(_, from, to int) {
		a, b := from*d.acts, to*d.acts
		throughRows(d.rows(from, to), dout[2*a:2*b], out[2*a:2*b], slope[a:b], by[a:len(by)-all+b], all, alpha/float64(rows))
	})
}

// gaussian is what likelihood needs of the distributions, as tensors.
type gaussian struct {
	mean, logStd, std tensor // [B,1,A]
	free              tensor // [B,1,A] whether logStd is within its bounds and so has a gradient
}

// gaussian reads a policy's output [B,2A]: means, then log standard deviations.
func (s *scope) gaussian(out tensor) gaussian {
	shape := shapeOf(out)
	rows, width := shape[0], shape[1]/2
	assertShape("policy output", out, rows, 2*width)
	out = s.view(out, rows, 2, width)
	raw := s.narrow(out, 1, 1, 1)
	logStd := s.clamp(raw, minLogStd, maxLogStd)
	return gaussian{mean: s.narrow(out, 1, 0, 1), logStd: logStd, std: s.exp(logStd), free: s.equal(raw, logStd)}
}

// likelihood is the mean log-probability of actions [B,A], taken to lie at least edge
// inside (-1,1), and its gradient by the policy's output, [B,2A]. With e = (u-mean)/std:
//
//	by mean    : e / std / B
//	by log std : (e^2 - 1) / B
func (s *scope) likelihood(g gaussian, action tensor, edge float64) (mean float64, gradient tensor) {
	shape := shapeOf(action)
	rows, width := shape[0], shape[1]
	a := s.view(s.clamp(action, -1+edge, 1-edge), rows, 1, width)
	e := s.div(s.sub(s.atanh(a), g.mean), g.std)
	square := s.square(e)
	slope := s.log(s.shift(s.scale(s.square(a), -1), 1)) // log(1 - a^2)
	logProb := s.sub(s.sub(s.scale(square, -0.5), g.logStd), slope)
	mean = item(s.sum(logProb))/float64(rows) - float64(width)*halfLogTwoPi
	by := s.cat(1, s.div(e, g.std), s.mul(s.shift(square, -1), g.free))
	return mean, s.scale(s.view(by, rows, 2*width), 1/float64(rows))
}
