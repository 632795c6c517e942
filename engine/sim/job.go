// Package sim runs jobs on a virtual clock: Job, its senders (partitioner subtasks) and
// its workers and reducers, whose queues and service are recurrences.
package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/operator"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// Job is a job on a virtual clock, deterministic from its seed and as fast as
// the machine goes. Records are real and really processed; time is computed.
//
// The subtasks' records are taken in the order in which they are ready to be
// sent: due, and their subtask not held up by an earlier one. Each goes to its
// worker's queue at once or as soon as there is room, which is when its subtask
// can go on. Workers and reducers are recurrences (server), so everything is
// exact as long as no worker is more than a slide behind the others: a reducer
// serves all partial results of a slide before those of the next.
//
// Speeds that change do so at the start of a metric window, for what is sent from then
// on.
//
// Latencies are booked under the window in which a record is sent, counts and
// busy times under the one in which it is served.
type Job struct {
	setup    engine.Setup
	senders  []sender
	workers  []worker
	reducers []server
	merging  operator.Service // of the reducers, all of speed 1
	sink     *operator.Sink
	plan     *operator.ReducerPlan
	latency  *hdrhistogram.Histogram

	window  int64 // length of a metric window, ps
	slide   int64 // length of a slide, ns
	now     int64 // end of the last window handed out, ps
	step    int
	begun   bool  // the first records are loaded
	ended   int64 // slides below this are reduced
	drained bool  // every source has ended and every slide is reduced
	route   *policy.Route
	stale   bool // the route changed inside the window being measured
	failed  error
	rounds  map[int64]*operator.Round // what Sharers told, by slide
	courses []*engine.Course          // how workers' speeds change; nil: they stay
}

// worker is one combiner subtask.
type worker struct {
	server
	operator.Service
	comb *operator.Combiner
}

// New makes a job on a virtual clock.
func New(s engine.Setup) (*Job, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	c := &s.Config
	j := &Job{
		setup: s, window: c.MetricWindow().Nanoseconds() * ps, slide: c.Slide.Nanoseconds(),
		merging: operator.ServiceAt(c, 1), plan: operator.PlanReducers(c.Reducers, nil), rounds: map[int64]*operator.Round{},
		latency: operator.NewLatency(), courses: c.Speeds.Courses(c.Workers, s.Seed),
	}
	for _, speed := range c.Speeds.Of(c.Workers, s.Seed) {
		j.workers = append(j.workers, worker{newServer(c.Queue, j.window), operator.ServiceAt(c, speed), operator.NewCombiner(s.Task, c.WindowSlides())})
	}
	for range c.Reducers {
		j.reducers = append(j.reducers, newServer(c.Queue, j.window))
	}
	for i := range c.Partitioners {
		j.senders = append(j.senders, newSender(&j.setup, i, j.window))
	}
	j.sink = operator.NewSink(s.Results, func(w int32, st stream.State) { j.workers[w].comb.Recycle(st) })
	return j, nil
}

// Next implements Job.
func (j *Job) Next(ctx context.Context) (*policy.Window, error) {
	if j.failed != nil {
		return nil, j.failed
	}
	if !j.begun {
		if err := j.begin(); err != nil {
			j.failed = err
			return nil, err
		}
	}
	end := j.now + j.window
	for w, c := range j.courses {
		j.workers[w].Service = operator.ServiceAt(&j.setup.Config, c.At(j.now/j.window))
	}
	for {
		s, ready, limit := j.earliest()
		if s == nil || ready >= end {
			break
		}
		if err := ctx.Err(); err != nil {
			return nil, err // between two runs of records: the job can go on
		}
		if err := j.advance(s, ready, min(limit, end)); err != nil {
			j.failed = err
			return nil, err
		}
	}
	if j.drained && j.idle() {
		j.failed = io.EOF
		return nil, io.EOF
	}
	w := j.measure(end)
	j.now = end
	return w, nil
}

// begin takes up what was announced before the first window, and loads the first
// records.
func (j *Job) begin() error {
	j.begun = true
	for i := range j.senders {
		s := &j.senders[i]
		if s.takeUp() {
			j.route = s.route
		}
		if err := j.load(s, 0); err != nil {
			return err
		}
	}
	return nil
}

// earliest finds the subtask that is ready first, when that is, and until when
// it may go on before another's turn comes.
func (j *Job) earliest() (first *sender, ready, limit int64) {
	ready, limit = math.MaxInt64, math.MaxInt64
	for i := range j.senders {
		s := &j.senders[i]
		t := s.ready(j.slide)
		if t < ready {
			first, ready, limit = s, t, ready
		} else if t < limit {
			limit = t
		}
	}
	return first, ready, limit
}

// advance lets a subtask send its records that are ready before limit, at least
// one, or end its slide. One that is behind first takes up the newest route.
func (j *Job) advance(s *sender, ready, limit int64) error {
	if len(s.pending) > 0 && operator.Behind(s.slide, j.slide, ready/ps) && s.hurry() {
		j.route, j.stale = s.route, true
	}
	switch {
	case s.pos < len(s.dst) && s.lanes != nil:
		j.combine(s, limit)
	case s.pos < len(s.dst):
		j.send(s, limit)
	default:
		j.endSlide(s, ready)
	}
	if s.pos < len(s.dst) {
		return nil
	}
	return j.load(s, ready)
}

