package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	pb "github.com/saspart/saspart/proto/saspart/v1"
	"github.com/saspart/saspart/serve/wire"
)

// Reasons for which the server ends a stream, besides invalid messages.
var (
	errReplaced = status.Error(codes.Aborted, "another stream reports about the same subtasks of this job")
	errDraining = status.Error(codes.Unavailable, "the server is about to stop")
	errNoHello  = status.Error(codes.DeadlineExceeded, "no hello came")
)

// stream is one stream of a job.
type stream struct {
	hello  *wire.Hello
	out    *outbox
	ended  chan error // why the server ends it; buffers one
	budget budget
	from   *visitor
	sent   *policy.Route // the last route that was sent; nil: none
}

// message returns what to send for a message of the outbox. Messages are sent in order, so
// a client that is compact has the last route that was sent.
func (s *stream) message(m any) any {
	d, ok := m.(*decision)
	if !ok {
		return m
	}
	f := form{compact: s.hello.Compact}
	if f.compact && d.Route != nil {
		f.base, s.sent = s.sent, d.Route
	}
	return d.frame(f)
}

// end ends the stream. It may be called from any goroutine; only the first reason counts.
func (s *stream) end(err error) {
	select {
	case s.ended <- err:
	default:
	}
}

// Attach implements the service: it runs a stream. It sends, and starts a goroutine that
// receives, so that neither waits for the other.
func (s *Server) Attach(ps pb.PolicyService_AttachServer) error {
	if !s.enter() {
		return s.refuse(ps.Context(), "streams", codes.ResourceExhausted, "the server has as many streams as it may; try again later")
	}
	defer s.streams.Add(-1)
	st := &stream{out: newOutbox(), ended: make(chan error, 1), budget: budget{rate: s.config.Limits.Reports}, from: visitorOf(ps.Context())}
	hello := make(chan struct{})
	s.receivers.Go(func() { st.end(s.receive(ps, st, hello)) })
	patience := time.NewTimer(s.config.Hello)
	defer patience.Stop()
	draining := s.draining
	for {
		select {
		case err := <-st.ended:
			for errors.Is(err, errDraining) { // the notice that the server stops
				m := st.out.take()
				if m == nil || ps.SendMsg(st.message(m)) != nil {
					break
				}
			}
			return err
		case <-hello:
			hello = nil
			patience.Stop()
		case <-patience.C:
			s.metrics.refused.WithLabelValues("hello").Inc()
			return errNoHello
		case <-draining:
			draining = nil
			st.out.put(notice(pb.Notice_KIND_DRAINING, "the server is about to stop"))
			st.end(errDraining)
		case <-st.out.ready:
			for m := st.out.take(); m != nil; m = st.out.take() {
				if err := ps.SendMsg(st.message(m)); err != nil {
					return err
				}
			}
		}
	}
}

// receive reads a stream to its end and returns why it ended; nil: the client closed it. It
// closes hello once the stream is attached.
func (s *Server) receive(ps pb.PolicyService_AttachServer, st *stream, hello chan<- struct{}) error {
	first, err := ps.Recv()
	if err != nil {
		return s.lost(ps.Context(), err)
	}
	if err := s.greet(ps.Context(), first, st); err != nil {
		return err
	}
	if !st.from.admit() {
		return s.refuse(ps.Context(), "connections", codes.ResourceExhausted, "the server has as many connections as it may; try again later")
	}
	defer st.from.dismiss()
	bytes := streamBytes(st.hello)
	s.mu.Lock()
	reserved := s.reserve(bytes)
	s.mu.Unlock()
	if !reserved {
		return s.refuse(ps.Context(), "memory", codes.ResourceExhausted, fmt.Sprintf("the server has %d MiB for all jobs, of which %d MiB are taken: attach later", mebi(s.config.Limits.Memory), mebi(s.memory.now())))
	}
	defer s.memory.give(bytes)
	close(hello)
	j, err := s.join(ps.Context(), st, first.GetHello().GetRoute())
	if err != nil {
		return err
	}
	defer j.detach(st)
	keys := wire.NewKeys(st.hello, s.config.Limits.Message)
	into := func(r *reports.Report) error { return j.report(st, r) }
	for {
		var m wire.Received
		if err := ps.RecvMsg(&m); err != nil {
			return s.lost(ps.Context(), err)
		}
		err := s.take(st, m.Bytes(), keys, into)
		m.Free()
		switch {
		case errors.Is(err, wire.ErrGarbage):
			return s.refuse(ps.Context(), "garbage", codes.Internal, err.Error())
		case err != nil:
			return s.refuse(ps.Context(), "message", codes.InvalidArgument, err.Error())
		}
	}
}

