package learned

import (
	"fmt"
	"math"
	"testing"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/plan"
	"github.com/saspart/saspart/policy/scenario"
)

// One checkpoint serves any number of workers, on scenarios it was not trained on, with
// delayed work or delayed reports. Its imbalance is below that of waterfill's Kalman filter
// and of the fixed smoothing that is best in hindsight for each scenario. It is below that
// of every fixed smoothing, by nearly as much as after training: 0.75, 0.72 and 0.81 of the
// best one's, and 0.80, 0.83 and 0.93 with delayed reports.
func TestBuiltinBeatsSmoothing(t *testing.T) {
	t.Parallel()
	c, err := checkpoint.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []struct {
		workers, scenarios int
		reports, part      float64 // of the best rival's imbalance
	}{{8, 400, 0, 0.80}, {64, 100, 0, 0.78}, {200, 60, 0, 0.86}, {8, 400, 1, 0.86}, {64, 60, 1, 0.88}, {200, 30, 1, 0.96}} {
		if testing.Short() {
			p.scenarios /= 5
		}
		f, err := NewCapacityPolicy(c, p.workers)
		if err != nil {
			t.Fatal(err)
		}
		scenarios := scenario.Default()
		scenarios.Reports = p.reports
		learned, _ := scenario.MeanScore(evaluate(t, f, scenarios, p.workers, p.scenarios))
		best, name, all := math.Inf(1), "", [][]scenario.Score(nil)
		for _, like := range []scenario.Smoothed{{Plain: true}, {}, {Overload: 0.2}} {
			for _, like.Alpha = range []float64{0.1, 0.2, 0.3, 0.4, 0.6} {
				scores := evaluate(t, &like, scenarios, p.workers, p.scenarios)
				all = append(all, scores)
				if score, _ := scenario.MeanScore(scores); score.After < best {
					best, name = score.After, fmt.Sprintf("alpha %v, overload %v, plain %v", like.Alpha, like.Overload, like.Plain)
				}
			}
		}
		hindsight, _ := scenario.MeanScore(bestScores(all...))
		kalman, _ := scenario.MeanScore(evaluate(t, &scenario.Analytic{Config: plan.DefaultSpeed()}, scenarios, p.workers, p.scenarios))
		t.Logf("%3d workers, late reports %v: %.4f, the best fixed smoothing (%s) %.4f, in hindsight %.4f, a Kalman filter %.4f",
			p.workers, p.reports, learned.After, name, best, hindsight.After, kalman.After)
		if learned.After > p.part*min(best, kalman.After) {
			t.Errorf("%d workers: %.4f is not below %v of %.4f and %.4f", p.workers, learned.After, p.part, best, kalman.After)
		}
		if learned.After > hindsight.After {
			t.Errorf("%d workers: %.4f is not below the best smoothing in hindsight, %.4f", p.workers, learned.After, hindsight.After)
		}
		// The scenarios here are not those that its figures were measured on.
		if was := c.Metrics[fmt.Sprintf("imbalance_%d", p.workers)]; p.reports == 0 && !testing.Short() && math.Abs(learned.After/was-1) > 0.15 {
			t.Errorf("%d workers: %.4f, the manifest has %.4f", p.workers, learned.After, was)
		}
	}
}

// Each call of Builtin returns a checkpoint of its own.
func TestBuiltinIsOnesOwn(t *testing.T) {
	a, err := checkpoint.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	was := a.Tensors[0].Data[0]
	a.Tensors[0].Data[0]++
	b, err := checkpoint.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	if b.Tensors[0].Data[0] != was {
		t.Error("the second one is changed too")
	}
	for _, workers := range []int{1, 8, policy.MaxWorkers} {
		if err := checkpoint.FitsJob(b, workers); err != nil {
			t.Error(err)
		}
	}
}
