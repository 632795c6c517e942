//go:build torch

package nn

import (
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
