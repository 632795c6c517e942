//go:build torch

package train

import (
	"math"

	"github.com/saspart/saspart/policy"
)

// The places of policy.CapacityInputs.
const (
	innovation = iota
	surprise
	busy
	saturated
	lag
	change
	estimate
	busiest
	queue
	allInputs
)

// Constants of policy.CapacityState and policy.Scenario; that the courses here equal
// those of policy.EvaluateFollower is a test.
const (
	mostCorrection = 0.3
	leastCapacity  = 0.02
	saturatedFrom  = 0.999
	leastBusy      = 0.01
	mostBusy       = 1
)

// course is a scenario run under a network, with what the way back needs: the
// differentiable twin of policy.EvaluateFollower with a policy.Capacity. Per window
// t, from the estimates e of the log speeds:
//
//	v      = max(softmax(e), 0.02/P), scaled to sum to 1
//	loss   = log(sum(exp(k*x)))/k, x = time/mean time, time = v/speed
//	seen   = v of the window whose busy times b are seen
//	innov  = log(seen*P/b) - e, less its mean
//	e'     = e + gain*innov + correction, less its mean
//
// Slices are [T,P] unless said otherwise. Gradients by shares are kept by their
// logarithm, where the model is nearly linear.
type course struct {
	s *policy.Scenario

	e, v   []float64
	soft   []float64 // softmax(e), before the floor
	logV   []float64
	innov  []float64
	b      []float64 // measured busy ratio
	inside []bool    // b is not clipped
	gain   []float64
	most   []int     // [T] the busiest worker's place if it slowed the job down, else -1
	top    []int     // [T] place of the largest b
	load   []float64 // [P] scratch

	byLogV []float64 // gradient by log v
	byE    []float64 // [P] gradient by e of the window after the one being gone back through
}

// begin makes c the course of a scenario; memory is used again.
func (c *course) begin(s *policy.Scenario) {
	n := s.Windows * s.Workers
	if cap(c.e) < n {
		for _, v := range []*[]float64{&c.e, &c.v, &c.soft, &c.logV, &c.innov, &c.b, &c.gain, &c.byLogV} {
			*v = make([]float64, n)
		}
		c.inside = make([]bool, n)
	}
	for _, v := range []*[]float64{&c.e, &c.v, &c.soft, &c.logV, &c.innov, &c.b, &c.gain, &c.byLogV} {
		*v = (*v)[:n]
	}
	c.s, c.inside = s, c.inside[:n]
	c.most, c.top = resized(c.most, s.Windows), resized(c.top, s.Windows)
	c.load, c.byE = resized(c.load, s.Workers), resized(c.byE, s.Workers)
	clear(c.e[:s.Workers])
	clear(c.byLogV)
	clear(c.byE)
}

func resized[T any](v []T, n int) []T {
	if cap(v) < n {
		return make([]T, n)
	}
	return v[:n]
}

// at is the part of a [T,P] slice for window t.
func (c *course) at(v []float64, t int) []float64 { return v[t*c.s.Workers : (t+1)*c.s.Workers] }

// share computes v of window t from e.
func (c *course) share(t int) {
	e, soft, v, logV := c.at(c.e, t), c.at(c.soft, t), c.at(c.v, t), c.at(c.logV, t)
	most, sum := math.Inf(-1), 0.0
	for _, x := range e {
		most = max(most, x)
	}
	for w, x := range e {
		soft[w] = math.Exp(x - most)
		sum += soft[w]
	}
	floor, all := leastCapacity/float64(len(e)), 0.0
	for w := range soft {
		soft[w] /= sum
		v[w] = max(soft[w], floor)
		all += v[w]
	}
	for w := range v {
		v[w] /= all
		logV[w] = math.Log(v[w])
	}
}

// loss is the loss of window t, and its imbalance; weight times its gradient is added
// to byLogV.
//
//	by log v_j: q_j x_j - x_j/P * sum(q x), q = softmax(k*x)
func (c *course) loss(t int, k, weight float64) (loss, imbalance float64) {
	x, workers := c.load, float64(c.s.Workers)
	sum := 0.0
	for w, speed := range c.s.SpeedsAt(t) {
		x[w] = c.at(c.v, t)[w] / speed
		sum += x[w]
	}
	most := 0.0
	for w := range x {
		x[w] *= workers / sum
		most = max(most, x[w])
	}
	total, qx := 0.0, 0.0
	for _, v := range x {
		q := math.Exp(k * (v - most))
		total += q
		qx += q * v
	}
	by := c.at(c.byLogV, t)
	for w, v := range x {
		by[w] += weight * v / total * (math.Exp(k*(v-most)) - qx/workers)
	}
	return most + math.Log(total)/k, most - 1
}

