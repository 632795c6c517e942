package local

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/operator"
	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/sketch"
	"github.com/saspart/saspart/stream"
)

// tick is how long a partitioner subtask sleeps when it has sent all that is due:
// about what a sleep takes anyway.
const tick = int64(time.Millisecond)

// item is what a worker's inbox holds: a record, or the mark that a subtask's
// slide has ended.
type item struct {
	stream.Record       // a mark: Time is the slide
	ready         picos // emulated: when it was sent
	merge         bool
	bare          bool     // work alone: the record has been aggregated at its sender
	part          *flushed // not a record, but a partial result
	mark          bool
	sequence      int // mark: the last announcement that the next records are routed by
	from          int // mark: subtask
}

// feeder is a partitioner subtask: it takes the due records from its source, routes them
// and sends them to the workers.
type feeder struct {
	actor
	loop.Subtask
	job    *Job
	index  int
	source stream.Source
	rate   engine.Arrivals
	seen   *sketch.Observer

	changed int64               // when the last route or router was adopted, ns
	adopt   []loop.Announcement // memory of beginSlide
	lanes   *operator.Lanes     // nil: records are sent as they are

	ended    bool  // the source has no more records
	slide    int64 // whose records are being sent
	free     picos // emulated: when the next record can be sent
	sent     int64 // records since the last answer
	blocked  picos // time blocked since the last answer
	since    picos // of blocked: until when it has been booked; never: not blocked
	reported int64 // when the last answer was, ns

	times []int64
	batch stream.Batch
	dst   []partition.Dest
	ready []picos // emulated: when each record of the batch is sent
	order []int32 // the batch's records by worker
	first []int32 // where each worker's records begin in order
	left  []span  // what did not find space
}

// span is a run of the batch's order, for one worker.
type span struct{ worker, from, to int32 }

func newFeeder(j *Job, i int) *feeder {
	s := &j.setup
	// Head-of-line blocking delays whole batches, so they are small against the queues.
	n := min(operator.BatchLength, max(1, s.Config.Queue/4))
	return &feeder{
		job: j, index: i, source: s.Sources[i], rate: s.Rates[i], seen: sketch.NewObserver(s.Config.NamedKeys(), s.Config.Workers),
		lanes:   operator.NewLanes(&s.Config, s.Task, i),
		Subtask: loop.Subtask{Router: s.Scheme.NewRouter(j.envs[i]), Partitioner: s.Scheme.Name},
		changed: operator.NoSlide, since: never,
		times: make([]int64, n), dst: make([]partition.Dest, n), ready: make([]picos, n),
		order: make([]int32, n), first: make([]int32, s.Config.Workers+1),
	}
}

func (f *feeder) run() {
	length := f.job.slide
	f.beginSlide()
	for f.poll() {
		now, end := f.clock.now(), (f.slide+1)*length
		n, err := f.load(min(now, end))
		if n > 0 && (f.lanes != nil && !f.fold(n) || !f.send(n)) {
			return
		}
		switch {
		case errors.Is(err, io.EOF):
			if !f.flushAll() {
				return
			}
			f.job.shared.end(f.index)
			f.ended = true
			f.mark(never, math.MaxInt) // nothing comes next
			f.rest()
			return
		case err != nil:
			f.job.fail(fmt.Errorf("source of partitioner subtask %d: %w", f.index, err))
			f.rest()
			return
		case n == len(f.times): // more may be due
			f.catchUp()
		case now >= end:
			if !f.flushAll() {
				return
			}
			f.endSlide()
		case !f.wait(min(now+tick, end)):
			return
		}
		if f.job.emulated && !f.waitUntil(f.free.Nanos()-ahead) {
			return
		}
	}
}

// load takes the records due before until from the source, as many as fit a
// batch, and routes them.
func (f *feeder) load(until int64) (n int, err error) {
	n = f.rate.Fill(f.times, until)
	if n == 0 {
		return 0, nil
	}
	f.batch.Resize(n)
	for i, t := range f.times[:n] {
		f.batch.Records[i].Time = t
	}
	if n, err = f.source.Fill(&f.batch); n == 0 {
		return 0, err
	}
	f.batch.Resize(n)
	f.seen.Observe(&f.batch)
	f.Router.Route(&f.batch, f.dst[:n])
	return n, err
}

// send hands the batch's n records to the workers, and waits until all have found
// space; false when the job has been stopped.
func (f *feeder) send(n int) bool {
	if f.job.emulated {
		f.schedule(n)
	}
	f.sort(n)
	f.left = f.left[:0]
	for w := range f.job.workers {
		s := span{int32(w), f.first[w], f.first[w+1]}
		if s.from < s.to {
			if s, _ = f.put(s); s.from < s.to {
				f.left = append(f.left, s)
			}
		}
	}
	return len(f.left) == 0 || f.press()
}

// schedule computes when each of n records is sent: not before it is due, after the
// records before it, and not long before now, because the workers could not serve it.
func (f *feeder) schedule(n int) {
	t := max(f.free, operator.FromNanos(f.clock.now()-senderSlack))
	for i := range f.batch.Records[:n] {
		t = max(t, operator.FromNanos(f.batch.Records[i].Time))
		f.ready[i] = t
		t += f.job.routing
	}
	f.free = t
}

// sort orders the batch by worker, keeping the order of each worker's records.
func (f *feeder) sort(n int) {
	dst, first := f.dst[:n], f.first
	clear(first)
	for _, d := range dst {
		first[d.Worker()]++
	}
	sum := int32(0)
	for w, k := range first {
		first[w] = sum
		sum += k
	}
	for i, d := range dst {
		w := d.Worker()
		f.order[first[w]] = int32(i)
		first[w]++
	}
	copy(first[1:], first) // each start has moved on to the next one's
	first[0] = 0
}

