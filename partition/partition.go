// Package partition says what a partitioner is. A partitioner subtask owns one Router: no
// locks, no allocation per record, no clock and no global randomness. The partitioners
// are in the packages below, one file each: table has ours, dalton and rival the published
// ones; registry knows them all by name.
package partition

import (
	"time"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// Dest is where a record goes: a worker, and whether the key's partial results
// have to pass a reducer.
type Dest uint32

// Merge marks a key that this router may send to more than one worker within one
// aggregation window. A router that leaves it off costs a late merge at the sink
// when the key turns up twice, never a wrong result.
const Merge Dest = 1 << 31

// Worker is the worker's index.
func (d Dest) Worker() int { return int(d &^ Merge) }

// Router routes the records of one partitioner subtask. It is owned by one
// goroutine. A pact: it neither drops nor adds records.
type Router interface {
	// Route sets dst[i] to the destination of record i. len(dst) equals the
	// batch's length. All of a batch's records lie in one slide.
	Route(b *stream.Batch, dst []Dest)
	// EndSlide tells that the subtask's event time has passed the end of slide
	// number slide (from 0); the next batch belongs to a later one.
	EndSlide(slide int64)
}

// RouteFollower is a Router that follows routes made elsewhere (table).
type RouteFollower interface {
	// Follow takes the route up; it is called between batches, at a slide
	// boundary that is the same for every subtask, or, in a subtask that is far
	// behind, inside a slide. slide is the first slide routed by nothing else.
	Follow(r *policy.Route, slide int64)
}

// Learner is a Router that learns from measured windows (dalton-metrics,
// dalton-offline).
type Learner interface {
	// Observe is called between batches with a window that has just ended.
	Observe(w *policy.Window)
}

// Gossiper is a Router whose subtasks exchange what they learned (dalton). Once
// per slide the driver collects every subtask's Gossip, and hands all of them, in
// subtask order and nil for one that has ended, to every subtask's Absorb at a later
// slide boundary.
type Gossiper interface {
	// Gossip returns a snapshot that the router will not write to again.
	Gossip() any
	// Absorb merges the snapshots of all subtasks, its own among them.
	Absorb(shares []any)
}

// Env is what a job tells its routers when they are made.
type Env struct {
	Workers       int           // P
	Subtask       int           // this partitioner subtask, from 0
	Subtasks      int           // how many there are
	Slide         time.Duration // length of a slide
	WindowSlides  int           // slides in an aggregation window
	MetricSlides  int           // slides in a metric window
	Seed          uint64        // of the job; routers derive their own stream from it and Subtask
	ExpectedCount int64         // records one subtask expects per slide; 0 unknown
}

// Scheme is a partitioner: how to make the routers of a job's subtasks, and the
// controller that computes their routes, nil for those that decide by
// themselves.
type Scheme struct {
	Name       string // as it is shown
	NewRouter  func(env Env) Router
	Controller policy.Controller
	Flink      Flink
}

// Flink is what Flink's connector has to know of a partitioner to make its routers in
// Java.
type Flink struct {
	Name string // as it is registered
	// Settings holds the name and the settings that the connector reads, named as in an
	// experiment file; nil: the connector does not have the partitioner.
	Settings map[string]any
}
