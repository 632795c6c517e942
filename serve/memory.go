package serve

import (
	"sync"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/serve/wire"
)

// ledger is the memory that jobs and their streams are expected to take, within a limit for
// all of them together.
type ledger struct {
	limit int64 // bytes

	mu    sync.Mutex
	taken int64
}

// take adds bytes; false, and nothing is added, if that would be beyond the limit.
func (l *ledger) take(bytes int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken+bytes > l.limit {
		return false
	}
	l.taken += bytes
	return true
}

// give gives back what was taken.
func (l *ledger) give(bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken -= bytes
}

func (l *ledger) now() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.taken
}

// jobBytes is the memory that a job is expected to take at most: two windows that are as full as
// windows may be, its controller, and the analytic one. A job without times takes about a
// quarter. TestMemoryOfJobs compares the estimate with what jobs take.
func jobBytes(s *reports.Shape) int64 {
	const (
		base      = 128 << 10
		perWorker = 2 << 10
		perCell   = 4        // of a subtask and a slide
		perSlot   = 5 << 8   // 2 times of it in each window and, for each worker, in each estimate of costs
		perKey    = 16 << 10 // 64 realised shares and 16 times in each window, the times in each estimate, lists and routes
	)
	subtasks := int64(s.Workers + s.Partitioners + s.Reducers)
	return base + int64(s.Workers)*perWorker + subtasks*(512+perCell*int64(s.Slides)) + int64(s.Slots)*perSlot + int64(s.KeyLimit())*perKey
}

// streamBytes is the memory that a stream is expected to take: buffers, and the keys that
// packed reports of partitioners refer to.
func streamBytes(h *wire.Hello) int64 {
	const base, perKey = 128 << 10, 2 << 10
	if len(h.Partitioners) == 0 {
		return base
	}
	return base + perKey*int64(h.Shape.KeyLimit())
}
