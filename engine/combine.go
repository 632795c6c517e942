package engine

import (
	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/stream"
)

// Combine says whether records are aggregated before they are sent.
type Combine string

const (
	// CombineNone sends every record to its worker.
	CombineNone Combine = "none"
	// CombineLocal aggregates at the sender first and sends partial results by hash:
	// what Flink SQL calls two-phase aggregation. The senders' aggregation runs beside the
	// workers, as slot sharing has it: there is an instance of it on each worker's
	// processor, records are dealt out to them in turn, and folding one takes the time
	// there that it takes on a worker. An instance keeps a partial state per key, and
	// flushes all of them to the keys' workers when it has CombineKeys, when the first
	// record came into it CombineAge ago, and when a slide ends. (Not when that record was
	// due: a job that is behind would flush every record by itself, and fall further
	// behind.)
	CombineLocal Combine = "local"
)

func (c *Config) validateCombine() error {
	if c.Combine != CombineNone && c.Combine != CombineLocal {
		return field.Errorf("combine", "is %q; it must be %s or %s", c.Combine, CombineNone, CombineLocal)
	}
	if err := field.Whole("combine_keys", c.CombineKeys, 1, 1<<24); err != nil {
		return err
	}
	if c.CombineAge <= 0 {
		return field.Errorf("combine_age", "is %v; it must be above 0", c.CombineAge)
	}
	return nil
}

// lanes are the instances of a sender's local aggregation. Owned by one goroutine.
type lanes struct {
	all  []lane
	next int
	keys int   // flushed when there are so many
	age  int64 // and when the first record has been there so long, ns
}

// lane is one of them.
type lane struct {
	worker int // whose processor it runs on
	comb   *combiner
	due    []int64 // of the records since the last flush, ns
	since  int64   // when the first of them came, ns
	most   int     // keys it had at most since that was last asked
}

// newLanes makes the instances of a sender: the workers are shared out among all
// senders, each at least one.
func newLanes(c *Config, task stream.Task, subtask int) *lanes {
	if c.Combine != CombineLocal {
		return nil
	}
	l := &lanes{keys: c.CombineKeys, age: c.CombineAge.Nanoseconds()}
	for w := subtask % c.Workers; w < c.Workers; w += c.Partitioners {
		l.all = append(l.all, lane{worker: w, comb: newCombiner(task, 1)})
	}
	return l
}

// turn is the instance that the next record goes to.
func (l *lanes) turn() *lane {
	n := &l.all[l.next]
	if l.next++; l.next == len(l.all) {
		l.next = 0
	}
	return n
}

// old tells whether an instance has to be flushed by now, ns.
func (l *lanes) old(n *lane, now int64) bool { return len(n.due) > 0 && now-n.since >= l.age }

// full tells whether an instance has to be flushed for want of room.
func (l *lanes) full(n *lane) bool { return len(n.comb.entries) >= l.keys }

// fold aggregates a record at time now, ns.
func (n *lane) fold(r *stream.Record, slide, now int64) {
	if len(n.due) == 0 {
		n.since = now
	}
	n.comb.add(r, slide, false)
	n.due = append(n.due, r.Time)
	n.most = max(n.most, len(n.comb.entries))
}

// held is the number of (key, instance) pairs that had state at most since it was last
// asked for.
func (l *lanes) held() int {
	if l == nil {
		return 0
	}
	sum := 0
	for i := range l.all {
		sum += l.all[i].most
		l.all[i].most = len(l.all[i].comb.entries)
	}
	return sum
}

// merge folds a partial result of one pane in; its state stays the sender's.
func (c *combiner) merge(p *partial) {
	e := c.find(&stream.Record{Key: p.key, Hash: p.hash})
	if e.slide != p.slide {
		c.turn(e, p.slide).Merge(p.state)
		return
	}
	e.cur.Merge(p.state)
}

