package local

import (
	"github.com/saspart/saspart/engine/internal/operator"
	"github.com/saspart/saspart/partition"
)

// flushed is a partial result on its way to its key's worker.
type flushed struct {
	operator.Partial
	due []int64 // of the records whose aggregation ends with this partial result, ns
}

// fold aggregates n records of the batch, each of which is then sent to where it is
// aggregated as work alone; false when the job has been stopped.
func (f *feeder) fold(n int) bool {
	now := f.clock.now()
	for i := range f.batch.Records[:n] {
		l := f.lanes.Turn()
		if (f.lanes.Old(l, now) || f.lanes.Full(l)) && !f.flush(l) {
			return false
		}
		f.dst[i] = partition.Dest(l.Worker)
		l.Fold(&f.batch.Records[i], f.slide, now)
	}
	return true
}

// flushAll flushes all instances; false when the job has been stopped.
func (f *feeder) flushAll() bool {
	if f.lanes == nil {
		return true
	}
	for i := range f.lanes.All {
		if !f.flush(&f.lanes.All[i]) {
			return false
		}
	}
	return true
}

// flush sends what an instance has to the keys' workers. States are not reused: they
// end at another goroutine.
func (f *feeder) flush(l *operator.Lane) bool {
	workers := f.job.workers
	out := make([][]item, len(workers))
	ready := max(f.free, operator.FromNanos(f.clock.now()-senderSlack))
	var last *flushed
	l.Comb.Emit(f.slide, 0, func(p operator.Partial) {
		last = &flushed{Partial: p}
		w := int(p.Hash % uint64(len(workers)))
		it := item{part: last, ready: ready}
		it.Time = f.slide * f.job.slide
		out[w] = append(out[w], it)
	})
	if last != nil {
		last.due = append([]int64{}, l.Due...)
	}
	l.Due = l.Due[:0]
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
func (w *worker) join(it *item) {
	size := picos(it.part.State.Size())
	w.comb.Merge(&it.part.Partial)
	done := w.clock.now()
	if w.emulated {
		done = w.serve(it.ready, w.costs.Merge+size*w.costs.Entry).Nanos()
	}
	for _, due := range it.part.due {
		w.latency.RecordValue(max(0, done-due))
	}
}
