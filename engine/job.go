// Package engine defines jobs: sources, partitioners, workers (the combiner) and reducers,
// measured in windows. Config is the shape of a job, Setup everything it is made of, and Job
// a running one. The packages below run jobs on a virtual clock (sim), on goroutines and
// the wall clock (local), in closed form (fluid) or on a Flink cluster (flink).
package engine

import (
	"context"
	"fmt"
	"math"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// Job is a running job as the commands see it. Not for concurrent use.
type Job interface {
	// Next runs the job to the end of the next metric window and returns the window.
	// It returns io.EOF once the sources have ended, all records are processed and
	// every window has been returned.
	Next(ctx context.Context) (*policy.Window, error)
	// Apply announces a decision to the partitioner subtasks. Each subtask adopts its
	// capacities with its next slide. A route is in force from the
	// first slide that no subtask has begun. A late subtask, whose slide should have
	// ended more than a slide ago, catches up: it adopts the latest route inside its
	// slide. A key that blocks the source therefore does not delay the route that
	// relieves it. package loop has the rules (Announcements). Decisions are applied after
	// every window, also those without a route. An empty one does nothing.
	Apply(d policy.Decision) error
	// Close ends the job and frees its resources. Before io.EOF, open slides are not
	// reduced.
	Close() error
}

// Switcher is a Job whose partitioner can be replaced while it runs, with the first slide
// that no subtask has begun.
type Switcher interface {
	Switch(s partition.Scheme) error
}

// CheckDecision reports why a job with this number of workers cannot follow a decision.
func CheckDecision(d policy.Decision, workers int) error {
	if c := d.Capacities; c != nil {
		if err := c.Validate(workers); err != nil {
			return err
		}
	}
	if d.Route == nil {
		return nil
	}
	return CheckRoute(d.Route, workers)
}

// CheckRoute reports why a job with this number of workers cannot follow a route.
func CheckRoute(r *policy.Route, workers int) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if r.Workers != workers {
		return fmt.Errorf("route: made for %d workers, the job has %d", r.Workers, workers)
	}
	return nil
}

// ResultFunc receives the result of one key over one aggregation window, which ends with
// the given slide. Windows come in order, the keys of a window in byte order. The result is
// only valid during the call.
type ResultFunc func(slide int64, key string, r stream.Result)

// Busiest is the largest busy ratio of the measured workers and reducers; NaN if none was
// measured.
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
