//go:build torch

package train

import "math"

// score runs the critics at s over the data's action and, for CQL, over K uniform
// ones, K of pi(s) and K of pi(s'). It returns their values q [N,B,1+3K] and the
// sampled actions' log-densities [B,3K], nil without CQL. drawn are the 1+K actions
// at s and then at s'; the first in each state is SAC's and not used here.
func (t *Trainer) score(drawn draw) (q, density tensor) {
	s := &t.scope
	rows, acts, critics := int64(t.cfg.Batch), int64(t.dims.Act), int64(t.cfg.Critics)
	k := int64(t.samples())
	if k == 0 {
		t.value(t.values, t.critic.w, t.batch.Obs, t.batch.Act)
		return s.data(t.values.y, critics, rows, 1), nil
	}
	for i := range t.uniform {
		t.uniform[i] = 2*t.rng.Float32() - 1
	}
	some := func(x tensor, from int64) tensor { return s.narrow(s.narrow(x, 0, from, rows), 1, 1, k) }
	actions := s.cat(1, s.data(t.batch.Act, rows, 1, acts), s.data(t.uniform, rows, k, acts),
		some(drawn.action, 0), some(drawn.action, rows))
	flat := s.shift(s.zeros(rows, k), float64(acts)*math.Log(t.cfg.CQL.Density))
	density = s.cat(1, flat, some(drawn.logProb, 0), some(drawn.logProb, rows))
	t.value(t.values, t.critic.w, t.batch.Obs, floats(actions))
	return s.data(t.values.y, critics, rows, 1+3*k), density
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
func (s *scope) conservative(cfg CQL, q, density, data tensor) (gap, byData float64, bySampled tensor) {
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
