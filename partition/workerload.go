package partition

// slideLoads counts the records sent to each worker in the current slide and the
// slides-1 before it. Counts are kept as float64, exact up to 2^53, because the
// rules divide by them.
type slideLoads struct {
	load    []float64 // per worker, over all the slides counted
	total   float64   // sum of load
	settled []float64 // load at the start of the current slide
	ring    []float64 // slides x workers: what each slide added; nil keeps all slides for ever
	row     int       // the current slide's row of ring
}

// newSlideLoads counts over slides slides; 0 counts since the job's start.
func newSlideLoads(workers, slides int) *slideLoads {
	return &slideLoads{
		load:    make([]float64, workers),
		settled: make([]float64, workers),
		ring:    make([]float64, workers*slides),
	}
}

// add counts a record to worker w.
func (s *slideLoads) add(w int) {
	s.load[w]++
	s.total++
}

// endSlide begins a new slide and forgets the oldest one. O(P).
func (s *slideLoads) endSlide() {
	p := len(s.load)
	if len(s.ring) == 0 {
		return
	}
	ended := s.ring[s.row*p : (s.row+1)*p]
	s.row = (s.row + 1) % (len(s.ring) / p)
	oldest := s.ring[s.row*p : (s.row+1)*p]
	for w := range s.load {
		ended[w] = s.load[w] - s.settled[w]
		s.load[w] -= oldest[w]
		s.total -= oldest[w]
		s.settled[w] = s.load[w]
		oldest[w] = 0
	}
}

// lightest finds the least loaded worker of a set, the lowest index among equals.
//
// It is a heap over the loads as they were when last looked at: as long as loads
// only grow, a remembered load is a lower bound, so a top whose load is still
// right is the least of all. Adding a record to a worker costs nothing here; a
// query pays O(log n) for each worker that has left the top since the last one:
// little for the set of all workers, which is asked for often. The set of one key
// is not, and where loads are level every load that its heap remembers is out of
// date by then; so once that shows, or from the start if the set is small, it is
// scanned. After loads have shrunk, refresh.
type lightest struct {
	heap []weighed
	all  bool
}

type weighed struct {
	load   float64
	worker int32
}

// newLightest is over all of 0..workers-1.
func newLightest(workers int) lightest {
	l := lightest{heap: make([]weighed, workers), all: true}
	for w := range l.heap {
		l.heap[w].worker = int32(w)
	}
	return l
}

// add puts worker w, not yet a member, into the set.
func (l *lightest) add(w int, load []float64) {
	l.heap = append(l.heap, weighed{load[w], int32(w)})
	for i := len(l.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !l.heap[i].less(l.heap[up]) {
			return
		}
		l.heap[i], l.heap[up] = l.heap[up], l.heap[i]
		i = up
	}
}

// clear empties the set.
func (l *lightest) clear() { l.heap = l.heap[:0] }

// min returns the member with the least load. The set must not be empty.
func (l *lightest) min(load []float64) int {
	tries := len(l.heap) / 8
	if len(l.heap) <= 64 {
		tries = 0
	}
	for ; l.all || tries > 0; tries-- {
		top := &l.heap[0]
		now := load[top.worker]
		if now == top.load {
			return int(top.worker)
		}
		top.load = now
		l.down(0)
	}
	best := l.heap[0].worker
	least := load[best]
	for _, m := range l.heap[1:] {
		if now := load[m.worker]; now < least || now == least && m.worker < best {
			best, least = m.worker, now
		}
	}
	return int(best)
}

// refresh takes over loads that may have shrunk. O(n).
func (l *lightest) refresh(load []float64) {
	for i := range l.heap {
		l.heap[i].load = load[l.heap[i].worker]
	}
	for i := len(l.heap)/2 - 1; i >= 0; i-- {
		l.down(i)
	}
}

func (l *lightest) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(l.heap) {
			return
		}
		if child+1 < len(l.heap) && l.heap[child+1].less(l.heap[child]) {
			child++
		}
		if !l.heap[child].less(l.heap[i]) {
			return
		}
		l.heap[i], l.heap[child] = l.heap[child], l.heap[i]
		i = child
	}
}

func (a weighed) less(b weighed) bool {
	return a.load < b.load || a.load == b.load && a.worker < b.worker
}

// slideClock turns the slide numbers of EndSlide into single steps, so that a
// slide without records ages state as much as any other.
type slideClock struct {
	now int64 // the current slide
}

// passed returns how many slides ended, at most most: after that many steps
// nothing is left to age.
func (c *slideClock) passed(slide int64, most int) int {
	n := c.ahead(slide, most)
	c.now = max(c.now, slide+1)
	return n
}

// ahead is what passed would return, without passing.
func (c *slideClock) ahead(slide int64, most int) int {
	return int(max(0, min(slide+1-c.now, int64(most))))
}

// mergeAmong is Merge, unless there is only one worker to go to.
func mergeAmong(workers int) Dest {
	if workers == 1 {
		return 0
	}
	return Merge
}
