package serve

import (
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/plan"
	pb "github.com/saspart/saspart/proto/saspart/v1"
	"github.com/saspart/saspart/serve/wire"
)

// job is the server's state of one job: it joins the reports of the job's streams into
// windows, and answers each window when it is complete or overdue. The lock is never held
// while a controller decides.
type job struct {
	server   *Server
	name     string
	instance string
	shape    reports.Shape
	host     string // of its first stream

	mu        sync.Mutex
	gone      bool // the server has dropped it; a stream that still has it must look it up again
	streams   []*stream
	assembler *reports.Assembler
	learn     *policy.Blur // what routers that learn see of the windows
	timer     *time.Timer  // of the next event that no report triggers
	waits     time.Time    // when timer fires; zero: never
	emptied   time.Time    // when the last stream left

	queue    []*window     // waiting for decisions, the oldest first
	deciding bool          // a goroutine is in decide
	running  *window       // being decided; nil: none
	lane     lane          // in which it is decided
	began    time.Time     // when
	long     bool          // decisions take long
	heard    *policy.Route // the latest route reported since the last decision; nil: none
	unsent   *policy.Route // the latest route decided that no answer had; nil: none
	distance *float64      // of keys, at the last decision

	decider decider      // of the loop's controller; changed by decide alone
	wanted  wire.Control // everything that Control asked for
	view    view

	// Without the lock, for decide alone.
	keys     keys
	trust    trust
	loop     *loop.Loop
	upcoming *decider // of the loop's pending handover; nil: none
}

// choice is what the controller of a job depends on.
type choice struct {
	model *Model
	far   bool // the job's keys are too far from the model's: routes are analytic
	lost  bool // the model's windows were bad: routes are analytic
}

// decider is a choice and the controller made for it.
type decider struct {
	choice
	controller policy.Controller
	analytic   string // why the model does not decide; "": it does
}

// newJob returns a job without streams.
func newJob(s *Server, h *wire.Hello, host string) *job {
	j := &job{
		server: s, name: h.Job, instance: h.Instance, shape: h.Shape, host: host,
		assembler: reports.NewAssembler(h.Shape, s.config.Window),
		view:      newView(h.Shape.Workers),
		emptied:   s.now(),
		long:      pairs(&h.Shape) > longPairs,
		learn:     policy.NewBlur(s.learn, s.seed),
	}
	j.keys = keys{limit: s.config.KeyDistance}
	j.trust = trust{limit: s.config.MaxImbalance, doubt: plan.Doubt{Excess: s.config.MaxExcess}, windows: max(1, s.config.Warm)}
	j.decider = j.deciderOf(choice{model: s.currentModel()})
	j.loop = loop.New(loop.Config{Workers: h.Shape.Workers, Controller: j.decider.controller, Failed: j.failed})
	j.assembler.Know(j.loop.Latest())
	return j
}

// deciderOf returns the model's controller, or the analytic one with the reason why the
// model does not decide.
func (j *job) deciderOf(c choice) decider {
	workers, why := j.shape.Workers, ""
	switch {
	case c.lost:
		why = j.trust.reason()
	case c.far:
		why = j.keys.reason()
	default:
		controller, err := c.model.New(workers)
		if err == nil {
			return decider{c, controller, ""}
		}
		why = err.Error()
	}
	return decider{c, plan.NewWaterfill(plan.DefaultWaterfill(), workers), why}
}

// attach adds a stream. It replaces streams of the same subtasks: the job would not have
// opened another one if they still worked. attach returns false if the server has dropped
// the job.
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
		j.hear(route)
	}
	s.out.put(&pb.AttachResponse{Message: &pb.AttachResponse_Welcome{Welcome: &pb.Welcome{
		Protocol: wire.Protocol, Server: j.server.name, Model: j.modelMessage(),
		MaxMessageBytes: uint32(j.server.config.Limits.Message), MaxReportsPerSecond: j.server.config.Limits.Reports,
		Compact: true,
	}}})
	if j.wanted != (wire.Control{}) && len(s.hello.Partitioners) > 0 {
		s.out.put(control(j.wanted))
	}
	return true
}

// overlap reports whether two streams have a subtask in common.
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

// detach removes a stream. A job without streams is dropped after Config.Linger.
func (j *job) detach(s *stream) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.streams = slices.DeleteFunc(j.streams, func(x *stream) bool { return x == s })
	j.emptied = j.server.now()
	j.wait()
}

// report processes a report of a stream, and answers the windows that are over. It does
// not keep the report's lists.
func (j *job) report(s *stream, r *reports.Report) error {
	begins, err := j.add(s, r)
	if begins {
		j.begin()
	}
	return err
}