// greet checks the first message of a stream.
func (s *Server) greet(ctx context.Context, first *pb.AttachRequest, st *stream) error {
	if first.GetHello() == nil {
		return s.refuse(ctx, "hello", codes.InvalidArgument, "the first message is no hello")
	}
	h, err := wire.ReadHello(first.GetHello())
	switch {
	case err != nil && first.GetHello().GetProtocol() != wire.Protocol:
		return s.refuse(ctx, "protocol", codes.FailedPrecondition, err.Error())
	case err != nil:
		return s.refuse(ctx, "hello", codes.InvalidArgument, "hello: "+err.Error())
	case h.Shape.Workers > s.config.Limits.Workers:
		return s.refuse(ctx, "workers", codes.ResourceExhausted, fmt.Sprintf("a job of %d workers; this server takes up to %d", h.Shape.Workers, s.config.Limits.Workers))
	case pairs(&h.Shape) > s.config.Limits.Pairs:
		return s.refuse(ctx, "pairs", codes.ResourceExhausted, fmt.Sprintf("a job of %d workers with %d hot keys; this server takes up to %d pairs of them: name fewer keys", h.Shape.Workers, h.Shape.HotKeys(), s.config.Limits.Pairs))
	}
	if t := tokenOf(ctx); t != nil && !t.allows(h.Job) {
		return s.refuse(ctx, "name", codes.PermissionDenied, fmt.Sprintf("the token is not for a job of the name %s", h.Job))
	}
	if s.only != 0 && h.Shape.Workers != s.only {
		return s.refuse(ctx, "workers", codes.FailedPrecondition, fmt.Sprintf("a job of %d workers; this server takes jobs of %d only", h.Shape.Workers, s.only))
	}
	st.hello = h
	return nil
}

// join attaches a stream to its job.
func (s *Server) join(ctx context.Context, st *stream, m *pb.Route) (*job, error) {
	var route *policy.Route
	if m != nil {
		var err error
		if route, err = wire.ReadRoute(m, st.hello.Shape.Workers); err != nil {
			return nil, s.refuse(ctx, "hello", codes.InvalidArgument, "hello: "+err.Error())
		}
	}
	for {
		j, reason, err := s.jobOf(st.hello, st.from.host)
		if err != nil {
			return nil, s.refuse(ctx, reason, status.Code(err), status.Convert(err).Message())
		}
		if j.attach(st, route) {
			return j, nil
		}
	}
}

// take processes a message of an attached stream. An invalid report is answered with a
// notice, and does not end the stream. Any other invalid message is an error.
func (s *Server) take(st *stream, m []byte, keys *wire.Keys, into func(*reports.Report) error) error {
	if !st.budget.spend(s.now()) {
		s.reject(st, "rate", fmt.Sprintf("more than %v reports/s come on this stream", s.config.Limits.Reports))
		return nil
	}
	if !st.from.spend(s.now()) {
		s.reject(st, "rate", fmt.Sprintf("more than %v reports/s come on this connection", s.config.Limits.PerSecond))
		return nil
	}
	slide, err := wire.TakeReport(m, st.hello, keys, into)
	switch {
	case errors.Is(err, wire.ErrGarbage), errors.Is(err, wire.ErrNoReport):
		return err
	case errors.Is(err, reports.ErrAhead):
		s.reject(st, "ahead", fmt.Sprintf("slide %d: %v", slide, err))
	case err != nil:
		s.reject(st, "content", fmt.Sprintf("slide %d: %v", slide, err))
	}
	return nil
}

// reject counts a rejected report and sends the reason to its client.
func (s *Server) reject(st *stream, reason, text string) {
	s.metrics.rejected.WithLabelValues(reason).Inc()
	st.out.put(notice(pb.Notice_KIND_REJECTED, text))
}

func notice(kind pb.Notice_Kind, text string) *pb.AttachResponse {
	return &pb.AttachResponse{Message: &pb.AttachResponse_Notice{Notice: &pb.Notice{Kind: kind, Text: text}}}
}

// refuse counts and logs a refused stream, and returns the error for its client.
func (s *Server) refuse(ctx context.Context, reason string, code codes.Code, text string) error {
	s.metrics.refused.WithLabelValues(reason).Inc()
	s.log.Warn("stream refused", "reason", reason, "peer", peerOf(ctx), "text", text)
	return status.Error(code, text)
}

// lost returns why a stream cannot be read any more; nil: the client closed it.
func (s *Server) lost(ctx context.Context, err error) error {
	switch status.Code(err) {
	case codes.ResourceExhausted: // the transport refused a message that is too large
		return s.refuse(ctx, "size", codes.ResourceExhausted, status.Convert(err).Message())
	case codes.Internal: // not a message; the transport has already answered
		return s.refuse(ctx, "garbage", codes.Internal, "a message cannot be read")
	}
	if errors.Is(err, io.EOF) { // the client closed the stream
		return nil
	}
	return err
}

// peerOf returns the address of the client.
func peerOf(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		return p.Addr.String()
	}
	return "unknown"
}

// visitorOf returns the connection of a stream: the server accepts all of them by its door.
func visitorOf(ctx context.Context) *visitor {
	p, _ := peer.FromContext(ctx)
	return p.Addr.(visitorAddr).visitor
}

// budget is a token bucket that holds the reports of two seconds. It must not be used
// concurrently.
type budget struct {
	rate float64
	left float64
	last time.Time
}

// spend reports whether another report is within the budget at the given time.
func (b *budget) spend(now time.Time) bool {
	if b.last.IsZero() {
		b.left, b.last = 2*b.rate+1, now
	}
	b.left = min(2*b.rate+1, b.left+now.Sub(b.last).Seconds()*b.rate)
	b.last = now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}
