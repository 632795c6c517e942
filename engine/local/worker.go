package local

import (
	"slices"
	"sync"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/operator"
	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/stream"
)

// handed is what the inboxes of reducers and of the sink hold: a partial result,
// or the mark that a worker or reducer has sent everything of a slide.
type handed struct {
	operator.Partial
	ready picos // emulated: when it was sent
	from  int   // mark: the sender
	mark  bool  // slide is the partial's
}

// worker is one combiner subtask.
type worker struct {
	actor
	busyTime
	job   *Job
	index int
	inbox *inbox[item]
	costs operator.Service
	comb  *operator.Combiner
	chunk int // records folded between two looks at the clock

	trajectory *engine.SpeedTrajectory // how its speed changes; nil: it stays
	window     int64                   // metric window that costs are of

	slide, from int64 // of the last record, and when that slide starts
	marks       watermark
	next        int64 // slide to be emitted next
	sequences   []int // by subtask: the last announcement that its records are routed by
	sequence    int   // the least of them: all records of earlier routes are served
	changed     int64 // when it last rose, ns

	parts []operator.Partial // of the slide being emitted
	out   [][]handed         // for each reducer, and last for the sink
	back  returned           // states that come back

	sampler *operator.Sampler // native: of the records that are timed
	extra   stream.State      // native: takes the repeated work
	again   float64           // native: how often the work of a record is repeated
	owed    float64           // native: repetitions due
	done    int64             // records since the last answer
	units   int64
	latency *hdrhistogram.Histogram
}

func newWorker(j *Job, i int, speed float64) *worker {
	c := &j.setup.Config
	return &worker{
		busyTime: busyTime{emulated: j.emulated}, job: j, index: i, costs: operator.ServiceAt(c, speed),
		comb: operator.NewCombiner(j.setup.Task, c.WindowSlides()), chunk: min(256, max(1, c.Queue/4)),
		marks: newWatermark(c.Partitioners), sequences: make([]int, c.Partitioners), changed: operator.NoSlide, out: make([][]handed, c.Reducers+1),
		sampler: operator.NewSampler(j.setup.Seed, uint64(i)), extra: j.setup.Task.NewState(), again: c.WorkRatio - 1, latency: operator.NewLatency(),
	}
}

func (w *worker) run() {
	var items []item
	for {
		if items = w.inbox.take(items); len(items) == 0 {
			if !w.wait(never) {
				return
			}
			continue
		}
		w.begin(w.clock.now())
		for rest := items; len(rest) > 0; {
			w.change()
			if rest[0].mark {
				if !w.mark(&rest[0]) {
					return
				}
				rest = rest[1:]
			} else {
				n := w.fold(rest[:min(len(rest), w.chunk)])
				rest = rest[n:]
			}
			if !w.pace() || !w.poll() {
				return
			}
		}
	}
}

// change applies the speed of the present metric window.
func (w *worker) change() {
	if w.trajectory == nil {
		return
	}
	if now := w.clock.now() / w.job.setup.Config.MetricWindow().Nanoseconds(); now != w.window {
		w.window, w.costs = now, operator.ServiceAt(&w.job.setup.Config, w.trajectory.At(now))
	}
}

// pace books the work done and waits while the schedule is ahead of the clock.
func (w *worker) pace() bool {
	now := w.clock.now()
	w.settle(now)
	if !w.emulated || w.end <= operator.FromNanos(now+ahead) {
		return true
	}
	return w.waitUntil(w.end.Nanos())
}

// fold is the record path: it adds records to the combiner up to the first mark,
// or until the schedule is ahead of the clock, and returns how many.
func (w *worker) fold(items []item) int {
	task, length, horizon := w.job.setup.Task, w.job.slide, operator.FromNanos(w.clock.now()+ahead)
	n, joined := 0, 0
	for n < len(items) && !items[n].mark {
		it := &items[n]
		n++
		if d := it.Time - w.from; d < 0 || d >= length {
			w.slide = it.Time / length
			w.from = w.slide * length
		}
		if it.part != nil {
			w.join(it)
			joined++
			continue
		}
		units := int64(task.Units(&it.Record))
		w.units += units
		if !w.emulated {
			w.add(it)
			continue
		}
		cost := w.costs.Record + picos(units)*w.costs.Unit
		end := w.serve(it.ready, cost)
		if !it.bare {
			w.comb.Add(&it.Record, w.slide, it.merge)
			w.comb.Took(cost)
			w.latency.RecordValue(end.Nanos() - it.Time)
		}
		if end > horizon {
			break
		}
	}
	w.done += int64(n - joined)
	w.inbox.release(n, w.begun)
	if !w.emulated {
		now := w.clock.now()
		for i := range items[:n] {
			if it := &items[i]; !it.bare && it.part == nil {
				w.latency.RecordValue(now - it.Time)
			}
		}
	}
	return n
}

// add processes a record natively, and times it if it is due.
func (w *worker) add(it *item) {
	timed := !it.bare && w.sampler.Due()
	if timed {
		w.sampler.Begin()
	}
	if !it.bare {
		w.comb.Add(&it.Record, w.slide, it.merge)
	}
	if w.again > 0 {
		w.repeat(&it.Record)
	}
	if timed {
		w.comb.Took(w.sampler.End())
	}
}