func (j *job) add(s *stream, r *reports.Report) (begins bool, err error) {
	now := j.server.now()
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Contains(j.streams, s) {
		return false, nil // replaced
	}
	latest, jumps := j.assembler.Latest(), j.assembler.Counts().Jumps
	if err := j.assembler.Add(now, r); err != nil {
		return false, err
	}
	if j.assembler.Counts().Jumps != jumps {
		j.server.log.Warn("the slides of a job jumped", "job", j.name, "from", latest, "to", r.Slide)
		j.notify(&pb.Notice{Kind: pb.Notice_KIND_REJECTED, Text: fmt.Sprintf("the job's slides jumped from %d to %d: open windows are dropped", latest, r.Slide)})
	}
	j.hear(r.Route)
	return j.assemble(now), nil
}

// hear keeps a route for the loop, if it is the latest one since the last decision.
func (j *job) hear(r *policy.Route) {
	if r != nil && (j.heard == nil || r.Version > j.heard.Version) {
		j.heard = r
	}
}

// judge lets the job lose its trust in the model that decided on the route of a window.
func (j *job) judge(w *policy.Window, of *decider, r *policy.Route) {
	m := of.model
	if of.analytic != "" {
		m = nil
	}
	if !j.trust.see(m, w, r) {
		return
	}
	j.server.log.Error("a model decides no more for a job", "job", j.name, "model", m.Name, "digest", short(m.Digest), "why", j.trust.reason())
	j.mu.Lock()
	defer j.mu.Unlock()
	j.view.lost++
}

// failed logs the panic of a controller: its job keeps the latest route, and other jobs are
// not affected.
func (j *job) failed(w *policy.Window, reason any) {
	j.trust.failed = j.upcoming == nil // else it may be the one that only watches
	j.server.log.Error("a controller failed; the latest route stays", "job", j.name, "window", w.Step, "why", reason, "stack", string(debug.Stack()))
}

// measured returns busy ratios in their wire format: -1 for an unmeasured worker.
func measured(busy []float64) []float64 {
	out := slices.Clone(busy)
	for i, b := range out {
		if b != b {
			out[i] = -1
		}
	}
	return out
}

// refresh hands over to the controller of the server's newest model, or to the analytic
// one while the job's keys are too far from those that the model was trained on. The new
// controller first watches Config.Warm windows, unless it is the job's first keys that do
// not fit; a choice that changes meanwhile starts another handover, or cancels it.
func (j *job) refresh(w *policy.Window) {
	m, trusted := j.trust.choose(j.server.currentModel())
	far, first := j.keys.far(m, w, j.shape.Workers)
	c := choice{m, far && trusted, !trusted}
	switch {
	case j.upcoming != nil && c == j.upcoming.choice:
	case c == j.decider.choice:
		j.upcoming = nil
		j.loop.Keep()
	default:
		watch := j.server.config.Warm
		if first && m == j.decider.model || j.decider.model == j.trust.bad {
			watch = 0
		}
		next := j.deciderOf(c)
		j.upcoming = &next
		j.loop.HandOver(next.controller, watch, j.handedOver)
	}
}

// handedOver logs that the upcoming controller decides from now on, and notifies the
// job's streams.
func (j *job) handedOver() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.decider, j.upcoming = *j.upcoming, nil
	m := j.modelMessage()
	j.server.log.Info("another controller decides", "job", j.name, "model", m.Name, "analytic", j.decider.analytic)
	text := fmt.Sprintf("%s decides from here on", m.Name)
	if m.Analytic {
		text = fmt.Sprintf("%s does not fit: %s; routes are analytic", m.Name, m.Reason)
	}
	j.notify(&pb.Notice{Kind: pb.Notice_KIND_MODEL, Text: text, Model: m})
}

func (j *job) notify(n *pb.Notice) {
	for _, s := range j.streams {
		s.out.put(&pb.AttachResponse{Message: &pb.AttachResponse_Notice{Notice: n}})
	}
}

// modelMessage describes the model that decides, or why it does not.
func (j *job) modelMessage() *pb.Model {
	d := &j.decider
	return &pb.Model{Name: d.model.Name, Generation: d.model.generation, Analytic: d.analytic != "", Reason: d.analytic}
}

// wait sets the timer to the next event that no report triggers: a window becomes overdue, a
// decision takes too long, or a job without streams is dropped. The caller holds the lock.
func (j *job) wait() {
	due, ok := j.assembler.Due()
	if len(j.streams) == 0 {
		due, ok = j.emptied.Add(j.server.config.Linger), true
	}
	if d, waits := j.dueDecision(); waits && (!ok || d.Before(due)) {
		due, ok = d, true
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

// tick runs when the timer fires.
func (j *job) tick() {
	now := j.server.now()
	j.mu.Lock()
	j.waits = time.Time{}
	begins := false
	if !j.gone {
		j.hurry(now)
		begins = j.assemble(now)
	}
	idle := len(j.streams) == 0
	j.mu.Unlock()
	if begins {
		j.begin()
	}
	if idle {
		j.server.forget(j, false)
	}
}

// idle returns since when the job has had no streams.
func (j *job) idle() (since time.Time, idle bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.emptied, len(j.streams) == 0
}

// close stops the job's timer for good, on a condition that is evaluated under the lock.
func (j *job) close(condition func() bool) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !condition() {
		return false
	}
	j.gone = true
	j.wait()
	return true
}
