//go:build torch

package capacity

import (
	"math"

	"github.com/saspart/saspart/train/internal/nn"
	"github.com/saspart/saspart/train/recording"
)

// walk is a capacity policy's way over stretches of recordings of one P, with what
// the way back needs: the differentiable twin of learned.Capacity, fed with what was
// measured under somebody else's shares. Per window, from the estimate e:
//
//	innov     = k * (log(seen*P/busy) - e, less its mean), k = n/(n+30) for n records
//	a         = network(features of innov and e, memory)
//	e'        = e + gain(a)*innov + correction(a), less its mean
//	log share = e' + hedge(a), less its mean, deviation exp(log std of the memory)
//
// What was measured does not depend on e, so that the way back goes through estimates
// and memories alone. That k depends on e a little is left out of it. A window that
// was mixed of two routes, or in which nobody was measured, leaves estimate and memory
// as they are, as in a job; so does the time before a recording began.
//
// Rows R are the workers of the first stretch, then those of the second and so on.
type walk struct {
	net       nn.GRU
	inputs    []int // of all inputs, those in use
	mean      []float32
	scale     []float32
	tape      nn.GRUTape
	stretches []recording.Stretch
	jobs      []int // workers of each stretch
	workers   int   // P
	steps     int   // S
	before    int   // step 0 is so many windows before a stretch

	e        []float64 // [S+1,R]
	hedge    []float64 // [S+1,R]
	share    []float64 // [S+1,R] log shares
	innov    []float64 // [S,R]
	trust    []float64 // [S,R] k
	gain     []float64 // [S,R]
	measured []bool    // [S,R]
	logStd   []float32 // [S,R] within its bounds
	free     []bool    // [S,R] and not cut off by them
	features []float64 // [P,allInputs] of one stretch
	byE      []float64 // [R]
	byHedge  []float64 // [R]
	kept     []float32 // [R,H] gradients of the memories of those not measured
	spread   []float32 // [H] the head's column of the log standard deviation
}

// mostLogStd is the largest log standard deviation of a log share.
const mostLogStd = 0

// rows is R.
func (k *walk) rows() int { return len(k.stretches) * k.workers }

// at is step s of a buffer [S,R].
func at[T any](v []T, s, rows int) []T { return v[s*rows : (s+1)*rows] }

// begin makes room for a way of so many steps that begins so many windows before the
// stretches.
func (k *walk) begin(stretches []recording.Stretch, before, steps int) {
	k.stretches, k.before, k.steps, k.workers = stretches, before, steps, stretches[0].Recording.Raw.Workers
	n := steps * k.rows()
	k.jobs = k.jobs[:0]
	for range stretches {
		k.jobs = append(k.jobs, k.workers)
	}
	k.tape.Begin(k.net, steps, k.jobs)
	for _, v := range []*[]float64{&k.e, &k.hedge, &k.share} {
		*v = nn.Resized(*v, n+k.rows())
		clear((*v)[:k.rows()])
	}
	for _, v := range []*[]float64{&k.innov, &k.trust, &k.gain} {
		*v = nn.Resized(*v, n)
	}
	k.measured, k.free, k.logStd = nn.Resized(k.measured, n), nn.Resized(k.free, n), nn.Resized(k.logStd, n)
	k.features = nn.Resized(k.features, k.workers*allInputs)
	k.byE, k.byHedge = nn.Resized(k.byE, k.rows()), nn.Resized(k.byHedge, k.rows())
	k.kept, k.spread = nn.Resized(k.kept, k.rows()*k.net.Units), nn.Resized(k.spread, k.net.Units)
}

// forward goes the whole way with the parameters w (gru.views).
func (k *walk) forward(w *[nn.GRUTensors]nn.Matrix) {
	rows, h := k.rows(), k.net.Units
	for u := range k.spread {
		k.spread[u] = w[nn.HeadWeight].V[u*w[nn.HeadWeight].Stride+k.net.Actions]
	}
	bias := w[nn.HeadBias].V[k.net.Actions]
	for s := range k.steps {
		for b := range k.stretches {
			k.observe(b, s)
		}
		k.tape.Forward(w, s)
		from, to := k.tape.At(k.tape.H, s, h), k.tape.At(k.tape.H, s+1, h)
		for row, ok := range at(k.measured, s, rows) {
			if !ok {
				copy(to.V[row*h:(row+1)*h], from.V[row*h:])
			}
		}
		for b := range k.stretches {
			k.apply(b, s)
		}
		for row, std := range at(k.logStd, s, rows) {
			std = bias
			for u, v := range to.V[row*h : (row+1)*h] {
				std += v * k.spread[u]
			}
			cut := min(max(std, nn.MinLogStd), mostLogStd)
			k.logStd[s*rows+row], k.free[s*rows+row] = cut, cut == std
		}
	}
}

