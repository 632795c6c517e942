package serve_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/serve"
	"github.com/saspart/saspart/serve/client"
	"github.com/saspart/saspart/serve/wire"
)

// slowModel decides at once, except for jobs with the given numbers of workers, whose
// decisions last until release is called.
func slowModel(t *testing.T, slow ...int) (m *serve.Model, release func()) {
	good, gate := builtin(t), make(chan struct{})
	release = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(release)
	return &serve.Model{Name: "slow", New: func(workers int) (policy.Controller, error) {
		c, err := good.New(workers)
		for _, w := range slow {
			if w == workers {
				return waiting{c, gate}, err
			}
		}
		return c, err
	}}, release
}

type waiting struct {
	policy.Controller
	gate <-chan struct{}
}

func (w waiting) Decide(win *policy.Window, latest *policy.Route) policy.Decision {
	<-w.gate
	return w.Controller.Decide(win, latest)
}

// answer sends a job's next window and waits for the answer.
func (j *toy) answer(c *client.Client) bool {
	before := c.Status().Answers
	j.follow(c.Controller(10*time.Second).Decide(j.window(), j.route).Route)
	return c.Status().Answers == before+1
}

// jobsOf returns what the live page shows of the jobs.
func jobsOf(t *testing.T, s *running) map[string]serve.View {
	t.Helper()
	var p struct{ Jobs []serve.View }
	if err := json.Unmarshal([]byte(page(t, s, "/jobs.json")), &p); err != nil {
		t.Fatal(err)
	}
	out := map[string]serve.View{}
	for _, v := range p.Jobs {
		out[v.Job] = v
	}
	return out
}

// newBig is a job of 4096 workers, with keys that have less than all of the records.
func newBig() *toy {
	j := newToy(4096)
	j.hot = j.hot[:256]
	return j
}

// Jobs of 4096 workers whose decisions do not end keep no other job waiting, nor a hello of
// their own name, nor the pages. Their windows are answered all the same.
func TestSlowJobs(t *testing.T) {
	const slowJobs, smallJobs = 4, 40
	config := serve.Default()
	config.Limits.PerClient, config.Decide = 1024, 100*time.Millisecond
	model, release := slowModel(t, 4096)
	s := start(t, "", config, serve.Options{Model: model})
	var slow []*client.Client
	for i := range slowJobs {
		j := newBig()
		c := j.attach(t, s.address, fmt.Sprint("slow", i), func(c *client.Config) { c.Instance = "one" })
		attached(t, c)
		slow = append(slow, c)
		for range 2 {
			if !j.answer(c) {
				t.Fatalf("a window of slow job %d is not answered: %+v", i, c.Status())
			}
		}
	}
	second := raw(t, s.address)
	say(t, second, wire.WriteHello(&wire.Hello{Job: "slow0", Instance: "two", Shape: newToy(4096).shape, Workers: wire.Ranges{{Count: 4096}}}), nil)
	if _, err := second.Recv(); status.Code(err) != codes.AlreadyExists {
		t.Errorf("a second instance gets %v", err)
	}
	for i := range smallJobs {
		works(t, s, fmt.Sprint("small", i))
	}
	if text := page(t, s, "/readyz"); text != "ready\n" {
		t.Errorf("/readyz says %q", text)
	}
	views := jobsOf(t, s)
	if v := views["slow0"]; v.Late != 2 || v.Windows != 2 || v.Routes != 0 {
		t.Errorf("the slow job is shown as %+v", v)
	}
	if v := views["small0"]; v.Late != 0 || v.Windows != 20 {
		t.Errorf("a small job is shown as %+v", v)
	}
	release()
	// A decision that was late comes with the answer to the next window.
	j := newBig()
	j.step = 2
	eventually(t, "the late route has come", func() bool { return j.answer(slow[0]) && jobsOf(t, s)["slow0"].Routes > 0 })
}

// Decisions of small jobs that take too long leave the fast lane to the others, and the
// server says that it is not ready while they fill it.
func TestSmallJobsThatAreSlow(t *testing.T) {
	config := serve.Default()
	config.Decide = 50 * time.Millisecond
	model, _ := slowModel(t, 3)
	s := start(t, "", config, serve.Options{Model: model})
	block := func(from int) {
		for i := range runtime.GOMAXPROCS(0) {
			j := newToy(3)
			c := j.attach(t, s.address, fmt.Sprint("slow", from+i), nil)
			attached(t, c)
			if !j.answer(c) {
				t.Fatalf("a window of a slow job is not answered: %+v", c.Status())
			}
		}
	}
	block(0)
	works(t, s, "small")
	block(100) // as many again: the server does not take on more work than that
	h, err := s.Handler(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "wait longer") {
		t.Errorf("/readyz: %d %s", w.Code, w.Body)
	}
}

// A job that would cost too much is refused.
func TestPairsAreLimited(t *testing.T) {
	config := serve.Default()
	config.Limits.Pairs = 100 * 400
	s := start(t, "", config, serve.Options{})
	for workers, want := range map[int]codes.Code{100: codes.OK, 101: codes.ResourceExhausted} {
		st := raw(t, s.address)
		say(t, st, wire.WriteHello(&wire.Hello{Job: fmt.Sprint(workers), Instance: "one", Shape: newToy(workers).shape, Workers: wire.Ranges{{Count: workers}}}), nil)
		if _, err := st.Recv(); status.Code(err) != want {
			t.Errorf("%d workers: %v, want %v", workers, err, want)
		}
	}
}

// A job that reports one wrong slide number is told, and decided for again.
func TestAJumpedSlide(t *testing.T) {
	s := start(t, "", serve.Default(), serve.Options{})
	j := newToy(8)
	c := j.attach(t, s.address, "job", nil)
	attached(t, c)
	ok := j.answer(c)
	wrong := j.report()
	wrong.Slide = 1 << 62
	if err := c.Report(wrong); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the window far ahead is answered", func() bool { return c.Status().Answers == 2 })
	for i := range 3 {
		if err := c.Report(j.report()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the next window is answered", func() bool { return c.Status().Answers == uint64(3+i) })
	}
	if st := c.Status(); !ok || st.Rejected != 2 || jobsOf(t, s)["job"].Reports.Jumps != 2 {
		t.Errorf("%+v, %+v", st, jobsOf(t, s)["job"].Reports)
	}
}
