package operator

import (
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/stream"
)

// Lanes are the instances of a sender's local aggregation. Owned by one goroutine.
type Lanes struct {
	All  []Lane
	next int
	keys int   // flushed at this number of keys
	age  int64 // and when the first record has been there so long, ns
}

// Lane is one of them.
type Lane struct {
	Worker int // whose processor it runs on
	Comb   *Combiner
	Due    []int64 // of the records since the last flush, ns
	since  int64   // when the first of them came, ns
	most   int     // keys it had at most since that was last asked
}

// NewLanes makes the instances of a sender: the workers are shared out among all
// senders, each at least one.
func NewLanes(c *engine.Config, task stream.Task, subtask int) *Lanes {
	if c.Combine != engine.CombineLocal {
		return nil
	}
	l := &Lanes{keys: c.CombineKeys, age: c.CombineAge.Nanoseconds()}
	for w := subtask % c.Workers; w < c.Workers; w += c.Partitioners {
		l.All = append(l.All, Lane{Worker: w, Comb: NewCombiner(task, 1)})
	}
	return l
}

// Turn is the instance that the next record goes to.
func (l *Lanes) Turn() *Lane {
	n := &l.All[l.next]
	if l.next++; l.next == len(l.All) {
		l.next = 0
	}
	return n
}

// Old reports whether an instance has to be flushed because of its oldest record; now in ns.
func (l *Lanes) Old(n *Lane, now int64) bool { return len(n.Due) > 0 && now-n.since >= l.age }

// Full reports whether an instance has reached its limit of keys and must be flushed.
func (l *Lanes) Full(n *Lane) bool { return len(n.Comb.entries) >= l.keys }

// Fold aggregates a record at time now, ns.
func (n *Lane) Fold(r *stream.Record, slide, now int64) {
	if len(n.Due) == 0 {
		n.since = now
	}
	n.Comb.Add(r, slide, false)
	n.Due = append(n.Due, r.Time)
	n.most = max(n.most, len(n.Comb.entries))
}

// Held is the number of (key, instance) pairs that had state at most since it was last
// asked for, and the bytes that it took at most.
func (l *Lanes) Held() (pairs, bytes int64) {
	if l == nil {
		return 0, 0
	}
	for i := range l.All {
		n := &l.All[i]
		pairs += int64(n.most)
		bytes += n.Comb.Held()
		n.most = len(n.Comb.entries)
	}
	return pairs, bytes
}
