//go:build torch

package sacn

import (
	"math"

	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/nn"
)

// score runs the critics at s over the data's action and, for CQL, over K uniform
// ones, K of pi(s) and K of pi(s'), all in sampled [B,1+3K,A] with their log-densities
// in density [B,3K]. It returns the values of the data's actions [N,B]; all are in
// values.y [N,B,1+3K].
func (t *Trainer) score() []float32 {
	k := t.samples()
	if k == 0 {
		t.value(t.values, t.critic.W, t.batch.Obs, t.batch.Act)
		return t.values.Y
	}
	t.gather(k)
	t.value(t.values, t.critic.W, t.batch.Obs, t.sampled)
	q := make([]float32, t.cfg.Critics*t.cfg.Batch)
	for i := range q {
		q[i] = t.values.Y[i*(1+3*k)]
	}
	return q
}

// gather fills sampled and density. The first action drawn in each state is SAC's and
// not used here.
func (t *Trainer) gather(k int) {
	rows, acts, seed := t.cfg.Batch, t.dims.Act, t.rng.Uint64()
	flat := float32(float64(acts) * math.Log(t.cfg.CQL.Density))
	t.pool.Split(rows, nn.DrawRows, func(part, from, to int) {
		nn.Uniforms(t.uniform[from*k*acts:to*k*acts], seed, part)
		for i := from; i < to; i++ {
			to := t.sampled[i*(1+3*k)*acts:]
			to = to[copy(to, t.batch.Act[i*acts:(i+1)*acts]):]
			to = to[copy(to, t.uniform[i*k*acts:(i+1)*k*acts]):]
			density := t.density[i*3*k:]
			for j := range k {
				density[j] = flat
			}
			for half, at := range [2]int{i, rows + i} {
				copy(to[half*k*acts:], t.drawn.Action[(at*(1+k)+1)*acts:(at+1)*(1+k)*acts])
				copy(density[(1+half)*k:], t.drawn.LogProb[at*(1+k)+1:(at+1)*(1+k)])
			}
		}
	})
}

// doubt adds CQL's gradient to that of the TD loss by the values of the data's actions,
// slope [N,B], and returns both, [N,B,1+3K].
func (t *Trainer) doubt(slope, data []float32, stats *train.Stats) []float32 {
	s := &t.scope
	rows, critics, k := int64(t.cfg.Batch), int64(t.cfg.Critics), int64(t.samples())
	q := s.Narrow(s.Data(t.values.Y, critics, rows, 1+3*k), 2, 1, 3*k)
	gap, byData, bySampled := conservative(s, t.cfg.CQL, q, s.Data(t.density, rows, 3*k), s.Data(data, critics, rows))
	stats.CQL = gap / float64(critics)
	return nn.Floats(s.Cat(2, s.Shift(s.Data(slope, critics, rows, 1), byData), bySampled))
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
func conservative(s *nn.Scope, cfg train.CQL, q, density, data nn.Tensor) (gap, byData float64, bySampled nn.Tensor) {
	shape := nn.ShapeOf(q)
	critics, rows := shape[0], shape[1]
	nn.AssertShape("density", density, rows, shape[2])
	nn.AssertShape("data", data, critics, rows)
	z := s.Scale(s.Sub(q, density), 1/cfg.Temperature)
	soft := s.Scale(s.LogSumExp(z, 2), cfg.Temperature) // [N,B]
	gap = nn.Item(s.Sum(s.Sub(soft, data))) / float64(rows)
	each := cfg.Weight / float64(rows)
	return gap, -each, s.Scale(s.Softmax(z, 2), each)
}
