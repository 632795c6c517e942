package local

import (
	"slices"
	"sync"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/operator"
	"github.com/saspart/saspart/loop"
)

// shared is what the goroutines of a job share, under one lock that each takes about once
// per slide. A subtask begins a slide under the lock, and an announcement chooses its slide
// under the lock: so no subtask has begun that slide, however the goroutines race.
type shared struct {
	mu            sync.Mutex
	announcements *loop.Announcements
	running       int               // subtasks whose source has not ended
	plans         []plannedReducers // by slide, ascending
	fan           operator.FanOut   // of the aggregation windows reduced since the last measurement
}

// plannedReducers is the plan for the slides from one on.
type plannedReducers struct {
	slide int64
	plan  *operator.ReducerPlan
}

func newShared(c *engine.Config, seed uint64) *shared {
	return &shared{
		announcements: loop.NewAnnouncements(c.Partitioners, c.Metrics, seed), running: c.Partitioners,
		plans: []plannedReducers{{0, operator.PlanReducers(c.Reducers, nil)}},
	}
}

// announce calls do with the announcements under the lock.
func (b *shared) announce(do func(*loop.Announcements)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	do(b.announcements)
}

// end says that a subtask's source has ended.
func (b *shared) end(subtask int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.announcements.End(subtask)
	b.running--
}

// reduced records the aggregation windows that ended with slide, all of whose results are
// in: their fan-out, and the plan made of it for the slides that no subtask has begun.
func (b *shared) reduced(slide int64, total operator.FanOut, plan *operator.ReducerPlan) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fan.Pairs += total.Pairs
	b.fan.Keys += total.Keys
	if b.running == 0 {
		return
	}
	for len(b.plans) > 1 && b.plans[1].slide <= slide+1 { // every worker is past it
		b.plans = slices.Delete(b.plans, 0, 1)
	}
	b.plans = append(b.plans, plannedReducers{b.announcements.Next(), plan})
}

// plan is the reducer plan of a slide. Every worker gets the same one, because it was
// chosen before any subtask began the slide.
func (b *shared) plan(slide int64) *operator.ReducerPlan {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := len(b.plans) - 1
	for i > 0 && b.plans[i].slide > slide {
		i--
	}
	return b.plans[i].plan
}

// fanOut returns the fan-out since the last call.
func (b *shared) fanOut() operator.FanOut {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.fan
	b.fan = operator.FanOut{}
	return f
}