// put sends records of the batch to their worker, as far as there is space. It returns the
// remaining ones and when the space was released.
func (f *feeder) put(s span) (span, picos) {
	q := f.job.workers[s.worker].inbox
	room, freed := q.open(int(s.to-s.from), f.wake)
	for k := range room {
		i := f.order[int(s.from)+k]
		it := &room[k]
		it.Record = f.batch.Records[i]
		it.ready = f.ready[i]
		it.merge = f.dst[i]&partition.Merge != 0
		it.bare, it.part, it.mark = f.lanes != nil, nil, false
	}
	q.shut()
	s.from += int32(len(room))
	f.sent += int64(len(room))
	return s, freed
}

// press waits until the rest of the batch has found space. Later records wait too:
// head-of-line blocking.
func (f *feeder) press() bool {
	f.since = operator.FromNanos(f.clock.now())
	if f.job.emulated {
		f.since = never
		for _, s := range f.left {
			f.since = min(f.since, f.ready[f.order[s.from]])
		}
	}
	room := picos(0) // emulated: when the last that had to wait could be sent
	for len(f.left) > 0 {
		if !f.wait(never) {
			return false
		}
		left := f.left[:0]
		for _, s := range f.left {
			after, freed := f.put(s)
			if after.from > s.from {
				room = max(room, freed)
			}
			if after.from < after.to {
				left = append(left, after)
			}
		}
		f.left = left
		for _, s := range f.left {
			for _, i := range f.order[s.from:s.to] {
				f.ready[i] = max(f.ready[i], room)
			}
		}
	}
	if !f.job.emulated {
		room = operator.FromNanos(f.clock.now())
	}
	f.free = max(f.free, room)
	f.blocked += max(0, room-f.since)
	f.since = never
	return true
}

// endSlide ends the slide and begins the next.
func (f *feeder) endSlide() {
	if snapshot := f.EndSlide(f.slide); snapshot != nil {
		f.job.shared.announce(func(a *loop.Announcements) { a.Gossip(f.index, f.slide, snapshot) })
	}
	ended := f.slide
	f.slide++
	f.beginSlide()
	f.mark(ended, f.Sequence)
}

// beginSlide adopts what has been announced for the slide.
func (f *feeder) beginSlide() {
	f.job.shared.announce(func(a *loop.Announcements) { f.adopt = a.Begin(f.index, f.slide, f.adopt[:0]) })
	for i := range f.adopt {
		n := &f.adopt[i]
		if w := n.Window; w != nil {
			f.rate.Observe(w.End, engine.Busiest(w))
		}
		f.take(n, f.slide)
	}
}

// catchUp has a late subtask adopt the latest capacities and route inside its slide, and tells
// the workers of a route.
func (f *feeder) catchUp() {
	if !f.CatchesUp() || !loop.Late(f.slide, time.Duration(f.job.slide), time.Duration(f.clock.now())) {
		return
	}
	f.job.shared.announce(func(a *loop.Announcements) { f.adopt = a.CatchUp(f.index, f.adopt[:0]) })
	rerouted := false
	for i := range f.adopt {
		rerouted = f.take(&f.adopt[i], f.slide+1) || rerouted
	}
	if rerouted {
		f.mark(f.slide-1, f.Sequence)
	}
}

// take adopts an announcement and records when routing last changed.
func (f *feeder) take(n *loop.Announcement, slide int64) bool {
	before := f.Sequence
	adopted := f.Adopt(n, slide)
	if f.Sequence > before {
		f.changed = f.clock.now()
	}
	return adopted
}

// mark sends every worker a mark: the subtask has ended a slide, and its next records are
// routed by the given announcement. A route adopted inside a slide repeats the mark of the
// previous slide.
func (f *feeder) mark(slide int64, sequence int) {
	now := f.clock.now()
	m := item{ready: max(f.free, operator.FromNanos(now-senderSlack)), mark: true, sequence: sequence, from: f.index}
	if slide != never {
		m.ready = max(m.ready, operator.FromNanos((slide+1)*f.job.slide))
	}
	m.Time = slide
	for _, w := range f.job.workers {
		w.inbox.force(m)
	}
}

// report is what the subtask measured since its last answer.
func (f *feeder) report() partitionerAnswer {
	now := f.clock.now()
	if until := operator.FromNanos(now); f.since < until {
		f.blocked += until - f.since
		f.since = until
	}
	length := max(1, now-f.reported)
	pairs, bytes := f.lanes.Held()
	a := partitionerAnswer{
		Partitioner: reports.Partitioner{
			Index: f.index, Sent: f.sent, Blocked: min(1, float64(f.blocked)/float64(operator.FromNanos(length))),
			Name: f.Partitioner, StateKeys: pairs, Bytes: bytes,
		},
		route: f.Route, sequence: f.Sequence, changed: f.changed,
	}
	if !f.ended {
		a.Offered = f.rate.RateAt(time.Duration(f.reported))
	}
	if f.Route != nil {
		a.RouteVersion = f.Route.Version
	}
	a.Partitioner.Hot, a.Partitioner.Slots = f.seen.Take(f.job.shape.HotKeys(), a.Partitioner.Hot, a.Partitioner.Slots)
	f.sent, f.blocked, f.reported = 0, 0, now
	return a
}
