package engine

import (
	"testing"
	"time"

	"github.com/saspart/saspart/stream"
)

// TestCombineAgeIsFromArrival: records that were due long ago, of a job that is behind,
// are kept as long as others are.
func TestCombineAgeIsFromArrival(t *testing.T) {
	c := Default()
	c.Combine, c.CombineAge = CombineLocal, 20*time.Millisecond
	l := newLanes(&c, newTask(t, "count"), 0)
	n := l.turn()
	late := stream.Record{Key: "late", Hash: 1, Time: 0}
	const now = int64(5 * time.Second)
	n.fold(&late, 0, now)
	n.fold(&late, 0, now+int64(19*time.Millisecond))
	if l.old(n, now+int64(19*time.Millisecond)) {
		t.Error("flushed before its age")
	}
	if !l.old(n, now+int64(20*time.Millisecond)) {
		t.Error("not flushed at its age")
	}
}
