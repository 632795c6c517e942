//go:build flink

// Whole jobs on their own cluster, on which everything fails that a job must survive.
// `make flink-test` runs them: they need Maven, a JDK and the jar with the jobs.
package flink

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/saspart/saspart/engine/flink/cluster"
	"github.com/saspart/saspart/engine/flink/rest"
)

// stage is a cluster with the jobs' program on it.
type stage struct {
	t       *testing.T
	cluster *cluster.Cluster
	client  *rest.Client
	jar     string
	program string
}

// newStage starts a cluster, which ends with the test.
func newStage(t *testing.T) *stage {
	t.Helper()
	c := cluster.Default()
	c.Dir, c.Port, c.TaskSlots, c.Patience = t.TempDir(), 0, 8, 4*time.Minute
	s := &stage{t: t}
	var err error
	if s.jar, err = findJar(); err != nil {
		t.Fatal(err)
	}
	if s.cluster, err = cluster.New(c, t.Output()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := s.cluster.Down(); err != nil {
			t.Error(err)
		}
	})
	status, err := s.cluster.Up(background)
	if err != nil {
		t.Fatal(err)
	}
	s.client = rest.New(status.Address)
	t.Cleanup(s.client.Close)
	if s.program, err = s.client.Upload(background, s.jar); err != nil {
		t.Fatal(err)
	}
	return s
}

// task is a job of the given number of records at 1000/s, that checkpoints every half second.
func (s *stage) task(partitioner string, workers int, records int64) *settings {
	s.t.Helper()
	e := usual("faults")
	e.Config.Workers, e.Config.Partitioners = workers, 2
	e.Config.Slide, e.Config.Window = 250*time.Millisecond, 500*time.Millisecond
	e.Source.Keys, e.Source.Exponent = 200, 1.2
	setup := e.under(s.t, partitioner)
	c, err := newSettings(&setup)
	if err != nil {
		s.t.Fatal(err)
	}
	c.Instance, c.Rate, c.Records, c.CheckpointMS, c.StaleAfterMS = newID(), 1000, records, 500, 2000
	c.Results = filepath.Join(s.t.TempDir(), "results")
	return c
}

// run starts a job, from a savepoint unless that is "".
func (s *stage) run(c *settings, savepoint string) (job string) {
	s.t.Helper()
	args, err := c.arguments()
	if err != nil {
		s.t.Fatal(err)
	}
	job, err = s.client.Run(background, s.program, rest.Run{EntryClass: "io.github.saspart.flink.jobs.WordCountJob", Args: args, Savepoint: savepoint})
	if err != nil {
		s.t.Fatal(err)
	}
	s.eventually("the job runs", func() bool {
		j, err := s.client.Job(background, job)
		return err == nil && j.State == rest.Running && j.Tasks > 0 && j.Running == j.Tasks
	})
	return job
}

func (s *stage) eventually(what string, holds func() bool) {
	s.t.Helper()
	for until := time.Now().Add(2 * time.Minute); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		if holds() {
			return
		}
	}
	s.t.Fatalf("after 2 minutes it is still not so that %s", what)
}

// halfway waits until a job has written some results but not all.
func (s *stage) halfway(c *settings) {
	s.t.Helper()
	s.eventually("there are results", func() bool { return lines(s.t, c.Results) > 500 })
}

// lines is how many results are complete in a folder.
func lines(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error { // files come and go
		if err == nil && !d.IsDir() && !strings.HasPrefix(d.Name(), ".") {
			text, _ := os.ReadFile(path)
			n += strings.Count(string(text), "\n")
		}
		return nil
	})
	return n
}

// exact waits for a job to finish and compares its results with those of one thread.
func (s *stage) exact(job string, c *settings) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(background, 4*time.Minute)
	defer cancel()
	state, err := s.client.Ended(ctx, job)
	if err != nil || state != rest.Finished {
		cause, _ := s.client.Cause(ctx, job)
		s.t.Fatalf("the job is %s, %v; %s", state, err, cause)
	}
	path, err := s.cluster.ClassPath(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := json.Marshal(c)
	if err != nil {
		s.t.Fatal(err)
	}
	java, err := exec.LookPath("java")
	if err != nil {
		s.t.Fatal(err)
	}
	check := exec.CommandContext(ctx, java, "-cp", s.jar+string(os.PathListSeparator)+path,
		"io.github.saspart.flink.jobs.check.CheckResults", "--conf", base64.URLEncoding.EncodeToString(text))
	out, err := check.CombinedOutput()
	s.t.Logf("%s", out)
	if err != nil {
		s.t.Errorf("the results are not those of one thread: %v", err)
	}
}

