package engine

import (
	"time"
)

// ps is picoseconds per nanosecond, the unit of record times.
const ps = 1000

// service is what work costs on one worker or reducer, in picoseconds.
type service struct{ record, unit, emit, pane, merge, entry int64 }

// serviceAt divides the costs by a speed.
func serviceAt(c *Config, speed float64) service {
	at := func(d time.Duration, ratio float64) int64 {
		return int64(float64(d.Nanoseconds())*ps*ratio/speed + 0.5)
	}
	k := &c.Costs
	return service{
		record: at(k.Record, c.WorkRatio), unit: at(k.Unit, c.WorkRatio),
		emit: at(k.Emit, 1), pane: at(k.Pane, 1),
		merge: at(k.Merge, 1), entry: at(k.Entry, 1),
	}
}
