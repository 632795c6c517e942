package operator

import (
	"testing"
	"time"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/jobtest"
	"github.com/saspart/saspart/stream"
)

// TestCombineAgeIsFromArrival: records that were due long ago, of a job that is behind,
// are kept as long as others are.
func TestCombineAgeIsFromArrival(t *testing.T) {
	c := engine.Default()
	c.Combine, c.CombineAge = engine.CombineLocal, 20*time.Millisecond
	l := NewLanes(&c, jobtest.NewTask(t, "count"), 0)
	n := l.Turn()
	late := stream.Record{Key: "late", Hash: 1, Time: 0}
	const now = int64(5 * time.Second)
	n.Fold(&late, 0, now)
	n.Fold(&late, 0, now+int64(19*time.Millisecond))
	if l.Old(n, now+int64(19*time.Millisecond)) {
		t.Error("flushed before its age")
	}
	if !l.Old(n, now+int64(20*time.Millisecond)) {
		t.Error("not flushed at its age")
	}
}
