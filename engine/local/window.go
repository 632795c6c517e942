package local

import (
	"math"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/saspart/saspart/engine/internal/operator"
	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
)

// answerWait is how long a window waits for the answers of the job's goroutines. One that
// waits answers at once, and one that works answers between two batches, so only a stalled
// source or machine takes that long.
const answerWait = 2 * time.Second

// measurement asks every actor what it measured. An actor writes its own answer and then
// sends its number: only then is the answer read.
type measurement struct {
	workers      []workerAnswer
	partitioners []partitionerAnswer
	reducers     []reports.Reducer
	arrived      chan int // actors' numbers
	waiting      int      // actors that were asked and have not answered
	answered     []bool   // by actor: its answer has arrived and is not in a window yet
}

// workerAnswer is what a worker measured since its last answer.
type workerAnswer struct {
	reports.Worker
	latency  *hdrhistogram.Histogram // the receiver's; nil: no records
	sequence int                     // all records routed before this announcement are served
	changed  int64                   // when that last rose, ns
}

// partitionerAnswer is what a partitioner subtask measured since its last answer.
type partitionerAnswer struct {
	reports.Partitioner
	route    *policy.Route
	sequence int   // of the last announcement adopted
	changed  int64 // when that was, ns
}

func newMeasurement(workers, partitioners, reducers int) *measurement {
	actors := workers + partitioners + reducers
	return &measurement{
		workers: make([]workerAnswer, workers), partitioners: make([]partitionerAnswer, partitioners),
		reducers: make([]reports.Reducer, reducers), arrived: make(chan int, actors), answered: make([]bool, actors),
	}
}

// arrive records that an actor has answered.
func (m *measurement) arrive(actor int) {
	m.answered[actor] = true
	m.waiting--
}

// measure makes the window that ends now.
func (j *Job) measure() *policy.Window {
	c := &j.setup.Config
	m := newMeasurement(c.Workers, c.Partitioners, c.Reducers)
	end := j.clock.now()
	for _, a := range j.actors {
		select {
		case a.ask <- m:
			m.waiting++
		default: // it has not seen the last one yet
		}
	}
	deadline := time.NewTimer(answerWait)
	defer deadline.Stop()
	for late := false; m.waiting > 0 && !late; {
		select {
		case actor := <-m.arrived:
			m.arrive(actor)
		case <-deadline.C:
			late = true
		}
	}
	for _, old := range j.late {
		for len(old.arrived) > 0 {
			old.arrive(<-old.arrived)
		}
	}
	w := j.window(m, end)
	j.late = slices.DeleteFunc(append(j.late, m), func(m *measurement) bool {
		return m.waiting == 0 && !slices.Contains(m.answered, true)
	})
	j.shared.announce(func(a *loop.Announcements) { a.Window(w) })
	return w
}

// window makes the window that ends at end of the answers to m. Late answers to earlier
// measurements add their counts to the first window in which their actor is measured
// again, so that no record goes missing.
func (j *Job) window(m *measurement, end int64) *policy.Window {
	c := &j.setup.Config
	whole := reports.Whole{Start: time.Duration(j.last), End: time.Duration(end), Latency: operator.NewLatency()}
	r := &reports.Report{Slide: uint64(j.step), Whole: &whole}
	served, changed := math.MaxInt, int64(operator.NoSlide) // the workers' least sequence; the last change
	for _, n := range append(j.late, m) {
		late := n != m
		for i := range n.workers {
			if !m.answered[i] || !n.answered[i] {
				continue
			}
			a := &n.workers[i]
			a.Late = late
			r.Workers = append(r.Workers, a.Worker)
			changed = max(changed, a.changed)
			if !late {
				served = min(served, a.sequence)
			}
			if a.latency != nil {
				whole.Latency.Merge(a.latency)
				a.latency.Reset()
				j.histograms.Put(a.latency)
			}
		}
		for i := range n.partitioners {
			if !m.answered[c.Workers+i] || !n.answered[c.Workers+i] {
				continue
			}
			a := &n.partitioners[i]
			a.Late = late
			r.Partitioners = append(r.Partitioners, a.Partitioner)
			changed = max(changed, a.changed)
			if !late && a.sequence >= j.sequence {
				j.sequence, j.route, j.partitioner = a.sequence, a.route, a.Name
			}
		}
		for i := range n.reducers {
			if n.answered[c.Workers+c.Partitioners+i] && !late {
				r.Reducers = append(r.Reducers, n.reducers[i])
			}
		}
		if late {
			for i := range n.answered {
				n.answered[i] = n.answered[i] && !m.answered[i]
			}
		}
	}
	clear(m.answered)
	if len(r.Reducers) > 0 { // the sink counts results and partial results for all reducers
		fan := j.shared.fanOut()
		r.Reducers[0].Keys, r.Reducers[0].Pairs = fan.Keys, fan.Pairs
	}
	whole.Route, whole.Partitioner = j.route, j.partitioner
	// The window is mixed while any worker still serves records of an earlier route. A change
	// within a fiftieth of the window after its beginning does not count: the window and the
	// slide that the subtask began with it end at nearly the same time.
	whole.RouteNew = served < j.sequence || changed > j.last+(end-j.last)/50
	if f := j.setup.Reports; f != nil {
		f(r)
	}
	if f := j.setup.Latency; f != nil {
		f(whole.Latency)
	}
	j.step, j.last = j.step+1, end
	return reports.Join(&j.shape, r)
}
