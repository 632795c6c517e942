package local

import (
	"slices"
	"sync"

	"github.com/saspart/saspart/engine/internal/operator"
	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
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

func newShared(subtasks, reducers int) *shared {
	return &shared{
		announcements: loop.NewAnnouncements(subtasks), running: subtasks,
		plans: []plannedReducers{{0, operator.PlanReducers(reducers, nil)}},
	}
}

// begin appends what a subtask adopts with a slide to dst.
func (b *shared) begin(subtask int, slide int64, dst []loop.Announcement) []loop.Announcement {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.announcements.Begin(subtask, slide, dst)
}

// catchUp returns the route that a late subtask adopts inside its slide, and false if
// there is none.
func (b *shared) catchUp(subtask int) (loop.Announcement, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.announcements.CatchUp(subtask)
}

// route announces a route.
func (b *shared) route(r *policy.Route) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.announcements.Route(r)
}

// change announces the routers of another partitioner.
func (b *shared) change(name string, routers []partition.Router) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.announcements.Switch(name, routers)
}

// learn announces a window to learn from.
func (b *shared) learn(w *policy.Window) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.announcements.Window(w)
}

// gossip records what a subtask's router shares at the end of a slide.
func (b *shared) gossip(subtask int, slide int64, snapshot any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.announcements.Gossip(subtask, slide, snapshot)
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
