package local

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/saspart/saspart/engine/internal/operator"
	"github.com/saspart/saspart/policy"
)

// censusWait is how long a window waits for the reports of those that work. One
// that waits itself answers at once, and one that works between two batches, so
// only a stalled source or machine takes that long.
const censusWait = 2 * time.Second

// census asks every actor what it measured. Each writes its own report and then
// says that it has arrived; a report is read only after that.
type census struct {
	feeders  []feederReport
	workers  []workerReport
	reducers []float64 // busy ratios
	arrived  chan int  // actors' ids
	missing  int       // those asked that have not arrived
}

// measure makes the window that ends now.
func (j *Job) measure() *policy.Window {
	c := &j.setup.Config
	n := &census{
		feeders: make([]feederReport, c.Partitioners), workers: make([]workerReport, c.Workers),
		reducers: make([]float64, c.Reducers), arrived: make(chan int, len(j.actors)),
	}
	end := j.clock.now()
	for _, a := range j.actors {
		select {
		case a.ask <- n:
			n.missing++
		default: // the last census is still before it
		}
	}
	w := &policy.Window{
		Step: j.step, Start: time.Duration(j.last), End: time.Duration(end),
		Counts: make([]int64, c.Workers), Units: make([]int64, c.Workers),
		Busy: filled(c.Workers), Queue: filled(c.Workers), Reducer: filled(c.Reducers),
		FanOut: j.shared.fanOut(), QueueSize: c.Queue, Partitioner: j.scheme, Route: j.route,
	}
	t := tallyOf(j, w)
	for _, old := range j.late {
		for old.missing > 0 && len(old.arrived) > 0 {
			t.count(old, <-old.arrived)
		}
	}
	deadline := time.NewTimer(censusWait)
	defer deadline.Stop()
	for waiting := n.missing > 0; waiting; {
		select {
		case id := <-n.arrived:
			t.count(n, id)
			t.rate(n, id)
			waiting = n.missing > 0
		case <-deadline.C:
			waiting = false
		}
	}
	j.late = slices.DeleteFunc(append(j.late, n), func(n *census) bool { return n.missing == 0 })
	t.finish()
	j.step, j.last = j.step+1, end
	j.scheme, j.route, j.sequence = w.Partitioner, w.Route, t.sequence
	j.shared.learn(w)
	return w
}

// filled is n ratios that nobody has measured yet.
func filled(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.NaN()
	}
	return out
}

// windowTally assembles a window from reports.
type windowTally struct {
	job      *Job
	w        *policy.Window
	seen     operator.Seen
	sent     int64
	sequence int // the subtasks' furthest
	behind   int // the workers' least
	changed  int64
	latency  *hdrhistogram.Histogram
}

func tallyOf(j *Job, w *policy.Window) *windowTally {
	return &windowTally{job: j, w: w, sequence: j.sequence, changed: operator.NoSlide, behind: math.MaxInt, latency: operator.NewLatency()}
}

// count adds what the actor reports to have counted: also when its report has
// come too late for its own window, so that nothing goes missing.
func (t *windowTally) count(n *census, id int) {
	n.missing--
	c, w := &t.job.setup.Config, t.w
	if id < c.Workers {
		r := &n.workers[id]
		w.Records += r.records
		w.Counts[id] += r.records
		w.Units[id] += r.units
		w.Realised = append(w.Realised, r.realised...)
		t.changed = max(t.changed, r.changed)
		if r.latency != nil {
			t.latency.Merge(r.latency)
			r.latency.Reset()
			t.job.histograms.Put(r.latency)
		}
	} else if id < c.Workers+c.Partitioners {
		r := &n.feeders[id-c.Workers]
		t.seen.Add(r.seen)
		t.sent += r.sent
		t.changed = max(t.changed, r.changed)
	}
}

// rate takes what only says something about the window in which it was asked for.
func (t *windowTally) rate(n *census, id int) {
	c, w := &t.job.setup.Config, t.w
	if id < c.Workers {
		r := &n.workers[id]
		w.Busy[id], w.Queue[id] = r.busy, r.queue
		w.Pairs += r.keys
		t.behind = min(t.behind, r.sequence)
		return
	}
	if id -= c.Workers; id < c.Partitioners {
		r := &n.feeders[id]
		w.OfferedRate = r.offered
		w.Backpressured += r.held / float64(c.Partitioners)
		w.Pairs += r.pairs
		if r.sequence >= t.sequence {
			t.sequence, w.Route, w.Partitioner = r.sequence, r.route, r.scheme
		}
		return
	}
	w.Reducer[id-c.Partitioners] = n.reducers[id-c.Partitioners]
}

// finish computes what depends on all reports. A route counts as new while any
// worker still has records of the one before to serve, but not when the change
// lies within a fiftieth of the window's beginning: as close as a slide's end, as
// the subtasks see it, comes to a window's.
func (t *windowTally) finish() {
	w := t.w
	length := w.End - w.Start
	w.ActualRate = float64(t.sent) / max(length, 1).Seconds()
	w.RouteNew = t.behind < t.sequence || t.changed > int64(w.Start+length/50)
	t.seen.Top(t.job.setup.Config.NamedKeys())
	w.Hot, w.Slots = t.seen.Hot, t.seen.Slots
	w.Realised = joined(w.Realised)
	if f := t.job.setup.Latency; f != nil {
		f(t.latency)
	}
	if t.latency.TotalCount() > 0 {
		w.LatencyP50 = time.Duration(t.latency.ValueAtQuantile(50))
		w.LatencyP99 = time.Duration(t.latency.ValueAtQuantile(99))
		w.LatencyMax = time.Duration(t.latency.Max())
	}
}

// joined sorts shares, and adds up those that a late report brings twice.
func joined(r []policy.RealisedShare) []policy.RealisedShare {
	slices.SortFunc(r, func(a, b policy.RealisedShare) int {
		return cmp.Or(cmp.Compare(a.Hash, b.Hash), cmp.Compare(a.Worker, b.Worker))
	})
	out := r[:0]
	for _, s := range r {
		if n := len(out); n > 0 && out[n-1].Hash == s.Hash && out[n-1].Worker == s.Worker {
			out[n-1].Count += s.Count
		} else {
			out = append(out, s)
		}
	}
	return out
}
