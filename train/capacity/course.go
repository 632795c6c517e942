//go:build torch

package capacity

import (
	"math"

	"github.com/saspart/saspart/policy/scenario"
	"github.com/saspart/saspart/train/internal/nn"
)

// The places of checkpoint.CapacityInputs.
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
	ratio
	load
	workerCount
	age
	calm
	contrast
	allInputs
)

// Constants of learned.CapacityState and scenario.Scenario; that the courses here equal
// those of scenario.Evaluate is a test.
const (
	mostCorrection = 0.3
	mostHedge      = 0.6
	leastCapacity  = 0.02
	saturatedFrom  = 0.999
	leastSurprise  = 0.01
	leastContrast  = 1e-3
	leastBusy      = 0.01
	mostBusy       = 1
)

// course is a scenario run under a network, with what the way back needs: the
// differentiable twin of scenario.Evaluate with a learned.Capacity. Per window
// t, from the estimates e of the log speeds:
//
//	v      = max(softmax(e + hedge), 0.02/P), scaled to sum to 1 (the first window's: s.Start)
//	loss   = log(sum(exp(k*x)))/k, x = time/mean time, time = v/speed
//	seen   = what was got, by v, in the window whose busy times b are seen
//	innov  = log(seen*P/b) - e, less its mean
//	e'     = e + gain*innov + correction, less its mean
//
// Slices are [T,P] unless said otherwise. Gradients by shares are kept by their
// logarithm, where the model is nearly linear.
type course struct {
	s *scenario.Scenario

	e, v   []float64
	z      []float64 // e + hedge
	soft   []float64 // softmax(z), before the floor
	force  []float64 // shares in force: v with lumps
	got    []float64 // parts of the work got: v with lumps and chance
	innov  []float64
	b      []float64 // measured busy ratio
	inside []bool    // b is not clipped
	gain   []float64
	most   []int     // [T] the busiest worker's place if it slowed the job down, else -1
	top    []int     // [T] place of the largest b
	off    []float64 // [T] surprise
	x, y   []float64 // [P] scratch

	byLogV []float64 // gradient by log v
	byE    []float64 // [P] gradient by e of the window after the one being gone back through
	byZ    []float64 // [P] gradient by z of that window
}

// begin makes c the course of a scenario; memory is used again.
func (c *course) begin(s *scenario.Scenario) {
	n := s.Windows * s.Workers
	if cap(c.e) < n {
		for _, v := range []*[]float64{&c.e, &c.v, &c.z, &c.soft, &c.force, &c.got, &c.innov, &c.b, &c.gain, &c.byLogV} {
			*v = make([]float64, n)
		}
		c.inside = make([]bool, n)
	}
	for _, v := range []*[]float64{&c.e, &c.v, &c.z, &c.soft, &c.force, &c.got, &c.innov, &c.b, &c.gain, &c.byLogV} {
		*v = (*v)[:n]
	}
	c.s, c.inside = s, c.inside[:n]
	c.most, c.top = nn.Resized(c.most, s.Windows), nn.Resized(c.top, s.Windows)
	c.x, c.y, c.byE = nn.Resized(c.x, s.Workers), nn.Resized(c.y, s.Workers), nn.Resized(c.byE, s.Workers)
	c.off = nn.Resized(c.off, s.Windows)
	c.byZ = nn.Resized(c.byZ, s.Workers)
	clear(c.e[:s.Workers])
	clear(c.z[:s.Workers])
	clear(c.byLogV)
	clear(c.byE)
}

// at is the part of a [T,P] slice for window t.
func (c *course) at(v []float64, t int) []float64 { return v[t*c.s.Workers : (t+1)*c.s.Workers] }

// share computes v of window t from e + hedge.
func (c *course) share(t int) {
	z, soft, v := c.at(c.z, t), c.at(c.soft, t), c.at(c.v, t)
	most, sum := math.Inf(-1), 0.0
	for _, x := range z {
		most = max(most, x)
	}
	for w, x := range z {
		soft[w] = math.Exp(x - most)
		sum += soft[w]
	}
	floor, all := leastCapacity/float64(len(z)), 0.0
	for w := range soft {
		soft[w] /= sum
		v[w] = max(soft[w], floor)
		all += v[w]
	}
	for w := range v {
		v[w] /= all
	}
	if t == 0 && c.s.Start != nil {
		copy(v, c.s.Start)
	}
	c.s.Got(t, c.s.InForce(t, v, c.at(c.force, t)), c.at(c.got, t))
}

