//go:build torch

package capacity

import (
	"fmt"
	"math"

	"github.com/saspart/saspart/train/internal/nn"
	"github.com/saspart/saspart/train/recording"
)

// improve is one update of SAC-N, or of CQL(H) if the configuration says so, as in package
// sacn but for two definitions:
//
//	log pi(a|s)  the mean over the workers of log N(a_w; log capacity_w, std_w)
//	CQL_n        mean_s T/P log sum_j exp(P/T Q_n(s,a_j) - log density(a_j)) - Q_n(s,a)
//
// So the entropy, and with it alpha, counts per worker. Summed over the workers, an alpha
// that is right for 8 workers would let 64 scatter eight times as much for the same gain in
// value.
//
// The policy must be unrolled: step BurnIn is that of the first state, the last step that of
// the last next state.
func (t *RecurrentSACN) improve(r *workspace, stats *losses) error {
	alpha := math.Exp(float64(t.alpha.W[0]))
	stats.Alpha = alpha
	usable := t.gather(r)
	if usable == 0 {
		return fmt.Errorf("no transition of the batch has a reward; leave out traces with unmeasured workers")
	}
	entropy := t.draw(r)
	stats.Entropy = entropy
	t.targets(r, alpha, stats)
	t.criticLoss(r, usable, stats)
	if loss := stats.TD + t.cfg.CQL.Weight*stats.CQL; math.IsNaN(loss) || math.IsInf(loss, 0) {
		return fmt.Errorf("the critics' loss is %v", loss)
	}
	r.values.backward(t.pool, t.critic.W, r.dq, t.critic.Grad, false)
	var err error
	if stats.CriticNorm, err = t.critic.Step(t.pool, t.cfg.CriticRate, t.updates+1, t.cfg.GradClip); err != nil {
		return fmt.Errorf("the critics' %w", err)
	}

	clear(r.byShare)
	clear(r.byLogStd)
	if t.updates < uint64(t.cfg.CloneUpdates) {
		likely := t.likelihood(r, usable)
		stats.Imitation = -likely
		stats.Actor = -alpha*entropy - likely
	} else {
		t.policyLoss(r, usable, stats)
		stats.Actor = -alpha*entropy - stats.PolicyValue
	}
	t.eachTransition(func(i, row int, known bool) {
		for w := range r.workers {
			if known {
				r.byLogStd[row+w] -= float32(alpha / float64(usable*r.workers)) // of -alpha * entropy
			}
		}
	})
	nn.Toward(t.pool, t.target, t.critic.W, t.cfg.Tau)
	if t.updates < uint64(t.cfg.WaitUpdates) {
		return nil
	}
	if err := t.learnPolicy(r, stats); err != nil {
		return err
	}
	t.alpha.Grad[0] = float32(entropy - t.cfg.EntropyEach)
	if _, err := t.alpha.Step(t.pool, t.cfg.AlphaRate, t.updates+1, 0); err != nil {
		return fmt.Errorf("alpha's %w", err)
	}
	return nil
}

// clone is one update of behaviour cloning: it raises the log-likelihood of the data's log
// capacities.
func (t *RecurrentSACN) clone(r *workspace, stats *losses) error {
	usable := 0
	t.eachTransition(func(_, _ int, known bool) {
		if known {
			usable++
		}
	})
	if usable == 0 {
		return fmt.Errorf("no transition of the batch has the counts of all workers; leave out traces with unmeasured workers")
	}
	clear(r.byShare)
	clear(r.byLogStd)
	stats.Imitation = -t.likelihood(r, usable)
	stats.Actor = stats.Imitation
	return t.learnPolicy(r, stats)
}

// learnPolicy takes the gradients with respect to log capacities and deviations back through
// time and updates the policy.
func (t *RecurrentSACN) learnPolicy(r *workspace, stats *losses) (err error) {
	w, grad := t.net.Views(t.actor.W), t.net.Views(t.actor.Grad)
	t.unroll.backward(&w, &grad, r.byShare, r.byLogStd)
	if stats.ActorNorm, err = t.actor.Step(t.pool, t.cfg.ActorRate, t.updates+1, t.cfg.GradClip); err != nil {
		return fmt.Errorf("the policy's %w", err)
	}
	return nil
}

// eachTransition calls f with every transition of the batch, the first row of its state in
// the unrolled policy's [S,R], and whether its action and reward are known.
func (t *RecurrentSACN) eachTransition(f func(i, row int, known bool)) {
	k := &t.unroll
	for b, s := range k.stretches {
		for j := range t.cfg.Stretch {
			f(b*t.cfg.Stretch+j, ((t.cfg.BurnIn+j)*len(k.stretches)+b)*k.workers, s.Recording.Usable[s.From+j+1])
		}
	}
}

// mostLikely is the policy's most likely log capacity of a row of all steps, [S,R].
func (k *unroll) mostLikely(row int) float64 { return k.logShare(row / k.rows())[row%k.rows()] }

