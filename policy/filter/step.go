package filter

import (
	"math"

	"github.com/saspart/saspart/policy/scenario"
)

// Observation is what the filter uses of a window. Slices have one element per worker.
type Observation struct {
	Speed   []float64 // log(seen*P/busy); NaN: not measured
	Share   []float64 // log(v*P)
	Change  []float64 // log(seen/v); nil: all 0
	Seen    []float64 // part of the work that Busy was spent on
	Busy    []float64 // busy ratio
	Queue   []float64 // fill of the queue; nil: all 0
	Records float64   // finished records that Seen was counted from; 0: Seen is exact
	Age     float64   // how many windows old the busy times are
}

// NewObservation returns an observation of P workers for Measure.
func NewObservation(workers int) Observation {
	all := make([]float64, 3*workers)
	return Observation{Speed: all[:workers], Share: all[workers : 2*workers], Change: all[2*workers:]}
}

// Measure sets o to what was measured of a job. It refers to m's slices.
func (o *Observation) Measure(m *scenario.Measured) {
	workers := len(m.Busy)
	if len(o.Change) != workers {
		*o = NewObservation(workers)
	}
	o.Seen, o.Busy, o.Queue, o.Records, o.Age = m.Seen, m.Busy, m.Queue, m.Records, m.Age
	p := float64(workers)
	for w, b := range m.Busy {
		o.Speed[w] = math.NaN()
		if b > 0 && !math.IsInf(b, 1) && m.Seen[w] > 0 {
			o.Speed[w] = math.Log(m.Seen[w] * p / b)
		}
		o.Share[w] = math.Log(m.Share[w] * p)
		o.Change[w] = math.Log(m.Seen[w] / m.Share[w])
	}
}

// Step is one window of a job of P workers. Slices have one element per worker.
type Step struct {
	Estimate, Hedge         []float64 // log speeds of mean 0, and hedges, before the window
	NextEstimate, NextHedge []float64 // and after it
	Missed, NextMissed      []float64 // windows without a measurement, up to before the window and up to its end
	Measured                []bool    // whether the worker was measured
	innovation              []float64 // how far its estimate was off; 0 if not measured
	trust                   []float64 // what the innovation was multiplied by for the few records it is of
	gain                    []float64 // what part of it Apply used
	measured                float64   // number of measured workers
	top                     int       // the first of the busiest of them
}

const (
	// fewRecords is the number of finished records at which an innovation counts half.
	fewRecords = 30
	// leastSurprise keeps the input ratio small where nothing surprises.
	leastSurprise = 0.01
	// leastContrast does the same for contrast, on a finer scale.
	leastContrast = 1e-3
	// maxCorrection is the largest correction of a log speed in one window.
	maxCorrection = 0.3
	// maxHedge is the largest difference of a log capacity from the estimate.
	maxHedge = 0.6
)

// LeastCapacity is the smallest capacity of a worker, as a part of the mean capacity. It
// keeps a slow worker measured.
const LeastCapacity = 0.02

// Actions is A, the number of numbers per worker in the network's action.
func Actions(hedge bool) int {
	if hedge {
		return 3
	}
	return 2
}

// Observe computes each worker's innovation, and the network's inputs x [P,I]. It reports
// whether any worker was measured.
//
// What the innovations of all measured workers have in common says nothing about their
// proportions and is subtracted. A worker that finished few records is measured badly: with
// n records finished, or n expected of it, its innovation is multiplied by n/(n+30).
func (s *Step) Observe(o *Observation, in *Inputs, x []float32) bool {
	n, mean, expected, total := 0.0, 0.0, 0.0, 0.0
	s.top = -1
	for w, v := range o.Speed {
		s.innovation[w], s.trust[w], s.Measured[w] = 0, 1, v == v
		s.NextMissed[w] = 0
		if v != v {
			s.NextMissed[w] = s.Missed[w] + 1
			continue
		}
		e, b := s.Estimate[w], o.Busy[w]
		s.innovation[w] = v - e
		mean += v - e
		n++
		total += b
		if s.top < 0 || b > o.Busy[s.top] {
			s.top = w
		}
		if o.Records > 0 {
			expected += math.Exp(e) * b
		}
	}
	s.measured = n
	if n == 0 {
		clear(x)
		return false
	}
	mean /= n
	off := 0.0
	for w, ok := range s.Measured {
		if !ok {
			continue
		}
		s.innovation[w] -= mean
		if o.Records > 0 {
			k := o.Records * max(o.Seen[w], math.Exp(s.Estimate[w])*o.Busy[w]/expected)
			s.trust[w] = k / (k + fewRecords)
			s.innovation[w] *= s.trust[w]
		}
		off += math.Abs(s.innovation[w]) / n
	}
	all := [allInputs]float64{
		surprise: off, busiest: o.Busy[s.top], load: total / n, workerCount: math.Log(float64(len(s.Estimate))),
		age: o.Age, calm: math.Log(off + leastContrast),
	}
	for w, e := range s.Estimate {
		innov := s.innovation[w]
		all[innovation], all[busy], all[lag], all[estimate] = innov, o.Busy[w], o.Share[w]-e, e
		all[ratio], all[contrast] = innov/(off+leastSurprise), innov/(off+leastContrast)
		all[saturated], all[change], all[queue], all[missed] = 0, 0, 0, math.Log1p(s.Missed[w])
		if o.Busy[w] >= scenario.Saturated {
			all[saturated] = 1
		}
		if s.Measured[w] && o.Change != nil {
			all[change] = o.Change[w]
		}
		if o.Queue != nil {
			all[queue] = o.Queue[w]
		}
		in.put(&all, x[w*in.Len():])
	}
	return true
}

