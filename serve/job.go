package serve

import (
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/plan"
	pb "github.com/saspart/saspart/proto/saspart/v1"
	"github.com/saspart/saspart/serve/internal/standin"
	"github.com/saspart/saspart/serve/wire"
)

// job is a job as the server knows it. Streams report, windows are answered as they
// get complete or overdue.
type job struct {
	server   *Server
	name     string
	instance string
	shape    reports.Shape

	mu        sync.Mutex
	gone      bool // forgotten by the server; a stream that still has it must look again
	streams   []*stream
	assembler *reports.Assembler
	timer     *time.Timer // of the next overdue window, and of the end of lingering
	waits     time.Time   // what timer is set to; zero: nothing

	keys     keys
	choice   choice
	analytic string           // why the choice's model does not decide; "": it does
	decides  *standin.Standin // answers windows
	next     *standin.Standin // of another choice, which is about to be taken; nil: there is none
	upcoming choice           // next's
	refusal  string           // why upcoming's model does not decide
	warm     int              // windows that next is still to watch
	sent     uint64           // version of the last route sent or reported

	wanted wire.Control // of the job so far

	view view
}

// choice is who decides for a job.
type choice struct {
	model *Model
	far   bool // the job's keys are too far from those that it was trained on: routes are analytic
}

// newJob returns a job without streams.
func newJob(s *Server, h *wire.Hello) *job {
	j := &job{
		server: s, name: h.Job, instance: h.Instance, shape: h.Shape,
		assembler: reports.NewAssembler(h.Shape, s.config.Window),
		view:      newView(h.Shape.Workers),
	}
	j.assembler.Know(policy.HashRoute(h.Shape.Workers))
	j.keys = keys{limit: s.config.KeyDistance}
	j.choice = choice{model: s.currentModel()}
	j.decides, j.analytic = j.controllerOf(j.choice)
	return j
}

// controllerOf is what decides by a choice: the model's controller, or the analytic
// one with the reason why not the model's.
func (j *job) controllerOf(c choice) (*standin.Standin, string) {
	workers, why := j.shape.Workers, ""
	if c.far {
		why = j.keys.reason()
	} else {
		controller, err := c.model.New(workers)
		if err == nil {
			return standin.New(controller), ""
		}
		why = err.Error()
	}
	return standin.New(plan.NewWaterfill(plan.DefaultWaterfill(), workers)), why
}

// attach adds a stream. Streams of the same subtasks are replaced, for they are half
// open or the job would not have begun another. It reports false when the job has been
// forgotten meanwhile.
func (j *job) attach(s *stream, route *policy.Route) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.gone {
		return false
	}
	j.streams = slices.DeleteFunc(j.streams, func(old *stream) bool {
		if !overlap(old.hello, s.hello) {
			return false
		}
		old.end(errReplaced)
		return true
	})
	j.streams = append(j.streams, s)
	if route != nil {
		j.assembler.Know(route)
		j.sent = max(j.sent, route.Version)
	}
	s.out.put(&pb.AttachResponse{Message: &pb.AttachResponse_Welcome{Welcome: &pb.Welcome{
		Protocol: wire.Protocol, Server: j.server.name, Model: j.modelMessage(),
		MaxMessageBytes: uint32(j.server.config.Limits.Message), MaxReportsPerSecond: j.server.config.Limits.Reports,
	}}})
	if j.wanted != (wire.Control{}) && len(s.hello.Partitioners) > 0 {
		s.out.put(control(j.wanted))
	}
	return true
}

// overlap tells whether two streams report about the same subtask.
func overlap(a, b *wire.Hello) bool {
	for _, pair := range [][2]wire.Ranges{{a.Workers, b.Workers}, {a.Partitioners, b.Partitioners}, {a.Reducers, b.Reducers}} {
		for _, x := range pair[0] {
			for _, y := range pair[1] {
				if x.First < y.First+y.Count && y.First < x.First+x.Count {
					return true
				}
			}
		}
	}
	return false
}

// detach removes a stream, and has the job forgotten after a while if it was the last.
func (j *job) detach(s *stream) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.streams = slices.DeleteFunc(j.streams, func(x *stream) bool { return x == s })
	j.wait()
}

// report takes in what a stream reports, and answers the windows that are over. It does
// not keep the report's lists.
func (j *job) report(s *stream, r *reports.Report) error {
	now := j.server.now()
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Contains(j.streams, s) {
		return nil // replaced
	}
	if err := j.assembler.Add(now, r); err != nil {
		return err
	}
	if r.Route != nil {
		j.sent = max(j.sent, r.Route.Version)
	}
	j.answer(now)
	return nil
}

