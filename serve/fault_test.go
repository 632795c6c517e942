package serve_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/saspart/saspart/proto/saspart/v1"
	"github.com/saspart/saspart/serve"
	"github.com/saspart/saspart/serve/client"
)

// An invalid stream ends with a reason, is counted, and does not affect other streams.
func TestWrongConversations(t *testing.T) {
	config := serve.Default()
	config.Hello, config.Limits.Message, config.Limits.Workers = 300*time.Millisecond, 64<<10, 100
	s := start(t, "", config, serve.Options{})
	j := newToy(8)
	other := hello(j, "taken")
	other.Instance = "another"
	holder := raw(t, s.address)
	say(t, holder, hello(j, "taken"), nil)
	if m, err := holder.Recv(); err != nil || m.GetWelcome() == nil {
		t.Fatalf("%v, %v", m, err)
	}
	wrong, narrow, many := hello(j, "x"), hello(j, "taken"), hello(newToy(128), "x")
	wrong.Protocol, narrow.Shape.Workers, narrow.Subtasks[1].Count = 9, 4, 4
	big := message(j.report())
	big.Partitioners[0].Hot[0].Name = make([]byte, 100<<10)
	for _, c := range []struct {
		why    string
		hello  *pb.Hello
		report *pb.Report
		code   codes.Code
		metric string
	}{
		{"a report before the hello", nil, &pb.Report{}, codes.InvalidArgument, "hello"},
		{"another version", wrong, nil, codes.FailedPrecondition, "protocol"},
		{"a job that another client runs", other, nil, codes.AlreadyExists, "taken"},
		{"a subtask with another idea of its job", narrow, nil, codes.FailedPrecondition, "shape"},
		{"more workers than the server takes", many, nil, codes.ResourceExhausted, "workers"},
		{"a message too large", hello(j, "large"), big, codes.ResourceExhausted, "size"},
		{"silence", nil, nil, codes.DeadlineExceeded, `hello`},
	} {
		stream := raw(t, s.address)
		if c.hello != nil {
			say(t, stream, c.hello, nil)
		}
		if c.report != nil {
			say(t, stream, nil, c.report)
		}
		if code, text := ended(stream); code != c.code {
			t.Errorf("%s: ended with %s", c.why, text)
		}
		// The transport answers a message that is too large before the server sees it.
		eventually(t, c.why+" is counted", func() bool {
			return strings.Contains(page(t, s, "/metrics"), fmt.Sprintf("saspart_refused_total{reason=%q}", c.metric))
		})
	}
	works(t, s, "after")
}

// noise is a codec that sends bytes as they are.
type noise struct{}

func (noise) Marshal(v any) ([]byte, error)      { return v.([]byte), nil }
func (noise) Unmarshal(data []byte, v any) error { *v.(*[]byte) = data; return nil }
func (noise) Name() string                       { return "proto" }

func TestGarbage(t *testing.T) {
	config := serve.Default()
	config.Hello = 300 * time.Millisecond
	s := start(t, "", config, serve.Options{})
	for _, bytes := range []string{"GET / HTTP/1.1\r\n\r\n", strings.Repeat("\x00\xff\x13", 10000), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff", ""} {
		c, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte(bytes)) // the server may hang up any time
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
			t.Errorf("%.10q keeps its connection", bytes)
		}
		_ = c.Close()
	}
	conn, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	greeting, err := proto.Marshal(&pb.AttachRequest{Message: &pb.AttachRequest_Hello{Hello: hello(newToy(8), "noisy")}})
	if err != nil {
		t.Fatal(err)
	}
	for i, said := range [][][]byte{
		{[]byte("\x0a\xff\xff\xff\xff\xff")},               // instead of a hello
		{greeting, []byte("\xff\xff")},                     // after it
		{greeting, []byte("\x12\x05\x12\x80\x80\x80\x80")}, // in a report
	} {
		stream, err := conn.NewStream(t.Context(), &pb.PolicyService_ServiceDesc.Streams[0], pb.PolicyService_Attach_FullMethodName, grpc.ForceCodec(noise{}))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range said {
			if err := stream.SendMsg(m); err != nil && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
		}
		for err == nil { // after the welcome
			var answer []byte
			err = stream.RecvMsg(&answer)
		}
		if status.Code(err) != codes.Internal {
			t.Errorf("conversation %d of garbage: %v", i, err)
		}
		counted(t, s, fmt.Sprintf(`saspart_refused_total{reason="garbage"} %d`, i+1))
	}
	works(t, s, "after")
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// Reports that cannot be are left out, reported and counted; the stream continues.
func TestImpossibleReports(t *testing.T) {
	s := start(t, "", serve.Default(), serve.Options{})
	j := newToy(8)
	stream := raw(t, s.address)
	say(t, stream, hello(j, "bad"), nil)
	for _, turn := range []func(*pb.Report){
		func(r *pb.Report) { r.Workers[3].Busy = math.NaN() },
		func(r *pb.Report) { r.Workers[3].Records = math.MaxUint64 },
		func(r *pb.Report) { r.Workers[3].Index = 8 },
		func(r *pb.Report) { r.Partitioners[0].Slots = r.Partitioners[0].Slots[:7] },
	} {
		r := message(j.report())
		turn(r)
		say(t, stream, nil, r)
	}
	say(t, stream, nil, message(j.report()))
	notices := 0
	for {
		m, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if n := m.GetNotice(); n.GetKind() == pb.Notice_KIND_REJECTED {
			notices++
		}
		if d := m.GetDecision(); d != nil {
			if d.Window != 4 || d.Incomplete {
				t.Errorf("the answer is to window %d, incomplete %v", d.Window, d.Incomplete)
			}
			break
		}
	}
	if notices == 0 {
		t.Error("the client was not told")
	}
	counted(t, s, `saspart_rejected_reports_total{reason="content"} 4`)
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	works(t, s, "after")
}

