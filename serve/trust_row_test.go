package serve

import (
	"math/rand/v2"
	"testing"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/plan"
)

// An imbalance that analytic routes would not relieve is not the model's fault.
func TestTrustBlamesModelsOnly(t *testing.T) {
	const workers = 8
	for _, c := range []struct {
		why   string
		loud  func(r *rand.Rand) int // the worker that is busier than the others
		bad   bool
		limit float64
	}{
		{"another worker is busy in each window, which no route relieves", func(r *rand.Rand) int { return r.IntN(workers) }, false, 0},
		{"the same worker is busy for long", func(*rand.Rand) int { return 3 }, true, 0},
		{"beyond the limit, whatever routes would do", func(r *rand.Rand) int { return r.IntN(workers) }, true, 0.5},
	} {
		random, m, route := rand.New(rand.NewPCG(1, 2)), &Model{}, policy.HashRoute(workers)
		trusted := trust{limit: c.limit, doubt: plan.Doubt{Excess: 0.25}, windows: 8}
		lost := 0
		for step := range 200 {
			w := &policy.Window{Step: step, Records: 1000 * workers, Counts: make([]int64, workers), Busy: make([]float64, workers)}
			for i := range workers {
				w.Counts[i], w.Busy[i] = 1000, 0.4
			}
			w.Busy[c.loud(random)] = 0.9
			if trusted.see(m, w, route) {
				lost++
			}
		}
		if (lost > 0) != c.bad || (trusted.good == m) == c.bad {
			t.Errorf("%s: lost %d times, good %v", c.why, lost, trusted.good == m)
		}
	}
}
