// Package meter measures a job that routes records within the caller's own process. The
// goroutines of the job count what they do, and Window joins the counts to the metric
// windows that controllers decide on:
//
//	m, err := meter.New(meter.Config{Workers: 8, Partitioners: 1})
//	p, w := m.Partitioner(0), m.Worker(3) // one of each goroutine
//
//	router.Route(batch, destinations)     // where records are routed
//	p.Observe(batch, destinations)
//
//	w.Done(1, took)                       // where records are processed
//
//	route := l.Step(m.Window(now))        // about once a second: package loop
//
// Counting takes no lock and allocates nothing.
package meter

import (
	"time"

	"github.com/saspart/saspart/internal/hashtable"
	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/sketch"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// Config configures a Meter: the size of its job.
type Config struct {
	Workers      int // P
	Partitioners int // partitioner subtasks
	HotKeys      int // heavy keys that a window names; 0: as many as the planner can place
	Queue        int // records that fit a worker's queue; 0: unknown
}

// Validate reports impossible values by their path.
func (c *Config) Validate() error {
	s := c.Shape(time.Second)
	return s.Validate()
}

// Shape returns the size of the job for a client of the policy server, to which it reports
// windows of the given length.
func (c *Config) Shape(window time.Duration) reports.Shape {
	return reports.Shape{
		Workers: c.Workers, Partitioners: c.Partitioners, Slots: policy.SlotCount(max(1, c.Workers)), Slides: 1, Slide: window,
		Queue: c.Queue, Named: c.HotKeys,
	}
}

// Meter joins what the subtasks of a job count. Partitioner and Worker may be called from
// any goroutine, Window from one at a time.
type Meter struct {
	shape        reports.Shape
	partitioners []*Partitioner
	workers      []*Worker
	report       reports.Report
	last         time.Duration // end of the last window
	route        *policy.Route // in force at that time
}

// New returns the meter of a job whose clock starts at 0.
func New(c Config) (*Meter, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	m := &Meter{shape: c.Shape(time.Second)}
	m.report = reports.Report{
		Workers: make([]reports.Worker, c.Workers), Partitioners: make([]reports.Partitioner, c.Partitioners), Whole: &reports.Whole{},
	}
	for range c.Partitioners {
		p := &Partitioner{}
		for i := range p.counts.of {
			p.counts.of[i] = routed{keys: sketch.NewObserver(m.shape.HotKeys(), c.Workers), most: mostSplit * m.shape.HotKeys()}
		}
		m.partitioners = append(m.partitioners, p)
	}
	for range c.Workers {
		m.workers = append(m.workers, &Worker{})
	}
	return m, nil
}

// Partitioner returns the counts of partitioner subtask i, for the goroutine that routes
// its records.
func (m *Meter) Partitioner(i int) *Partitioner { return m.partitioners[i] }

// Worker returns the counts of worker i, for the goroutine that processes its records.
func (m *Meter) Worker(i int) *Worker { return m.workers[i] }

// mostSplit bounds the (key, worker) pairs that a partitioner subtask counts in a window,
// as a multiple of the keys that the window names.
const mostSplit = 64

// Partitioner counts the records of one partitioner subtask. It is owned by one goroutine.
type Partitioner struct {
	counts sides[routed]
}

// routed is what a partitioner subtask did since the last window.
type routed struct {
	keys    *sketch.Observer
	records int64
	blocked time.Duration
	route   *policy.Route // that it follows; nil: no new one
	split   []policy.RealisedShare
	found   hashtable.Table[int32] // of split
	most    int                    // of split
}

// Observe counts a batch that was routed to the given destinations.
func (p *Partitioner) Observe(b *stream.Batch, to []partition.Dest) {
	c := p.counts.begin()
	defer p.counts.end()
	c.keys.Observe(b)
	c.records += int64(len(b.Hashes))
	for i, d := range to {
		if d&partition.Merge != 0 {
			c.pair(b.Hashes[i], d.Worker())
		}
	}
}

// pair counts a record of a key that may be split.
func (c *routed) pair(hash uint64, worker int) {
	id := hash + uint64(worker)*0x9e3779b97f4a7c15 // another key for each worker
	at, ok := c.found.Get(id)
	if !ok {
		if len(c.split) == c.most {
			return
		}
		at = int32(len(c.split))
		c.found.Set(id, at)
		c.split = append(c.split, policy.RealisedShare{Hash: hash, Worker: worker})
	}
	c.split[at].Count++
}

// Blocked counts time for which the subtask could not send, because queues were full.
func (p *Partitioner) Blocked(d time.Duration) {
	p.counts.begin().blocked += d
	p.counts.end()
}

// Follow says that the subtask's router follows a route from now on. The window in which
// it does so is marked as mixed.
func (p *Partitioner) Follow(r *policy.Route) {
	p.counts.begin().route = r
	p.counts.end()
}

// Worker counts the records of one worker. It is owned by one goroutine.
type Worker struct {
	counts sides[processed]
	queue  float64
}

// processed is what a worker did since the last window.
type processed struct {
	records, units int64
	busy           time.Duration
	queue          float64
	queued         bool // queue is known
}

// Done counts records that the worker has processed, and the time that it was busy with
// them.
func (w *Worker) Done(records int, busy time.Duration) {
	c := w.counts.begin()
	c.records += int64(records)
	c.busy += busy
	w.counts.end()
}

// Units counts work units, such as words or values, in the worker's records.
func (w *Worker) Units(n int) {
	w.counts.begin().units += int64(n)
	w.counts.end()
}

// Queue sets how full the worker's queue is, from 0 to 1.
func (w *Worker) Queue(fill float64) {
	c := w.counts.begin()
	c.queue, c.queued = fill, true
	w.counts.end()
}

// Window returns what was counted since the last window, or since the job's start. now is
// the time since then. The window is the caller's.
func (m *Meter) Window(now time.Duration) *policy.Window {
	length := max(now-m.last, 1)
	ratio := func(d time.Duration) float64 { return min(1, float64(d)/float64(length)) }
	r := &m.report
	whole := r.Whole
	*whole = reports.Whole{Start: m.last, End: now}
	for i, w := range m.workers {
		c := w.counts.turn()
		if c.queued {
			w.queue = c.queue
		}
		r.Workers[i] = reports.Worker{
			Index: i, Records: c.records, Units: c.units, Busy: ratio(c.busy), Queue: w.queue, Realised: r.Workers[i].Realised[:0],
		}
		*c = processed{}
	}
	for i, p := range m.partitioners {
		c := p.counts.turn()
		to := &r.Partitioners[i]
		*to = reports.Partitioner{
			Index: i, Sent: c.records, Offered: float64(c.records) / length.Seconds(), Blocked: ratio(c.blocked), Hot: to.Hot, Slots: to.Slots,
		}
		to.Hot, to.Slots = c.keys.Take(m.shape.HotKeys(), to.Hot, to.Slots)
		if c.route != nil {
			if m.route == nil || c.route.Version > m.route.Version {
				m.route = c.route
			}
			whole.RouteNew = true
		}
		for _, s := range c.split {
			w := &r.Workers[s.Worker]
			w.Realised = append(w.Realised, reports.Realised{Hash: s.Hash, Count: s.Count})
		}
		*c = routed{keys: c.keys, split: c.split[:0], found: c.found, most: c.most}
		c.found.Clear()
	}
	whole.Route = m.route
	w := reports.Join(&m.shape, r)
	r.Slide++
	m.last = now
	return w
}
