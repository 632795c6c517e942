package local

import (
	"slices"
	"sync"

	"github.com/saspart/saspart/engine/internal/operator"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
)

// board is where the partitioner subtasks of a job learn what they have to
// take up when they begin a slide. A subtask begins a slide and reads the board
// under one lock, once a slide; an announcement picks its slide under the same
// lock. So the slide announced is one that no subtask has begun, whatever races.
type board struct {
	mu       sync.Mutex
	begun    int64      // the latest slide that any subtask has begun
	running  int        // subtasks whose source has not ended
	pending  [][]notice // by subtask, in the order of announcement
	rounds   map[int64]*operator.Round
	switches int
	turns    int               // routes and routers announced since the first slide was begun
	plans    []plannedReducers // by slide, ascending
	fan      operator.FanOut   // of the windows reduced since the last census
}

// notice is something to be taken up with the beginning of a slide.
type notice struct {
	slide  int64            // the first slide it holds for
	route  *policy.Route    // to follow
	router partition.Router // to route by
	scheme string           // name of the router's scheme
	turn   int              // of a route or router: how many had been announced, with it
	shares []any            // to absorb, of routers of the given switch
	epoch  int              // number of the switch that shares belong to
	window *policy.Window   // to learn from
}

// plannedReducers is the plan for the slides from one on.
type plannedReducers struct {
	slide int64
	plan  *operator.ReducerPlan
}

func newBoard(subtasks, reducers int) *board {
	return &board{
		begun: -1, running: subtasks, pending: make([][]notice, subtasks), rounds: map[int64]*operator.Round{},
		plans: []plannedReducers{{0, operator.PlanReducers(reducers, nil)}},
	}
}

// begin tells that a subtask begins a slide, and appends what it has to take up
// to dst.
func (b *board) begin(subtask int, slide int64, dst []notice) []notice {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begun = max(b.begun, slide)
	later := b.pending[subtask][:0]
	for _, n := range b.pending[subtask] {
		if n.slide <= slide {
			dst = append(dst, n)
		} else {
			later = append(later, n)
		}
	}
	clear(b.pending[subtask][len(later):])
	b.pending[subtask] = later
	return dst
}

// hurry takes down what a subtask that is behind takes up inside its slide: the
// newest route announced and, unheeded, those before it. Routes announced after
// another router are that one's and stay.
func (b *board) hurry(subtask int) (newest notice, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switched := false
	b.pending[subtask] = slices.DeleteFunc(b.pending[subtask], func(n notice) bool {
		switched = switched || n.router != nil
		if switched || n.route == nil {
			return false
		}
		newest, ok = n, true
		return true
	})
	return newest, ok
}

// announced numbers what is announced; it is 0 for all that is in force from the
// first record.
func (b *board) announced() int {
	if b.begun >= 0 {
		b.turns++
	}
	return b.turns
}

// route announces a route to all subtasks. One announced for the same slide
// before, which therefore never was in force, is taken down.
func (b *board) route(r *policy.Route) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at, turn := b.begun+1, b.announced()
	for i := range b.pending {
		b.pending[i] = slices.DeleteFunc(b.pending[i], func(n notice) bool { return n.route != nil && n.slide == at })
		b.pending[i] = append(b.pending[i], notice{slide: at, route: r, turn: turn})
	}
}

// change announces new routers, one per subtask.
func (b *board) change(scheme string, routers []partition.Router) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.switches++
	turn := b.announced()
	for i, r := range routers {
		b.pending[i] = append(b.pending[i], notice{slide: b.begun + 1, router: r, scheme: scheme, epoch: b.switches, turn: turn})
	}
}

// learn announces a window, to be taken up at each subtask's next slide.
func (b *board) learn(w *policy.Window) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.pending {
		b.pending[i] = append(b.pending[i], notice{slide: operator.NoSlide, window: w})
	}
}

// share collects what the router of a subtask tells at the end of a slide. Once
// all that still run have told, everybody takes all of it up with its next slide.
func (b *board) share(subtask int, slide int64, epoch int, told any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.rounds[slide]
	if r == nil {
		r = &operator.Round{Shares: make([]any, len(b.pending))}
		b.rounds[slide] = r
	}
	r.Shares[subtask] = told
	if r.Told++; r.Told < b.running {
		return
	}
	for old := range b.rounds { // earlier ones stay short of a subtask that has ended
		if old <= slide {
			delete(b.rounds, old)
		}
	}
	for i := range b.pending {
		b.pending[i] = append(b.pending[i], notice{slide: operator.NoSlide, shares: r.Shares, epoch: epoch})
	}
}

// leave tells that a subtask's source has ended.
func (b *board) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running--
}

// reduced tells of the windows that ended with slide, all of whose results are
// in: their fan-out, and that of each key which passed a reducer, from which the
// reducers of later slides are planned.
func (b *board) reduced(slide int64, total operator.FanOut, plan *operator.ReducerPlan) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fan.Pairs += total.Pairs
	b.fan.Keys += total.Keys
	if b.running == 0 { // no slide is left that nobody has begun
		return
	}
	for len(b.plans) > 1 && b.plans[1].slide <= slide+1 { // no worker goes back to it
		b.plans = slices.Delete(b.plans, 0, 1)
	}
	b.plans = append(b.plans, plannedReducers{b.begun + 1, plan})
}

// plan is the reducer plan of a slide: the same for every worker, because it was
// announced before any subtask began the slide.
func (b *board) plan(slide int64) *operator.ReducerPlan {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := len(b.plans) - 1
	for i > 0 && b.plans[i].slide > slide {
		i--
	}
	return b.plans[i].plan
}

// fanOut is the mean fan-out since it was last asked for.
func (b *board) fanOut() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fan.Mean()
}
