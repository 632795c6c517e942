package flink

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/stream"
)

// Next tells a job that has finished from one that has failed or is lost, and says why.
func TestEnds(t *testing.T) {
	for _, c := range []struct {
		why  string
		end  func(*fakeFlink)
		want string // "": io.EOF
	}{
		{"the source has ended", func(f *fakeFlink) { f.job().end("FINISHED", "") }, ""},
		{"the job has failed", func(f *fakeFlink) {
			f.job().end("FAILED", "org.apache.flink.JobException: no restart\n\tat a.B.c(B.java:1)\nCaused by: java.lang.ArithmeticException: / by zero\n\tat d")
		}, "ArithmeticException: / by zero (in worker (2/4))"},
		{"it was cancelled", func(f *fakeFlink) { f.job().end("CANCELED", "") }, "CANCELED"},
		{"the cluster has forgotten it", func(f *fakeFlink) {
			f.job().end("CANCELED", "")
			f.mu.Lock()
			defer f.mu.Unlock()
			clear(f.jobs)
		}, "no longer knows the job"},
	} {
		t.Run(c.why, func(t *testing.T) {
			f := newFakeFlink(t)
			j := open(t, engineOn(t, f, nil), quick(), "hash")
			next(t, j)
			c.end(f)
			var err error
			for err == nil {
				_, err = j.Next(background)
			}
			if c.want == "" && err != io.EOF || c.want != "" && !strings.Contains(err.Error(), c.want) {
				t.Errorf("Next ends with %v", err)
			}
			if _, again := j.Next(background); again != err {
				t.Errorf("then with %v", again)
			}
			for range 2 {
				if err := j.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		why         string
		partitioner string
		set         func(*trial)
		fake        func(*fakeFlink)
		want        string
	}{
		{"a partitioner that the connector has not", "fish", nil, nil, "does not run on flink"},
		{"an unknown task", "hash", func(e *trial) { e.Task.Name = "wordcuont" }, nil, `did you mean "wordcount"?`},
		{"speeds that change", "hash", func(e *trial) { e.Config.Speeds.Change.Walk = 0.1 }, nil, "speeds.change"},
		{"aggregation at the senders", "hash", func(e *trial) { e.Config.Combine = engine.CombineLocal }, nil, "combine"},
		{"slides of half a millisecond", "hash", func(e *trial) { e.Config.Slide = 2500 * time.Microsecond }, nil, "milliseconds"},
		{"an impossible job", "hash", func(e *trial) { e.Config.Reducers = 0 }, nil, "reducers"},
		{"a program that does not begin", "hash", nil, func(f *fakeFlink) {
			f.refuse = "org.apache.flink.util.FlinkException: x\nCaused by: java.lang.IllegalArgumentException: slots: is 3"
		}, "IllegalArgumentException: slots: is 3"},
	} {
		f := newFakeFlink(t)
		if c.fake != nil {
			c.fake(f)
		}
		e := quick()
		if c.set != nil {
			c.set(e)
		}
		j, err := engineOn(t, f, nil).Open(e.under(t, c.partitioner))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: job %v, error %v", c.why, j, err)
		}
	}
}

// The cluster may carry out a submission whose answer is lost: its job must not stay.
func TestSubmissionThatIsLateIsCancelled(t *testing.T) {
	f := newFakeFlink(t)
	f.late = 3 * time.Second
	e := quick()
	if _, err := engineOn(t, f, nil).Open(e.under(t, "hash")); err == nil {
		t.Fatal("a job whose submission was not answered is there")
	}
	f.runs.Wait()
	if s := f.job().status(); s != "CANCELED" {
		t.Errorf("the job is %s", s)
	}
}

func TestNoCluster(t *testing.T) {
	f := newFakeFlink(t)
	e := engineOn(t, f, func(c *Config) { c.Address = "http://127.0.0.1:1" })
	if _, err := e.Open(quick().under(t, "hash")); err == nil || !strings.Contains(err.Error(), "saspart flink up") {
		t.Errorf("no cluster: %v", err)
	}
	if _, err := New(Config{Address: "127.0.0.1:8081"}); err == nil || !strings.Contains(err.Error(), "http://") {
		t.Errorf("an address without a scheme: %v", err)
	}
}

func TestListenRefuses(t *testing.T) {
	for _, address := range []string{"10.0.0.5", ":0", "0.0.0.0:0", "[::]:7070"} {
		if _, err := New(Config{Address: "http://127.0.0.1:8081", Listen: address}); err == nil || !strings.Contains(err.Error(), "10.0.0.5:0") {
			t.Errorf("listening at %s: %v", address, err)
		}
	}
}

// A job whose subtasks never report is given up; the error says what is known of it.
func TestJobThatDoesNotAttach(t *testing.T) {
	f := newFakeFlink(t)
	f.silent = true
	e := engineOn(t, f, func(c *Config) { c.Attach = 300 * time.Millisecond })
	j := open(t, e, quick(), "hash")
	if _, err := j.Next(background); err == nil || !strings.Contains(err.Error(), "2 of 3 subtasks") || !strings.Contains(err.Error(), "8 task slots") {
		t.Errorf("Next: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	if s := f.job().status(); s != "CANCELED" {
		t.Errorf("the job is %s", s)
	}
}

// The loss of a cluster is reported soon, and nothing waits for it any longer. The guard
// cancels the job if the cluster comes back.
func TestClusterIsLost(t *testing.T) {
	f := newFakeFlink(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(asGuard, f.URL)
	e := engineOn(t, f, func(c *Config) { c.Lost, c.Guard = time.Millisecond, []string{self} })
	j := open(t, e, quick(), "hash")
	next(t, j)
	s := f.job()
	s.end("CANCELED", "")
	f.CloseClientConnections()
	f.Listener.Close()
	began := time.Now()
	for err == nil {
		_, err = j.Next(background)
	}
	if !errors.Is(err, errLost) || !strings.Contains(err.Error(), f.URL) {
		t.Errorf("Next ends with %v", err)
	}
	if err := errors.Join(j.Close(), e.Close()); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > guardPatience/2 {
		t.Errorf("that took %v", took)
	}
}

// The jar is uploaded once for all jobs and removed at the end.
func TestOneUpload(t *testing.T) {
	f := newFakeFlink(t)
	e := engineOn(t, f, nil)
	for range 2 {
		j := open(t, e, quick(), "hash")
		next(t, j)
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}
	if f.uploads != 1 || f.submits != 2 {
		t.Errorf("%d uploads, %d submissions", f.uploads, f.submits)
	}
	if err := e.Close(); err != nil || len(f.jars) != 0 {
		t.Errorf("%v; %d jars are left", err, len(f.jars))
	}
}

// An interrupt ends the wait for a window.
func TestInterrupt(t *testing.T) {
	f := newFakeFlink(t)
	f.silent = true
	j := open(t, engineOn(t, f, nil), quick(), "hash")
	ctx, cancel := context.WithTimeout(background, 100*time.Millisecond)
	defer cancel()
	if _, err := j.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Next: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

// A detached job keeps running, unless it never started.
func TestDetached(t *testing.T) {
	for _, c := range []struct {
		why    string
		silent bool
		want   string
	}{
		{"it runs, and keeps running", false, "RUNNING"},
		{"it never reported, so no user would know of it", true, "CANCELED"},
	} {
		t.Run(c.why, func(t *testing.T) {
			f := newFakeFlink(t)
			f.silent = c.silent
			var left []string
			e := engineOn(t, f, func(c *Config) { c.Detached = func(job string) { left = append(left, job) } })
			j := open(t, e, quick(), "hash")
			if !c.silent {
				next(t, j)
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			if s := f.job().status(); s != c.want || (len(left) == 1) == c.silent {
				t.Errorf("the job is %s; told of %v", s, left)
			}
		})
	}
}

// Results come once the job has ended, ordered, with the slides of the job.
func TestResults(t *testing.T) {
	f := newFakeFlink(t)
	var slides []int64
	var total string
	e := quick()
	e.Results = func(slide int64, key string, r stream.Result) {
		slides = append(slides, slide)
		total = string(r.AppendText(nil))
		if key != "key\t0" && key != "key\t1" {
			t.Errorf("key %q", key)
		}
	}
	j := open(t, engineOn(t, f, nil), e, "hash")
	for range 3 {
		next(t, j)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if s := f.job().status(); s != "FINISHED" {
		t.Errorf("the job is %s", s)
	}
	// On a busy machine the records start a slide late, or one before the first window.
	if len(slides) < 5 || slides[0] < -1 || slides[0] > 2 || !slices.IsSorted(slides) || total != "200" {
		t.Errorf("slides %v, result %q", slides, total)
	}
	if _, err := os.Stat(f.job().conf.Results); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of the results is still there: %v", err)
	}
}

// The guard cancels the jobs of a process that dies, and no others.
func TestGuard(t *testing.T) {
	f := newFakeFlink(t)
	f.silent = true
	for _, id := range []string{"a", "b"} {
		f.jobs[id] = &fakeJob{state: "RUNNING", over: make(chan struct{})}
	}
	in := strings.NewReader(watchJob + "a\n" + watchJob + "b\n" + forgetJob + "b\n")
	if err := RunGuard(in, f.URL); err != nil {
		t.Fatal(err)
	}
	if a, b := f.jobs["a"].status(), f.jobs["b"].status(); a != "CANCELED" || b != "RUNNING" {
		t.Errorf("jobs are %s and %s", a, b)
	}
}

// The guard is a process; it ends when this one does.
func TestGuardIsAProcess(t *testing.T) {
	f := newFakeFlink(t)
	f.silent = true
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(asGuard, f.URL)
	e := engineOn(t, f, func(c *Config) { c.Guard = []string{self} })
	j := open(t, e, quick(), "hash")
	if err := errors.Join(e.guard.tells.Close(), e.guard.cmd.Wait()); err != nil { // as when this process dies
		t.Error(err)
	}
	if s := f.job().status(); s != "CANCELED" {
		t.Errorf("the job is %s", s)
	}
	e.guard, j.guard = nil, nil
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}
