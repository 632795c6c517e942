package flink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/flink/rest"
	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/serve"
	"github.com/saspart/saspart/serve/wire"
	"github.com/saspart/saspart/stream"
)

// Job is a job on a cluster. It is not safe for concurrent use.
//
// The job is paused until every subtask has reported. Its time and its first window start
// with its records. Windows end at multiples of their length on the wall clock. If the
// cluster loses a part of the job for a while, windows are missing or incomplete.
type Job struct {
	engine  *Engine
	setup   Setup
	id      string
	guard   *guard
	server  *server
	results *results // nil: not asked for

	mu      sync.Mutex
	scheme  partition.Scheme
	before  partition.Scheme // the previous one, which may still be in force
	details map[int]detail   // of windows that Next has not returned, by number

	window time.Duration
	first  int // number of the first window; 0: not known yet
	rates  *rates
	ended  error // what Next returns from now on
	closed bool
}

// jobsPackage is the Java package of the programs that compute the tasks.
const jobsPackage = "io.github.saspart.flink.jobs."

// Open submits the job that s describes. The first call of Next waits until it runs.
func (f *Engine) Open(s Setup) (_ *Job, err error) {
	if err := s.validate(); err != nil {
		return nil, fmt.Errorf("job: %w", err)
	}
	class, err := stream.FlinkJob(s.Task.Name)
	if err != nil {
		return nil, fmt.Errorf("job: task.%w", err)
	}
	ctx := context.Background() // every request has its own timeout
	program, guard, err := f.prepare(ctx)
	if err != nil {
		return nil, err
	}
	j := &Job{
		engine: f, setup: s, id: newID(), guard: guard, scheme: s.Scheme, before: s.Scheme,
		window: s.Config.MetricWindow(), details: map[int]detail{},
	}
	if j.server, err = f.listen(s.Config.Workers, j.window, serve.Options{Watch: j.note, Learn: s.Config.Metrics, Seed: s.Seed}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, j.server.close(), j.results.remove())
		}
	}()
	c, err := newSettings(&s)
	if err != nil {
		return nil, err
	}
	c.Instance, c.Server, c.Token, c.StaleAfterMS = j.id, j.server.at, j.server.token, staleAfter.Milliseconds()
	c.Authority = j.server.authority
	if s.Results != nil {
		if j.results, err = newResults(); err != nil {
			return nil, err
		}
		c.Results, c.CheckpointMS = j.results.dir, resultsEvery.Milliseconds()
	}
	arguments, err := c.arguments()
	if err != nil {
		return nil, err
	}
	if err := guard.tell(watchJob, j.id); err != nil {
		return nil, err
	}
	if _, err := f.client.Run(ctx, program, rest.Run{EntryClass: jobsPackage + class, Args: arguments, JobID: j.id}); err != nil {
		unknown := cancelUnknown
		if refused := new(rest.Refusal); !errors.As(err, &refused) {
			unknown = guardUnknown // the cluster may have received it, or be about to
		}
		return nil, errors.Join(fmt.Errorf("submit the job: %w", reason(err)), j.cancel(unknown))
	}
	j.rates = newRates(s.Arrivals, &s.Config, func(rate float64) error {
		return j.server.Control(s.Name, wire.Control{Rate: &rate})
	})
	return j, nil
}

// staleAfter is how long a job waits for the server before it decides for itself. It is
// long, because the job is cancelled anyway when this process is gone.
const staleAfter = 30 * time.Second

// detail is what is known of a window beyond the window itself.
type detail struct {
	missing []int                   // subtasks: workers, then partitioners, then reducers, numbered together
	latency *hdrhistogram.Histogram // nil: none was measured or is wanted
}

