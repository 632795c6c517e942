package local

import (
	"time"

	"github.com/saspart/saspart/engine/internal/operator"
)

// picos is time on the clock of an emulated worker.
type picos = operator.Picos

// never is after every time.
const never = 1<<63 - 1

// actor is what the goroutines of a job have in common. Wherever one waits, it still answers
// measurements, and returns when the job is stopped.
type actor struct {
	clock  *wallClock
	stop   <-chan struct{}
	ask    chan *measurement // holds one
	wake   chan struct{}     // holds one: what the actor waits for may have happened
	timer  *time.Timer
	answer func(*measurement)
}

// wallClock reads ns since the job's start.
type wallClock struct{ start time.Time }

func (c *wallClock) now() int64 { return int64(time.Since(c.start)) }

// wait returns when the actor is woken, perhaps without cause, when it has answered a
// measurement, or when the clock reads until; false when the job has been stopped.
func (a *actor) wait(until int64) bool {
	var timeout <-chan time.Time
	if until != never {
		d := until - a.clock.now()
		if d <= 0 {
			return a.poll()
		}
		a.timer.Reset(time.Duration(d))
		timeout = a.timer.C
	}
	select {
	case <-a.wake:
	case <-timeout:
	case c := <-a.ask:
		a.answer(c)
	case <-a.stop:
		return false
	}
	return true
}

// waitUntil returns when the clock reads until, not before; false when the job
// has been stopped.
func (a *actor) waitUntil(until int64) bool {
	for a.clock.now() < until {
		if !a.wait(until) {
			return false
		}
	}
	return true
}

// poll answers a measurement, if there is one; false when the job has been stopped.
func (a *actor) poll() bool {
	select {
	case <-a.stop:
		return false
	default:
	}
	if len(a.ask) > 0 {
		a.answer(<-a.ask)
	}
	return true
}

// rest answers measurements until the job is stopped.
func (a *actor) rest() {
	for a.wait(never) {
	}
}

// Emulated time. A worker's schedule is the recurrence of the sim engine, and the wall
// clock only paces it: a worker whose schedule is ahead of the clock sleeps until the clock
// has caught up. Waking late does no harm, because the next service starts by the schedule:
// rates are exact in the long run. Only the delay of a machine that is too slow counts in
// real time.
const (
	// ahead is how far a schedule runs ahead of the clock before its worker
	// sleeps: long enough for the sleeps of many workers to fit few cores.
	ahead = int64(time.Millisecond)
	// senderSlack is how late a partitioner subtask may send a record and still
	// have it count as sent on time.
	senderSlack = int64(100 * time.Millisecond)
	// serviceSlack is how far a worker with work may fall behind the clock without the
	// delay counting as work. Both are longer than a busy machine keeps a goroutine from
	// running, and short against a window. serviceSlack is longer than senderSlack, or
	// waiting for a delayed subtask would look like work.
	serviceSlack = int64(250 * time.Millisecond)
)

// busyTime is the working time of a worker or reducer.
type busyTime struct {
	emulated bool
	begun    picos // emulated: when the last service began
	end      picos // emulated: when it ended
	since    int64 // native: until when busy time has been booked, ns
	busy     picos // booked so far

	reported   picos // of busy, in reports
	reportedAt int64 // when the last report was made, ns
}

// serve adds the service of something that was ready at a time, and returns when it ends.
// Marks are served too, at no cost, so that the schedule is never behind them.
func (l *busyTime) serve(ready, cost picos) picos {
	l.begun = max(ready, l.end)
	l.end = l.begun + cost
	l.busy += cost
	return l.end
}

// begin starts a stretch of work at time now.
func (l *busyTime) begin(now int64) { l.since = now }

// settle adds the work done until now: native, the time it took; emulated, the delay
// beyond the schedule.
func (l *busyTime) settle(now int64) {
	if !l.emulated {
		l.busy += operator.FromNanos(now - l.since)
		l.since = now
		return
	}
	if late := operator.FromNanos(now-serviceSlack) - l.end; late > 0 {
		l.end += late
		l.busy += late
	}
}

// ratio is the busy ratio since the last report.
func (l *busyTime) ratio(now int64) float64 {
	busy := l.busy
	if l.emulated {
		busy -= max(0, l.end-operator.FromNanos(now))
	}
	length := operator.FromNanos(now - l.reportedAt)
	r := float64(busy-l.reported) / float64(max(1, length))
	l.reported, l.reportedAt = busy, now
	return min(1, max(0, r))
}
