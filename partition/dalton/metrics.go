package dalton

import (
	"math"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
)

// metrics is `dalton-metrics`: dalton-original with rewards from measured busy ratios instead of
// record counts, so that it sees slow workers. Rule, constants and deviations are at original.
type metrics struct{ *original }

// NewMetrics makes the dalton-metrics partitioner.
func NewMetrics(c Config, env partition.Env, published bool) partition.Router {
	r := NewOriginal(c, env, published).(*original)
	r.rewards = make([]float64, env.Workers)
	return metrics{r}
}

// Observe implements Learner: from now on the reward of worker w is
// (avg-busy[w])/max(avg,busy[w]), from -1 to 1. A window with another number of workers
// is ignored.
func (r metrics) Observe(w *policy.Window) {
	if len(w.Busy) != r.workers {
		return
	}
	sum := 0.0
	for i := range w.Busy {
		sum += busyOf(w, i)
	}
	avg := sum / float64(r.workers)
	for i := range w.Busy {
		busy := busyOf(w, i)
		r.rewards[i] = 0
		if most := math.Max(avg, busy); most > 0 {
			r.rewards[i] = (avg - busy) / most
		}
	}
}

// busyOf returns the busy ratio of a worker; an unmeasured worker counts as saturated.
func busyOf(w *policy.Window, i int) float64 {
	if b := w.Busy[i]; b == b {
		return b
	}
	return 1
}
