package tally

import (
	"time"

	"github.com/saspart/saspart/internal/minheap"
	"github.com/saspart/saspart/partition"
)

// SlideLoads counts the records sent to each worker in the last slides, the current one
// included. Counts are float64, exact up to 2^53, because the rules divide by them.
type SlideLoads struct {
	Load    []float64 // per worker, over all the slides counted
	Total   float64   // sum of load
	settled []float64 // load at the start of the current slide
	ring    []float64 // slides x workers: what each slide added; nil keeps all slides for ever
	row     int       // the current slide's row of ring
}

// NewSlideLoads counts over slides slides; 0 counts since the job's start.
func NewSlideLoads(workers, slides int) *SlideLoads {
	return &SlideLoads{
		Load:    make([]float64, workers),
		settled: make([]float64, workers),
		ring:    make([]float64, workers*slides),
	}
}

// Add counts a record to worker w.
func (s *SlideLoads) Add(w int) {
	s.Load[w]++
	s.Total++
}

// EndSlide begins a new slide and forgets the oldest one. O(P).
func (s *SlideLoads) EndSlide() {
	p := len(s.Load)
	if len(s.ring) == 0 {
		return
	}
	ended := s.ring[s.row*p : (s.row+1)*p]
	s.row = (s.row + 1) % (len(s.ring) / p)
	oldest := s.ring[s.row*p : (s.row+1)*p]
	for w := range s.Load {
		ended[w] = s.Load[w] - s.settled[w]
		s.Load[w] -= oldest[w]
		s.Total -= oldest[w]
		s.settled[w] = s.Load[w]
		oldest[w] = 0
	}
}

// Lightest finds the least loaded worker of a set, of equals the one with the lowest index.
//
// It is a heap of the loads as last seen. While loads only grow, a load last seen is a lower
// bound, so the first worker is the lightest if its load has not changed. Adding a record to a
// worker costs nothing here. A query takes O(log n) for each worker that has left the top since
// the last query, which is little for the set of all workers, as every hot record queries it.
// The set of one key is queried rarely. If loads are level, all loads last seen are out of date
// by then. Small sets are therefore always scanned, and larger ones after a few stale workers.
// After loads have shrunk, call Refresh.
type Lightest struct {
	Heap minheap.Heap[float64, int32] // of loads as last seen, by worker
	all  bool
}

// NewLightest returns the set of all workers from 0 to workers-1.
func NewLightest(workers int) Lightest {
	l := Lightest{Heap: make(minheap.Heap[float64, int32], workers), all: true}
	for w := range l.Heap {
		l.Heap[w].ID = int32(w)
	}
	return l
}

// Add puts worker w, not yet a member, into the set.
func (l *Lightest) Add(w int, load []float64) { l.Heap.Push(load[w], int32(w)) }

// Clear empties the set.
func (l *Lightest) Clear() { l.Heap = l.Heap[:0] }

// Min returns the member with the least load. The set must not be empty.
func (l *Lightest) Min(load []float64) int {
	tries := len(l.Heap) / 8
	if len(l.Heap) <= 64 {
		tries = 0
	}
	for ; l.all || tries > 0; tries-- {
		top := &l.Heap[0]
		now := load[top.ID]
		if now == top.Key {
			return int(top.ID)
		}
		top.Key = now
		l.Heap.FixFirst()
	}
	best := l.Heap[0].ID
	least := load[best]
	for _, m := range l.Heap[1:] {
		if now := load[m.ID]; now < least || now == least && m.ID < best {
			best, least = m.ID, now
		}
	}
	return int(best)
}

// Refresh updates the loads last seen, which may have shrunk. O(n).
func (l *Lightest) Refresh(load []float64) {
	for i := range l.Heap {
		l.Heap[i].Key = load[l.Heap[i].ID]
	}
	l.Heap.Fix()
}

// SlideClock turns the slide numbers of EndSlide into single steps, so that a slide without
// records ages state too.
type SlideClock struct {
	Now int64 // the current slide
}

// Passed notes that a slide has ended and returns how many slides that are, at most most: after
// so many steps all state has aged out.
func (c *SlideClock) Passed(slide int64, most int) int {
	n := c.Ahead(slide, most)
	c.Now = max(c.Now, slide+1)
	return n
}

// Ahead returns what Passed would, and leaves the clock as it is.
func (c *SlideClock) Ahead(slide int64, most int) int {
	return int(max(0, min(slide+1-c.Now, int64(most))))
}

// SlidesIn returns how many slides an interval takes, rounded up.
func SlidesIn(interval, slide time.Duration) int64 {
	return max(1, int64((interval+slide-1)/slide))
}

// MergeAmong returns partition.Merge, or 0 if there is only one worker.
func MergeAmong(workers int) partition.Dest {
	if workers == 1 {
		return 0
	}
	return partition.Merge
}