// observe computes what is seen at the end of window t and writes the inputs of all
// kinds, [P,allInputs], as policy.CapacityState has them.
func (c *course) observe(t int, features []float64) {
	workers, u := float64(c.s.Workers), c.s.Seen(t)
	e, b, innov, logV, logSeen := c.at(c.e, t), c.at(c.b, t), c.at(c.innov, t), c.at(c.logV, t), c.at(c.logV, u)
	speeds, noise := c.s.SpeedsAt(u), c.at(c.s.Noise, u)
	most := 0
	for w, v := range c.at(c.v, u) {
		b[w] = c.s.Utilisation * v * workers / speeds[w]
		if b[w] > b[most] {
			most = w
		}
	}
	slow := 1.0
	c.most[t] = -1
	if c.s.Pressure && b[most] > 1 {
		slow, c.most[t] = 1/b[most], most
	}
	mean, top := 0.0, 0
	for w := range b {
		free := b[w] * slow * noise[w]
		b[w] = min(max(free, leastBusy), mostBusy)
		c.inside[t*c.s.Workers+w] = b[w] == free
		if b[w] > b[top] {
			top = w
		}
		innov[w] = logSeen[w] + math.Log(workers/b[w]) - e[w]
		mean += innov[w] / workers
	}
	c.top[t] = top
	off := 0.0
	for w := range innov {
		innov[w] -= mean
		off += math.Abs(innov[w]) / workers
	}
	for w := range innov {
		f := features[w*allInputs:][:allInputs]
		f[innovation], f[surprise], f[busy], f[saturated] = innov[w], off, b[w], 0
		f[lag], f[change] = logV[w]+math.Log(workers)-e[w], logSeen[w]-logV[w]
		f[estimate], f[busiest], f[queue] = e[w], b[top], math.Floor(b[w])
		if b[w] >= saturatedFrom {
			f[saturated] = 1
		}
	}
}

// apply makes the estimates of window t+1 by the action [P,2] taken at the end of t.
func (c *course) apply(t int, action []float32) {
	e, next, innov, gain := c.at(c.e, t), c.at(c.e, t+1), c.at(c.innov, t), c.at(c.gain, t)
	mean := 0.0
	for w := range e {
		gain[w] = (1 + float64(action[2*w])) / 2
		next[w] = e[w] + gain[w]*innov[w] + mostCorrection*float64(action[2*w+1])
		mean += next[w] / float64(len(e))
	}
	for w := range next {
		next[w] -= mean
	}
}

// applied goes back through apply: it writes the gradient by the action, [P,2], and
// turns byE into the gradient by e + gain*innov + correction.
func (c *course) applied(t int, byAction []float32) {
	innov, mean := c.at(c.innov, t), 0.0
	for _, g := range c.byE {
		mean += g / float64(len(c.byE))
	}
	for w := range c.byE {
		c.byE[w] -= mean
		byAction[2*w] = float32(c.byE[w] * innov[w] / 2)
		byAction[2*w+1] = float32(c.byE[w] * mostCorrection)
	}
}

// observed goes back through observe, after applied: features are the gradients by
// the inputs, and byE becomes the gradient by e of window t but for what comes by v.
func (c *course) observed(t int, features []float64) {
	workers, u := float64(c.s.Workers), c.s.Seen(t)
	innov, b, gain := c.at(c.innov, t), c.at(c.b, t), c.at(c.gain, t)
	byV, bySeen := c.at(c.byLogV, t), c.at(c.byLogV, u)
	bySurprise, byBusiest := 0.0, 0.0
	for w := range innov {
		bySurprise += features[w*allInputs+surprise]
		byBusiest += features[w*allInputs+busiest]
	}
	byInnov, mean := c.load, 0.0
	for w := range innov {
		byInnov[w] = c.byE[w]*gain[w] + features[w*allInputs+innovation]
		if innov[w] > 0 {
			byInnov[w] += bySurprise / workers
		} else if innov[w] < 0 {
			byInnov[w] -= bySurprise / workers
		}
		mean += byInnov[w] / workers
	}
	slowed := 0.0
	for w := range innov {
		f := features[w*allInputs:][:allInputs]
		d := byInnov[w] - mean // by log(seen*P/b) - e
		c.byE[w] += f[estimate] - f[lag] - d
		byV[w] += f[lag] - f[change]
		bySeen[w] += f[change] + d
		if !c.inside[t*c.s.Workers+w] {
			continue
		}
		byB := f[busy]
		if w == c.top[t] {
			byB += byBusiest
		}
		byLogB := byB*b[w] - d
		bySeen[w] += byLogB
		slowed += byLogB
	}
	if most := c.most[t]; most >= 0 {
		bySeen[most] -= slowed
	}
}

// shared goes back through share: what byLogV has of window t, then complete, is
// added to byE.
func (c *course) shared(t int) {
	soft, v, by := c.at(c.soft, t), c.at(c.v, t), c.at(c.byLogV, t)
	floor, sum, free := leastCapacity/float64(len(v)), 0.0, 0.0
	for _, g := range by {
		sum += g
	}
	for w := range by {
		if soft[w] >= floor {
			by[w] -= v[w] * sum
		} else {
			by[w] = 0
		}
		free += by[w]
	}
	for w := range by {
		c.byE[w] += by[w] - soft[w]*free
	}
}
