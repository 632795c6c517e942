// Package sim runs jobs on a virtual clock. Queues and service times of a Job's workers and
// reducers are recurrences; records are real.
package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/operator"
	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// Job is a job on a virtual clock, deterministic from its seed and as fast as
// the machine goes. Records are real and really processed; time is computed.
//
// Records are sent in the order in which they are ready: due, with their subtask not
// blocked by an earlier record. Each enters its worker's queue when there is space, and
// blocks its subtask until then. Workers and reducers are recurrences (server). Times are
// exact as long as no worker is more than a slide behind the others: a reducer serves all
// partial results of a slide before those of the next.
//
// Speeds change at the start of a metric window, for the records sent from then on.
//
// Latencies count in the window in which a record is sent, records and busy times in the
// window in which it is served.
type Job struct {
	setup    engine.Setup
	senders  []sender
	workers  []worker
	reducers []server
	merging  operator.Service // of the reducers, all of speed 1
	sink     *operator.Sink
	plan     *operator.ReducerPlan
	latency  *hdrhistogram.Histogram

	window       picos // length of a metric window
	slide        int64 // length of a slide, ns
	now          picos // end of the last window returned
	begun        bool  // every subtask is in its first slide
	ended        int64 // slides below this are reduced
	drained      bool  // every source has ended and every slide is reduced
	route        *policy.Route
	mixed        bool // the route changed inside the window being measured
	failed       error
	shape        reports.Shape
	report       reports.Report            // of the window measured last
	trajectories []*engine.SpeedTrajectory // how workers' speeds change; nil: they stay

	announcements *loop.Announcements
	adopt         []loop.Announcement // memory of begin
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
		setup: s, window: operator.FromNanos(c.MetricWindow().Nanoseconds()), slide: c.Slide.Nanoseconds(),
		merging: operator.ServiceAt(c, 1), plan: operator.PlanReducers(c.Reducers, nil),
		latency: operator.NewLatency(), announcements: loop.NewAnnouncements(c.Partitioners, c.Metrics, s.Seed), shape: operator.ShapeOf(c), trajectories: c.Speeds.Trajectories(c.Workers, s.Seed),
	}
	j.report = newReport(&j.shape)
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
		if err := j.start(); err != nil {
			j.failed = err
			return nil, err
		}
	}
	end := j.now + j.window
	for w, c := range j.trajectories {
		j.workers[w].Service = operator.ServiceAt(&j.setup.Config, c.At(int64(j.now/j.window)))
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

// start begins the first slide of every subtask and loads the first records.
func (j *Job) start() error {
	j.begun = true
	for i := range j.senders {
		j.begin(&j.senders[i])
		if err := j.load(&j.senders[i], 0); err != nil {
			return err
		}
	}
	return nil
}

// begin has a subtask adopt what was announced for the slide that it begins, and reports
// whether it has another route.
func (j *Job) begin(s *sender) bool {
	before := s.Route
	j.adopt = j.announcements.Begin(s.index, s.slide, j.adopt[:0])
	for i := range j.adopt {
		s.Adopt(&j.adopt[i], s.slide)
	}
	if s.Route == before {
		return false
	}
	j.route = s.Route
	return true
}

// earliest finds the subtask that is ready first, when that is, and when the next one is
// ready.
func (j *Job) earliest() (first *sender, ready, limit picos) {
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
// one, or end its slide. A late subtask catches up first.
func (j *Job) advance(s *sender, ready, limit picos) error {
	if s.CatchesUp() && loop.Late(s.slide, time.Duration(j.slide), ready.Duration()) {
		j.catchUp(s)
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
func (j *Job) send(s *sender, limit picos) {
	task, slide := j.setup.Task, s.slide
	for first := true; s.pos < len(s.dst); first = false {
		r := &s.batch.Records[s.pos]
		t := max(operator.FromNanos(r.Time), s.free)
		if t >= limit && !first {
			return
		}
		d := s.dst[s.pos]
		s.pos++
		w := &j.workers[d.Worker()]
		if at := w.space(t); at > t {
			s.blocked.work(t, at)
			t = at
		}
		s.free = t + s.cost
		s.sent++
		units := int64(task.Units(r))
		cost := w.Record + picos(units)*w.Unit
		end := w.serve(t, cost)
		w.done(units)
		j.latency.RecordValue(end.Nanos() - r.Time)
		w.comb.Add(r, slide, d&partition.Merge != 0)
		w.comb.Took(cost)
	}
}

// load gets the next records of the subtask's slide, if there are any.
func (j *Job) load(s *sender, now picos) error {
	err := s.load((s.slide + 1) * j.slide)
	if errors.Is(err, io.EOF) {
		if len(s.dst) == 0 {
			now = j.flushAll(s, now)
			s.over = true
			j.announcements.End(s.index)
			j.reduce(now)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("source of partitioner subtask %d: %w", s.index, err)
	}
	return nil
}

// catchUp has a late subtask adopt the latest capacities and route inside its slide, and routes
// the rest of its batch by the route.
func (j *Job) catchUp(s *sender) {
	rerouted := false
	j.adopt = j.announcements.CatchUp(s.index, j.adopt[:0])
	for i := range j.adopt {
		rerouted = s.Adopt(&j.adopt[i], s.slide+1) || rerouted
	}
	if !rerouted {
		return
	}
	j.route, j.mixed = s.Route, true
	if s.pos < len(s.dst) {
		rest := stream.Batch{Records: s.batch.Records[s.pos:], Hashes: s.batch.Hashes[s.pos:]}
		s.Router.Route(&rest, s.dst[s.pos:])
	}
}

// endSlide ends the subtask's slide at time now, begins the next, and reduces the slides
// that all subtasks have ended.
func (j *Job) endSlide(s *sender, now picos) {
	now = j.flushAll(s, now)
	if snapshot := s.EndSlide(s.slide); snapshot != nil {
		j.announcements.Gossip(s.index, s.slide, snapshot)
	}
	s.free = max(s.free, now)
	s.slide++
	if j.begin(s) {
		j.mixed = j.mixed || now > j.now
	}
	j.reduce(now)
}

// reduce reduces every slide that all subtasks have ended by now.
func (j *Job) reduce(now picos) {
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

// idle reports whether all service has ended.
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

// Apply implements Job. A route holds from the first slide that no subtask has
// begun, and at once for a late subtask.
func (j *Job) Apply(d policy.Decision) error {
	if err := engine.CheckDecision(d, j.setup.Config.Workers); err != nil {
		return err
	}
	j.announcements.Decide(d)
	return nil
}

// Switch implements Switcher.
func (j *Job) Switch(sc partition.Scheme) error {
	if sc.NewRouter == nil {
		return errors.New("job: no partitioner to switch to")
	}
	j.setup.Scheme = sc
	routers := make([]partition.Router, len(j.senders))
	for i := range routers {
		routers[i] = sc.NewRouter(operator.EnvOf(&j.setup, i))
	}
	j.announcements.Switch(sc.Name, routers)
	return nil
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
