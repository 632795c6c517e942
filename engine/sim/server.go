package sim

import "github.com/saspart/saspart/engine/internal/operator"

// picos is time on the job's clock.
type picos = operator.Picos

// server is the service of one worker or reducer as a recurrence: first in, first out, one
// at a time, behind a queue of size Q. The service of arrival n begins when that of arrival
// n-1 has ended. Arrival n finds space in the queue once the service of arrival n-Q has
// begun. That is exact and needs no event heap.
type server struct {
	begun []picos // when each of the last Q arrivals began, a ring
	next  int     // the ring's cell of the oldest, which the next arrival overwrites
	end   picos   // end of the last service
	ledger
}

func newServer(queue int, window picos) server {
	return server{begun: make([]picos, queue), ledger: ledger{length: window, until: window}}
}

// space is the earliest time, not before t, at which the queue has space.
func (s *server) space(t picos) picos { return max(t, s.begun[s.next]) }

// serve adds an arrival at t, when the queue has space, and returns when its service ends.
func (s *server) serve(t, cost picos) picos {
	start := max(t, s.end)
	s.begun[s.next] = start
	if s.next++; s.next == len(s.begun) {
		s.next = 0
	}
	s.end = start + cost
	s.ledger.work(start, s.end)
	return s.end
}

// waiting is the number of arrivals in the queue at t whose service has not
// begun.
func (s *server) waiting(t picos) int {
	n := 0
	for i := range s.begun {
		if s.begun[i] > t {
			n++
		}
	}
	return n
}

// ledger adds up busy time and finished work by metric window. Spans come in order, and may
// lie in windows after the one being measured, as far as the queue is long.
type ledger struct {
	length picos   // of a metric window
	until  picos   // end of the window that now is booked on
	now    tally   // of the window that ends at until
	past   []tally // of earlier windows not yet taken
}

// tally is what was booked under one window.
type tally struct {
	busy    picos
	records int64
	units   int64
}

// work books the span from start to end.
func (l *ledger) work(start, end picos) {
	for end > l.until {
		if start < l.until {
			l.now.busy += l.until - start
			start = l.until
		}
		l.past = append(l.past, l.now)
		l.now = tally{}
		l.until += l.length
	}
	l.now.busy += end - start
}

// done counts finished work in the window of the last span.
func (l *ledger) done(units int64) {
	l.now.records++
	l.now.units += units
}

// take returns the tally of the oldest window not yet taken, which ends at end.
func (l *ledger) take(end picos) tally {
	if len(l.past) > 0 {
		t := l.past[0]
		l.past = append(l.past[:0], l.past[1:]...)
		return t
	}
	t := l.now
	l.now = tally{}
	l.until = end + l.length
	return t
}