// TestFaults shares a cluster, which takes long to start.
func TestFaults(t *testing.T) {
	s := newStage(t)
	for _, c := range []struct {
		why string
		run func(*stage)
	}{
		{"routes are followed", (*stage).followsRoutes},
		{"a TaskManager is killed", (*stage).losesATaskManager},
		{"other numbers of workers", (*stage).rescales},
		{"the policy server is killed", (*stage).losesThePolicyServer},
	} {
		t.Run(c.why, func(t *testing.T) {
			one := *s
			one.t = t
			c.run(&one)
		})
	}
}

// No result is lost when a TaskManager is killed.
func (s *stage) losesATaskManager() {
	t := s.t
	partitioners := []string{"wchoices", "dalton-metrics"}
	if testing.Short() {
		partitioners = partitioners[1:]
	}
	for _, partitioner := range partitioners {
		c := s.task(partitioner, 4, 12_000)
		job := s.run(c, "")
		s.halfway(c)
		status, err := s.cluster.Status(background)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(status.TaskManagers[0], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		s.exact(job, c)
		if cause, err := s.client.Cause(background, job); err != nil || cause == "" {
			t.Errorf("the job has not noticed: %v", err)
		}
		if _, err := s.cluster.Up(background); err != nil {
			t.Fatal(err)
		}
	}
}

// A job resumes from a savepoint with fewer workers, and with more.
func (s *stage) rescales() {
	t := s.t
	numbers := []int{3, 6}
	if testing.Short() {
		numbers = numbers[1:] // AggregationJobTest rescales a job too
	}
	for _, workers := range numbers {
		c := s.task("wchoices", 4, 12_000)
		job := s.run(c, "")
		s.halfway(c)
		savepoint, err := s.client.Stop(background, job, "")
		if err != nil {
			t.Fatal(err)
		}
		if state, err := s.client.Ended(background, job); err != nil || state != rest.Finished {
			t.Fatalf("the job is %s: %v", state, err)
		}
		if done := lines(t, c.Results); done == 0 {
			t.Error("nothing was done before the savepoint")
		}
		c.Workers, c.Speeds, c.Instance = workers, make([]float64, workers), newID()
		for i := range c.Speeds {
			c.Speeds[i] = 1
		}
		s.exact(s.run(c, savepoint), c)
	}
}

// A job neither restarts nor waits when its policy server is killed and comes back.
func (s *stage) losesThePolicyServer() {
	t := s.t
	saspart := filepath.Join(t.TempDir(), "saspart")
	if out, err := exec.Command("go", "build", "-o", saspart, "../../cmd/saspart").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c := s.task("table", 4, 30_000)
	c.Server = freeAddress(t)
	kill := servePolicy(t, saspart, c.Server)
	job := s.run(c, "")
	s.halfway(c)
	kill()
	gone := time.Now()
	before := lines(t, c.Results)
	time.Sleep(10 * time.Second)
	if during := lines(t, c.Results) - before; during < 500 {
		t.Errorf("without a server the job came to %d results in 10 s", during)
	}
	servePolicy(t, saspart, c.Server)
	s.eventually("the job is attached again", func() bool { return attached(c.Server) })
	t.Logf("attached again %v after the server was killed", time.Since(gone).Round(100*time.Millisecond))
	s.exact(job, c)
	if cause, err := s.client.Cause(background, job); err != nil || cause != "" {
		t.Errorf("the job began again for %q: %v", cause, err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// pages maps the address of a server to that of its pages.
var pages sync.Map

// servePolicy runs a policy server as a process, until kill is called or the test ends.
func servePolicy(t *testing.T, saspart, address string) (kill func()) {
	t.Helper()
	page := freeAddress(t)
	pages.Store(address, page)
	cmd := exec.Command(saspart, "serve", "--listen", address, "--http", page)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill() // as it may have ended
		_ = cmd.Wait()         // that it was killed is known
	})
	t.Cleanup(kill)
	return kill
}

// attached reports whether the server at an address has answered a window of a job.
func attached(address string) bool {
	page, _ := pages.Load(address)
	answer, err := http.Get("http://" + page.(string) + "/jobs.json")
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	var known struct {
		Jobs []struct{ Windows int }
	}
	return json.NewDecoder(answer.Body).Decode(&known) == nil && len(known.Jobs) > 0 && known.Jobs[0].Windows > 0
}
