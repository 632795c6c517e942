package meter

import (
	"runtime"
	"sync/atomic"
)

// sides lets one goroutine write without waiting while another reads what was written
// before: the writer uses one of two values until the reader turns it to the other.
type sides[T any] struct {
	of     [2]T
	active atomic.Uint32 // which one the writer uses
	writes atomic.Uint64 // begun and ended; odd while the writer is in a value
}

// begin returns the value to write to. The writer calls end when it is done with it.
func (s *sides[T]) begin() *T {
	s.writes.Add(1)
	return &s.of[s.active.Load()]
}

func (s *sides[T]) end() { s.writes.Add(1) }

// turn returns the value that was written to so far, and has the writer use the other. It
// waits for the writer to leave the value: a write that begins later finds the other one.
func (s *sides[T]) turn() *T {
	old := s.active.Load()
	s.active.Store(1 - old)
	if n := s.writes.Load(); n%2 == 1 {
		for s.writes.Load() == n {
			runtime.Gosched()
		}
	}
	return &s.of[old]
}
