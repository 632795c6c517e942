package serve_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	pb "github.com/saspart/saspart/proto/saspart/v1"
	"github.com/saspart/saspart/serve/wire"
)

// page fetches a page of a server's handler.
func page(t testing.TB, s *running, path string) string {
	t.Helper()
	h, err := s.Handler(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Body.String()
}

// counted waits until a metric has a value.
func counted(t testing.TB, s *running, line string) {
	t.Helper()
	text := ""
	for range 3000 {
		if text = page(t, s, "/metrics"); strings.Contains(text, line+"\n") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	var ours []string
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, "saspart_") && !strings.Contains(l, "bucket") && !strings.Contains(l, "worker=") {
			ours = append(ours, l)
		}
	}
	t.Fatalf("no %s in\n%s", line, strings.Join(ours, ""))
}

// works says whether a job is served as if nothing had happened.
func works(t testing.TB, s *running, name string) {
	t.Helper()
	j := newToy(8)
	c := j.attach(t, s.address, name, nil)
	attached(t, c)
	controller := c.Controller(5 * time.Second)
	for range 20 {
		j.follow(controller.Decide(j.window(), j.route).Route)
	}
	if st := c.Status(); st.Answers != 20 || policy.Imbalance(j.busy()) > 0.1 {
		t.Errorf("job %s: imbalance %.3f, status %+v", name, policy.Imbalance(j.busy()), st)
	}
}

// raw opens a stream that says what the test wants it to say.
func raw(t testing.TB, address string, options ...grpc.DialOption) pb.PolicyService_AttachClient {
	t.Helper()
	conn, err := grpc.NewClient(address, append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(func() {
		cancel()
		_ = conn.Close() // the server may have ended it
	})
	stream, err := pb.NewPolicyServiceClient(conn).Attach(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// hello is the hello of a job that reports all it has on one stream.
func hello(j *toy, name string) *pb.Hello {
	return wire.WriteHello(&wire.Hello{
		Client: "raw", Job: name, Instance: name, Shape: j.shape,
		Workers: wire.Ranges{{First: 0, Count: j.shape.Workers}}, Partitioners: wire.Ranges{{First: 0, Count: 1}},
	})
}

// say sends a hello, or a report where there is none.
func say(t testing.TB, stream pb.PolicyService_AttachClient, h *pb.Hello, r *pb.Report) {
	t.Helper()
	m := &pb.AttachRequest{Message: &pb.AttachRequest_Hello{Hello: h}}
	if h == nil {
		m = &pb.AttachRequest{Message: &pb.AttachRequest_Report{Report: r}}
	}
	if err := stream.Send(m); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
}

// message is a report as the generated message, for tests to change.
func message(r *reports.Report) *pb.Report {
	var m pb.AttachRequest
	if err := proto.Unmarshal(wire.AppendReport(nil, r), &m); err != nil {
		panic(err)
	}
	return m.GetReport()
}

// encoded is a decision as it comes on a stream.
func encoded(t testing.TB, d *pb.Decision) []byte {
	t.Helper()
	b, err := proto.Marshal(&pb.AttachResponse{Message: &pb.AttachResponse_Decision{Decision: d}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ended is the code that a stream ends with.
func ended(stream pb.PolicyService_AttachClient) (codes.Code, string) {
	for {
		if _, err := stream.Recv(); err != nil {
			return status.Code(err), err.Error()
		}
	}
}
