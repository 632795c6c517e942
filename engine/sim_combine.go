package engine

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
