package sim

import (
	"github.com/saspart/saspart/engine/internal/operator"
)

// combine is send for a job that aggregates at its senders.
func (j *Job) combine(s *sender, limit picos) {
	for first := true; s.pos < len(s.dst); first = false {
		r := &s.batch.Records[s.pos]
		t := max(operator.FromNanos(r.Time), s.free)
		if t >= limit && !first {
			return
		}
		s.pos++
		n := s.lanes.Turn()
		if s.lanes.Old(n, t.Nanos()) {
			t = j.flush(s, n, t)
		}
		w := &j.workers[n.Worker]
		t = s.enter(w, t)
		s.free = t + s.cost
		s.sent++
		units := int64(j.setup.Task.Units(r))
		w.serve(t, w.Record+picos(units)*w.Unit)
		w.done(units)
		n.Fold(r, s.slide, t.Nanos())
		if s.lanes.Full(n) {
			s.free = max(s.free, j.flush(s, n, t))
		}
	}
}

// enter waits until a worker's queue has space, and returns when that is.
func (s *sender) enter(w *worker, t picos) picos {
	at := w.space(t)
	if at > t {
		s.blocked.work(t, at)
	}
	return at
}

// flush sends the partial results of an instance to the keys' workers, from time t on, and
// returns when the last one found space. The latency of a record ends when its partial result
// has been merged.
func (j *Job) flush(s *sender, n *operator.Lane, t picos) picos {
	done := j.workers[n.Worker].end
	n.Comb.Emit(s.slide, 0, func(p operator.Partial) {
		w := &j.workers[p.Hash%uint64(len(j.workers))]
		t = s.enter(w, t)
		done = max(done, w.serve(t, w.Merge+picos(p.State.Size())*w.Entry))
		w.comb.Merge(&p)
		n.Comb.Recycle(p.State)
	})
	for _, due := range n.Due {
		j.latency.RecordValue(done.Nanos() - due)
	}
	n.Due = n.Due[:0]
	return t
}

// flushAll ends a slide of a sender's local aggregation.
func (j *Job) flushAll(s *sender, now picos) picos {
	if s.lanes == nil {
		return now
	}
	now = max(now, s.free)
	for i := range s.lanes.All {
		now = j.flush(s, &s.lanes.All[i], now)
	}
	s.free = now
	return now
}
