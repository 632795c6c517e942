//go:build torch

package sacn

import (
	"math"

	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/train"
)

// estimateRows is how many transitions are looked at together.
const estimateRows = 256

// Estimate looks at up to most transitions of a store, spread evenly over it. Values
// are 0 where the algorithm trains no critics.
func (t *Trainer) Estimate(store *dataset.Store, most int) (train.Estimates, error) {
	var e train.Estimates
	total := min(most, store.Len())
	if total == 0 {
		return e, nil
	}
	widths := dataset.Widths{Obs: t.dims.Obs, Act: t.dims.Act}
	for from := 0; from < total; from += estimateRows {
		n := min(estimateRows, total-from)
		at := make([]int, n)
		for i := range at {
			at[i] = (from + i) * store.Len() / total
		}
		rows := dataset.NewColumns(n, widths)
		if err := store.Read(at, rows); err != nil {
			return e, err
		}
		t.estimate(rows, &e)
	}
	e.Rows = total
	e.Q /= float64(total)
	e.PolicyValue /= float64(total)
	e.Distance = math.Sqrt(e.Distance / float64(total*t.dims.Act))
	return e, nil
}

// estimate adds up over the rows.
func (t *Trainer) estimate(rows *dataset.Columns, e *train.Estimates) {
	n, acts := rows.Rows(), t.dims.Act
	actor := t.policy.Tape(n, 1)
	actor.Forward(t.pool, t.actor.W, rows.Obs, nil)
	own := make([]float32, n*acts)
	for i := range own {
		mean := actor.Y[i/acts*2*acts+i%acts]
		own[i] = float32(math.Tanh(float64(mean)))
		d := float64(own[i]) - float64(rows.Act[i])
		e.Distance += d * d
	}
	if !t.cfg.Algorithm.Values() {
		return
	}
	critics := t.ensemble.Tape(n, 1)
	least := func(act []float32) (sum float64) {
		t.value(critics, t.critic.W, rows.Obs, act)
		for i := range n {
			q := critics.Y[i]
			for j := i; j < len(critics.Y); j += n {
				q = min(q, critics.Y[j])
			}
			sum += float64(q)
		}
		return sum
	}
	e.Q += least(rows.Act)
	e.PolicyValue += least(own)
}
