package flink

import (
	"sync"
	"time"

	"github.com/saspart/saspart/engine"
)

// rates sends a job its rate, as its arrivals give it, on the wall clock. A source applies a
// rate when its next slide starts. So each rate is sent early: most of a slide before it
// holds.
type rates struct {
	slide    time.Duration
	subtasks float64
	tell     func(rate float64) error

	mu       sync.Mutex
	arrivals engine.Arrivals

	stop    chan struct{}
	stopped chan struct{} // closed when run has returned; nil: not started
}

func newRates(a engine.Arrivals, c *engine.Config, tell func(rate float64) error) *rates {
	return &rates{slide: c.Slide, subtasks: float64(c.Partitioners), tell: tell, arrivals: a, stop: make(chan struct{})}
}

// start begins with the next window that leaves time to tell the sources, and returns its
// number. Windows are numbered from the epoch.
func (r *rates) start(now time.Time, window time.Duration) (first int) {
	first = int((now.UnixNano()+int64(r.slide))/int64(window)) + 1
	zero := time.Unix(0, int64(first)*int64(window))
	r.stopped = make(chan struct{})
	go r.run(zero)
	return first
}

// run sends the rate whenever it changes, until stop is closed.
func (r *rates) run(zero time.Time) {
	defer close(r.stopped)
	early := r.slide * 3 / 4
	last := -1.0
	ticks := time.NewTicker(min(max(r.slide/16, time.Millisecond), 50*time.Millisecond))
	defer ticks.Stop()
	for {
		if at := time.Since(zero) + early; at >= 0 {
			r.mu.Lock()
			rate := r.arrivals.RateAt(at) * r.subtasks
			r.mu.Unlock()
			// A job that is not attached gets it when it comes back.
			if rate != last && r.tell(rate) == nil {
				last = rate
			}
		}
		select {
		case <-ticks.C:
		case <-r.stop:
			return
		}
	}
}

// observe passes the busy ratio of a window to the arrivals.
func (r *rates) observe(end time.Duration, busiest float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.arrivals.Observe(end, busiest)
}

// close stops sending rates, and returns when no more are sent.
func (r *rates) close() {
	close(r.stop)
	if r.stopped != nil {
		<-r.stopped
	}
}
