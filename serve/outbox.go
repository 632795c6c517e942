package serve

import (
	"sync"

	"github.com/saspart/saspart/policy"
	pb "github.com/saspart/saspart/proto/saspart/v1"
	"github.com/saspart/saspart/serve/wire"
)

// outbox queues messages for a stream whose client may read slowly or not at all. Its size
// is bounded: a new decision replaces one that has not been sent, and inherits its route and
// capacities if it has none itself.
type outbox struct {
	ready chan struct{} // has an element when there is a message to take

	mu       sync.Mutex
	first    *pb.AttachResponse   // the welcome
	notices  []*pb.AttachResponse // the last ones
	control  wire.Control         // all that have not been sent, merged
	decision *decision
}

// decision is a decision with its encoded forms, which the streams of a job share.
type decision struct {
	wire.Decision
	learned bool // a partitioner learns from the busy ratios

	mu     sync.Mutex
	frames map[form]wire.Frame
}

// form is what the encoding of a decision depends on.
type form struct {
	compact bool
	base    *policy.Route // that the stream's client has; nil: none
}

// frame returns the encoded decision.
func (d *decision) frame(f form) wire.Frame {
	d.mu.Lock()
	defer d.mu.Unlock()
	frame, ok := d.frames[f]
	if !ok {
		of := d.Decision
		switch {
		case !f.compact:
			of.Capacities = nil
		case d.learned:
			of.Base = f.base
		default:
			of.Base, of.Busy = f.base, nil
		}
		frame = wire.AppendDecision(make([]byte, 0, wire.SizeOf(&of)), &of)
		if f.compact {
			frame = wire.PackDecision(frame)
		}
		if d.frames == nil {
			d.frames = map[form]wire.Frame{}
		}
		d.frames[f] = frame
	}
	return frame
}

// mostNotices is how many unsent notices an outbox keeps.
const mostNotices = 4

func newOutbox() *outbox { return &outbox{ready: make(chan struct{}, 1)} }

// put adds a message other than a decision. The message must not be changed afterwards.
func (o *outbox) put(m *pb.AttachResponse) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case m.GetWelcome() != nil:
		o.first = m
	case m.GetControl() != nil:
		c, _ := wire.ReadControl(m.GetControl()) // valid: the server made it
		o.control = c.Over(o.control)
	default:
		if len(o.notices) == mostNotices {
			o.notices = o.notices[1:]
		}
		o.notices = append(o.notices, m)
	}
	o.wake()
}

// decide adds a decision. It reports whether it replaced another one.
func (o *outbox) decide(d *decision) (late bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if old := o.decision; old != nil {
		late = true
		if d.Route == nil && old.Route != nil || d.Capacities == nil && old.Capacities != nil {
			both := &decision{Decision: d.Decision, learned: d.learned}
			if d.Route == nil {
				both.Route, both.Start = old.Route, old.Start
			}
			if d.Capacities == nil {
				both.Capacities = old.Capacities
			}
			d = both
		}
	}
	o.decision = d
	o.wake()
	return late
}

func (o *outbox) wake() {
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

// take returns the next message to send, a *pb.AttachResponse or a *decision, nil if there
// is none.
func (o *outbox) take() any {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.first != nil:
		m := o.first
		o.first = nil
		return m
	case o.control != wire.Control{}:
		m := control(o.control)
		o.control = wire.Control{}
		return m
	case len(o.notices) > 0:
		m := o.notices[0]
		o.notices = o.notices[1:]
		return m
	case o.decision != nil:
		m := o.decision
		o.decision = nil
		return m
	}
	return nil
}
