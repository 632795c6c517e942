package serve_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/saspart/saspart/serve"
	"github.com/saspart/saspart/serve/client"
)

// Peers without the token, whose connections answer pings, keep out no job that has it.
func TestStrangersKeepNobodyOut(t *testing.T) {
	const token = "0123456789abcdef"
	config := serve.Default()
	config.Limits.Connections, config.Limits.Strangers = 2, 20
	s := start(t, "", config, serve.Options{Tokens: serve.OneToken(token)})
	for range 50 {
		conn, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.Connect()
	}
	with := func(c *client.Config) { c.Token = token }
	for i := range 2 {
		j := newToy(8)
		c := j.attach(t, s.address, fmt.Sprint("job", i), with)
		attached(t, c)
		if !j.answer(c) {
			t.Errorf("job %d is not answered: %+v", i, c.Status())
		}
	}
	// A stream that lasts needs the token; a health check does not.
	conn, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	health := healthpb.NewHealthClient(conn)
	if _, err := health.Check(t.Context(), &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true)); err != nil {
		t.Errorf("a health check: %v", err)
	}
	watch, err := health.Watch(t.Context(), &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true))
	if err == nil {
		_, err = watch.Recv()
	}
	if status.Code(err) != codes.Unauthenticated {
		t.Errorf("a health watch: %v", err)
	}
	counted(t, s, `saspart_refused_total{reason="token"} 1`)
}

// A connection without streams is closed after a while, and one that is too old is.
func TestIdleAndAge(t *testing.T) {
	config := serve.Default()
	config.Keepalive.Idle, config.Keepalive.Age, config.Drain = 100*time.Millisecond, 2*time.Second, 10*time.Millisecond
	s := start(t, "", config, serve.Options{})
	j := newToy(8)
	c := j.attach(t, s.address, "job", nil)
	attached(t, c)
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for r := bufio.NewReader(conn); err == nil; {
		_, err = r.ReadByte()
	}
	if e, ok := err.(net.Error); ok && e.Timeout() {
		t.Error("a connection without streams is open after 10 s")
	}
	eventually(t, "the job has attached again", func() bool { return c.Status().Attached > 1 })
}

// visit attaches a job on a connection of its own, and returns what detaches it.
func visit(t *testing.T, s *running, name string) (leave func(), err error) {
	t.Helper()
	st := raw(t, s.address)
	say(t, st, hello(newToy(2), name), nil)
	_, err = st.Recv()
	return func() {
		_ = st.CloseSend()
		for err := error(nil); err == nil; {
			_, err = st.Recv()
		}
	}, err
}

// Jobs that have left make space for others, in the order in which they left; jobs that are
// attached do not, and one host has no more than its part.
func TestJobsThatHaveLeftMakeSpace(t *testing.T) {
	config := serve.Default()
	config.Limits.Jobs, config.Linger = 10, time.Hour
	s := start(t, "", config, serve.Options{})
	for i := range 30 {
		leave, err := visit(t, s, fmt.Sprint("gone", i))
		if err != nil {
			t.Fatalf("job %d: %v", i, err)
		}
		leave()
	}
	eventually(t, "the last ten are kept", func() bool {
		jobs := jobsOf(t, s)
		_, first := jobs["gone20"]
		return len(jobs) == 10 && first
	})
	for i := range 10 {
		if _, err := visit(t, s, fmt.Sprint("stays", i)); err != nil {
			t.Fatalf("job %d: %v", i, err)
		}
	}
	if _, err := visit(t, s, "more"); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("with all jobs attached, one more: %v", err)
	}
}

func TestOneHostCannotTakeAllJobs(t *testing.T) {
	config := serve.Default()
	config.Limits.HostJobs = 3
	s := start(t, "", config, serve.Options{})
	for i := range 4 {
		_, err := visit(t, s, fmt.Sprint("job", i))
		if want := map[bool]codes.Code{true: codes.OK, false: codes.ResourceExhausted}[i < 3]; status.Code(err) != want {
			t.Errorf("job %d of a host that may have 3: %v", i, err)
		}
	}
}

// Open HTTP connections keep no other out.
func TestHTTPConnectionsAreBounded(t *testing.T) {
	config := serve.Default()
	config.Limits.HTTP = 4
	s := start(t, "", config, serve.Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.Handler(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h}
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.HTTPListener(l)) }()
	defer func() {
		server.Close()
		<-served
	}()
	for range 20 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	r, err := c.Get("http://" + l.Addr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	counted(t, s, `saspart_refused_total{reason="stranger"} 17`)
}

// However many streams are refused, the log has a bounded number of lines, and says how many
// it left out.
func TestLogIsBounded(t *testing.T) {
	s := start(t, "", serve.Default(), serve.Options{Tokens: serve.OneToken("0123456789abcdef")})
	for range 100 {
		st := raw(t, s.address)
		if _, err := st.Recv(); status.Code(err) != codes.Unauthenticated {
			t.Fatal(err)
		}
	}
	if n := strings.Count(s.log.String(), "stream refused"); n > 40 {
		t.Errorf("%d lines for 100 refused streams", n)
	}
	eventually(t, "a line says how many were left out", func() bool {
		st := raw(t, s.address)
		_, _ = st.Recv()
		return strings.Contains(s.log.String(), "left_out=")
	})
}
