package engine

import (
	"math"
	"testing"
)

// In every window of sim a worker is busy with its records at its speed of then.
func TestSimChangingSpeeds(t *testing.T) {
	s := changing()
	j := newSim(t, 1000, func(setup *Setup) {
		setup.Scheme = roundRobin()
		setup.Config.Speeds = s
	})
	courses := s.courses(4, 1)
	for n := range int64(40) {
		w := nextWindow(t, j)
		for i, c := range courses {
			if want := float64(w.Counts[i]) * 1e-3 / c.at(n); math.Abs(w.Busy[i]-want) > 0.003 {
				t.Fatalf("window %d: worker %d is busy for %.4f, want %.4f", n, i, w.Busy[i], want)
			}
		}
	}
}
