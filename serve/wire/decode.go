package wire

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
)

// Reports and decisions, which arrive all the time, are decoded by hand, without the
// generated messages in between. The protobuf library decodes all other messages. Both
// accept the same bytes: fields in any order, packed lists or single elements, unknown
// fields, nested messages in several parts.

// decoder decodes the reports of one stream into memory that is used again. A message
// that breaks the encoding is garbage: methods return false, and decoding stops. A value
// that is out of bounds is an error in the report: decoding continues, because the rest
// of the message may still be garbage, and lists stop growing at their bounds.
type decoder struct {
	hello   *Hello
	keys    *Keys
	packed  bool     // the report came packed
	compact compact  // of the partitioner at hand, in memory that is used again
	times   rawTimes // of the worker at hand, too
	err     error    // the first value that is out of bounds
}

// refuse notes an error in the report.
func (d *decoder) refuse(err error) {
	if d.err == nil {
		d.err = err
	}
}

// refuseOf notes an error in what a subtask reports, if there is one.
func (d *decoder) refuseOf(subtask string, index int, err error) {
	if err != nil {
		d.refuse(fmt.Errorf("%s %d: %w", subtask, index, err))
	}
}

func (d *decoder) decodeReport(b []byte, r *reports.Report) bool {
	s := &d.hello.Shape
	workers := reuse(r.Workers, s.Workers)
	partitioners := reuse(r.Partitioners, s.Partitioners)
	reducers := reuse(r.Reducers, s.Reducers)
	*r = reports.Report{}
	var route []byte
	f := fields{rest: b}
	for f.next() {
		switch f.tag {
		case 1<<3 | varint:
			r.Slide = f.value
		case 2<<3 | nested:
			f.bad = !d.decodeWorker(f.bytes, workers.next())
		case 3<<3 | nested:
			f.bad = !d.decodePartitioner(f.bytes, partitioners.next())
		case 4<<3 | nested:
			route, f.bad = join(route, f.bytes)
		case 5<<3 | nested:
			f.bad = !d.decodeReducer(f.bytes, reducers.next())
		}
	}
	if f.bad {
		return false
	}
	r.Workers, r.Partitioners, r.Reducers = workers.list, partitioners.list, reducers.list
	if workers.over() || partitioners.over() || reducers.over() {
		d.refuse(fmt.Errorf("%d workers, %d partitioners and %d reducers in one report; the job has %d, %d and %d",
			workers.n, partitioners.n, reducers.n, s.Workers, s.Partitioners, s.Reducers))
	}
	if route == nil {
		return true
	}
	var err error
	if r.Route, err = decodeRoute(route, s.Workers); err == ErrGarbage {
		return false
	} else if err != nil {
		d.refuse(err)
	}
	return true
}

// join is the content of a nested message of which more has come: encoded messages, one
// after the other, are one message. It is not nil. Each must be whole: the end of one is not
// the beginning of the next.
func join(before, more []byte) (both []byte, bad bool) {
	f := fields{rest: more}
	for f.next() {
	}
	if before == nil {
		return more[:len(more):len(more)], f.bad
	}
	return append(before, more...), f.bad
}