// of is the recording of transition i and the window of its state.
func (t *RecurrentSACN) of(i int) (*recording.Recording, int) {
	s := t.unroll.stretches[i/t.cfg.Stretch]
	return s.Recording, s.From + i%t.cfg.Stretch
}

// gather collects the inputs of the critics and returns the number of known transitions.
func (t *RecurrentSACN) gather(r *workspace) (usable int) {
	see := func(state, common []float32, rec *recording.Recording, window, i int) {
		all := rec.Common[window*recording.CommonWidth:][:recording.CommonWidth]
		copy(common[i*recording.CommonWidth:], all)
		for w := range r.workers {
			row := state[(i*r.workers+w)*(recording.StateWidth+recording.CommonWidth):]
			copy(row, rec.State[(window*r.workers+w)*recording.StateWidth:][:recording.StateWidth])
			copy(row[recording.StateWidth:], all)
		}
	}
	t.eachTransition(func(i, _ int, known bool) {
		rec, window := t.of(i)
		see(r.state, r.common, rec, window, i)
		see(r.next, r.nextCommon, rec, window+1, i)
		if known {
			usable++
		}
	})
	return usable
}

// draw sets the actions: SAC's at s' (first) and at s (own), and for the critics the data's
// and CQL's samples with their log-densities. It returns the entropy per worker of the
// policy at s, estimated from its own actions.
func (t *RecurrentSACN) draw(r *workspace) (entropy float64) {
	for i := range r.noise {
		r.noise[i] = float32(t.rng.NormFloat64())
	}
	k, p, each := t.samples(), r.workers, 1+t.samples()
	cols := 1 + 3*k
	stride := len(t.unroll.stretches) * p // rows of a step
	usable := 0
	t.eachTransition(func(i, row int, known bool) {
		rec, window := t.of(i)
		density := r.density[i*3*k:][:3*k]
		for j := range k {
			density[j] = -float64(p) * math.Log(2*t.cfg.CQL.Box)
		}
		for j := k; j < 3*k; j++ {
			density[j] = 0
		}
		own := 0.0
		for w := range p {
			at := i*p + w
			to := r.sampled[at*cols:][:cols]
			to[0] = rec.Share[(window+1)*p+w]
			for j := range k {
				to[1+j] = rec.Share[window*p+w] + float32(t.cfg.CQL.Box)*(2*t.rng.Float32()-1)
			}
			for side := range 2 { // at s, at s'
				from := row + side*stride + w
				mean, logStd := t.unroll.mostLikely(from), float64(t.unroll.logStd[from])
				std := math.Exp(logStd)
				noise := r.noise[side*len(r.noise)/2+at*each:][:each]
				for j, e := range noise {
					v, logP := float32(mean+std*float64(e)), -0.5*float64(e)*float64(e)-logStd-nn.HalfLogTwoPi
					switch {
					case j > 0:
						to[side*k+k+j] = v
						density[side*k+k+j-1] += logP
					case side == 0:
						r.own[at] = v
						own -= logP / float64(p)
					default:
						r.first[at] = v
					}
				}
			}
		}
		if known {
			entropy += own
			usable++
		}
	})
	centre(r.sampled, p, cols)
	centre(r.own, p, 1)
	centre(r.first, p, 1)
	return entropy / float64(max(1, usable))
}

// centre subtracts the mean over the P workers from every action [B*P,M] and scales it for
// the critics.
func centre(act []float32, workers, cols int) {
	for from := 0; from < len(act); from += workers * cols {
		state := act[from : from+workers*cols]
		for m := range cols {
			mean := float32(0)
			for at := m; at < len(state); at += cols {
				mean += state[at]
			}
			mean /= float32(workers)
			for at := m; at < len(state); at += cols {
				state[at] = recording.LogScale * (state[at] - mean)
			}
		}
	}
}

// targets computes the critics' targets y.
func (t *RecurrentSACN) targets(r *workspace, alpha float64, stats *losses) {
	r.targets.forward(t.pool, t.target, r.next, r.nextCommon, r.first)
	n, each := r.transitions, 1+t.samples()
	stride := len(t.unroll.stretches) * r.workers
	usable := 0.0
	t.eachTransition(func(i, row int, known bool) {
		rec, window := t.of(i)
		logP := 0.0 // of the action at s', per worker
		for w := range r.workers {
			e := float64(r.noise[len(r.noise)/2+(i*r.workers+w)*each])
			logP += (-0.5*e*e - float64(t.unroll.logStd[row+stride+w]) - nn.HalfLogTwoPi) / float64(r.workers)
		}
		least, _ := leastOf(r.targets.q, i, n)
		r.y[i] = float64(rec.Reward[window+1]) + t.cfg.Gamma*(least-alpha*logP)
		if known {
			stats.Target += r.y[i]
			usable++
		}
	})
	stats.Target /= usable
}

// leastOf returns the smallest of the N values [N,n] of column i, and its place.
func leastOf(q []float32, i, n int) (least float64, at int) {
	at = i
	for j := i; j < len(q); j += n {
		if q[j] < q[at] {
			at = j
		}
	}
	return float64(q[at]), at
}