// repeat does the work of a record over again, as often as the work ratio says.
func (w *worker) repeat(r *stream.Record) {
	for w.owed += w.again; w.owed >= 1; w.owed-- {
		w.extra.Add(r)
	}
	if w.extra.Count() > 4096 { // as large as a heavy key's state, and no larger
		w.extra.Reset()
	}
}

// mark processes a mark: a subtask has ended its slide, or adopted a route inside it. It
// emits the slides that all subtasks have ended; false when the job has been stopped.
func (w *worker) mark(it *item) bool {
	w.serve(it.ready, 0)
	if w.marks.advance(it.from, it.Time) && !w.emitAll(it.ready) {
		return false
	}
	w.sequences[it.from] = it.sequence
	if least := slices.Min(w.sequences); least > w.sequence {
		w.sequence, w.changed = least, w.clock.now()
	}
	return true
}

// emitAll emits the slides that all subtasks have ended; false when the job has been
// stopped.
func (w *worker) emitAll(ready picos) bool {
	for ; w.next <= w.marks.low; w.next++ {
		if w.marks.low == never && w.comb.Empty() {
			return w.hand(never)
		}
		if !w.emit(w.next, ready) || !w.hand(w.next) {
			return false
		}
	}
	return true
}

// emit hands the partial results of the window that ends with slide to the
// reducers and the sink.
func (w *worker) emit(slide int64, ready picos) bool {
	w.back.each(w.comb.Recycle)
	plan, sliding := w.job.shared.plan(slide), w.job.setup.Config.WindowSlides() > 1
	w.parts = w.parts[:0]
	w.comb.Emit(slide, int32(w.index), func(p operator.Partial) { w.parts = append(w.parts, p) })
	for i := range w.parts {
		p := handed{Partial: w.parts[i]}
		if w.emulated {
			cost := w.costs.Emit
			if sliding {
				cost += picos(p.Entries) * w.costs.Pane
			}
			p.ready = w.serve(ready, cost)
		}
		to := len(w.out) - 1
		if p.Merge {
			to = plan.Of(p.Hash)
		}
		w.out[to] = append(w.out[to], p)
		if i%w.chunk == w.chunk-1 && !w.flush() {
			return false
		}
	}
	clear(w.parts)
	return true
}

// hand marks the end of a slide at reducers and sink.
func (w *worker) hand(slide int64) bool {
	for to := range w.out {
		w.out[to] = append(w.out[to], handed{Partial: operator.Partial{Slide: slide}, from: w.index, mark: true})
	}
	return w.flush()
}

// flush sends the emitted results and waits where a queue is full. Waiting is not being
// busy.
func (w *worker) flush() bool {
	if !w.pace() {
		return false
	}
	late := operator.FromNanos(w.clock.now() - senderSlack)
	for to, list := range w.out {
		q := w.job.sink.inbox
		if to < len(w.job.reducers) {
			q = w.job.reducers[to].inbox
		}
		for i := range list {
			list[i].ready = max(list[i].ready, late)
		}
		waited, ok := w.deliver(q, list)
		if !ok {
			return false
		}
		if waited > 0 {
			w.end = max(w.end, waited, operator.FromNanos(w.clock.now()-senderSlack))
		}
		w.out[to] = list[:0]
	}
	w.begin(w.clock.now())
	return true
}

// deliver puts a list into an inbox and waits while the inbox is full. waited is when the
// space it waited for was released; 0 if it did not wait.
func (a *actor) deliver(q *inbox[handed], list []handed) (waited picos, ok bool) {
	blocked := false
	for len(list) > 0 {
		n := slices.IndexFunc(list, func(h handed) bool { return h.mark })
		if n == 0 {
			q.force(list[0])
			list = list[1:]
			continue
		}
		if n < 0 {
			n = len(list)
		}
		room, freed := q.open(n, a.wake)
		copy(room, list)
		q.shut()
		if blocked && len(room) > 0 {
			waited = max(waited, freed, 1)
		}
		list = list[len(room):]
		if blocked = len(room) < n; blocked && !a.wait(never) {
			return 0, false
		}
	}
	return waited, true
}

// returned are a worker's states on their way back to it, from the sink and the
// reducers.
type returned struct {
	mu     sync.Mutex
	states []stream.State
	used   []stream.State
}

// give returns states to the worker.
func (r *returned) give(states []stream.State) {
	r.mu.Lock()
	r.states = append(r.states, states...)
	r.mu.Unlock()
}

// each takes all states that have come back.
func (r *returned) each(do func(stream.State)) {
	r.mu.Lock()
	r.states, r.used = r.used[:0], r.states
	r.mu.Unlock()
	for i, s := range r.used {
		do(s)
		r.used[i] = nil
	}
}

// report is what the worker measured since its last answer.
func (w *worker) report() workerAnswer {
	a := workerAnswer{
		Worker: reports.Worker{
			Index: w.index, Records: w.done, Units: w.units, Busy: w.ratio(w.clock.now()), Queue: w.inbox.level(), StateKeys: int64(w.comb.Keys()), Bytes: w.comb.Held(),
		},
		sequence: w.sequence, changed: w.changed,
	}
	if w.done > 0 {
		a.latency, w.latency = w.latency, w.job.histograms.Get().(*hdrhistogram.Histogram)
	}
	w.comb.Realised(func(hash uint64, count int64) {
		a.Realised = append(a.Realised, reports.Realised{Hash: hash, Count: count})
	})
	w.comb.Times(&a.Times, w.job.shape.Slots)
	w.done, w.units = 0, 0
	return a
}