// A worker that does not report is missing from the windows, which are answered at
// their deadline all the same.
func TestMissingWorker(t *testing.T) {
	config := serve.Default()
	config.Window.Deadline = 30 * time.Millisecond
	s := start(t, "", config, serve.Options{})
	j := newToy(8)
	c := j.attach(t, s.address, "short", nil)
	attached(t, c)
	for range 5 {
		r := j.report()
		r.Workers = append(r.Workers[:2:2], r.Workers[3:]...)
		if err := c.Report(r); err != nil {
			t.Fatal(err)
		}
		c.Await(r.Slide, time.Minute) // an answer gives way to the next if this process is slow
	}
	counted(t, s, `saspart_missing_total{stream_job="short"} 5`)
	if n := c.Status().Answers; n != 5 {
		t.Errorf("%d of 5 windows are answered", n)
	}
	if text := page(t, s, "/jobs.json"); !strings.Contains(text, `"incomplete":5`) || !strings.Contains(text, `,null,`) {
		t.Errorf("the page says %s", text)
	}
}

// More reports than a stream may send are not taken, and those of others are.
func TestReportRate(t *testing.T) {
	config := serve.Default()
	config.Limits.Reports = 5
	s := start(t, "", config, serve.Options{})
	j := newToy(8)
	c := j.attach(t, s.address, "fast", func(c *client.Config) { c.Queue = 100 })
	attached(t, c)
	for range 40 {
		if err := c.Report(j.report()); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all reports were looked at", func() bool {
		return strings.Contains(page(t, s, "/metrics"), `saspart_rejected_reports_total{reason="rate"}`) && c.Status().Answers > 0
	})
	eventually(t, "the client was told", func() bool { return c.Status().Rejected > 0 })
}

// The streams of a connection together may not send more than a connection may, and
// those of others are not held to account for it.
func TestReportRateOfAConnection(t *testing.T) {
	config := serve.Default()
	config.Limits.PerSecond = 30
	s := start(t, "", config, serve.Options{})
	conn, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	jobs := []*toy{newToy(8), newToy(8)}
	var streams []pb.PolicyService_AttachClient
	told := make(chan string, 1000)
	for i, j := range jobs {
		stream, err := pb.NewPolicyServiceClient(conn).Attach(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		say(t, stream, hello(j, fmt.Sprintf("of one connection, %d", i)), nil)
		streams = append(streams, stream)
		go func() {
			for {
				m, err := stream.Recv()
				if err != nil {
					return
				}
				if n := m.GetNotice(); n.GetKind() == pb.Notice_KIND_REJECTED {
					select {
					case told <- n.GetText():
					default:
					}
				}
			}
		}()
	}
	eventually(t, "reports are refused", func() bool {
		for range 10 {
			for i, j := range jobs {
				say(t, streams[i], nil, message(j.report()))
			}
		}
		return len(told) > 0
	})
	if text := <-told; !strings.Contains(text, "on this connection") {
		t.Errorf("the client gets: %s", text)
	}
	works(t, s, "of another connection")
}

// A thousand connections that come and go leave nothing behind.
func TestConnectionsComeAndGo(t *testing.T) {
	config := serve.Default()
	config.Hello = time.Second
	s := start(t, "", config, serve.Options{})
	for i := range 1000 {
		c, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			_, _ = c.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")) // as in TestGarbage
		}
		_ = c.Close()
	}
	works(t, s, "after")
	counted(t, s, "saspart_streams 1")
}

func TestHealthAndReflection(t *testing.T) {
	s := start(t, "", serve.Default(), serve.Options{Tokens: serve.OneToken("0123456789abcdef"), Reflect: true})
	conn, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answer, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: "saspart.v1.PolicyService"})
	if err != nil || answer.Status != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health without the token: %v, %v", answer, err)
	}
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
	if err == nil {
		err = stream.RecvMsg(&pb.Route{})
	}
	if status.Code(err) != codes.Unauthenticated {
		t.Errorf("reflection without the token: %v", err)
	}
}
