package sim

import (
	"math"
	"testing"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/jobtest"
)

// In every window of sim a worker is busy with its records at its speed of then.
func TestSimChangingSpeeds(t *testing.T) {
	s := jobtest.Changing()
	j := newSim(t, 1000, func(setup *engine.Setup) {
		setup.Scheme = roundRobin()
		setup.Config.Speeds = s
	})
	trajectories := s.Trajectories(4, 1)
	for n := range int64(40) {
		w := jobtest.NextWindow(t, j)
		for i, c := range trajectories {
			if want := float64(w.Counts[i]) * 1e-3 / c.At(n); math.Abs(w.Busy[i]-want) > 0.003 {
				t.Fatalf("window %d: worker %d is busy for %.4f, want %.4f", n, i, w.Busy[i], want)
			}
		}
	}
}