// logShare is the policy's most likely log shares [R] at the end of step s, of mean 0
// for each stretch.
func (k *walk) logShare(s int) []float64 { return at(k.share, s+1, k.rows()) }

// observe takes in the window of step s of a stretch, as learned.CapacityState does.
func (k *walk) observe(b, s int) {
	p, rows := k.workers, k.rows()
	first := s*rows + b*p
	e, innov, trust, measured := k.e[first:][:p], k.innov[first:][:p], k.trust[first:][:p], k.measured[first:][:p]
	clear(measured)
	x := k.tape.At(k.tape.X, s, k.net.Inputs).V[b*p*k.net.Inputs:][:p*k.net.Inputs]
	clear(x)
	r, t := k.stretches[b].Recording, k.stretches[b].From+s-k.before
	if t < 0 || r.Raw.Mixed[t] {
		return
	}
	inst, logs, busyNow := r.Inst[t*p:][:p], r.Logs[t*p:][:p], r.Raw.Row(r.Raw.Busy, t)
	n, mean, expected, most, allBusy, records := 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
	for w, v := range inst {
		records += math.Max(0, float64(r.Raw.Counts[t*p+w]))
		if v != v {
			continue
		}
		measured[w] = true
		innov[w] = v - e[w]
		mean += innov[w]
		n++
		expected += math.Exp(e[w]) * float64(busyNow[w])
		most = max(most, float64(busyNow[w]))
		allBusy += float64(busyNow[w])
	}
	if n == 0 {
		return
	}
	mean /= n
	records = max(records, 1)
	off := 0.0
	for w := range innov {
		if !measured[w] {
			continue
		}
		c := records * max(math.Exp(logs[w])/float64(p), math.Exp(e[w])*float64(busyNow[w])/expected)
		trust[w] = c / (c + fewRecords)
		innov[w] = trust[w] * (innov[w] - mean)
		off += math.Abs(innov[w]) / n
	}
	for w := range innov {
		if !measured[w] {
			continue // its memory stays, whatever it sees
		}
		all := [allInputs]float64{
			innovation: innov[w], surprise: off, busy: float64(busyNow[w]), lag: logs[w] - e[w], estimate: e[w], busiest: most,
			ratio: innov[w] / (off + leastSurprise), load: allBusy / n, workerCount: math.Log(float64(p)),
			calm: math.Log(off + leastContrast), contrast: innov[w] / (off + leastContrast),
		}
		if busyNow[w] >= saturatedFrom {
			all[saturated] = 1
		}
		if r.Raw.Queue != nil {
			all[queue] = recording.Finite(float64(r.Raw.Queue[t*p+w]))
		}
		for i, at := range k.inputs {
			x[w*len(k.inputs)+i] = (float32(min(max(all[at], -100), 100)) - k.mean[i]) * k.scale[i]
		}
	}
}

// fewRecords is that of learned.CapacityState.
const fewRecords = 30

// apply makes estimates, hedges and log shares after step s.
func (k *walk) apply(b, s int) {
	p, rows := k.workers, k.rows()
	first := s*rows + b*p
	e, next := k.e[first:][:p], k.e[first+rows:][:p]
	hedge, share, n := k.hedge[first+rows:][:p], k.share[first+rows:][:p], k.net.Actions
	copy(hedge, k.hedge[first:])
	a := k.tape.At(k.tape.A, s, n).V[b*p*n:]
	mean, meanHedge := 0.0, 0.0
	for w := range e {
		next[w] = e[w]
		if k.measured[first+w] {
			k.gain[first+w] = (1 + float64(a[n*w])) / 2
			next[w] += k.gain[first+w]*k.innov[first+w] + mostCorrection*float64(a[n*w+1])
			if n == hedgedActions {
				hedge[w] = mostHedge * float64(a[n*w+2])
			}
		}
		mean += next[w] / float64(p)
		meanHedge += hedge[w] / float64(p)
	}
	for w := range next {
		next[w] -= mean
		share[w] = next[w] + hedge[w] - meanHedge
	}
}

