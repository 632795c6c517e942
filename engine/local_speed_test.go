package engine

import (
	"math"
	"testing"
	"time"
)

// And in local, but for the records around the turn of a window.
func TestLocalChangingSpeeds(t *testing.T) {
	inBubble(t, "virtual clock", func(t *testing.T) {
		c := Default()
		c.Workers, c.Partitioners = 3, 2
		c.Costs = Costs{Record: 10 * time.Microsecond}
		c.Speeds = changing()
		c.Speeds.Change.Walk, c.Speeds.Change.Jump = 0.2, 0.3
		j := mustLocal(t, steadySetup(c, fixedScheme(0), 100_000, 1))
		courses := c.Speeds.courses(c.Workers, 1)
		for n := range int64(6) {
			w := nextWindow(t, j)
			for i, course := range courses {
				want := min(1, float64(w.Counts[i])*10e-6/course.at(n)/(w.End-w.Start).Seconds())
				if math.Abs(w.Busy[i]-want) > 0.02 {
					t.Errorf("window %d: worker %d is busy for %.3f, want %.3f", n, i, w.Busy[i], want)
				}
			}
		}
	})
}
