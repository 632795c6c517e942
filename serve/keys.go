package serve

import (
	"fmt"
	"math"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/policy/plan"
)

// keys compares a job's hot keys with those that the model was trained on. A shares policy
// has learned where to send a key of each rank, for keys of the weights that it was trained
// on; it knows nothing of others.
type keys struct {
	limit float64 // 0: none

	model   *Model
	trained [][]float64 // what the model's policies were trained on; none: any keys suit them
	loads   *plan.Loads
	ranked  []float64 // the job's keys by rank, as many as nearest has
	nearest []float64 // the list in trained that is nearest to the job's keys; nil: unknown
	from    float64   // distance from nearest
	isFar   bool
}

// back is the part of the limit that the distance must fall below again: keys at the limit
// should not switch the job back and forth.
const back = 0.8

// far processes a window and reports whether the job's keys are too far from the model's.
// first says that this is the first window that tells.
func (k *keys) far(m *Model, w *policy.Window, workers int) (far, first bool) {
	if m != k.model {
		k.model, k.trained, k.nearest, k.isFar = m, nil, nil, false
		if m.Keys != nil && k.limit > 0 {
			k.trained = m.Keys(workers)
		}
	}
	if len(k.trained) == 0 {
		return false, false
	}
	if k.loads == nil {
		k.loads = plan.NewLoads(plan.DefaultLoad())
	}
	first = k.nearest == nil
	k.loads.Observe(w)
	from := math.Inf(1)
	for _, t := range k.trained {
		ranked := k.loads.Heaviest(k.ranked, len(t))
		if len(ranked) == 0 {
			return false, false // no records yet
		}
		k.ranked = ranked
		if d := plan.KeyDistance(t, ranked); d < from {
			from, k.nearest = d, t
		}
	}
	k.from = from
	limit := k.limit
	if k.isFar {
		limit *= back
	}
	k.isFar = from > limit+k.loads.Deviation(1) // the distance that few records have by chance
	return k.isFar, first
}

// reason says why the keys do not fit.
func (k *keys) reason() string {
	return fmt.Sprintf("it was trained on other keys, the heaviest of which was %.0f %% of the records, where the job's is %.0f %%: the distance over the heaviest %d is %.2f, and may be %.2f",
		100*k.nearest[0], 100*k.ranked[0], len(k.nearest), k.from, k.limit)
}

// distance returns the distance between the job's keys and the model's; nil: unknown, or
// the model suits any keys.
func (k *keys) distance() *float64 {
	if k.nearest == nil {
		return nil
	}
	d := k.from
	return &d
}

// trainedOn returns the keys that policies were trained on; nil if one of them suits any
// keys, or its checkpoint does not say.
func trainedOn(members ...learned.PoolMember) [][]float64 {
	var out [][]float64
	for _, m := range members {
		s := m.Checkpoint.Shares
		if s == nil || len(s.KeyShares) == 0 {
			return nil
		}
		out = append(out, s.KeyShares)
	}
	return out
}
