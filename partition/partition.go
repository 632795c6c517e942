// Package partition defines partitioners. A job asks a partitioner for one Router per
// partitioner subtask, and the router decides which worker each record goes to. A router takes
// no lock, allocates nothing per record, and uses neither a clock nor global randomness. The
// partitioners are in the packages below, one file each: table has this project's own, dalton
// and rival have published ones, and registry knows all of them by name.
package partition

import (
	"time"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// Dest is where a record goes: a worker, and whether the key's partial results
// have to pass a reducer.
type Dest uint32

// Merge marks a key that this router may send to more than one worker within one aggregation
// window. If the mark is missing, and the key reaches two workers, the sink merges late. The
// result is never wrong.
const Merge Dest = 1 << 31

// Worker returns the worker's index.
func (d Dest) Worker() int { return int(d &^ Merge) }

// Router routes the records of one partitioner subtask. It is owned by one goroutine. It neither
// drops nor adds records.
type Router interface {
	// Route sets dst[i] to the destination of record i. dst is as long as the batch. All records
	// of a batch lie in one slide.
	Route(b *stream.Batch, dst []Dest)
	// EndSlide says that the subtask's event time has passed the end of the given slide, counted
	// from 0. The next batch belongs to a later one.
	EndSlide(slide int64)
}

// RouteFollower is a Router that follows routes made elsewhere (table).
type RouteFollower interface {
	// Follow adopts the route. It is called between batches, at a slide boundary that is the
	// same for every subtask. A late subtask that catches up calls it inside a slide. slide is
	// the first slide that is routed by this route alone.
	Follow(r *policy.Route, slide int64)
}

// KeyKeeper is a RouteFollower that may hold every key to one worker within an aggregation
// window (table).
type KeyKeeper interface {
	// KeepsKeys reports whether it does. Every route must then hold from the same slide at every
	// subtask: a late one does not catch up.
	KeepsKeys() bool
	// MayMove reports whether the router may follow another route from the given slide on.
	MayMove(slide int64) bool
}

// CapacityFollower is a Router that keeps every worker within its capacity, record by record
// (table).
type CapacityFollower interface {
	// SetCapacities adopts capacities. It is called between batches, after every window that a
	// controller has answered with capacities, with or without a new route: usually at the
	// subtask's next slide boundary, and inside a slide if the subtask is late. Capacities of
	// another number of workers are ignored.
	//
	// What waits at the workers (Capacities.Waiting) is of the whole job. Each subtask takes
	// its equal part of it, as if all had sent alike.
	SetCapacities(c *policy.Capacities)
}

// Learner is a Router that learns from measured windows (dalton-metrics, fish).
type Learner interface {
	// Observe processes a window that has just ended. It is called between batches.
	Observe(w *policy.Window)
}

// Gossiper is a Router whose subtasks exchange what they learned (dalton-original,
// dalton-metrics). Once per slide the driver collects the Gossip of every subtask. At a later
// slide boundary it passes all of them to every subtask's Absorb, in subtask order, with nil for
// a subtask that has ended.
type Gossiper interface {
	// Gossip returns a snapshot to which the router does not write again.
	Gossip() any
	// Absorb merges the snapshots of all subtasks, its own included.
	Absorb(round []any)
}

// Env describes the job to a new router.
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

// Scheme is a partitioner: it makes the routers of a job's subtasks. Its controller computes the
// routes that these follow; it is nil if the routers decide alone.
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
