package local

import (
	"math"
	"testing"
	"time"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/jobtest"
)

// And in local, but for the records around the turn of a window.
func TestLocalChangingSpeeds(t *testing.T) {
	jobtest.InBubble(t, "virtual clock", func(t *testing.T) {
		c := engine.Default()
		c.Workers, c.Partitioners = 3, 2
		c.Costs = engine.Costs{Record: 10 * time.Microsecond}
		c.Speeds = jobtest.Changing()
		c.Speeds.Change.Walk, c.Speeds.Change.Jump = 0.2, 0.3
		j := mustLocal(t, jobtest.SteadySetup(c, jobtest.FixedScheme(0), 100_000, 1))
		trajectories := c.Speeds.Trajectories(c.Workers, 1)
		for n := range int64(6) {
			w := jobtest.NextWindow(t, j)
			for i, trajectory := range trajectories {
				want := min(1, float64(w.Counts[i])*10e-6/trajectory.At(n)/(w.End-w.Start).Seconds())
				if math.Abs(w.Busy[i]-want) > 0.02 {
					t.Errorf("window %d: worker %d is busy for %.3f, want %.3f", n, i, w.Busy[i], want)
				}
			}
		}
	})
}
