package fluid

import (
	"slices"
	"testing"

	"github.com/saspart/saspart/engine/internal/jobtest"
)

// Models in closed form have the same trajectories. Each starts from the beginning, and a
// restored one resumes where it was.
func TestFluidChangingSpeeds(t *testing.T) {
	speeds := jobtest.Changing()
	c := Default(speeds.Of(4, 1))
	c.Drift = speeds.Drift(4, 1)
	made := func() *Model {
		f, err := NewModel(c)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	loads, done, busy := []float64{0.25, 0.25, 0.25, 0.25}, make([]float64, 4), make([]float64, 4)
	steps := func(f *Model, n int) []float64 {
		for range n {
			f.Step(loads, done, busy)
		}
		return slices.Clone(f.Speeds())
	}
	a, b := made(), made()
	steps(a, 30)
	state, err := a.State()
	if err != nil {
		t.Fatal(err)
	}
	at40 := steps(a, 10)
	for w, trajectory := range speeds.Trajectories(4, 1) {
		if want := trajectory.At(39); at40[w] != want {
			t.Errorf("worker %d has the speed %v, its trajectory %v", w, at40[w], want)
		}
	}
	if got := steps(b, 40); !slices.Equal(got, at40) {
		t.Errorf("the second model has %v, the first %v", got, at40)
	}
	if err := a.Restore(state); err != nil {
		t.Fatal(err)
	}
	if got := steps(a, 10); !slices.Equal(got, at40) {
		t.Errorf("restored it gives %v, before %v", got, at40)
	}
}