func (d *decoder) decodeWorker(b []byte, w *reports.Worker) bool {
	realised := reuse(w.Realised, maxLists*d.hello.Shape.KeyLimit())
	latency, buckets, counts := w.Latency, bounded[uint32]{}, bounded[int64]{}
	d.times.clear(&w.Times, &d.hello.Shape)
	*w = reports.Worker{Times: policy.Times{Slots: w.Times.Slots[:0]}}
	f := fields{rest: b}
	for f.next() {
		switch f.tag {
		case 1<<3 | varint:
			w.Index = int(uint32(f.value))
		case 2<<3 | varint:
			w.Records = int64(f.value)
		case 3<<3 | varint:
			w.Units = int64(f.value)
		case 4<<3 | fixed64:
			w.Busy = f.number()
		case 5<<3 | fixed64:
			w.Queue = f.number()
		case 6<<3 | nested:
			f.bad = !decodeRealised(f.bytes, realised.next())
		case 7<<3 | fixed64:
			w.CPU = f.number()
		case 8<<3 | varint:
			w.Bypassed = int64(f.value)
		case 9<<3 | varint:
			w.StateKeys = int64(f.value)
		case 10<<3 | nested:
			if w.Latency == nil {
				if latency == nil {
					latency = new(reports.Latency)
				}
				w.Latency = latency
				buckets, counts = reuse(latency.Buckets, reports.LatencyBuckets), reuse(latency.Counts, reports.LatencyBuckets)
				latency.Max = 0
			}
			f.bad = !decodeLatency(f.bytes, &buckets, &counts, &latency.Max)
		case 11<<3 | nested:
			f.bad = !d.decodeTimes(f.bytes)
		}
	}
	if f.bad {
		return false
	}
	w.Realised = realised.list
	if w.Latency != nil {
		latency.Buckets, latency.Counts = buckets.list, counts.list
	}
	d.refuseOf("worker", w.Index, d.checkWorker(w, realised.n, buckets.n, counts.n))
	d.refuseOf("worker", w.Index, d.times.into(&w.Times, &d.hello.Shape))
	return true
}

func decodeRealised(b []byte, s *reports.Realised) bool {
	*s = reports.Realised{}
	f := fields{rest: b}
	for f.next() {
		switch f.tag {
		case 1<<3 | fixed64:
			s.Hash = f.value
		case 2<<3 | varint:
			s.Count = int64(f.value)
		}
	}
	return !f.bad
}

func decodeLatency(b []byte, buckets *bounded[uint32], counts *bounded[int64], longest *time.Duration) bool {
	f := fields{rest: b}
	for f.next() {
		switch f.tag {
		case 1<<3 | nested:
			f.bad = !packed(buckets, f.bytes)
		case 1<<3 | varint:
			*buckets.next() = uint32(f.value)
		case 2<<3 | nested:
			f.bad = !packed(counts, f.bytes)
		case 2<<3 | varint:
			*counts.next() = int64(f.value)
		case 3<<3 | varint:
			*longest = time.Duration(min(f.value, maxLatency))
		}
	}
	return !f.bad
}

func (d *decoder) decodePartitioner(b []byte, p *reports.Partitioner) bool {
	hot := reuse(p.Hot, maxLists*d.hello.Shape.KeyLimit())
	slots := reuse(p.Slots, d.hello.Shape.Slots)
	name := p.Name // that the memory had before, likely the same
	*p = reports.Partitioner{}
	longest := 0 // name of a hot key
	var share, named []byte
	c := &d.compact
	*c = compact{keys: reuse(c.keys.list, hot.limit), counts: reuse(c.counts.list, hot.limit), errors: reuse(c.errors.list, hot.limit)}
	f := fields{rest: b}
	for f.next() {
		switch f.tag {
		case 1<<3 | varint:
			p.Index = int(uint32(f.value))
		case 2<<3 | varint:
			p.Sent = int64(f.value)
		case 3<<3 | fixed64:
			p.Offered = f.number()
		case 4<<3 | fixed64:
			p.Blocked = f.number()
		case 5<<3 | nested:
			f.bad = !d.decodeHotKey(f.bytes, hot.next(), &longest)
		case 6<<3 | nested:
			f.bad = !packed(&slots, f.bytes)
		case 6<<3 | varint:
			*slots.next() = int64(f.value)
		case 7<<3 | varint:
			p.RouteVersion = f.value
		case 8<<3 | varint:
			p.RouteChanged = f.value != 0
		case 9<<3 | nested:
			share = f.bytes
		case 10<<3 | nested:
			named = f.bytes
			f.bad = !utf8.Valid(named)
		case 11<<3 | varint:
			p.Learns = f.value != 0
		case 12<<3 | fixed64:
			c.print = f.value
		case 13<<3 | nested:
			f.bad = !packed(&c.keys, f.bytes)
		case 13<<3 | varint:
			*c.keys.next() = uint32(f.value)
		case 14<<3 | nested:
			f.bad = !packed(&c.counts, f.bytes)
		case 14<<3 | varint:
			*c.counts.next() = int64(f.value)
		case 15<<3 | nested:
			f.bad = !packed(&c.errors, f.bytes)
		case 15<<3 | varint:
			*c.errors.next() = int64(f.value)
		case 16<<3 | varint:
			c.rest = f.value != 0
		}
	}
	if f.bad {
		return false
	}
	p.Hot, p.Slots = hot.list, slots.list
	d.refuseOf("partitioner", p.Index, d.checkPartitioner(p, hot.n, slots.n, longest, share, named))
	if d.packed && d.err == nil {
		d.refuseOf("partitioner", p.Index, d.resolve(p))
	}
	if d.err != nil {
		return true
	}
	if len(share) > 0 { // the assembler keeps it
		p.Share = slices.Clone(share)
	}
	if p.Name = name; name != string(named) {
		p.Name = string(named)
	}
	return true
}

