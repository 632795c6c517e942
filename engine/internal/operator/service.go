package operator

import (
	"time"

	"github.com/saspart/saspart/engine"
)

// PS is picoseconds per nanosecond, the unit of record times.
const PS = 1000

// Service is what work costs on one worker or reducer, in picoseconds.
type Service struct{ Record, Unit, Emit, Pane, Merge, Entry int64 }

// ServiceAt divides the costs by a speed.
func ServiceAt(c *engine.Config, speed float64) Service {
	at := func(d time.Duration, ratio float64) int64 {
		return int64(float64(d.Nanoseconds())*PS*ratio/speed + 0.5)
	}
	k := &c.Costs
	return Service{
		Record: at(k.Record, c.WorkRatio), Unit: at(k.Unit, c.WorkRatio),
		Emit: at(k.Emit, 1), Pane: at(k.Pane, 1),
		Merge: at(k.Merge, 1), Entry: at(k.Entry, 1),
	}
}