// backward goes back, from the gradients by the log shares and by the log standard
// deviations [S,R] to those by the parameters, which it writes to g (gru.views).
func (k *walk) backward(w, g *[nn.GRUTensors]nn.Matrix, byShare []float64, byLogStd []float32) {
	rows, h := k.rows(), k.net.Units
	clear(k.byE)
	clear(k.byHedge)
	for s := k.steps - 1; s >= 0; s-- {
		da := k.tape.At(k.tape.DA, s, k.net.Actions).V
		clear(da)
		for b := range k.stretches {
			by, mean := at(byShare, s, rows)[b*k.workers:][:k.workers], 0.0
			for _, v := range by {
				mean += v / float64(k.workers)
			}
			for w, v := range by {
				k.byE[b*k.workers+w] += v
				k.byHedge[b*k.workers+w] += v - mean
			}
		}
		for b := range k.stretches {
			k.applied(b, s, da)
		}
		for row := range rows {
			dh := k.tape.DH[row*h:][:h]
			if d := byLogStd[s*rows+row]; k.free[s*rows+row] {
				for u, v := range k.spread {
					dh[u] += d * v
				}
			}
			if !k.measured[s*rows+row] {
				copy(k.kept[row*h:][:h], dh)
				clear(dh)
			}
		}
		k.tape.Backward(w, s)
		for row := range rows {
			if !k.measured[s*rows+row] {
				dh := k.tape.DH[row*h:][:h] // what comes by the mean memory
				for u, d := range k.kept[row*h:][:h] {
					dh[u] += d
				}
			}
		}
		for b := range k.stretches {
			k.observed(b, s)
		}
	}
	k.tape.Gradients(g)
	weight, bias := g[nn.HeadWeight], g[nn.HeadBias].V
	for s := range k.steps {
		after := k.tape.At(k.tape.H, s+1, h).V
		for row, d := range at(byLogStd, s, rows) {
			if d == 0 || !k.free[s*rows+row] {
				continue
			}
			bias[k.net.Actions] += d
			for u, v := range after[row*h:][:h] {
				weight.V[u*weight.Stride+k.net.Actions] += d * v
			}
		}
	}
}

// applied goes back through apply: it writes the gradient by the action, turns byE
// into that by e + gain*innov + correction, and leaves in byHedge what goes to the
// hedges before, of those not measured.
func (k *walk) applied(b, s int, da []float32) {
	p, n, first, mean := k.workers, k.net.Actions, s*k.rows()+b*k.workers, 0.0
	by, byHedge := k.byE[b*p:][:p], k.byHedge[b*p:][:p]
	for _, g := range by {
		mean += g / float64(p)
	}
	for w := range by {
		by[w] -= mean
		if k.measured[first+w] {
			row := da[(b*p+w)*n:]
			row[0], row[1] = float32(by[w]*k.innov[first+w]/2), float32(by[w]*mostCorrection)
			if n == hedgedActions {
				row[2] = float32(byHedge[w] * mostHedge)
			}
			byHedge[w] = 0
		}
	}
}

// observed goes back through observe: byE becomes the gradient by the estimate before
// step s.
func (k *walk) observed(b, s int) {
	p, first := k.workers, s*k.rows()+b*k.workers
	by, innov, trust, measured := k.byE[b*p:][:p], k.innov[first:][:p], k.trust[first:][:p], k.measured[first:][:p]
	dx := k.tape.DX[b*p*k.net.Inputs:]
	clear(k.features)
	n, bySurprise, off := 0.0, 0.0, 0.0
	byOff, byFine, byCalm := 0.0, 0.0, 0.0
	for w := range by {
		if !measured[w] {
			continue
		}
		n++
		for i, at := range k.inputs {
			k.features[w*allInputs+at] = float64(dx[w*len(k.inputs)+i] * k.scale[i])
		}
		bySurprise += k.features[w*allInputs+surprise]
		byOff -= k.features[w*allInputs+ratio] * innov[w]
		byFine -= k.features[w*allInputs+contrast] * innov[w]
		byCalm += k.features[w*allInputs+calm]
		off += math.Abs(innov[w])
	}
	if n == 0 {
		return
	}
	off /= n
	fine := off + leastContrast
	off += leastSurprise
	bySurprise += byOff/(off*off) + byCalm/fine + byFine/(fine*fine)
	mean := 0.0 // of the gradients by log(seen*P/busy) - e
	for w := range by {
		if !measured[w] {
			continue
		}
		f := k.features[w*allInputs:][:allInputs]
		d := by[w]*k.gain[first+w] + f[innovation] + f[ratio]/off + f[contrast]/fine
		if innov[w] > 0 {
			d += bySurprise / n
		} else if innov[w] < 0 {
			d -= bySurprise / n
		}
		by[w] += f[estimate] - f[lag]
		f[innovation] = d * trust[w]
		mean += f[innovation] / n
	}
	for w := range by {
		if measured[w] {
			by[w] -= k.features[w*allInputs+innovation] - mean
		}
	}
}
