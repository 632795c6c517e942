package tally

import (
	"github.com/saspart/saspart/partition"
)

// SlideLoads counts the records sent to each worker in the current slide and the
// slides-1 before it. Counts are kept as float64, exact up to 2^53, because the
// rules divide by them.
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

// Lightest finds the least loaded worker of a set, the lowest index among equals.
//
// It is a heap over the loads as they were when last looked at: as long as loads
// only grow, a remembered load is a lower bound, so a top whose load is still
// right is the least of all. Adding a record to a worker costs nothing here; a
// query pays O(log n) for each worker that has left the top since the last one:
// little for the set of all workers, which is asked for often. The set of one key
// is not, and where loads are level every load that its heap remembers is out of
// date by then; so once that shows, or from the start if the set is small, it is
// scanned. After loads have shrunk, refresh.
type Lightest struct {
	Heap []Weighed
	all  bool
}

// Weighed is a worker and its load when that was last looked at.
type Weighed struct {
	load   float64
	Worker int32
}

// NewLightest is over all of 0..workers-1.
func NewLightest(workers int) Lightest {
	l := Lightest{Heap: make([]Weighed, workers), all: true}
	for w := range l.Heap {
		l.Heap[w].Worker = int32(w)
	}
	return l
}

// Add puts worker w, not yet a member, into the set.
func (l *Lightest) Add(w int, load []float64) {
	l.Heap = append(l.Heap, Weighed{load[w], int32(w)})
	for i := len(l.Heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !l.Heap[i].less(l.Heap[up]) {
			return
		}
		l.Heap[i], l.Heap[up] = l.Heap[up], l.Heap[i]
		i = up
	}
}

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
		now := load[top.Worker]
		if now == top.load {
			return int(top.Worker)
		}
		top.load = now
		l.down(0)
	}
	best := l.Heap[0].Worker
	least := load[best]
	for _, m := range l.Heap[1:] {
		if now := load[m.Worker]; now < least || now == least && m.Worker < best {
			best, least = m.Worker, now
		}
	}
	return int(best)
}

// Refresh takes over loads that may have shrunk. O(n).
func (l *Lightest) Refresh(load []float64) {
	for i := range l.Heap {
		l.Heap[i].load = load[l.Heap[i].Worker]
	}
	for i := len(l.Heap)/2 - 1; i >= 0; i-- {
		l.down(i)
	}
}

func (l *Lightest) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(l.Heap) {
			return
		}
		if child+1 < len(l.Heap) && l.Heap[child+1].less(l.Heap[child]) {
			child++
		}
		if !l.Heap[child].less(l.Heap[i]) {
			return
		}
		l.Heap[i], l.Heap[child] = l.Heap[child], l.Heap[i]
		i = child
	}
}

func (a Weighed) less(b Weighed) bool {
	return a.load < b.load || a.load == b.load && a.Worker < b.Worker
}

// SlideClock turns the slide numbers of EndSlide into single steps, so that a
// slide without records ages state as much as any other.
type SlideClock struct {
	Now int64 // the current slide
}

// Passed returns how many slides ended, at most most: after that many steps
// nothing is left to age.
func (c *SlideClock) Passed(slide int64, most int) int {
	n := c.Ahead(slide, most)
	c.Now = max(c.Now, slide+1)
	return n
}

// Ahead is what passed would return, without passing.
func (c *SlideClock) Ahead(slide int64, most int) int {
	return int(max(0, min(slide+1-c.Now, int64(most))))
}

// MergeAmong is Merge, unless there is only one worker to go to.
func MergeAmong(workers int) partition.Dest {
	if workers == 1 {
		return 0
	}
	return partition.Merge
}
