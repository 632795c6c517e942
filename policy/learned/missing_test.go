package learned

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/scenario"
)

// A worker that does not report keeps its part of the work. Eight equal workers are measured
// with a noise of 5 %; the shares of the silent ones must stay near those of the others.
func TestSilentWorkersKeepTheirShares(t *testing.T) {
	t.Parallel()
	c, err := checkpoint.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	const workers, windows = 8, 60
	for _, v := range []struct {
		why    string
		silent func(t, w int, rng *rand.Rand) bool
		off    float64 // the most that a share may be off
	}{
		{"none is silent", func(int, int, *rand.Rand) bool { return false }, 0.1},
		{"one for ten windows", func(t, w int, _ *rand.Rand) bool { return w == 3 && t >= 20 && t < 30 }, 0.1},
		{"one for good", func(t, w int, _ *rand.Rand) bool { return w == 3 && t >= 20 }, 0.1},
		{"30 % of the reports are missing", func(_, _ int, rng *rand.Rand) bool { return rng.Float64() < 0.3 }, 0.1},
		{"half idle at the start", func(t, w int, _ *rand.Rand) bool { return w < 4 && t < 12 }, 0.1},
		{"all but one at the start", func(t, w int, _ *rand.Rand) bool { return w > 0 && t < 12 }, 0.1},
		{"all for ten windows", func(t, _ int, _ *rand.Rand) bool { return t >= 20 && t < 30 }, 0.1},
		{"all from the start", func(int, int, *rand.Rand) bool { return true }, 0},
	} {
		f, err := NewCapacityPolicy(c, workers)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(17, 1))
		share, next, busy := make([]float64, workers), make([]float64, workers), make([]float64, workers)
		for w := range share {
			share[w] = 1. / workers
		}
		worst := 0.0
		for at := range windows {
			for w := range busy {
				busy[w] = 0.7 * share[w] * workers * (1 + 0.05*rng.NormFloat64())
				if v.silent(at, w, rng) {
					busy[w] = math.NaN()
				}
			}
			f.Decide(&scenario.Measured{Share: share, Seen: share, Busy: busy, Queue: make([]float64, workers)}, next)
			copy(share, next)
			for _, s := range share {
				worst = max(worst, math.Abs(s*workers-1))
			}
		}
		t.Logf("%s: a share is off by up to %.3f", v.why, worst)
		if worst > v.off {
			t.Errorf("%s: a share is off by %.3f, where %v is the most", v.why, worst, v.off)
		}
	}
}

// A worker that changed while it was silent is found again once it reports.
func TestReturningWorkerIsFoundAgain(t *testing.T) {
	t.Parallel()
	c, err := checkpoint.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	const workers = 8
	f, err := NewCapacityPolicy(c, workers)
	if err != nil {
		t.Fatal(err)
	}
	share, next, busy := make([]float64, workers), make([]float64, workers), make([]float64, workers)
	for w := range share {
		share[w] = 1. / workers
	}
	speed := 1.0
	for at := range 50 {
		if at == 20 {
			speed = 0.5
		}
		for w := range busy {
			busy[w] = 0.6 * share[w] * workers
		}
		busy[2] /= speed
		if at >= 20 && at < 30 {
			busy[2] = math.NaN()
		}
		f.Decide(&scenario.Measured{Share: share, Seen: share, Busy: busy, Queue: make([]float64, workers)}, next)
		copy(share, next)
		if at == 29 && math.Abs(share[2]*workers-1) > 0.05 {
			t.Errorf("while it is silent its share is %.3f of the mean", share[2]*workers)
		}
	}
	if want := 0.5 / 7.5; math.Abs(share[2]/want-1) > 0.05 {
		t.Errorf("its share is %.4f in the end, %.4f is right", share[2], want)
	}
}

// With reports missing at random the policy is nearly as good as with all of them. The
// figures are those of docs/capacity.md, "Missing reports".
func TestMissingReportsCostLittle(t *testing.T) {
	t.Parallel()
	c, err := checkpoint.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		workers, scenarios int
		part, most         float64
	}{{8, 400, 0.1, 0.0599}, {8, 400, 0.3, 0.0703}, {48, 100, 0.1, 0.149}, {48, 100, 0.3, 0.1785}} {
		scenarios, slack := v.scenarios, 1.0
		if testing.Short() {
			scenarios, slack = scenarios/5, 1.1
		}
		f, err := NewCapacityPolicy(c, v.workers)
		if err != nil {
			t.Fatal(err)
		}
		with := scenario.Default()
		with.Missing, with.MissingFor = [2]float64{v.part, v.part}, [2]int{1, 1}
		mean, _ := scenario.MeanScore(evaluate(t, f, with, v.workers, scenarios))
		t.Logf("%d workers, %v of the reports missing: %.4f", v.workers, v.part, mean.After)
		if mean.After > v.most*slack {
			t.Errorf("%d workers, %v of the reports missing: %.4f is more than %v", v.workers, v.part, mean.After, v.most)
		}
	}
}