// answer decides on the windows that are over by now.
func (j *job) answer(now time.Time) {
	for {
		a := j.assembler.Next(now)
		if a == nil {
			break
		}
		j.refresh(a.Window)
		if j.server.watch != nil {
			j.server.watch(j.name, a)
		}
		route := j.decide(a.Window)
		d := &wire.Decision{Window: a.Number, Incomplete: !a.Complete(), Busy: measured(a.Window.Busy), Shares: a.Shares}
		if route != nil {
			route = j.numbered(route)
			j.assembler.Know(route)
			d.Route, d.Start = route, min(j.assembler.Latest(), math.MaxUint64-2)+2
		}
		message := newDecision(d)
		for _, s := range j.streams {
			if len(s.hello.Partitioners) > 0 && s.out.decide(message) {
				j.server.metrics.unsent.Inc()
			}
		}
		j.watch(a.Window)
		j.view.add(a, route)
		j.server.metrics.answered(j, j.server.now().Sub(now))
		a.Release()
	}
	j.wait()
}

// decide asks the controller for a route. One that panics costs its job a new route,
// and no other job anything.
func (j *job) decide(w *policy.Window) (route *policy.Route) {
	defer func() {
		if why := recover(); why != nil {
			j.server.log.Error("a controller failed: the route stays", "job", j.name, "window", w.Step, "why", why, "stack", string(debug.Stack()))
			route = nil
		}
	}()
	return j.decides.Decide(w)
}

// measured is busy ratios as they go over the wire.
func measured(busy []float64) []float64 {
	out := slices.Clone(busy)
	for i, b := range out {
		if b != b {
			out[i] = -1
		}
	}
	return out
}

// numbered gives a route a version past all that were sent or reported.
func (j *job) numbered(r *policy.Route) *policy.Route {
	if r.Version <= j.sent {
		later := *r
		later.Version = j.sent + 1
		r = &later
	}
	j.sent = r.Version
	return r
}

// refresh takes up the server's newer model, or leaves the one there is when the job's
// keys are not those it was trained on, or goes back to it: each once the new
// controller has watched for a while, during which nothing changed. A job whose first
// keys do not fit need not wait.
func (j *job) refresh(w *policy.Window) {
	m := j.server.currentModel()
	far, first := j.keys.far(m, w, j.shape.Workers)
	switch c := (choice{m, far}); c {
	case j.upcoming:
	case j.choice: // again
		j.upcoming, j.next = choice{}, nil
	default:
		j.upcoming, j.warm = c, j.server.config.Warm
		if first && m == j.choice.model {
			j.warm = 0
		}
		j.next, j.refusal = j.controllerOf(c)
	}
	if j.next == nil || j.warm > 0 {
		return
	}
	j.choice, j.decides, j.analytic = j.upcoming, j.next, j.refusal
	j.upcoming, j.next, j.refusal = choice{}, nil, ""
	m = j.choice.model
	j.server.log.Info("another controller decides", "job", j.name, "model", m.Name, "analytic", j.analytic)
	j.announce()
}

// announce tells the job's streams what decides.
func (j *job) announce() {
	m := j.modelMessage()
	text := fmt.Sprintf("%s decides from here on", m.Name)
	if m.Analytic {
		text = fmt.Sprintf("%s does not fit: %s; routes are analytic", m.Name, m.Reason)
	}
	j.notify(&pb.Notice{Kind: pb.Notice_KIND_MODEL, Text: text, Model: m})
}

// watch shows a window to the model that is about to take over.
func (j *job) watch(w *policy.Window) {
	if j.next != nil {
		j.next.Watch(w)
		j.warm--
	}
}

func (j *job) notify(n *pb.Notice) {
	for _, s := range j.streams {
		s.out.put(&pb.AttachResponse{Message: &pb.AttachResponse_Notice{Notice: n}})
	}
}

// modelMessage says what decides.
func (j *job) modelMessage() *pb.Model {
	m := j.choice.model
	return &pb.Model{Name: m.Name, Generation: m.generation, Analytic: j.analytic != "", Reason: j.analytic}
}

// wait sets the timer to what happens next without a report: a window is overdue, or
// a job that nobody is attached to is forgotten.
func (j *job) wait() {
	due, ok := j.assembler.Due()
	if len(j.streams) == 0 {
		due, ok = j.server.now().Add(j.server.config.Linger), true
	}
	switch {
	case j.gone || !ok:
		due = time.Time{}
		if j.timer != nil {
			j.timer.Stop()
		}
	case due.Equal(j.waits):
	case j.timer == nil:
		j.timer = time.AfterFunc(due.Sub(j.server.now()), j.tick)
	default:
		j.timer.Reset(due.Sub(j.server.now()))
	}
	j.waits = due
}

// tick is called by the timer.
func (j *job) tick() {
	j.mu.Lock()
	j.waits = time.Time{}
	idle := len(j.streams) == 0
	if !idle && !j.gone {
		j.answer(j.server.now())
	}
	j.mu.Unlock()
	if idle {
		j.server.forget(j)
	}
}

// close ends the job's timer for good.
func (j *job) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.gone = true
	j.wait()
}