// send is the record path.
func (j *Job) send(s *sender, limit int64) {
	task, slide := j.setup.Task, s.slide
	for first := true; s.pos < len(s.dst); first = false {
		r := &s.batch.Records[s.pos]
		t := max(r.Time*ps, s.free)
		if t >= limit && !first {
			return
		}
		d := s.dst[s.pos]
		s.pos++
		w := &j.workers[d.Worker()]
		if at := w.room(t); at > t {
			s.blocked.work(t, at)
			t = at
		}
		s.free = t + s.cost
		s.sent++
		units := int64(task.Units(r))
		end := w.serve(t, w.Record+units*w.Unit)
		w.done(units)
		j.latency.RecordValue(end/ps - r.Time)
		w.comb.Add(r, slide, d&partition.Merge != 0)
	}
}

// load gets the next records of the subtask's slide, if there are any.
func (j *Job) load(s *sender, now int64) error {
	err := s.load((s.slide + 1) * j.slide)
	if errors.Is(err, io.EOF) {
		if len(s.dst) == 0 {
			now = j.flushAll(s, now)
			s.over = true
			j.reduce(now)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("source of partitioner subtask %d: %w", s.index, err)
	}
	return nil
}

// endSlide ends the subtask's slide at time now: it tells the router, takes up
// what waits for the next slide, and reduces the slides that all subtasks have
// ended.
func (j *Job) endSlide(s *sender, now int64) {
	now = j.flushAll(s, now)
	s.router.EndSlide(s.slide)
	s.free = max(s.free, now)
	j.share(s)
	s.slide++
	if s.takeUp() {
		j.route = s.route
		j.stale = j.stale || now > j.now
	}
	j.reduce(now)
}

// reduce reduces every slide that all subtasks have ended by now.
func (j *Job) reduce(now int64) {
	passed, over := int64(math.MaxInt64), true
	for i := range j.senders {
		if s := &j.senders[i]; !s.over {
			passed, over = min(passed, s.slide), false
		}
	}
	if over {
		if j.drained {
			return
		}
		j.drained = true
		for !j.empty() {
			j.emit(j.ended, now)
			j.ended++
		}
		return
	}
	for ; j.ended < passed; j.ended++ {
		j.emit(j.ended, now)
	}
}

func (j *Job) empty() bool {
	for i := range j.workers {
		if !j.workers[i].comb.Empty() {
			return false
		}
	}
	return true
}

// idle reports whether all service lies behind.
func (j *Job) idle() bool {
	for i := range j.workers {
		if j.workers[i].end > j.now {
			return false
		}
	}
	for i := range j.reducers {
		if j.reducers[i].end > j.now {
			return false
		}
	}
	return true
}

// share collects what a Sharer tells at the end of a slide. Once all subtasks
// that still run have told, each takes all of it up when it next begins a slide.
func (j *Job) share(s *sender) {
	sharer, ok := s.router.(partition.Gossiper)
	if !ok {
		return
	}
	r := j.rounds[s.slide]
	if r == nil {
		r = &operator.Round{Shares: make([]any, len(j.senders))}
		j.rounds[s.slide] = r
	}
	r.Shares[s.index] = sharer.Gossip()
	r.Told++
	running := 0
	for i := range j.senders {
		if !j.senders[i].over {
			running++
		}
	}
	if r.Told < running {
		return
	}
	for slide := range j.rounds { // older ones stay short of a subtask that has ended
		if slide <= s.slide {
			delete(j.rounds, slide)
		}
	}
	for i := range j.senders {
		o := &j.senders[i]
		o.await(change{slide: o.slide + 1, shares: r.Shares})
	}
}

// Apply implements Job. The route holds from the first slide that no subtask has
// begun, and at once for a subtask that is behind.
func (j *Job) Apply(r *policy.Route) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if r.Workers != j.setup.Config.Workers {
		return fmt.Errorf("route: made for %d workers, the job has %d", r.Workers, j.setup.Config.Workers)
	}
	at := j.boundary()
	for i := range j.senders {
		j.senders[i].await(change{slide: at, route: r})
	}
	return nil
}

// Switch implements Switcher.
func (j *Job) Switch(sc partition.Scheme) error {
	if sc.NewRouter == nil {
		return errors.New("job: no partitioner to switch to")
	}
	j.setup.Scheme = sc
	clear(j.rounds)
	at := j.boundary()
	for i := range j.senders {
		j.senders[i].await(change{slide: at, router: sc.NewRouter(operator.EnvOf(&j.setup, i))})
	}
	return nil
}

// boundary is the first slide that no subtask has begun.
func (j *Job) boundary() int64 {
	next := int64(0)
	if !j.begun {
		return next
	}
	for i := range j.senders {
		next = max(next, j.senders[i].slide+1)
	}
	return next
}

// Close implements Job.
func (j *Job) Close() error {
	if j.failed == nil {
		j.failed = errors.New("job: closed")
	}
	return nil
}

var _ interface {
	engine.Job
	engine.Switcher
} = (*Job)(nil)