// combine is send for a job that aggregates at its senders.
func (j *Sim) combine(s *sender, limit int64) {
	for first := true; s.pos < len(s.dst); first = false {
		r := &s.batch.Records[s.pos]
		t := max(r.Time*ps, s.free)
		if t >= limit && !first {
			return
		}
		s.pos++
		n := s.lanes.turn()
		if s.lanes.old(n, t/ps) {
			t = j.flush(s, n, t)
		}
		w := &j.workers[n.worker]
		t = s.enter(w, t)
		s.free = t + s.cost
		s.sent++
		units := int64(j.setup.Task.Units(r))
		w.serve(t, w.record+units*w.unit)
		w.done(units)
		n.fold(r, s.slide, t/ps)
		if s.lanes.full(n) {
			s.free = max(s.free, j.flush(s, n, t))
		}
	}
}

// enter waits until a worker's queue has room, and returns when that is.
func (s *sender) enter(w *worker, t int64) int64 {
	at := w.room(t)
	if at > t {
		s.blocked.work(t, at)
	}
	return at
}

// flush sends what an instance has to the keys' workers, from time t on, and returns
// when the last of it found room. The latency of a record ends when its partial result
// has been merged.
func (j *Sim) flush(s *sender, n *lane, t int64) int64 {
	done := j.workers[n.worker].end
	n.comb.emit(s.slide, 0, func(p partial) {
		w := &j.workers[p.hash%uint64(len(j.workers))]
		t = s.enter(w, t)
		done = max(done, w.serve(t, w.merge+int64(p.state.Size())*w.entry))
		w.comb.merge(&p)
		n.comb.recycle(p.state)
	})
	for _, due := range n.due {
		j.latency.RecordValue(done/ps - due)
	}
	n.due = n.due[:0]
	return t
}

// flushAll ends a slide of a sender's local aggregation.
func (j *Sim) flushAll(s *sender, now int64) int64 {
	if s.lanes == nil {
		return now
	}
	now = max(now, s.free)
	for i := range s.lanes.all {
		now = j.flush(s, &s.lanes.all[i], now)
	}
	s.free = now
	return now
}

// flushed is a partial result on its way to its key's worker.
type flushed struct {
	partial
	due []int64 // of the records whose aggregation ends with this partial result, ns
}

// fold aggregates n records of the batch, each of which is then sent to where it is
// aggregated as work alone; false when the job has been stopped.
func (f *feeder) fold(n int) bool {
	now := f.clock.now()
	for i := range f.batch.Records[:n] {
		l := f.lanes.turn()
		if (f.lanes.old(l, now) || f.lanes.full(l)) && !f.flush(l) {
			return false
		}
		f.dst[i] = partition.Dest(l.worker)
		l.fold(&f.batch.Records[i], f.slide, now)
	}
	return true
}

// flushAll flushes all instances; false when the job has been stopped.
func (f *feeder) flushAll() bool {
	if f.lanes == nil {
		return true
	}
	for i := range f.lanes.all {
		if !f.flush(&f.lanes.all[i]) {
			return false
		}
	}
	return true
}

// flush sends what an instance has to the keys' workers. States are not reused: they
// end at another goroutine.
func (f *feeder) flush(l *lane) bool {
	workers := f.job.workers
	out := make([][]item, len(workers))
	ready := max(f.free, (f.clock.now()-senderSlack)*ps)
	var last *flushed
	l.comb.emit(f.slide, 0, func(p partial) {
		last = &flushed{partial: p}
		w := int(p.hash % uint64(len(workers)))
		it := item{part: last, ready: ready}
		it.Time = f.slide * f.job.slide
		out[w] = append(out[w], it)
	})
	if last != nil {
		last.due = append([]int64{}, l.due...)
	}
	l.due = l.due[:0]
	for w, list := range out {
		for q := workers[w].inbox; len(list) > 0; {
			room, _ := q.open(len(list), f.wake)
			copy(room, list)
			q.shut()
			list = list[len(room):]
			if len(list) > 0 && !f.wait(never) {
				return false
			}
		}
	}
	return true
}

// join merges a partial result that was aggregated at a sender.
func (w *localWorker) join(it *item) {
	size := int64(it.part.state.Size())
	w.comb.merge(&it.part.partial)
	done := w.clock.now()
	if w.emulated {
		done = w.serve(it.ready, w.costs.merge+size*w.costs.entry) / ps
	}
	for _, due := range it.part.due {
		w.latency.RecordValue(max(0, done-due))
	}
}
