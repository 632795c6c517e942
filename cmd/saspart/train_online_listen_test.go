//go:build torch

package main

import (
	"context"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// startTraining runs train-online behind a server until it ends, or stop has it
// interrupted; both return its exit code and all that it said.
func startTraining(t *testing.T, args ...string) (at listening, wait, stop func() (int, string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var out, log pipe
	a := &app{in: strings.NewReader(""), out: &out, err: &log, now: time.Now}
	code := make(chan int, 1)
	go func() {
		code <- a.execute(ctx, tiny(append([]string{"--config", "wordcount-zipf", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"}, args...)...))
	}()
	wait = sync.OnceValues(func() (int, string) { return <-code, out.String() + log.String() })
	stop = func() (int, string) {
		cancel()
		return wait()
	}
	t.Cleanup(func() { stop() })
	found := regexp.MustCompile(`(?s)jobs: (\S+)\npage: (\S+)\n`)
	for range 2000 {
		if m := found.FindStringSubmatch(log.String()); m != nil {
			return listening{Listen: m[1], HTTP: m[2]}, wait, stop
		}
		time.Sleep(5 * time.Millisecond)
	}
	_, said := stop()
	t.Fatalf("the training does not listen: %s", said)
	return at, wait, stop
}

// attach runs a job of a number of windows under the policy that is trained at an
// address, and returns what is said of it.
func attach(t *testing.T, at listening, windows string, more ...string) string {
	t.Helper()
	args := append(lightRun("--set", "job.work_ratio=6800", "--partitioner", "saspartitioner", "--windows", windows, "-o", "table", "--server", at.Listen), more...)
	code, stdout, narration := saspart(t, nil, args...)
	if code != codeOK {
		t.Fatalf("the job: exit code %d\n%s", code, narration)
	}
	return stdout + narration
}

// A training behind a server learns from the windows of one job, and when it has left
// of the next, until its windows are used up.
func TestTrainOnlineListens(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cap")
	at, wait, _ := startTraining(t, "--action", "capacity", "--checkpoint", "builtin", "--out", dir, "--max-windows", "60")
	if said := attach(t, at, "40"); !strings.Contains(said, "training decides, at") {
		t.Errorf("the first job: %s", said)
	}
	if status, text := get(t, "http://"+at.HTTP+"/metrics", ""); status != http.StatusOK || !strings.Contains(text, `saspart_windows_total{stream_job="wordcount-zipf"} 39`) {
		t.Errorf("status %d, metrics\n%s", status, text)
	}
	if said := attach(t, at, "4", "--set", "job.workers=4", "--server-job", "four", "--server-stale", "1s"); !strings.Contains(said, "this server takes jobs of 8 only") {
		t.Errorf("a job of 4 workers: %s", said)
	}
	attach(t, at, "60") // the same job, run again
	code, said := wait()
	if code != codeOK || !strings.Contains(said, "60 windows and") || !strings.Contains(said, "checkpoint "+dir) || strings.Contains(said, "faster than") {
		t.Errorf("exit code %d\n%s", code, said)
	}
	if code, _, narration := saspart(t, nil, lightRun("--partitioner", "saspartitioner", "--checkpoint", dir, "--windows", "4")...); code != codeOK {
		t.Errorf("what it learned does not run: exit code %d, %s", code, narration)
	}
}

// With the shares action too. An interrupt saves while the training waits, and the training
// resumes from there.
func TestTrainOnlineListensAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shares")
	args := []string{"--out", dir, "--max-windows", "1000", "--set", "learner.critics=2"}
	at, _, stop := startTraining(t, args...)
	attach(t, at, "30")
	code, said := stop()
	if code != codeInterrupted || !strings.Contains(said, "--resume continues from here") {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	at, wait, _ := startTraining(t, append(args, "--resume", "--wait", "1s")...)
	if attach(t, at, "30"); t.Failed() {
		return
	}
	if code, said = wait(); code != codeOK || !strings.Contains(said, "no job came back within 1s") {
		t.Errorf("resumed: exit code %d\n%s", code, said)
	}
}

func TestTrainOnlineListenRefuses(t *testing.T) {
	for _, tc := range []struct {
		why  string
		args []string
		code int
		want string
	}{
		{"everybody could connect", []string{"--listen", "0.0.0.0:0"}, codeUsage, "allow it with --insecure"},
		{"who runs the job?", []string{"--listen", "127.0.0.1:0", "--engine", "sim"}, codeUsage, "[engine listen] were all set"},
		{"a page without a server", []string{"--http", "127.0.0.1:0", "--wait", "1s"}, codeUsage, "--http, --wait only with --listen"},
		{"there is but one job", []string{"--listen", "127.0.0.1:0", "--parallel", "2"}, codeUsage, "one at a time"},
		{"to wait for less than nothing", []string{"--listen", "127.0.0.1:0", "--wait", "-1s"}, codeUsage, "must not be negative"},
		{"no job comes", []string{"--listen", "127.0.0.1:0", "--http", "", "--wait", "50ms"}, codeFailed, "no job of 8 workers came within 50ms"},
	} {
		code, _, narration := saspart(t, nil, tiny(append(tc.args, "--config", "wordcount-zipf", "--out", filepath.Join(t.TempDir(), "x"))...)...)
		if code != tc.code || !strings.Contains(narration, tc.want) {
			t.Errorf("%s: exit code %d, %s", tc.why, code, narration)
		}
	}
}
