package serve_test

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/saspart/saspart/serve"
	"github.com/saspart/saspart/serve/client"
)

// proxy is a network between a client and a server that tests can break.
type proxy struct {
	address string

	mu       sync.Mutex
	resumed  *sync.Cond
	up, down bool // bytes to the server, and from it, are held back
	conns    []net.Conn
	closed   bool
	passed   atomic.Int64 // bytes, both ways
}

// between starts one in front of a server.
func between(t testing.TB, server string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{address: l.Addr().String()}
	p.resumed = sync.NewCond(&p.mu)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", server)
			if err != nil {
				_ = in.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, in, out)
			p.mu.Unlock()
			all.Go(func() { p.relay(out, in, &p.up) })
			all.Go(func() { p.relay(in, out, &p.down) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		p.resumed.Broadcast()
		p.cut()
		all.Wait()
	})
	return p
}

// relay copies until either end is closed.
func (p *proxy) relay(to, from net.Conn, held *bool) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		for *held && !p.closed {
			p.resumed.Wait()
		}
		p.mu.Unlock()
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
		p.passed.Add(int64(n))
	}
}

// hold keeps bytes back, or passes them on.
func (p *proxy) hold(up, down bool) {
	p.mu.Lock()
	p.up, p.down = up, down
	p.mu.Unlock()
	p.resumed.Broadcast()
}

// cut breaks all connections, as the death of either end does.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = c.Close()
	}
	p.conns = nil
}

// A connection that is cut is attached again, by the same instance, whose job the
// server still knows.
func TestCutConnection(t *testing.T) {
	s := start(t, "", serve.Default(), serve.Options{})
	p := between(t, s.address)
	j := newToy(8)
	c := j.attach(t, p.address, "cut", nil)
	attached(t, c)
	controller := c.Controller(5 * time.Second)
	for range 10 {
		j.follow(controller.Decide(j.window(), j.route).Route)
	}
	version := j.route.Version
	p.cut()
	eventually(t, "it is attached again", func() bool { return c.Status().Attached == 2 })
	for range 10 {
		j.follow(controller.Decide(j.window(), j.route).Route)
	}
	if st := c.Status(); st.Source != client.Policy || st.Answers < 19 || st.Fallbacks > 0 || j.route.Version > version+3 {
		t.Errorf("status %+v, route %d after %d", st, j.route.Version, version)
	}
}

// A connection whose other end is gone without a word is noticed by the server, and
// does not keep the job from attaching anew.
func TestHalfOpenConnection(t *testing.T) {
	config := serve.Default()
	config.Keepalive = serve.Keepalive{Time: time.Second, Timeout: 200 * time.Millisecond}
	s := start(t, "", config, serve.Options{})
	p := between(t, s.address)
	j := newToy(8)
	c := j.attach(t, p.address, "half", func(c *client.Config) { c.Instance = "one" })
	attached(t, c)
	p.hold(true, true)
	again := j.attach(t, s.address, "half", func(c *client.Config) { c.Instance = "one" })
	attached(t, again)
	controller := again.Controller(5 * time.Second)
	for range 10 {
		j.follow(controller.Decide(j.window(), j.route).Route)
	}
	if st := again.Status(); st.Answers != 10 {
		t.Errorf("status %+v", st)
	}
	counted(t, s, "saspart_streams 1")
}

// A client that reads slowly gets the latest decision when it reads, and does not delay other
// clients.
func TestSlowReader(t *testing.T) {
	s := start(t, "", serve.Default(), serve.Options{})
	j := newToy(64)
	stream := raw(t, s.address)
	say(t, stream, hello(j, "slow"), nil)
	const windows = 80
	for i := range windows {
		j.change(i, 1)
		say(t, stream, nil, message(j.report()))
	}
	works(t, s, "beside")
	counted(t, s, fmt.Sprintf(`saspart_windows_total{stream_job="slow"} %d`, windows))
	if strings.Contains(page(t, s, "/metrics"), "saspart_unsent_decisions_total 0\n") {
		t.Error("every decision was sent, though no client read them")
	}
	for answers := 1; ; answers++ {
		m, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if d := m.GetDecision(); d != nil && d.Window == windows-1 {
			if answers >= windows {
				t.Errorf("there were %d answers", answers)
			}
			break
		}
	}
}
