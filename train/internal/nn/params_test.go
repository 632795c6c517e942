//go:build torch

package nn

import (
	"math"
	"testing"

	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/internal/naive"
)

func TestStepByHand(t *testing.T) {
	// Adam's first step is the rate, whatever the gradient's length; its second with
	// the same gradient too.
	p := NewParams([]train.Tensor{{Name: "w", Shape: []int{2}}})
	for step := uint64(1); step <= 2; step++ {
		p.Grad[0], p.Grad[1] = 1e-3, -400
		norm, err := p.Step(&Pool{Threads: 1}, 0.1, step, 0)
		if err != nil {
			t.Fatal(err)
		}
		naive.CloseTo(t, "norm", norm, 400, 1e-6)
		naive.Near(t, "parameters", p.W, []float64{-0.1 * float64(step), 0.1 * float64(step)}, 1e-4)
	}
	// A gradient (3,4) clipped to length 1 is (0.6,0.8): a tenth of it is the first moment.
	p = NewParams([]train.Tensor{{Name: "w", Shape: []int{2}}})
	p.Grad[0], p.Grad[1] = 3, 4
	if _, err := p.Step(&Pool{Threads: 1}, 0.1, 1, 1); err != nil {
		t.Fatal(err)
	}
	naive.Near(t, "first moment", p.M, []float64{0.06, 0.08}, 1e-6)
	naive.Near(t, "second moment", p.v, []float64{0.00036, 0.00064}, 1e-5)
}

func TestLogProbByHand(t *testing.T) {
	logProb := func(out, noise []float32) float64 {
		d := NewDraws(1, 1, 1)
		d.Sample(&Pool{Threads: 1}, out, noise)
		return float64(d.LogProb[0])
	}
	// Mean 0, std 1, noise 0: log N(0) = -0.918939, and log(1 - tanh(0)^2) = 0.
	naive.CloseTo(t, "log-probability at the mean", logProb([]float32{0, 0}, []float32{0}), -0.918939, 1e-6)
	// Mean 20, std 1: tanh rounds to 1, but log(1 - a^2) = 2 log 2 - 2u = -38.613706.
	naive.CloseTo(t, "log-probability far out", logProb([]float32{20, 0}, []float32{0}), -0.918939+38.613706, 1e-5)
	naive.CloseTo(t, "log-probability beyond any action", logProb([]float32{-1000, 0}, []float32{0}), -0.918939-2*math.Ln2+2000, 1e-5)
}

// TestDensity integrates the squashed density over (-1,1): it must be 1.
func TestDensity(t *testing.T) {
	const n = 20000
	noise := make([]float32, n) // from -8 to 8 standard deviations
	for i := range noise {
		noise[i] = 16*float32(i)/(n-1) - 8
	}
	for _, out := range [][]float32{{0, 0}, {0.8, -1}, {-1.5, 0.3}} {
		d := NewDraws(1, n, 1)
		d.Sample(&Pool{Threads: 1}, out, noise)
		action, logProb, sum := naive.Wide(d.Action), naive.Wide(d.LogProb), 0.0
		for i := 1; i < n; i++ {
			sum += (action[i] - action[i-1]) * (math.Exp(logProb[i]) + math.Exp(logProb[i-1])) / 2
		}
		naive.CloseTo(t, "integral of the density", sum, 1, 1e-3)
	}
}
