//go:build torch

package capacity

import (
	"math"

	"github.com/saspart/saspart/policy/filter"
	"github.com/saspart/saspart/train/internal/nn"
)

// uncertainty is how a group's network learns to state its uncertainty: by the negative
// log-likelihood of the log speeds under normal distributions around the log capacities, both
// less their mean over the workers. It is a proper score, least for the true variances. Its
// gradient does not go back through the log capacities, which are to balance the load and not
// to be likely.
type uncertainty struct {
	stated, growth     column
	byStated, byGrowth []float32 // [S,R] gradients with respect to their outputs
}

// begin prepares S steps of R rows.
func (u *uncertainty) begin(net nn.GRU, w *[nn.GRUTensors]nn.Matrix, steps, rows int) {
	u.stated.read(net, w, filter.Stated)
	u.growth.read(net, w, filter.Growth)
	u.byStated, u.byGrowth = nn.Resized(u.byStated, steps*rows), nn.Resized(u.byGrowth, steps*rows)
}

// back adds the score of step s to the group's, and its gradient, times weight, to that with
// respect to the memories after the step. The capacities of window s+1 must be known.
func (u *uncertainty) back(g *group, s int, weight float64) {
	h := g.tape.Net.Units
	rows := len(g.tape.DH) / h
	g.each(func(c *rollout, from int) {
		off := c.off(s + 1)
		each := weight / float64(len(off))
		for w, r := range off {
			row := from + w
			memory, dh := g.tape.H[((s+1)*rows+row)*h:][:h], g.tape.DH[row*h:][:h]
			stated, freeStated := u.stated.of(memory)
			growth, freeGrowth := u.growth.of(memory)
			missed := c.filter.Steps[s].NextMissed[w]
			std := filter.Uncertainty(stated, growth, missed)
			variance := std * std
			g.score += (math.Log(std) + r*r/(2*variance)) / float64(len(off))
			byVariance := each * (1 - r*r/variance) / variance // by half of it
			var a, b float32
			if freeStated {
				a = float32(byVariance * math.Exp(2*float64(stated)))
			}
			if freeGrowth {
				b = float32(byVariance * missed * math.Exp(2*float64(growth)))
			}
			u.byStated[s*rows+row], u.byGrowth[s*rows+row] = a, b
			u.stated.memoryBack(a, dh)
			u.growth.memoryBack(b, dh)
		}
	})
}

// off is by how much each log capacity of a window differs from the log speed, both less their
// mean. It is valid until the next call.
func (c *rollout) off(t int) []float64 {
	mean := 0.0
	for w, speed := range c.s.SpeedsAt(t) {
		c.x[w] = math.Log(c.at(c.v, t)[w] / speed)
		mean += c.x[w] / float64(len(c.x))
	}
	for w := range c.x {
		c.x[w] -= mean
	}
	return c.x
}
