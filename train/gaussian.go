//go:build torch

package train

import "math"

// The bounds of the policy's log standard deviation, as in the reference's library.
const (
	minLogStd = -5
	maxLogStd = 2
)

// halfLogTwoPi is log(sqrt(2*pi)).
const halfLogTwoPi = 0.91893853320467274178

// gaussian is a diagonal normal distribution squashed by tanh into (-1,1)
// (Haarnoja et al. 2018, arXiv 1812.05905, appendix C).
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

// first is the distribution of the first rows.
func (s *scope) first(g gaussian, rows int64) gaussian {
	cut := func(x tensor) tensor { return s.narrow(x, 0, 0, rows) }
	return gaussian{cut(g.mean), cut(g.logStd), cut(g.std), cut(g.free)}
}

// draw are K actions for each row.
type draw struct {
	spread  tensor // [B,K,A] std*noise
	action  tensor // [B,K,A]
	logProb tensor // [B,K]
}

// sample turns standard normal noise [B,K,A] into actions:
//
//	u = mean + std*noise, a = tanh(u)
//	log p(a) = sum over A of log N(u) - log(1 - a^2)
//
// where log(1 - tanh(u)^2) = 2(log 2 - u - softplus(-2u)) holds for any u, while
// 1 - a^2 rounds to zero.
func (s *scope) sample(g gaussian, noise tensor) draw {
	spread := s.mul(g.std, noise)
	u := s.add(g.mean, spread)
	normal := s.sub(s.scale(s.square(noise), -0.5), g.logStd)
	slope := s.scale(s.add(u, s.softplus(s.scale(u, -2))), -2)
	const constant = -halfLogTwoPi - 2*math.Ln2
	return draw{spread, s.tanh(u), s.sumDim(s.shift(s.sub(normal, slope), constant), 2)}
}

// through is the gradient by the policy's output [B,2A] of
//
//	mean over B of alpha*log p(a) - <a, slope>*B
//
// for one action per row: slope [B,1,A] is how a value, averaged over B, rises with a.
// With d log p/du = 2a and da/du = 1 - a^2:
//
//	by mean    : du = 2 alpha a / B - slope (1 - a^2)
//	by log std : du * std * noise - alpha / B
func (s *scope) through(g gaussian, d draw, slope tensor, alpha float64) tensor {
	shape := shapeOf(g.mean)
	rows, width := shape[0], shape[2]
	assertShape("action", d.action, rows, 1, width)
	assertShape("slope", slope, rows, 1, width)
	weight := alpha / float64(rows)
	squash := s.shift(s.scale(s.square(d.action), -1), 1)
	du := s.sub(s.scale(d.action, 2*weight), s.mul(slope, squash))
	dLogStd := s.mul(s.shift(s.mul(du, d.spread), -weight), g.free)
	return s.view(s.cat(1, du, dLogStd), rows, 2*width)
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
