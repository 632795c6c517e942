// Package engine says what a job is: source, partitioners, workers (the combiner) and
// reducers, measured in windows. Config is its shape, Setup all that it is made of, Job
// one that runs. The packages below run jobs on a virtual clock (sim), on goroutines and
// the wall clock (local), in closed form (fluid) or on a cluster (flink).
package engine

import (
	"context"
	"math"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// Job is a running job as the commands see it. Not for concurrent use.
type Job interface {
	// Next runs the job to the end of the next metric window and returns what
	// was measured; io.EOF once a source that ends has been processed to the
	// last record and every window has been handed out.
	Next(ctx context.Context) (*policy.Window, error)
	// Apply announces a route to the partitioner subtasks; it is in force from
	// the next slide boundary that no subtask has passed. A subtask that is
	// behind, whose slide should have ended more than a slide ago, does not wait
	// for that: it takes up the newest route announced inside its slide. So a key
	// that holds up the source does not hold up the route that would relieve it.
	// Jobs in other processes (flink) know only the boundary.
	Apply(r *policy.Route) error
	// Close ends the job and frees what it holds. Without having reached io.EOF,
	// open slides are not reduced.
	Close() error
}

// Switcher is a Job whose partitioner can be exchanged while it runs, at the
// next slide boundary that no subtask has passed.
type Switcher interface {
	Switch(s partition.Scheme) error
}

// ResultFunc receives the reduced result of one key over one aggregation window,
// which ends with slide number slide; windows in order, keys of a window in byte
// order. The state is only valid during the call.
type ResultFunc func(slide int64, key string, s stream.State)

// Busiest is the largest busy ratio of workers and reducers that reported; NaN if
// none did.
func Busiest(w *policy.Window) float64 {
	top := math.NaN()
	for _, list := range [][]float64{w.Busy, w.Reducer} {
		for _, b := range list {
			if !(b <= top) && b == b {
				top = b
			}
		}
	}
	return top
}