// criticLoss computes the critics' loss and its gradient dq with respect to their values:
// first of the data's action, then of CQL's samples. CQL's term counts only while the gap is
// above cql.gap, as in the version with a Lagrange multiplier (Kumar et al., appendix F);
// here the multiplier is either the weight or 0.
func (t *RecurrentSACN) criticLoss(r *workspace, usable int, stats *losses) {
	r.values.forward(t.pool, t.critic.W, r.state, r.common, r.sampled)
	n, k, critics := r.transitions, t.samples(), t.cfg.Critics
	cols := 1 + 3*k
	delta, each := t.cfg.HuberDelta, 1/float64(usable)
	perWorker := t.cfg.CQL.Temperature / float64(r.workers)
	clear(r.dq)
	t.eachTransition(func(i, _ int, known bool) {
		if !known {
			return
		}
		for c := range critics {
			q, dq := r.values.q[(c*n+i)*cols:][:cols], r.dq[(c*n+i)*cols:][:cols]
			off := float64(q[0]) - r.y[i]
			slope := min(max(off, -delta), delta)
			stats.TD += (slope*off - slope*slope/2) * each / float64(critics)
			stats.Q += float64(q[0]) * each / float64(critics)
			dq[0] = float32(slope * each)
			if k > 0 {
				stats.CQL += cqlGap(q, r.density[i*3*k:][:3*k], perWorker, 0, dq) * each / float64(critics)
			}
		}
	})
	if k == 0 || stats.CQL <= t.cfg.CQL.Gap {
		return
	}
	t.eachTransition(func(i, _ int, known bool) {
		for c := range critics {
			at := (c*n + i) * cols
			if known {
				cqlGap(r.values.q[at:][:cols], r.density[i*3*k:][:3*k], perWorker, t.cfg.CQL.Weight*each, r.dq[at:][:cols])
			}
		}
	})
}

// cqlGap is CQL(H)'s gap in one state (Kumar et al. 2020, arXiv 2006.04779, equation
// 4 and appendix F),
//
//	T log sum_j exp(q_j/T - log density_j) - q_data
//
// where q holds the data's value and then those of the sampled actions; weight times
// its gradient by q is added to dq.
func cqlGap(q []float32, density []float64, temperature, weight float64, dq []float32) (gap float64) {
	most := math.Inf(-1)
	for j, d := range density {
		most = max(most, float64(q[1+j])/temperature-d)
	}
	sum := 0.0
	for j, d := range density {
		sum += math.Exp(float64(q[1+j])/temperature - d - most)
	}
	for j, d := range density {
		dq[1+j] += float32(weight * math.Exp(float64(q[1+j])/temperature-d-most) / sum)
	}
	dq[0] -= float32(weight)
	return temperature*(most+math.Log(sum)) - float64(q[0])
}

// policyLoss adds the gradient of the negative mean of the smallest critic's value with
// respect to the policy's log capacities and deviations, through its own actions.
func (t *RecurrentSACN) policyLoss(r *workspace, usable int, stats *losses) {
	r.policies.forward(t.pool, t.critic.W, r.state, r.common, r.own)
	n, each := r.transitions, 1+t.samples()
	clear(r.dOwn)
	t.eachTransition(func(i, _ int, known bool) {
		if known {
			least, at := leastOf(r.policies.q, i, n)
			r.dOwn[at] = float32(1 / float64(usable))
			stats.PolicyValue += least / float64(usable)
		}
	})
	r.policies.backward(t.pool, t.critic.W, r.dOwn, nil, true)
	t.eachTransition(func(i, row int, known bool) {
		by := r.policies.dact[i*r.workers:][:r.workers]
		mean := float32(0)
		for _, v := range by {
			mean += v / float32(r.workers)
		}
		for w, v := range by {
			d := recording.LogScale * (v - mean)
			e := r.noise[(i*r.workers+w)*each]
			std := math.Exp(float64(t.unroll.logStd[row+w]))
			r.byShare[row+w] -= float64(d)
			r.byLogStd[row+w] -= d * e * float32(std)
		}
	})
}

// likelihood is the mean over known transitions and workers of the log-density of the data's
// log capacities. It subtracts its gradient from byShare and byLogStd.
func (t *RecurrentSACN) likelihood(r *workspace, usable int) (mean float64) {
	weight := 1 / float64(usable*r.workers)
	t.eachTransition(func(i, row int, known bool) {
		if !known {
			return
		}
		rec, window := t.of(i)
		for w := range r.workers {
			logStd := float64(t.unroll.logStd[row+w])
			std := math.Exp(logStd)
			e := (float64(rec.Share[(window+1)*r.workers+w]) - t.unroll.mostLikely(row+w)) / std
			mean += weight * (-0.5*e*e - logStd - nn.HalfLogTwoPi)
			r.byShare[row+w] -= weight * e / std
			r.byLogStd[row+w] -= float32(weight * (e*e - 1))
		}
	})
	return mean
}
