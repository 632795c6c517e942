package filter

import "math"

// Gradient is the gradient of a loss on its way back through the steps of a rollout, the
// last step first. Slices have one element per worker.
type Gradient struct {
	// With respect to estimates and hedges after the step that is next, at first 0. The
	// caller adds what the loss depends on directly.
	Estimate, Hedge []float64
	// With respect to the observation of the last step; nil where the caller does not want
	// them.
	Speed, Share, Change, Busy []float64

	byInput []([allInputs]float64)
	common  float64 // mean of Estimate over the measured workers of the last step
}

// Reset makes g the gradient of a rollout of P workers. observed says whether gradients
// with respect to observations are wanted.
func (g *Gradient) Reset(workers int, observed bool) {
	rows := 2
	if observed {
		rows = 6
	}
	if len(g.Estimate) != workers || observed != (g.Speed != nil) {
		all := make([]float64, rows*workers)
		row := func(i int) []float64 { return all[i*workers : (i+1)*workers] }
		*g = Gradient{Estimate: row(0), Hedge: row(1), byInput: make([][allInputs]float64, workers)}
		if observed {
			g.Speed, g.Share, g.Change, g.Busy = row(2), row(3), row(4), row(5)
		}
	}
	clear(g.Estimate)
	clear(g.Hedge)
}

// ApplyBack goes back through Apply: it writes the gradient with respect to the action.
// g.Estimate stays as it is, since an estimate enters the next one unchanged; g.Hedge becomes
// the gradient with respect to the hedges before the window.
func (s *Step) ApplyBack(g *Gradient, byAction []float32) {
	n, hedge := len(byAction)/len(s.Estimate), 0.0
	g.common = 0
	for w, ok := range s.Measured {
		if ok {
			g.common += g.Estimate[w] / s.measured
			hedge += g.Hedge[w] / s.measured
		}
	}
	clear(byAction)
	for w, ok := range s.Measured {
		if !ok {
			continue
		}
		by, update := byAction[n*w:n*(w+1)], g.Estimate[w]-g.common
		by[0], by[1] = float32(update*s.innovation[w]/2), float32(update*maxCorrection)
		if n == Actions(true) {
			by[2] = float32((g.Hedge[w] - hedge) * maxHedge)
		}
		g.Hedge[w] = 0
	}
}

// ObserveBack goes back through Observe, after ApplyBack, from the gradient dx [P,I] with
// respect to the inputs: g.Estimate becomes the gradient with respect to the estimates
// before the window. The trust in few records counts as constant.
func (s *Step) ObserveBack(g *Gradient, in *Inputs, dx []float32) {
	n := s.measured
	if n == 0 {
		clear(g.Speed)
		clear(g.Share)
		clear(g.Change)
		clear(g.Busy)
		return
	}
	// With respect to the surprise: directly, through ratio, calm and contrast.
	bySurprise, byRatio, byCalm, byContrast := 0.0, 0.0, 0.0, 0.0
	byBusiest, byLoad, off := 0.0, 0.0, 0.0
	for w, ok := range s.Measured {
		if !ok {
			continue
		}
		f, innov := &g.byInput[w], s.innovation[w]
		in.back(dx[w*in.Len():], f)
		bySurprise += f[surprise]
		byRatio -= f[ratio] * innov
		byContrast -= f[contrast] * innov
		byCalm += f[calm]
		byBusiest += f[busiest]
		byLoad += f[load] / n
		off += math.Abs(innov)
	}
	off /= n
	fine := off + leastContrast
	off += leastSurprise
	bySurprise += byRatio/(off*off) + byCalm/fine + byContrast/(fine*fine)
	mean := 0.0
	for w, ok := range s.Measured {
		if !ok {
			continue
		}
		f, innov := &g.byInput[w], s.innovation[w]
		d := (g.Estimate[w]-g.common)*s.gain[w] + f[innovation] + f[ratio]/off + f[contrast]/fine
		if innov > 0 {
			d += bySurprise / n
		} else if innov < 0 {
			d -= bySurprise / n
		}
		g.Estimate[w] += f[estimate] - f[lag]
		f[innovation] = d * s.trust[w]
		mean += f[innovation] / n
	}
	for w, ok := range s.Measured {
		f := &g.byInput[w]
		if ok {
			g.Estimate[w] -= f[innovation] - mean
		} else {
			*f = [allInputs]float64{innovation: mean}
		}
		if g.Speed != nil {
			g.Speed[w], g.Share[w], g.Change[w], g.Busy[w] = f[innovation]-mean, f[lag], f[change], f[busy]
			if ok {
				g.Busy[w] += byLoad
			}
		}
	}
	if g.Busy != nil {
		g.Busy[s.top] += byBusiest
	}
}

// CapacitiesBack goes back through Capacities: it turns by, the gradient with respect to
// the logarithms of the capacities, into the one with respect to log.
func CapacitiesBack(soft, capacity, by []float64) {
	floor, sum, free := LeastCapacity/float64(len(by)), 0.0, 0.0
	for _, g := range by {
		sum += g
	}
	for w := range by {
		if soft[w] >= floor {
			by[w] -= capacity[w] * sum
		} else {
			by[w] = 0
		}
		free += by[w]
	}
	for w := range by {
		by[w] -= soft[w] * free
	}
}
