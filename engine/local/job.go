// Package local runs jobs on goroutines and the wall clock, with real queues and measured
// times. The goroutines of a Job are its actors: partitioner subtasks, workers, reducers and
// the sink. They exchange records through inboxes, get announcements once per slide, and
// answer when a window is measured.
package local

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/operator"
	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
)

// Job is a job on goroutines and the wall clock: one goroutine for each partitioner
// subtask, worker and reducer, and one for the sink. It is the job of package sim with real
// queues and measured busy times.
//
// Execution is emulated or native. An emulated
// worker does the work and then waits until its service time, computed by sim's
// recurrence, is over: many workers fit on few cores, and both engines agree. If the
// machine is too slow for that, workers show as busy. A native worker is as fast as the
// machine, and busy while it has work.
//
// The clock starts with the first call of Next. Windows end at multiples of the metric
// window, or when Next is called if that is later; the last one ends with the work. A
// window has its true start and end, and counts and busy ratios cover exactly what each
// worker did between two reports.
//
// Results are reported from a goroutine of the job, in order; the last call
// comes before Next returns io.EOF.
type Job struct {
	setup    engine.Setup
	emulated bool
	slide    int64 // length of a slide, ns
	routing  picos // cost of sending a record
	envs     []partition.Env
	clock    wallClock

	shared   *shared
	feeders  []*feeder
	workers  []*worker
	reducers []*reducer
	sink     *sink
	actors   []*actor // that are asked what they measured: workers, partitioner subtasks, reducers
	running  sync.WaitGroup
	stop     chan struct{} // closed to end all goroutines
	done     chan struct{} // closed by the sink: everything is reduced
	failure  chan error    // holds the first

	step        int
	last        int64         // end of the last window, ns
	sequence    int           // of the last announcement that any subtask has adopted, as far as is known
	route       *policy.Route // in force there
	partitioner string        //
	shape       reports.Shape
	late        []*measurement // with answers that are in no window yet
	histograms  sync.Pool
	started     bool
	ended       error // what Next returns from now on
}

// New makes a job on goroutines and the wall clock. It has to be closed.
func New(s engine.Setup) (*Job, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	c := &s.Config
	j := &Job{
		setup: s, emulated: c.Execution != engine.Native, slide: c.Slide.Nanoseconds(),
		routing: operator.FromNanos(c.Costs.Route.Nanoseconds()), shared: newShared(c, s.Seed), shape: operator.ShapeOf(c),
		stop: make(chan struct{}), done: make(chan struct{}), failure: make(chan error, 1),
	}
	j.histograms.New = func() any { return operator.NewLatency() }
	trajectories := c.Speeds.Trajectories(c.Workers, s.Seed)
	for i, speed := range c.Speeds.Of(c.Workers, s.Seed) {
		w := newWorker(j, i, speed)
		if trajectories != nil {
			w.trajectory = trajectories[i]
		}
		w.actor = j.newActor(func(m *measurement) { m.workers[w.index] = w.report() })
		w.inbox = newInbox[item](c.Queue, w.wake)
		j.workers = append(j.workers, w)
		j.actors = append(j.actors, &w.actor)
	}
	for i := range c.Partitioners {
		j.envs = append(j.envs, operator.EnvOf(&s, i))
		f := newFeeder(j, i)
		f.actor = j.newActor(func(m *measurement) { m.partitioners[f.index] = f.report() })
		j.feeders = append(j.feeders, f)
		j.actors = append(j.actors, &f.actor)
	}
	for i := range c.Reducers {
		r := newReducer(j, i)
		r.actor = j.newActor(func(m *measurement) {
			m.reducers[r.index] = reports.Reducer{Index: r.index, Busy: r.ratio(r.clock.now())}
		})
		r.inbox = newInbox[handed](c.Queue, r.wake)
		j.reducers = append(j.reducers, r)
		j.actors = append(j.actors, &r.actor)
	}
	j.sink = newSink(j)
	j.sink.actor = j.newActor(nil)
	j.sink.inbox = newInbox[handed](sinkQueue, j.sink.wake)
	return j, nil
}

// newActor numbers the actors in the order in which they are asked.
func (j *Job) newActor(report func(*measurement)) actor {
	a := actor{
		clock: &j.clock, stop: j.stop, ask: make(chan *measurement, 1), wake: make(chan struct{}, 1),
		timer: time.NewTimer(time.Hour),
	}
	a.timer.Stop()
	id := len(j.actors)
	a.answer = func(m *measurement) {
		report(m)
		m.arrived <- id
	}
	return a
}

// start sets the clock going, and everybody to work.
func (j *Job) start() {
	j.started = true
	j.clock.start = time.Now()
	for _, w := range j.workers {
		j.running.Go(w.run)
	}
	for _, r := range j.reducers {
		j.running.Go(r.run)
	}
	j.running.Go(j.sink.run)
	for _, f := range j.feeders {
		j.running.Go(f.run)
	}
}

// fail ends the job with an error; only the first counts.
func (j *Job) fail(err error) {
	select {
	case j.failure <- err:
	default:
	}
}

// Next implements Job. A cancelled context ends the job.
func (j *Job) Next(ctx context.Context) (*policy.Window, error) {
	if j.ended != nil {
		return nil, j.ended
	}
	if err := ctx.Err(); err != nil {
		return nil, j.end(err)
	}
	if !j.started {
		j.start()
	}
	wait := time.NewTimer(time.Duration(j.due() - j.clock.now()))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-j.done:
		w := j.measure()
		j.end(io.EOF)
		if w.Records == 0 && j.step > 1 {
			return nil, io.EOF
		}
		return w, nil
	case err := <-j.failure:
		return nil, j.end(err)
	case <-ctx.Done():
		return nil, j.end(ctx.Err())
	}
	return j.measure(), nil
}

// due is when the window being measured should end: at a multiple of the metric
// window, half of one away from the last at least.
func (j *Job) due() int64 {
	length := j.setup.Config.MetricWindow().Nanoseconds()
	end := (j.last/length + 1) * length
	if end-j.last < length/2 {
		end += length
	}
	return end
}

// end stops all goroutines, waits for them, and settles what Next returns from
// now on.
func (j *Job) end(err error) error {
	j.ended = err
	close(j.stop)
	j.running.Wait()
	return err
}

// Apply implements Job. A route holds from the first slide that no subtask has
// begun, and at once for a late subtask.
func (j *Job) Apply(d policy.Decision) error {
	if err := engine.CheckDecision(d, j.setup.Config.Workers); err != nil {
		return err
	}
	j.shared.announce(func(a *loop.Announcements) { a.Decide(d) })
	return nil
}

// Switch implements Switcher.
func (j *Job) Switch(sc partition.Scheme) error {
	if sc.NewRouter == nil {
		return errors.New("job: no partitioner to switch to")
	}
	var routers []partition.Router
	for _, env := range j.envs {
		routers = append(routers, sc.NewRouter(env))
	}
	j.shared.announce(func(a *loop.Announcements) { a.Switch(sc.Name, routers) })
	return nil
}

// Close implements Job. It waits for the job's goroutines, and so for a result
// that is being reported.
func (j *Job) Close() error {
	if j.ended == nil {
		j.end(errors.New("job: closed"))
	}
	return nil
}

var _ interface {
	engine.Job
	engine.Switcher
} = (*Job)(nil)