// note keeps the detail of a window.
func (j *Job) note(_ string, a *reports.Assembled) {
	d := detail{missing: slices.Clone(a.Workers)}
	for _, i := range a.Partitioners {
		d.missing = append(d.missing, j.setup.Config.Workers+i)
	}
	for _, i := range a.Reducers {
		d.missing = append(d.missing, j.setup.Config.Workers+j.setup.Config.Partitioners+i)
	}
	if a.Latency != nil && j.setup.Latency != nil {
		d.latency = a.Latency.Clone()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	const kept = 64
	delete(j.details, a.Window.Step-kept)
	j.details[a.Window.Step] = d
}

// take returns what note kept of a window.
func (j *Job) take(step int) detail {
	j.mu.Lock()
	defer j.mu.Unlock()
	d := j.details[step]
	delete(j.details, step)
	return d
}

// Next implements engine.Job.
func (j *Job) Next(ctx context.Context) (*policy.Window, error) {
	if j.ended != nil {
		return nil, j.ended
	}
	if j.first == 0 {
		if err := j.begin(ctx); err != nil {
			return nil, j.end(err)
		}
	}
	for {
		w, err := j.next(ctx, j.engine.config.Silent)
		if err != nil {
			return nil, j.end(err)
		}
		if w.Step >= j.first {
			return j.shown(w), nil
		}
	}
}

func (j *Job) end(err error) error {
	if j.ended == nil {
		j.ended = err
	}
	return err
}

// begin waits until all subtasks report, and lets the records start with a window.
func (j *Job) begin(ctx context.Context) error {
	late := j.engine.config.Now().Add(j.engine.config.Attach)
	var away []int // subtasks that were missing from every window so far
	for any := false; !any || len(away) > 0; any = true {
		w, err := j.next(ctx, late.Sub(j.engine.config.Now()))
		if err != nil {
			return err
		}
		missing := j.take(w.Step).missing
		if !any {
			away = missing
		}
		away = slices.DeleteFunc(away, func(i int) bool { return !slices.Contains(missing, i) })
		if len(away) > 0 && j.engine.config.Now().After(late) {
			return fmt.Errorf("not all subtasks of the job report after %v: %s", j.engine.config.Attach, j.plight(ctx))
		}
	}
	j.first = j.rates.start(j.engine.config.Now(), j.window)
	if j.engine.config.Detached != nil {
		return j.guard.tell(forgetJob, j.id) // the job is to outlive this process, however that ends
	}
	return nil
}

// asked is the interval at which the cluster is asked for the state of a job that gives no
// windows.
const asked = time.Second

// next waits for a window while the job lives, but no longer than patience.
func (j *Job) next(ctx context.Context, patience time.Duration) (*policy.Window, error) {
	late := time.NewTimer(patience)
	defer late.Stop()
	heard := time.Now() // when the cluster last answered
	for {
		turn, cancel := context.WithTimeout(ctx, asked)
		w, err := j.server.feed.Next(turn)
		cancel()
		switch {
		case err == nil:
			return w, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !errors.Is(err, context.DeadlineExceeded):
			return nil, err
		}
		answered, err := j.lives(ctx)
		if err != nil {
			return nil, err
		}
		if answered {
			heard = time.Now()
		} else if d := j.engine.config.Lost; time.Since(heard) > d {
			j.engine.lost.Store(true)
			return nil, fmt.Errorf("%w: %s has not answered for %v; if it does within the next %v, the job is cancelled there", errLost, j.engine.config.Address, d, guardPatience)
		}
		select {
		case <-late.C:
			return nil, fmt.Errorf("the job has given no window for %v: %s", patience.Round(time.Second), j.plight(ctx))
		default:
		}
	}
}

// errLost says that the cluster is gone and nothing more can be done about the job.
var errLost = errors.New("the Flink cluster is lost")

// lives returns io.EOF if the job has finished, or why it has ended otherwise. answered says
// whether the cluster answers.
func (j *Job) lives(ctx context.Context) (answered bool, err error) {
	s, err := j.engine.client.State(ctx, j.id)
	switch {
	case rest.Gone(err):
		return true, fmt.Errorf("the cluster at %s no longer knows the job: its JobManager was restarted", j.engine.config.Address)
	case err != nil || !s.Over(): // a cluster that does not answer may do so later
		return err == nil, nil
	case s == rest.Finished:
		return true, io.EOF
	}
	cause, err := j.engine.client.Cause(ctx, j.id)
	if err != nil || cause == "" {
		return true, fmt.Errorf("the job on flink ended as %s", s)
	}
	return true, fmt.Errorf("the job on flink ended as %s: %s", s, cause)
}

// plight describes a job that does not make progress.
func (j *Job) plight(ctx context.Context) string {
	job, err := j.engine.client.Job(ctx, j.id)
	if err != nil {
		return reason(err).Error()
	}
	if cause, err := j.engine.client.Cause(ctx, j.id); err == nil && cause != "" {
		return fmt.Sprintf("it is %s, and last failed with %s", job.State, cause)
	}
	o, err := j.engine.client.Overview(ctx)
	if err == nil && job.Running < job.Tasks && o.Free == 0 {
		return fmt.Sprintf("it is %s with %d of %d subtasks running, and none of the cluster's %d task slots is free; give it more (saspart flink up --slots), or the job fewer workers", job.State, job.Running, job.Tasks, o.TaskSlots)
	}
	return fmt.Sprintf("it is %s with %d of %d subtasks running; can the cluster reach this process at %s?", job.State, job.Running, job.Tasks, j.server.at)
}

// shown is the window with the numbers and times that the job's user sees.
func (j *Job) shown(w *policy.Window) *policy.Window {
	zero := time.Duration(j.first) * j.window
	out := *w
	out.Step, out.Start, out.End = w.Step-j.first, w.Start-zero, w.End-zero
	j.mu.Lock()
	out.Partitioner = j.scheme.Name
	if name := j.before.Flink.Name; w.Partitioner == name && name != j.scheme.Flink.Name {
		out.Partitioner = j.before.Name
	}
	j.mu.Unlock()
	if d := j.take(w.Step); d.latency != nil {
		j.setup.Latency(d.latency)
	}
	j.rates.observe(out.End, engine.Busiest(&out))
	return &out
}

// Apply implements engine.Job.
func (j *Job) Apply(d policy.Decision) error {
	if err := engine.CheckDecision(d, j.setup.Config.Workers); err != nil {
		return err
	}
	return j.server.feed.Apply(d)
}

// Switch implements engine.Switcher.
func (j *Job) Switch(s partition.Scheme) error {
	if err := runs(&s); err != nil {
		return fmt.Errorf("job: %w", err)
	}
	text, err := asJSON(s.Flink.Settings)
	if err != nil {
		return err
	}
	j.mu.Lock()
	j.before, j.scheme = j.scheme, s
	j.mu.Unlock()
	return j.server.Control(j.setup.Name, wire.Control{Partitioner: string(text)})
}

// Close implements engine.Job. It returns when the job has ended on the cluster. Closing a
// job again does nothing.
func (j *Job) Close() error {
	if j.closed {
		return nil
	}
	j.closed = true
	j.rates.close()
	if j.engine.config.Detached != nil && j.ended == nil && j.first != 0 && j.results == nil {
		j.end(errors.New("job: closed"))
		j.engine.config.Detached(j.id)
		return j.server.close()
	}
	if errors.Is(j.ended, errLost) {
		return errors.Join(j.server.close(), j.results.remove()) // the guard keeps trying to cancel it
	}
	var err error
	if j.results != nil && j.first != 0 && (j.ended == nil || j.ended == io.EOF) {
		err = j.finish()
	}
	j.end(errors.New("job: closed"))
	return errors.Join(err, j.cancel(cancelUnknown), j.server.close(), j.results.remove())
}

// Limits of cancelling: how long a job may take to end, and how long to wait for a job that
// the cluster does not know.
const (
	cancelPatience = 30 * time.Second
	cancelUnknown  = 2 * time.Second
)

// cancel ends the job on the cluster unless it has ended, and makes the guard forget it.
func (j *Job) cancel(unknown time.Duration) error {
	ctx, stop := context.WithTimeout(context.Background(), cancelPatience)
	defer stop()
	if err := cancelJob(ctx, j.engine.client, j.id, unknown); err != nil {
		return fmt.Errorf("the job may still run, see %s/#/job/running/%s: %w", j.engine.config.Address, j.id, err) // the guard keeps trying
	}
	return j.guard.tell(forgetJob, j.id)
}

// finish ends the sources, waits until all that they have sent is reduced, and reports the
// results.
func (j *Job) finish() error {
	if err := j.server.Control(j.setup.Name, wire.Control{End: true}); err != nil && j.ended != io.EOF {
		return err
	}
	ctx, stop := context.WithTimeout(context.Background(), finishPatience)
	defer stop()
	s, err := j.engine.client.Ended(ctx, j.id)
	if err != nil {
		return fmt.Errorf("the results are incomplete: %w", err)
	}
	if s != rest.Finished {
		_, err := j.lives(ctx)
		return fmt.Errorf("the results are incomplete: %w", err)
	}
	return j.results.hand(j.setup.Results, &j.setup.Config, time.Duration(j.first)*j.window)
}

// finishPatience is how long a job may take to process what its sources have sent.
const finishPatience = 2 * time.Minute

var _ interface {
	engine.Job
	engine.Switcher
} = (*Job)(nil)
