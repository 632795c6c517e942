package serve_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/experiment"
	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/partition/registry"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/serve"
	"github.com/saspart/saspart/serve/client"
	"github.com/saspart/saspart/stream"
)

// results runs the experiment's job under a partitioner for a number of windows, whose
// routes the controller decides if it is not nil, and returns what it computes.
func results(t *testing.T, e *config.Experiment, engine, partitioner string, windows int, controller policy.Controller) map[string]string {
	t.Helper()
	p := e.Partitioner
	p.Name = partitioner
	scheme, err := registry.New(p, e.Job.Workers)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	job, err := experiment.Open(e, engine, scheme, experiment.Options{Results: func(slide int64, key string, s stream.Result) {
		out[fmt.Sprint(slide, " ", key)] = string(s.AppendText(nil))
	}})
	if err != nil {
		t.Fatal(err)
	}
	l := loop.New(loop.Config{Workers: e.Job.Workers, Controller: controller})
	for range windows {
		w, err := job.Next(context.Background())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := job.Apply(l.Step(w)); err != nil {
			t.Fatal(err)
		}
	}
	if err := job.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

// The server of a job on goroutines is killed, restarted and suspended. The job never stops,
// gets analytic routes while the server is away, and computes the same results as under hash
// without a server.
func TestJobSurvivesItsServer(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 15 s of the wall clock")
	}
	t.Parallel()
	e, err := config.Ready("wordcount-zipf")
	if err != nil {
		t.Fatal(err)
	}
	e.Rate.Rate = 1500
	e.Job.Slide, e.Job.Window = 100*time.Millisecond, 200*time.Millisecond
	e.Job.MetricSlides = 1
	const windows = 150
	server := startProcess(t, "")
	c := client.Default()
	c.Address, c.Job, c.StaleAfter, c.Instance = server.address, "survivor", time.Second, "one"
	c.BackOff = client.BackOff{First: 50 * time.Millisecond, Most: 500 * time.Millisecond}
	c.Shape = reports.Shape{Workers: e.Job.Workers, Partitioners: 1, Slots: policy.SlotCount(e.Job.Workers), Slides: 1, Slide: e.Job.MetricWindow()}
	attachedTo, err := client.New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer attachedTo.Close()
	attached(t, attachedTo)

	var sources []client.Source
	var longest time.Duration
	decide := attachedTo.Controller(20 * time.Millisecond)
	step := 0
	controller := controllerFunc(func(w *policy.Window, latest *policy.Route) policy.Decision {
		switch step++; step {
		case 20:
			server.kill()
		case 45:
			server = startProcess(t, server.address)
		case 70:
			server.signal(t, syscall.SIGSTOP)
		case 120:
			server.signal(t, syscall.SIGCONT)
		}
		began := time.Now()
		d := decide.Decide(w, latest)
		longest = max(longest, time.Since(began))
		sources = append(sources, attachedTo.Status().Source)
		return d
	})
	got := results(t, e, experiment.Local, "saspartitioner", windows, controller)
	want := results(t, e, experiment.Sim, "hash", windows, nil)
	if len(got) < 1000 || len(want) < 1000 {
		t.Fatalf("%d and %d results say nothing", len(got), len(want))
	}
	// The two end at different records of their last windows: what both have is
	// compared, but for the end.
	for at, text := range want {
		var slide int
		if _, err := fmt.Sscan(at, &slide); err != nil {
			t.Fatal(err)
		}
		if slide > windows-10 {
			delete(want, at)
		} else if other, ok := got[at]; !ok || other != text {
			t.Fatalf("key and slide %s: %q, under hash %q", at, other, text)
		}
	}
	for _, at := range []struct {
		step int
		want client.Source
	}{{18, client.Policy}, {43, client.Analytic}, {68, client.Policy}, {118, client.Analytic}, {windows - 2, client.Policy}} {
		if sources[at.step] != at.want {
			t.Errorf("after window %d routes are from %q, want %q", at.step, sources[at.step], at.want)
		}
	}
	if st := attachedTo.Status(); st.Fallbacks != 2 || st.Attached != 2 || st.Analytic == 0 {
		t.Errorf("status %+v", st)
	}
	if longest > 3*time.Second { // the server was away for 5 s, and the machine may be busy
		t.Errorf("a decision took %v", longest)
	}
}

// controllerFunc is a function as a controller.
type controllerFunc func(*policy.Window, *policy.Route) policy.Decision

func (f controllerFunc) Decide(w *policy.Window, latest *policy.Route) policy.Decision {
	return f(w, latest)
}

// A job whose process is killed in the middle of it leaves nothing but its name, which
// the next run of it may have at once.
func TestClientIsKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process")
	}
	s := start(t, "", serve.Default(), serve.Options{})
	other := exec.Command(os.Args[0], "-test.run=^$")
	other.Env = append(os.Environ(), attachVariable+"="+s.address)
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	kill := sync.OnceFunc(func() {
		_ = other.Process.Kill() // it may have ended
		_ = other.Wait()         // with the signal
	})
	t.Cleanup(kill)
	eventually(t, "its windows are answered", func() bool {
		return strings.Contains(page(t, s, "/jobs.json"), `"job":"killed"`) && !strings.Contains(page(t, s, "/jobs.json"), `"windows":0`)
	})
	kill()
	counted(t, s, "saspart_streams 0")
	works(t, s, "killed")
}
