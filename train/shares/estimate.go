//go:build torch

package shares

import (
	"math"

	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/train"
)

// estimateRows is how many transitions are looked at together.
const estimateRows = 256

// Estimate looks at up to most transitions of a store, spread evenly over it. Values are 0 where
// the algorithm trains no critics.
func (t *Trainer) Estimate(store *dataset.Store, most int) (e train.Estimates, err error) {
	defer t.begin(&err)()
	total := min(most, store.Len())
	for from := 0; from < total; from += estimateRows {
		at := make([]int, min(estimateRows, total-from))
		for i := range at {
			at[i] = (from + i) * store.Len() / total
		}
		rows := dataset.NewColumns(len(at), dataset.Widths{Obs: t.dims.Obs, Act: t.dims.Act})
		if err := store.Read(at, rows); err != nil {
			return e, err
		}
		if t.loads != nil {
			t.loads.begin(&t.s)
		}
		t.s.NoGrad(func() {
			s, a := t.s.Data(rows.Obs, len(at), t.dims.Obs), t.s.Data(rows.Act, len(at), t.dims.Act)
			own := t.policy(s).mean.Tanh()
			e.Distance += own.Sub(a).Square().Sum().Item()
			if t.cfg.Algorithm.Values() {
				e.Q += t.q(s, a).Least(0).Sum().Item()
				e.PolicyValue += t.q(s, own).Least(0).Sum().Item()
			}
		})
		t.s.Free()
	}
	if e.Rows = total; total > 0 {
		e.Q, e.PolicyValue = e.Q/float64(total), e.PolicyValue/float64(total)
		e.Distance = math.Sqrt(e.Distance / float64(total*t.dims.Act))
	}
	return e, nil
}
