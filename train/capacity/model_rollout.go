//go:build torch

package capacity

import (
	"math"

	"github.com/saspart/saspart/policy/filter"
	"github.com/saspart/saspart/policy/scenario"
	"github.com/saspart/saspart/train/internal/nn"
)

// rollout runs the filter through a scenario and back: scenario.ScoreOf with a
// learned.CapacityPolicy, but differentiable. In each window t it computes
//
//	v     the filter's capacities; in the first window s.Start
//	loss  log(sum(exp(k*x)))/k with x = time/mean time and time = v/speed
//	busy  what the scenario measures for the work that the workers got
//
// Slices are [T,P] unless stated otherwise. Gradients with respect to capacities are kept
// with respect to their logarithms, in which the model is nearly linear.
type rollout struct {
	s *scenario.Scenario

	filter      filter.Rollout
	back        filter.Gradient
	observation filter.Observation

	v      []float64 // capacities
	soft   []float64 // and without their lower limit
	force  []float64 // shares in force: v with lumps
	got    []float64 // parts of the work that the workers got: v with lumps and chance
	busy   []float64 // measured busy ratios
	inside []bool    // busy is not clipped
	slow   []int     // [T] the worker that slowed the job down, else -1
	x, y   []float64 // [P] scratch
	byLogV []float64 // gradient with respect to log v
}

// begin makes c the rollout of a scenario, reusing its memory.
func (c *rollout) begin(s *scenario.Scenario) {
	n := s.Windows * s.Workers
	for _, v := range []*[]float64{&c.v, &c.soft, &c.force, &c.got, &c.busy, &c.byLogV} {
		*v = nn.Resized(*v, n)
	}
	c.s, c.inside, c.slow = s, nn.Resized(c.inside, n), nn.Resized(c.slow, s.Windows)
	c.x, c.y = nn.Resized(c.x, s.Workers), nn.Resized(c.y, s.Workers)
	c.filter.Reset(s.Workers, s.Windows)
	c.back.Reset(s.Workers, true)
	clear(c.byLogV)
}

// at is the part of a [T,P] slice for window t.
func (c *rollout) at(v []float64, t int) []float64 { return v[t*c.s.Workers : (t+1)*c.s.Workers] }

// capacities computes v of window t, and what the workers get by it.
func (c *rollout) capacities(t int) {
	v := c.at(c.v, t)
	c.filter.Steps[t].LogCapacities(v)
	filter.Capacities(v, c.at(c.soft, t), v)
	if t == 0 && c.s.Start != nil {
		copy(v, c.s.Start)
	}
	c.s.Got(t, c.s.InForce(t, v, c.at(c.force, t)), c.at(c.got, t))
}

// loss returns the loss of window t, and its imbalance, and adds weight times its gradient
// to byLogV:
//
//	d loss / d log v_j = q_j x_j - x_j/P * sum(q x), q = softmax(k*x)
func (c *rollout) loss(t int, k, weight float64) (loss, imbalance float64) {
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

// observe runs the filter on what is measured at the end of window t and sets the network's
// inputs x [P,I].
func (c *rollout) observe(t int, in *filter.Inputs, x []float32) {
	u, at, workers := c.s.Routed(t), c.s.Measured(t), c.s.Workers
	got, busy, queue := c.at(c.got, u), c.at(c.busy, t), c.x
	c.slow[t] = c.s.BusyTaped(at, got, busy, c.inside[t*workers:(t+1)*workers])
	for w, b := range busy {
		queue[w] = scenario.QueueAt(b)
	}
	c.observation.Measure(&scenario.Measured{Share: c.at(c.force, t), Seen: got, Busy: busy, Queue: queue, Records: c.s.Records, Age: float64(t - at)})
	c.filter.Steps[t].Observe(&c.observation, in, x)
}

// observeBack goes back through observe, from the gradient dx with respect to the inputs.
func (c *rollout) observeBack(t int, in *filter.Inputs, dx []float32) {
	g := &c.back
	c.filter.Steps[t].ObserveBack(g, in, dx)
	busy, byForce, byGot, slowed := c.at(c.busy, t), c.x, c.y, 0.0 // with respect to the logarithms
	for w, speed := range g.Speed {
		byForce[w] = g.Share[w] - g.Change[w]
		byGot[w] = g.Change[w] + speed
		if c.inside[t*c.s.Workers+w] {
			byLogBusy := g.Busy[w]*busy[w] - speed
			byGot[w] += byLogBusy
			slowed += byLogBusy
		}
	}
	if w := c.slow[t]; w >= 0 {
		byGot[w] -= slowed
	}
	u := c.s.Routed(t)
	c.shiftedBack(t, c.at(c.force, t), byForce)
	c.shiftedBack(u, c.at(c.got, u), byGot)
}

// commonBack adds to da the gradient of weight times the squared means over the measured workers
// of corrections and hedges a. Nothing else bounds what they have in common (filter.Step.Apply),
// and near the bounds of tanh they would hardly learn any more.
func (c *rollout) commonBack(t int, weight float64, a, da []float32) {
	measured, n := c.filter.Steps[t].Measured, len(a)/c.s.Workers
	for i := 1; i < n; i++ {
		sum, count := 0.0, 0.0
		for w, ok := range measured {
			if ok {
				sum += float64(a[n*w+i])
				count++
			}
		}
		for w, ok := range measured {
			if ok {
				da[n*w+i] += float32(2 * weight * sum / (count * count))
			}
		}
	}
}

// shiftedBack adds by, the gradient with respect to the logarithm of share, to byLogV of
// window t: share is v times constants, scaled to sum to 1.
func (c *rollout) shiftedBack(t int, share, by []float64) {
	sum := 0.0
	for _, g := range by {
		sum += g
	}
	byV := c.at(c.byLogV, t)
	for w, g := range by {
		byV[w] += g - share[w]*sum
	}
}

// capacitiesBack goes back through capacities, once byLogV of window t is complete.
func (c *rollout) capacitiesBack(t int) {
	by := c.at(c.byLogV, t)
	filter.CapacitiesBack(c.at(c.soft, t), c.at(c.v, t), by)
	for w, g := range by {
		c.back.Estimate[w] += g
		c.back.Hedge[w] += g
	}
}
