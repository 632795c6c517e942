package operator

import (
	"time"

	"github.com/saspart/saspart/engine"
)

// Picos is a time on a job's clock, or a time span, in picoseconds: costs of nanoseconds
// divided by speeds are not rounded away. Times of records are whole nanoseconds.
type Picos int64

const perNano = 1000

// FromNanos converts nanoseconds.
func FromNanos(ns int64) Picos { return Picos(ns) * perNano }

// Nanos converts to nanoseconds, rounding towards 0.
func (p Picos) Nanos() int64 { return int64(p) / perNano }

// Duration converts to a duration, rounding towards 0.
func (p Picos) Duration() time.Duration { return time.Duration(p.Nanos()) }

// Service is what work takes on one worker or reducer.
type Service struct{ Record, Unit, Emit, Pane, Merge, Entry Picos }

// ServiceAt divides the costs by a speed.
func ServiceAt(c *engine.Config, speed float64) Service {
	at := func(d time.Duration, ratio float64) Picos {
		return Picos(float64(d.Nanoseconds())*perNano*ratio/speed + 0.5)
	}
	k, state := &c.Costs, c.StateScale()
	return Service{
		Record: at(k.Record, c.WorkRatio), Unit: at(k.Unit, c.WorkRatio),
		Emit: at(k.Emit, state), Pane: at(k.Pane, state),
		Merge: at(k.Merge, state), Entry: at(k.Entry, state),
	}
}
