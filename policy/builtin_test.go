package policy

import (
	"fmt"
	"math"
	"testing"
)

// One checkpoint for any number of workers, on scenarios it was not trained on: below
// every fixed smoothing and below waterfill's Kalman filter, by nearly what it was when
// trained: 0.83, 0.84 and 0.91 of the best of them.
func TestBuiltinBeatsSmoothing(t *testing.T) {
	c, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []struct {
		workers, scenarios int
		part               float64 // of the best rival's imbalance
	}{{8, 400, 0.87}, {64, 100, 0.88}, {200, 60, 0.94}} {
		if testing.Short() {
			p.scenarios /= 5
		}
		f, err := NewCapacity(c, p.workers)
		if err != nil {
			t.Fatal(err)
		}
		learned, _ := MeanScore(evaluate(t, f, DefaultScenarios(), p.workers, p.scenarios))
		best, name := math.Inf(1), ""
		for _, overload := range []float64{0, 0.2} {
			for _, alpha := range []float64{0.1, 0.2, 0.3, 0.4, 0.6} {
				score, _ := MeanScore(evaluate(t, &Smoothed{Alpha: alpha, Overload: overload}, DefaultScenarios(), p.workers, p.scenarios))
				if score.After < best {
					best, name = score.After, fmt.Sprintf("alpha %v, overload %v", alpha, overload)
				}
			}
		}
		kalman, _ := MeanScore(evaluate(t, &Analytic{Config: DefaultSpeed()}, DefaultScenarios(), p.workers, p.scenarios))
		t.Logf("%3d workers: %.4f, the best fixed smoothing (%s) %.4f, a Kalman filter %.4f", p.workers, learned.After, name, best, kalman.After)
		if learned.After > p.part*min(best, kalman.After) {
			t.Errorf("%d workers: %.4f is not below %v of %.4f and %.4f", p.workers, learned.After, p.part, best, kalman.After)
		}
		// The scenarios here are not those that its figures were measured on.
		if was := c.Metrics[fmt.Sprintf("imbalance_%d", p.workers)]; !testing.Short() && math.Abs(learned.After/was-1) > 0.15 {
			t.Errorf("%d workers: %.4f, the manifest has %.4f", p.workers, learned.After, was)
		}
	}
}

// Who changes what Builtin returns changes it for nobody else.
func TestBuiltinIsOnesOwn(t *testing.T) {
	a, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	was := a.Tensors[0].Data[0]
	a.Tensors[0].Data[0]++
	b, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	if b.Tensors[0].Data[0] != was {
		t.Error("the second one is changed too")
	}
	for _, workers := range []int{1, 8, MaxWorkers} {
		if err := FitsJob(b, workers); err != nil {
			t.Error(err)
		}
	}
}
