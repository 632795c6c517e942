package serve

import (
	"fmt"
	"math"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/policy/plan"
)

// keys tells whether a job's hot keys are like those that the model was trained on:
// a shares policy has learned where a key of each rank goes, given how heavy keys of
// each rank are.
type keys struct {
	limit float64 // 0: none

	model   *Model
	trained [][]float64 // by model's policies; none: any keys suit them
	loads   *plan.Loads
	ranked  []float64 // the job's, as many as nearest has
	nearest []float64 // of trained, to the job
	from    float64   // distance from nearest; meaningless without it
	isFar   bool
}

// back is the part of the limit that the distance must fall below again, so that keys
// at the limit do not have the job change sides all the time.
const back = 0.8

// far takes in a window and tells whether the job's keys are too far from the model's;
// first, whether this is the first that is known of it.
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
			return false, false // nothing was sent yet
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
	k.isFar = from > limit+k.loads.Deviation(1) // what few records make up by chance
	return k.isFar, first
}

// reason says why the keys do not fit.
func (k *keys) reason() string {
	return fmt.Sprintf("it was trained on other keys, the heaviest of which was %.0f %% of the records, where the job's is %.0f %%: the distance over the heaviest %d is %.2f, and may be %.2f",
		100*k.nearest[0], 100*k.ranked[0], len(k.nearest), k.from, k.limit)
}

// distance is how far the job's keys are from the model's; nil: nobody knows, or any
// suit it.
func (k *keys) distance() *float64 {
	if k.nearest == nil {
		return nil
	}
	d := k.from
	return &d
}

// trainedOn is the keys that policies were trained on; nothing where one of them suits
// any, or does not tell.
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