func (d *decoder) decodeHotKey(b []byte, k *policy.HotKey, longest *int) bool {
	*k = policy.HotKey{}
	var name []byte
	f := fields{rest: b}
	for f.next() {
		switch f.tag {
		case 1<<3 | fixed64:
			k.Hash = f.value
		case 2<<3 | nested:
			name = f.bytes
		case 3<<3 | varint:
			k.Count = int64(f.value)
		case 4<<3 | varint:
			k.Error = int64(f.value)
		}
	}
	if *longest = max(*longest, len(name)); *longest <= maxKey && !f.bad {
		k.Name = d.keys.name(k.Hash, name)
	}
	return !f.bad
}

func (d *decoder) decodeReducer(b []byte, n *reports.Reducer) bool {
	*n = reports.Reducer{}
	f := fields{rest: b}
	for f.next() {
		switch f.tag {
		case 1<<3 | varint:
			n.Index = int(uint32(f.value))
		case 2<<3 | fixed64:
			n.Busy = f.number()
		case 3<<3 | varint:
			n.Keys = int64(f.value)
		case 4<<3 | varint:
			n.Pairs = int64(f.value)
		}
	}
	if f.bad {
		return false
	}
	d.refuseOf("reducer", n.Index, d.checkReducer(n))
	return true
}

// decodeAnswer decodes what a client needs of a decision for a job of P workers.
func decodeAnswer(b []byte, workers int, base *policy.Route) (*Answer, bool) {
	a := &Answer{}
	var route, change []byte
	c := rawCapacities{of: reuse[uint32](nil, workers), waiting: reuse[uint32](nil, workers)}
	f := fields{rest: b}
	for f.next() {
		switch f.tag {
		case 1<<3 | varint:
			a.Window = f.value
		case 3<<3 | nested:
			route, f.bad = join(route, f.bytes)
		case 4<<3 | nested: // busy
			f.bad = len(f.bytes)%8 != 0
		case 7<<3 | nested:
			change, f.bad = join(change, f.bytes)
		case 8<<3 | nested:
			f.bad = !packed(&c.of, f.bytes)
		case 8<<3 | varint:
			*c.of.next() = uint32(f.value)
		case 9<<3 | nested:
			f.bad = !packed(&c.waiting, f.bytes)
		case 9<<3 | varint:
			*c.waiting.next() = uint32(f.value)
		case 10<<3 | varint:
			c.load = uint32(f.value)
		}
	}
	if change != nil && !f.bad {
		a.Route, a.Err = decodeChange(change, workers, base)
	}
	if route != nil && !f.bad && a.Err != ErrGarbage {
		a.Route, a.Err = decodeRoute(route, workers)
	}
	if a.Err == nil {
		a.Capacities, a.Err = c.capacities(workers)
	}
	return a, !f.bad && a.Err != ErrGarbage
}