// loss is the loss of window t, and its imbalance; weight times its gradient is added
// to byLogV.
//
//	by log v_j: q_j x_j - x_j/P * sum(q x), q = softmax(k*x)
func (c *course) loss(t int, k, weight float64) (loss, imbalance float64) {
	x, workers := c.x, float64(c.s.Workers)
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
// kinds, [P,allInputs], as learned.CapacityState has them.
func (c *course) observe(t int, features []float64) {
	workers, u, m := float64(c.s.Workers), c.s.Routed(t), c.s.Measured(t)
	e, b, innov, force, got := c.at(c.e, t), c.at(c.b, t), c.at(c.innov, t), c.at(c.force, t), c.at(c.got, u)
	speeds, noise := c.s.SpeedsAt(m), c.at(c.s.Noise, m)
	most := 0
	for w, v := range got {
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
	mean, top, all := 0.0, 0, 0.0
	for w := range b {
		free := b[w] * slow * noise[w]
		b[w] = min(max(free, leastBusy), mostBusy)
		c.inside[t*c.s.Workers+w] = b[w] == free
		if b[w] > b[top] {
			top = w
		}
		all += b[w] / workers
		innov[w] = math.Log(got[w]*workers/b[w]) - e[w]
		mean += innov[w] / workers
	}
	c.top[t] = top
	off := 0.0
	for w := range innov {
		innov[w] -= mean
		off += math.Abs(innov[w]) / workers
	}
	c.off[t] = off
	for w := range innov {
		f := features[w*allInputs:][:allInputs]
		f[innovation], f[surprise], f[busy], f[saturated] = innov[w], off, b[w], 0
		f[lag], f[change] = math.Log(force[w]*workers)-e[w], math.Log(got[w]/force[w])
		f[estimate], f[busiest], f[queue] = e[w], b[top], math.Floor(b[w])
		f[ratio], f[load], f[workerCount], f[age] = innov[w]/(off+leastSurprise), all, math.Log(workers), float64(t-m)
		f[calm], f[contrast] = math.Log(off+leastContrast), innov[w]/(off+leastContrast)
		if b[w] >= saturatedFrom {
			f[saturated] = 1
		}
	}
}

// apply makes estimates and hedges of window t+1 by the action [P,A] taken at the end
// of t.
func (c *course) apply(t int, action []float32) {
	e, next, innov, gain := c.at(c.e, t), c.at(c.e, t+1), c.at(c.innov, t), c.at(c.gain, t)
	z, n, mean := c.at(c.z, t+1), len(action)/len(e), 0.0
	for w := range e {
		a := action[n*w : n*(w+1)]
		gain[w] = (1 + float64(a[0])) / 2
		next[w] = e[w] + gain[w]*innov[w] + mostCorrection*float64(a[1])
		mean += next[w] / float64(len(e))
		z[w] = 0
		if n == hedgedActions {
			z[w] = mostHedge * float64(a[2])
		}
	}
	for w := range next {
		next[w] -= mean
		z[w] += next[w]
	}
}

// applied goes back through apply: it writes the gradient by the action, [P,A], and
// turns byE into the gradient by e + gain*innov + correction.
func (c *course) applied(t int, byAction []float32) {
	innov, n, mean := c.at(c.innov, t), len(byAction)/c.s.Workers, 0.0
	for _, g := range c.byE {
		mean += g / float64(len(c.byE))
	}
	for w := range c.byE {
		c.byE[w] -= mean
		by := byAction[n*w : n*(w+1)]
		by[0], by[1] = float32(c.byE[w]*innov[w]/2), float32(c.byE[w]*mostCorrection)
		if n == hedgedActions {
			by[2] = float32(c.byZ[w] * mostHedge)
		}
	}
}

// observed goes back through observe, after applied: features are the gradients by
// the inputs, and byE becomes the gradient by e of window t but for what comes by v.
func (c *course) observed(t int, features []float64) {
	workers, u := float64(c.s.Workers), c.s.Routed(t)
	innov, b, gain := c.at(c.innov, t), c.at(c.b, t), c.at(c.gain, t)
	bySurprise, byBusiest, byLoad := 0.0, 0.0, 0.0
	off, fine := c.off[t]+leastSurprise, c.off[t]+leastContrast
	for w := range innov {
		f := features[w*allInputs:][:allInputs]
		bySurprise += f[surprise] - f[ratio]*innov[w]/(off*off) + f[calm]/fine - f[contrast]*innov[w]/(fine*fine)
		byBusiest += f[busiest]
		byLoad += f[load] / workers
	}
	byInnov, mean := c.x, 0.0
	for w := range innov {
		byInnov[w] = c.byE[w]*gain[w] + features[w*allInputs+innovation] + features[w*allInputs+ratio]/off + features[w*allInputs+contrast]/fine
		if innov[w] > 0 {
			byInnov[w] += bySurprise / workers
		} else if innov[w] < 0 {
			byInnov[w] -= bySurprise / workers
		}
		mean += byInnov[w] / workers
	}
	byForce, byGot, slowed := c.x, c.y, 0.0 // by their logarithms
	for w := range innov {
		f := features[w*allInputs:][:allInputs]
		d := byInnov[w] - mean // by log(seen*P/b) - e
		c.byE[w] += f[estimate] - f[lag] - d
		byForce[w] = f[lag] - f[change]
		byGot[w] = f[change] + d
		if !c.inside[t*c.s.Workers+w] {
			continue
		}
		byB := f[busy] + byLoad
		if w == c.top[t] {
			byB += byBusiest
		}
		byLogB := byB*b[w] - d
		byGot[w] += byLogB
		slowed += byLogB
	}
	if most := c.most[t]; most >= 0 {
		byGot[most] -= slowed
	}
	c.shifted(t, c.at(c.force, t), byForce)
	c.shifted(u, c.at(c.got, u), byGot)
}

// shifted adds to byLogV of window t what by, the gradient by the logarithm of share,
// is by log v: share is v times constants, scaled to sum to 1.
func (c *course) shifted(t int, share, by []float64) {
	sum := 0.0
	for _, g := range by {
		sum += g
	}
	byV := c.at(c.byLogV, t)
	for w, g := range by {
		byV[w] += g - share[w]*sum
	}
}

// shared goes back through share: what byLogV has of window t, then complete, is
// added to byE, and left in byZ.
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
		c.byZ[w] = by[w] - soft[w]*free
		c.byE[w] += c.byZ[w]
	}
}
