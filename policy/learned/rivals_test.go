package learned

import (
	"math"
	"testing"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/plan"
	"github.com/saspart/saspart/policy/scenario"
)

// oracle knows the true speeds, with the delay of the busy times but without their noise.
type oracle struct {
	drawn  *scenario.Scenario
	window int
}

// Start implements scenario.Starter.
func (f *oracle) Start(s *scenario.Scenario) { f.drawn, f.window = s, 0 }

// Decide implements scenario.Policy.
func (f *oracle) Decide(_ *scenario.Measured, capacity []float64) bool {
	copy(capacity, f.drawn.SpeedsAt(f.drawn.Routed(f.window)))
	scenario.ScaleTo1(capacity)
	f.window++
	return true
}

func seedsFrom(first uint64, n int) []uint64 {
	seeds := make([]uint64, n)
	for i := range seeds {
		seeds[i] = first + uint64(i)
	}
	return seeds
}

func evaluate(t testing.TB, f scenario.Starter, c scenario.Config, workers, scenarios int) []scenario.Score {
	t.Helper()
	scores, err := scenario.Evaluate(f, c, workers, seedsFrom(1, scenarios))
	if err != nil {
		t.Fatal(err)
	}
	return scores
}

// TestRivalsOnTheScenarios compares the analytic policies on the scenarios of
// docs/algorithms.md, "The scenarios". Their imbalances after the first 8 windows should be:
//
//	workers  best smoothing  best in hindsight  Kalman filter  delayed true speeds
//	8        0.090           0.075              0.086          0.039
//	64       0.294           0.265              0.292          0.188
//
// These smoothings ignore saturation; those that use it are better.
func TestRivalsOnTheScenarios(t *testing.T) {
	t.Parallel()
	scenarios, scatter := 512, 1.0
	if testing.Short() {
		scenarios, scatter = 128, 2
	}
	for _, p := range []struct {
		workers, scenarios                      int
		fixed, hindsight, kalman, oracle, first float64
	}{
		{8, scenarios, 0.090, 0.075, 0.086, 0.039, 0.160},
		{64, scenarios / 2, 0.294, 0.265, 0.292, 0.188, 0.350},
	} {
		show := func(name string, f scenario.Starter) scenario.Score {
			mean, dev := scenario.MeanScore(evaluate(t, f, scenario.Default(), p.workers, p.scenarios))
			t.Logf("%3d workers, %-34s %.4f / %.4f  (+- %.4f / %.4f)", p.workers, name, mean.After, mean.First, dev.After, dev.First)
			return mean
		}
		smoothings := func(name string, like scenario.Smoothed) (best, hindsight scenario.Score) {
			all := [][]scenario.Score(nil)
			best, alpha := scenario.Score{After: math.Inf(1)}, 0.0
			for _, like.Alpha = range []float64{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8} {
				f := like
				scores := evaluate(t, &f, scenario.Default(), p.workers, p.scenarios)
				if mean, _ := scenario.MeanScore(scores); mean.After < best.After {
					best, alpha = mean, like.Alpha
				}
				all = append(all, scores)
			}
			hindsight, _ = scenario.MeanScore(bestScores(all...))
			t.Logf("%3d workers, %-34s %.4f / %.4f at alpha %v, in hindsight %.4f / %.4f", p.workers, name, best.After, best.First, alpha, hindsight.After, hindsight.First)
			return best, hindsight
		}
		best, hindsight := smoothings("plain smoothings", scenario.Smoothed{Plain: true})
		aware, _ := smoothings("that know saturation", scenario.Smoothed{})
		bold, _ := smoothings("and take it for an overload", scenario.Smoothed{Overload: 0.2})
		oracle := show("true speeds, as late", &oracle{})
		kalman := show("waterfill's Kalman filter", &scenario.Analytic{Config: plan.DefaultSpeed()})
		untrained, err := NewCapacityPolicy(checkpoint.UntrainedCapacity(32, 1), p.workers)
		if err != nil {
			t.Fatal(err)
		}
		filter := show("untrained network", untrained)
		for _, v := range []struct {
			name      string
			got, want float64
			tolerance float64
		}{
			{"true speeds, as late", oracle.After, p.oracle, 0.1},
			{"best plain smoothing", best.After, p.fixed, 0.1},
			{"best plain smoothing in hindsight", hindsight.After, p.hindsight, 0.1},
			{"a Kalman filter", kalman.After, p.kalman, 0.1},
			{"best plain smoothing, first windows", best.First, p.first, 0.25},
			{"untrained network", filter.After, p.fixed, 0.15},
		} {
			if math.Abs(v.got/v.want-1) > v.tolerance*scatter {
				t.Errorf("%d workers, %s: %.4f, the first version had %.4f", p.workers, v.name, v.got, v.want)
			}
		}
		if min(aware.After, bold.After) > best.After {
			t.Errorf("%d workers: smoothings that know saturation are no better, %.4f and %.4f", p.workers, aware.After, bold.After)
		}
	}
}

// bestScores is the score of the best policy for each scenario and mean: the best
// setting in hindsight. The lists have the same scenarios.
func bestScores(policies ...[]scenario.Score) []scenario.Score {
	best := append([]scenario.Score(nil), policies[0]...)
	for _, scores := range policies[1:] {
		for i, s := range scores {
			best[i].First = min(best[i].First, s.First)
			best[i].After = min(best[i].After, s.After)
		}
	}
	return best
}
