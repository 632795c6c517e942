//go:build torch

package capacity

import (
	"math"

	"github.com/saspart/saspart/policy/filter"
	"github.com/saspart/saspart/train/internal/nn"
	"github.com/saspart/saspart/train/recording"
)

// unroll runs a capacity policy over stretches of recordings of one P, and back through
// time: a learned.CapacityPolicy, but differentiable, that observes what was measured under
// the capacities of another controller. The policy's log capacity after a window is the
// filter's estimate plus its hedge, less the mean hedge, and its log standard deviation
// depends on the memory.
//
// What was measured does not depend on the estimates, so that gradients go back through
// estimates and memories alone. A mixed window, or one in which no worker was measured,
// leaves estimate and memory as they are, as on a job; so do windows before the recording.
//
// Rows R are the workers of the first stretch, then those of the second and so on.
type unroll struct {
	net       nn.GRU
	inputs    filter.Inputs
	tape      nn.GRUTape
	stretches []recording.Stretch
	jobs      []int // workers of each stretch
	workers   int   // P
	steps     int   // S
	before    int   // number of windows before a stretch at which step 0 is

	filters     []filter.Rollout  // of each stretch
	back        []filter.Gradient // of each stretch
	observation filter.Observation
	share       []float64 // [S+1,R] log capacities
	logStd      []float32 // [S,R] within its bounds
	free        []bool    // [S,R] and not cut off by them
	held        held
	spread      column // the head's, of the log standard deviation
}

// rows is R.
func (k *unroll) rows() int { return len(k.stretches) * k.workers }

// at is step s of a buffer [S,R].
func at[T any](v []T, s, rows int) []T { return v[s*rows : (s+1)*rows] }

// begin prepares S steps, the first of which is so many windows before the stretches.
func (k *unroll) begin(stretches []recording.Stretch, before, steps int) {
	k.stretches, k.before, k.steps, k.workers = stretches, before, steps, stretches[0].Recording.Raw.Workers
	n := steps * k.rows()
	k.jobs = k.jobs[:0]
	k.filters, k.back = nn.Resized(k.filters, len(stretches)), nn.Resized(k.back, len(stretches))
	for b := range stretches {
		k.jobs = append(k.jobs, k.workers)
		k.filters[b].Reset(k.workers, steps)
	}
	k.tape.Begin(k.net, steps, k.jobs)
	k.share = nn.Resized(k.share, n+k.rows())
	clear(k.share[:k.rows()])
	k.free, k.logStd = nn.Resized(k.free, n), nn.Resized(k.logStd, n)
	o := &k.observation
	o.Seen, o.Busy, o.Queue = nn.Resized(o.Seen, k.workers), nn.Resized(o.Busy, k.workers), nn.Resized(o.Queue, k.workers)
}

// forward runs all steps with the parameters w (nn.GRU.Views).
func (k *unroll) forward(w *[nn.GRUTensors]nn.Matrix) {
	h := k.net.Units
	k.spread.read(k.net, w, filter.Explored)
	for s := range k.steps {
		for b := range k.stretches {
			k.observe(b, s)
		}
		k.held.forward(&k.tape, w, s, k.unmeasured(s))
		to := k.tape.At(k.tape.H, s+1, h)
		for b := range k.stretches {
			k.apply(b, s)
		}
		stds, free := at(k.logStd, s, k.rows()), at(k.free, s, k.rows())
		for row := range stds {
			stds[row], free[row] = k.spread.of(to.V[row*h : (row+1)*h])
		}
	}
}

// unmeasured returns an iterator over the rows that were not measured in step s.
func (k *unroll) unmeasured(s int) func(f func(row int)) {
	return func(f func(row int)) {
		for b := range k.filters {
			for w, ok := range k.filters[b].Steps[s].Measured {
				if !ok {
					f(b*k.workers + w)
				}
			}
		}
	}
}

// logShare is the policy's most likely log capacities [R] at the end of step s, of mean 0
// for each stretch.
func (k *unroll) logShare(s int) []float64 { return at(k.share, s+1, k.rows()) }

// part is what a matrix [R,width] has of stretch b.
func (k *unroll) part(m nn.Matrix, b int) []float32 {
	n := k.workers * m.Cols
	return m.V[b*n : (b+1)*n]
}

// observe runs the filter of stretch b on the window of step s.
func (k *unroll) observe(b, s int) {
	step, x := &k.filters[b].Steps[s], k.part(k.tape.At(k.tape.X, s, k.net.Inputs), b)
	r, t := k.stretches[b].Recording, k.stretches[b].From+s-k.before
	if t < 0 || r.Raw.Mixed[t] {
		clear(x)
		step.Hold()
		return
	}
	p, o := k.workers, &k.observation
	o.Speed, o.Share, o.Records = r.Inst[t*p:][:p], r.Logs[t*p:][:p], r.Records[t]
	for w, b := range r.Raw.Row(r.Raw.Busy, t) {
		o.Busy[w], o.Seen[w], o.Queue[w] = float64(b), math.Exp(o.Share[w])/float64(p), 0
		if r.Raw.Queue != nil {
			o.Queue[w] = recording.Finite(float64(r.Raw.Queue[t*p+w]))
		}
	}
	step.Observe(o, &k.inputs, x)
}

// apply corrects the estimates of stretch b and computes its log capacities after step s.
func (k *unroll) apply(b, s int) {
	step := &k.filters[b].Steps[s]
	step.Apply(k.part(k.tape.At(k.tape.A, s, k.net.Actions), b))
	share, mean := at(k.share, s+1, k.rows())[b*k.workers:][:k.workers], 0.0
	for _, h := range step.NextHedge {
		mean += h / float64(k.workers)
	}
	for w, e := range step.NextEstimate {
		share[w] = e + step.NextHedge[w] - mean
	}
}

// backward goes back through all steps, from the gradients with respect to log capacities
// and log standard deviations [S,R] to those with respect to the parameters, which it
// writes to g (nn.GRU.Views). It sets byLogStd to 0 where deviations are at their bounds.
func (k *unroll) backward(w, g *[nn.GRUTensors]nn.Matrix, byShare []float64, byLogStd []float32) {
	rows, h := k.rows(), k.net.Units
	for b := range k.back {
		k.back[b].Reset(k.workers, false)
	}
	for s := k.steps - 1; s >= 0; s-- {
		da := k.tape.At(k.tape.DA, s, k.net.Actions)
		for b := range k.back {
			by, mean, back := at(byShare, s, rows)[b*k.workers:][:k.workers], 0.0, &k.back[b]
			for _, v := range by {
				mean += v / float64(k.workers)
			}
			for w, v := range by {
				back.Estimate[w] += v
				back.Hedge[w] += v - mean
			}
			k.filters[b].Steps[s].ApplyBack(back, k.part(da, b))
		}
		for row, free := range at(k.free, s, rows) {
			if !free {
				byLogStd[s*rows+row] = 0
			}
			k.spread.memoryBack(byLogStd[s*rows+row], k.tape.DH[row*h:][:h])
		}
		k.held.backward(&k.tape, w, s, k.unmeasured(s))
		for b := range k.back {
			k.filters[b].Steps[s].ObserveBack(&k.back[b], &k.inputs, k.part(nn.Mat(k.tape.DX, rows, k.net.Inputs), b))
		}
	}
	k.tape.Gradients(g)
	k.spread.gradients(&k.tape, g, byLogStd)
}