// Hold makes the window one that says nothing: no worker counts as measured.
func (s *Step) Hold() {
	clear(s.Measured)
	copy(s.NextMissed, s.Missed)
	s.measured = 0
}

// Apply corrects the estimates of the measured workers by the network's action a, [P,2] or
// [P,3] numbers from -1 to 1:
//
//	e += update - mean update    update = gain * innovation + correction
//	gain = (1 + a[0]) / 2        correction = 0.3 * a[1]
//	hedge = 0.6 * a[2], less its mean
//
// The means are over the measured workers. Nothing bounds what the outputs of all of them
// have in common, since among them only differences count; it must not move them past a
// worker that was not measured, which keeps its estimate and its hedge.
//
// The hedge is added to the next log capacity, and not to the estimate, so that caution
// does not become an estimate. Without a third number, hedges stay 0. A gain of a squashed
// output tanh(u) is sigmoid(2u).
func (s *Step) Apply(action []float32) {
	n := len(action) / len(s.Estimate)
	hedged := n == Actions(true)
	update, hedge := 0.0, 0.0 // means
	for w, ok := range s.Measured {
		s.NextEstimate[w], s.NextHedge[w] = 0, 0
		if !ok {
			continue
		}
		a := action[n*w : n*(w+1)]
		s.gain[w] = (1 + float64(a[0])) / 2
		s.NextEstimate[w] = s.gain[w]*s.innovation[w] + maxCorrection*float64(a[1])
		if hedged {
			s.NextHedge[w] = maxHedge * float64(a[2])
		}
		update += s.NextEstimate[w] / s.measured
		hedge += s.NextHedge[w] / s.measured
	}
	for w, ok := range s.Measured {
		if ok {
			s.NextEstimate[w] -= update
			s.NextHedge[w] -= hedge
		} else {
			s.NextHedge[w] = s.Hedge[w]
		}
		s.NextEstimate[w] += s.Estimate[w]
	}
}

// LogCapacities sets dst to estimates plus hedges before the window: the logarithms of the
// capacities, but for a constant.
func (s *Step) LogCapacities(dst []float64) {
	for w, e := range s.Estimate {
		dst[w] = e + s.Hedge[w]
	}
}

// Capacities sets capacity to the workers' capacities, in proportion to exp(log) but not
// below a fiftieth of the mean, and soft to what they are without that limit. Both sum to
// 1. The slices may be the same.
func Capacities(log, soft, capacity []float64) {
	scenario.Softmax(soft, log)
	for w, v := range soft {
		capacity[w] = max(v, LeastCapacity/float64(len(soft)))
	}
	scenario.ScaleTo1(capacity)
}

// The head's columns beside those of the action, after A of them, are log standard deviations.
const (
	Explored = iota // of an explored log capacity
	Stated          // of the log speed around the log capacity, in the window after a measurement
	Growth          // and what each window without a measurement adds to it, as independent steps do
)

// Uncertainty is the standard deviation of a log speed around the log capacity, after so many
// windows without a measurement.
func Uncertainty(stated, growth float32, missed float64) float64 {
	return math.Sqrt(math.Exp(2*float64(stated)) + missed*math.Exp(2*float64(growth)))
}

// The bounds of log standard deviations.
const (
	minLogStd = -5
	maxLogStd = 0
)

// LogStd is a log standard deviation that the network puts out for a worker: the output of
// the head's column for it, within bounds. Outside them free is false and the derivative is 0.
func LogStd(memory, weight []float32, bias float32) (v float32, free bool) {
	v = bias
	for u, m := range memory {
		v += m * weight[u]
	}
	cut := min(max(v, minLogStd), maxLogStd)
	return cut, cut == v
}

// Rollout is the steps of a job over several windows, each of which begins where the
// previous one ended. The zero value is ready for Reset.
type Rollout struct {
	Steps  []Step
	memory []float64
	flags  []bool
}

// Reset makes r a rollout of P workers over T windows, which begins with equally fast
// workers. It reuses r's memory.
func (r *Rollout) Reset(workers, windows int) {
	rows := 3*(windows+1) + 3*windows
	if cap(r.memory) < rows*workers {
		r.memory = make([]float64, rows*workers)
	}
	if cap(r.flags) < windows*workers {
		r.flags = make([]bool, windows*workers)
	}
	if cap(r.Steps) < windows {
		r.Steps = make([]Step, windows)
	}
	r.memory, r.flags, r.Steps = r.memory[:rows*workers], r.flags[:windows*workers], r.Steps[:windows]
	rest := r.memory
	row := func() []float64 {
		v := rest[:workers:workers]
		rest = rest[workers:]
		return v
	}
	estimate, hedge, missed := row(), row(), row()
	clear(estimate)
	clear(hedge)
	clear(missed)
	for t := range r.Steps {
		r.Steps[t] = Step{
			Estimate: estimate, Hedge: hedge, Missed: missed, NextEstimate: row(), NextHedge: row(), NextMissed: row(),
			Measured: r.flags[t*workers : (t+1)*workers], innovation: row(), trust: row(), gain: row(),
		}
		estimate, hedge, missed = r.Steps[t].NextEstimate, r.Steps[t].NextHedge, r.Steps[t].NextMissed
	}
}
