package policy

import (
	"cmp"
	"slices"
	"time"
)

// Window holds the measurements of one metric window. Jobs return windows; controllers,
// traces and learners read them. Slices that are indexed by worker have one element per
// worker. A Window does not change once a job has returned it; the documentation of the
// method that returns it says how long it stays valid.
type Window struct {
	Episode     int           // episode within the run, from 0
	Step        int           // window within the episode, from 0
	Partitioner string        // name of the partitioner in force; "": unknown
	Start       time.Duration // since the job's start, on the job's clock
	End         time.Duration

	Records       int64   // records the workers finished
	OfferedRate   float64 // due records/s
	ActualRate    float64 // records/s that the partitioners sent on
	Backpressured float64 // share of the window the partitioner subtasks were blocked, mean over them, 0..1

	Counts []int64   // records finished by each worker
	Units  []int64   // work units (words, values) finished by each worker
	Busy   []float64 // busy ratio of each worker, 0..1 (missing: NaN)
	Queue  []float64 // fill of each worker's queue at the window's end, 0..1
	// QueueSize is how many records fit in a worker's queue; 0: unknown. Traces have it in
	// their configuration.
	QueueSize int
	Reducer   []float64 // busy ratio of each reducer, 0..1

	Hot   []HotKey // heaviest keys seen by the partitioners, by count descending
	Slots []int64  // records per hash slot (SlotOf), all keys counted

	Route    *Route // the route in force; nil: the partitioner follows none, or it is unknown
	RouteNew bool   // the window is mixed: its counts and busy times are of more than one route or partitioner

	Realised []RealisedShare // where the keys that may be split went; sorted by hash, then worker
	Times    []Times         // how long each worker took for records; nil: no worker timed any

	Pairs      int           // distinct (key, worker) pairs with state at the window's end
	Bytes      int64         // that the state took at most during the window; 0: unknown. Traces do not have it
	FanOut     float64       // mean workers per key over the windows reduced since the last report
	LatencyP50 time.Duration // from intended arrival to the end of service; 0 without records
	LatencyP99 time.Duration
	LatencyMax time.Duration
}

// Clone returns a copy for a caller that must keep a window longer than it is valid. Routes
// never change, and are shared.
func (w *Window) Clone() *Window {
	c := *w
	c.Counts, c.Units = slices.Clone(w.Counts), slices.Clone(w.Units)
	c.Busy, c.Queue, c.Reducer = slices.Clone(w.Busy), slices.Clone(w.Queue), slices.Clone(w.Reducer)
	c.Hot, c.Slots, c.Realised = slices.Clone(w.Hot), slices.Clone(w.Slots), slices.Clone(w.Realised)
	c.Times = slices.Clone(w.Times)
	for i := range c.Times {
		c.Times[i] = w.Times[i].Clone()
	}
	return &c
}

// HotKey is a key that the sketch reports among the heaviest.
type HotKey struct {
	Name  string // the key's bytes
	Hash  uint64
	Count int64 // estimated records in the window; at least the true count minus Error
	Error int64 // the part of Count that may belong to other keys
}

// RealisedShare is the number of records of one key that one worker finished.
type RealisedShare struct {
	Hash   uint64
	Worker int
	Count  int64
}

// SortRealised sorts realised shares as a window has them: by key, then worker.
func SortRealised(list []RealisedShare) {
	slices.SortFunc(list, func(a, b RealisedShare) int {
		return cmp.Or(cmp.Compare(a.Hash, b.Hash), cmp.Compare(a.Worker, b.Worker))
	})
}

// Controller turns windows into decisions: routes, and the capacities of the workers.
type Controller interface {
	// Decide answers a window. latest is the last route that was announced to the job: it may
	// not be in force yet. The loop gives a new route its version, and fills in what waits at
	// the workers. Decide must not change w or latest, nor keep w.
	Decide(w *Window, latest *Route) Decision
}

// Imbalance is (max - mean) / (mean + 1e-6) of the busy ratios
// (docs/algorithms.md, "Measures"): 0 when all are equal. Unmeasured workers (NaN) are left
// out; without any worker it is 0.
func Imbalance(busy []float64) float64 {
	max, sum, n := 0.0, 0.0, 0
	for _, b := range busy {
		if b != b {
			continue
		}
		if n == 0 || b > max {
			max = b
		}
		sum += b
		n++
	}
	if n == 0 {
		return 0
	}
	mean := sum / float64(n)
	return (max - mean) / (mean + 1e-6)
}
