package engine

import (
	"github.com/saspart/saspart/stream"
)

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
