//go:build torch

package train

import "math"

// score runs the critics at s over the data's action and, for CQL, over K uniform
// ones, K of pi(s) and K of pi(s'), all in sampled [B,1+3K,A] with their log-densities
// in density [B,3K]. It returns the values of the data's actions [N,B]; all are in
// values.y [N,B,1+3K].
func (t *Trainer) score() []float32 {
	k := t.samples()
	if k == 0 {
		t.value(t.values, t.critic.w, t.batch.Obs, t.batch.Act)
		return t.values.y
	}
	t.gather(k)
	t.value(t.values, t.critic.w, t.batch.Obs, t.sampled)
	q := make([]float32, t.cfg.Critics*t.cfg.Batch)
	for i := range q {
		q[i] = t.values.y[i*(1+3*k)]
	}
	return q
}

// gather fills sampled and density. The first action drawn in each state is SAC's and
// not used here.
func (t *Trainer) gather(k int) {
	rows, acts, seed := t.cfg.Batch, t.dims.Act, t.rng.Uint64()
	flat := float32(float64(acts) * math.Log(t.cfg.CQL.Density))
	t.pool.split(rows, drawRows, func(part, from, to int) {
		uniforms(t.uniform[from*k*acts:to*k*acts], seed, part)
		for i := from; i < to; i++ {
			to := t.sampled[i*(1+3*k)*acts:]
			to = to[copy(to, t.batch.Act[i*acts:(i+1)*acts]):]
			to = to[copy(to, t.uniform[i*k*acts:(i+1)*k*acts]):]
			density := t.density[i*3*k:]
			for j := range k {
				density[j] = flat
			}
			for half, at := range [2]int{i, rows + i} {
				copy(to[half*k*acts:], t.drawn.action[(at*(1+k)+1)*acts:(at+1)*(1+k)*acts])
				copy(density[(1+half)*k:], t.drawn.logProb[at*(1+k)+1:(at+1)*(1+k)])
			}
		}
	})
}

// doubt adds CQL's gradient to that of the TD loss by the values of the data's actions,
// slope [N,B], and returns both, [N,B,1+3K].
func (t *Trainer) doubt(slope, data []float32, stats *Stats) []float32 {
	s := &t.scope
	rows, critics, k := int64(t.cfg.Batch), int64(t.cfg.Critics), int64(t.samples())
	q := s.narrow(s.data(t.values.y, critics, rows, 1+3*k), 2, 1, 3*k)
	gap, byData, bySampled := conservative(s, t.cfg.CQL, q, s.data(t.density, rows, 3*k), s.data(data, critics, rows))
	stats.CQL = gap / float64(critics)
	return floats(s.cat(2, s.shift(s.data(slope, critics, rows, 1), byData), bySampled))
}

// conservative is CQL(H)'s gap, summed over the critics and averaged over the batch,
//
//	CQL_n = mean_s T log sum_j exp((Q_n(s,a_j) - log density(a_j)) / T) - Q_n(s,a)
//
// over the 3K sampled actions a_j: how far the critics value actions that may not be
// in the data above those that are. It takes q [N,B,3K], density [B,3K] and data
// [N,B], and returns also the gradient of weight*gap: by each of the data's values,
// which is the same for all, and by those of the sampled actions, [N,B,3K], a softmax.
//
// The sum is an importance-weighted estimate of the integral over all actions (Kumar
// et al. 2020, arXiv 2006.04779, equation 4 and appendix F); like the reference it
// leaves out the constant log 3K, which has no gradient.
func conservative(s *scope, cfg CQL, q, density, data tensor) (gap, byData float64, bySampled tensor) {
	shape := shapeOf(q)
	critics, rows := shape[0], shape[1]
	assertShape("density", density, rows, shape[2])
	assertShape("data", data, critics, rows)
	z := s.scale(s.sub(q, density), 1/cfg.Temperature)
	soft := s.scale(s.logSumExp(z, 2), cfg.Temperature) // [N,B]
	gap = item(s.sum(s.sub(soft, data))) / float64(rows)
	each := cfg.Weight / float64(rows)
	return gap, -each, s.scale(s.softmax(z, 2), each)
}
