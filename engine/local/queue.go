package local

import (
	"sync"

	"github.com/saspart/saspart/engine/internal/operator"
)

// inbox is the bounded input queue of one actor of a job: many senders, one receiver. Its
// lock is taken once for a run of elements, not for each. Sender and receiver exchange two
// buffers, so that nothing is allocated once these have grown, and memory stays as small
// as the use of the queue allows.
type inbox[T any] struct {
	limit int
	wake  chan<- struct{} // of the receiver

	mu      sync.Mutex
	in      []T
	fill    int             // elements that count and whose service has not begun
	freed   picos           // when service of the last one released began
	idle    bool            // the receiver has found nothing and waits
	blocked []chan struct{} // senders that wait for space
}

func newInbox[T any](limit int, wake chan<- struct{}) *inbox[T] {
	return &inbox[T]{limit: limit, wake: wake}
}

// open locks the queue and returns space for up to n elements, to be written before
// shut. A sender that gets less than n is woken by the next release. freed is when the
// space was last released.
func (q *inbox[T]) open(n int, sender chan struct{}) (room []T, freed picos) {
	q.mu.Lock()
	if free := q.limit - q.fill; n > free {
		n = max(0, free)
		q.blocked = append(q.blocked, sender)
	}
	q.fill += n
	return q.extend(n), q.freed
}

// extend grows the buffer by n elements and returns these.
func (q *inbox[T]) extend(n int) []T {
	at := len(q.in)
	if at+n > cap(q.in) {
		grown := make([]T, at, min(2*(at+n), q.limit+at+n))
		copy(grown, q.in)
		q.in = grown
	}
	q.in = q.in[:at+n]
	return q.in[at:]
}

// shut unlocks the queue and wakes a receiver that waits for elements.
func (q *inbox[T]) shut() {
	wake := q.idle && len(q.in) > 0
	if wake {
		q.idle = false
	}
	q.mu.Unlock()
	if wake {
		poke(q.wake)
	}
}

// force appends a mark, which does not count towards the limit.
func (q *inbox[T]) force(v T) {
	q.mu.Lock()
	q.extend(1)[0] = v
	q.shut()
}

// take exchanges the receiver's used buffer for the elements of the queue. If there are
// none, the next element wakes the receiver.
func (q *inbox[T]) take(used []T) []T {
	q.mu.Lock()
	out := q.in
	q.in = used[:0]
	q.idle = len(out) == 0
	q.mu.Unlock()
	return out
}

// release makes space for n more elements: the service of n has begun, the last at the
// given time.
func (q *inbox[T]) release(n int, at picos) {
	q.mu.Lock()
	q.fill -= n
	q.freed = at
	for _, sender := range q.blocked {
		poke(sender)
	}
	q.blocked = q.blocked[:0]
	q.mu.Unlock()
}

// level is how full the queue is, 0..1.
func (q *inbox[T]) level() float64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return float64(q.fill) / float64(q.limit)
}

// poke leaves a token in a channel that holds one.
func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// watermark is how far all inputs of an actor have come: the lowest of the marks
// that each has sent, in ascending order.
type watermark struct {
	marks []int64
	low   int64
	left  int // inputs whose mark is the lowest
}

func newWatermark(inputs int) watermark {
	w := watermark{marks: make([]int64, inputs), low: operator.NoSlide, left: inputs}
	for i := range w.marks {
		w.marks[i] = operator.NoSlide
	}
	return w
}

// advance takes the mark of an input in, and reports whether the lowest has risen.
func (w *watermark) advance(input int, mark int64) bool {
	before := w.marks[input]
	w.marks[input] = mark
	if before != w.low || mark == before {
		return false
	}
	if w.left--; w.left > 0 {
		return false
	}
	w.low = mark
	for _, m := range w.marks {
		if m < w.low {
			w.low, w.left = m, 0
		}
		if m == w.low {
			w.left++
		}
	}
	return true
}
