package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/network"
)

// pipe is a stream that a test reads lines off while a command writes them.
type pipe struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *pipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *pipe) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// startServe runs the command until stop, which returns its exit code and log.
func startServe(t *testing.T, args ...string) (at listening, stop func() (int, string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var out, log pipe
	a := &app{in: strings.NewReader(""), out: &out, err: &log, now: time.Now}
	code := make(chan int, 1)
	go func() {
		code <- a.execute(ctx, append([]string{"serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "-o", "json"}, args...))
	}()
	stop = sync.OnceValues(func() (int, string) {
		cancel()
		return <-code, log.String()
	})
	t.Cleanup(func() { stop() })
	for range 1000 {
		if line, _, ok := strings.Cut(out.String(), "\n"); ok {
			if err := json.Unmarshal([]byte(line), &at); err != nil {
				t.Fatal(err)
			}
			return at, stop
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("the server does not start: %s", log.String())
	return at, stop
}

func get(t *testing.T, url, token string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// A run that the server decides for has the results of a run by itself, because it is
// the same policy on the same job.
func TestServeDecidesForARun(t *testing.T) {
	at, stop := startServe(t)
	run := lightRun("--partitioner", "saspartitioner", "--windows", "8", "-o", "table")
	code, own, _ := saspart(t, nil, run...)
	if code != codeOK {
		t.Fatal("it does not run by itself")
	}
	code, asked, narration := saspart(t, nil, append(run, "--server", at.Listen)...)
	if code != codeOK || asked != own {
		t.Errorf("exit code %d\n%swithout the server it is\n%s", code, asked, own)
	}
	for _, want := range []string{"builtin decides, at " + at.Listen, "policy server: 7 windows answered"} {
		if !strings.Contains(narration, want) {
			t.Errorf("no %q in %q", want, narration)
		}
	}
	if status, text := get(t, "http://"+at.HTTP+"/metrics", ""); status != http.StatusOK || !strings.Contains(text, `saspart_windows_total{stream_job="wordcount-zipf"} 7`) {
		t.Errorf("status %d, metrics\n%s", status, text)
	}
	if code, log := stop(); code != codeOK || !strings.Contains(log, "job attached") {
		t.Errorf("the server left with %d and logged %s", code, log)
	}
}

// Without a server the run says so, and continues.
func TestRunWithoutItsServer(t *testing.T) {
	if testing.Short() {
		t.Skip("waits 3 s for a server that is not there")
	}
	code, _, narration := saspart(t, nil, lightRun("--partitioner", "saspartitioner", "--windows", "12", "-o", "table", "--server", "127.0.0.1:1", "--server-stale", "2s")...)
	if code != codeOK {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"the run begins without it", "the policy server does not answer; routes are analytic", "policy server: 0 windows answered, with 0 routes; "} {
		if !strings.Contains(narration, want) {
			t.Errorf("no %q in %q", want, narration)
		}
	}
	if strings.Contains(narration, "fallback gave 0 routes") {
		t.Error("no route was analytic")
	}
}

// A newer checkpoint is loaded, an unreadable one is not, and a job that it does not fit
// gets a notice.
func TestServeWatches(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mine")
	save := func(c *checkpoint.Checkpoint) {
		t.Helper()
		if err := checkpoint.Save(dir, c); err != nil {
			t.Fatal(err)
		}
	}
	save(checkpoint.UntrainedCapacity(8, 1))
	at, stop := startServe(t, "--checkpoint", dir, "--watch", "--watch-every", "20ms")
	run := lightRun("--partitioner", "saspartitioner", "--windows", "20", "-o", "table", "--server", at.Listen)
	until := func(path, want string) {
		t.Helper()
		text := ""
		for range 500 {
			if _, text = get(t, "http://"+at.HTTP+path, ""); strings.Contains(text, want) {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("no %q in %s:\n%s", want, path, text)
	}
	until("/jobs.json", `"generation":1`)
	save(checkpoint.UntrainedCapacity(8, 2))
	until("/jobs.json", `"generation":2`)
	if err := os.WriteFile(filepath.Join(dir, "manifest.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, narration := saspart(t, nil, run...); code != codeOK || !strings.Contains(narration, "mine decides") {
		t.Errorf("exit code %d, %s", code, narration)
	}
	save(sharesFor(4))
	until("/jobs.json", `"generation":3`)
	code, _, narration := saspart(t, nil, append(run, "--server-job", "other")...)
	if code != codeOK || !strings.Contains(narration, "trained for 4 workers, the job has 8") {
		t.Errorf("exit code %d, %s", code, narration)
	}
	until("/metrics", `saspart_fallbacks_total{reason="workers",stream_job="other"} 19`)
	if code, log := stop(); code != codeOK || !strings.Contains(log, "the previous one stays") {
		t.Errorf("the server left with %d and logged %s", code, log)
	}
}

// Of a pool, the members trained for a job's number of workers decide for it.
func TestServePool(t *testing.T) {
	dir := t.TempDir()
	for name, workers := range map[string]uint16{"small": 4, "large": 8} {
		c := sharesFor(workers)
		c.Shares.KeyShares = []float64{0.4}
		if err := checkpoint.Save(filepath.Join(dir, name), c); err != nil {
			t.Fatal(err)
		}
	}
	at, _ := startServe(t, "--pool", dir)
	run := lightRun("--partitioner", "saspartitioner", "--windows", "4", "-o", "table", "--server", at.Listen)
	if code, _, narration := saspart(t, nil, run...); code != codeOK || !strings.Contains(narration, "pool of 2 decides") {
		t.Errorf("exit code %d, %s", code, narration)
	}
	code, _, narration := saspart(t, nil, append(run, "--set", "job.workers=5", "--server-job", "five")...)
	if code != codeOK || !strings.Contains(narration, "none of the 2 members of the pool was trained for 5 workers") {
		t.Errorf("exit code %d, %s", code, narration)
	}
}

// sharesFor is a shares policy for P workers that has learned nothing.
func sharesFor(workers uint16) *checkpoint.Checkpoint {
	all := make([]uint16, workers)
	for w := range all {
		all[w] = uint16(w)
	}
	in, out := 2*int(workers), 2*int(workers)
	zeros := func(name string, shape ...int) network.Tensor {
		n := 1
		for _, d := range shape {
			n *= d
		}
		return network.Tensor{Name: name, Shape: shape, Data: make([]float32, n)}
	}
	return &checkpoint.Checkpoint{
		Format: checkpoint.Format, Kind: checkpoint.KindShares, CreatedBy: "test",
		Shares: &checkpoint.SharesSpec{Workers: int(workers), Mask: [][]uint16{all}, HotKeys: 1, Hidden: []int{4}},
		Tensors: []network.Tensor{
			zeros("0.weight", 1, in, 4), zeros("0.bias", 1, 4), zeros("1.weight", 1, 4, out), zeros("1.bias", 1, out),
		},
	}
}

func TestServeToken(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("0123456789abcdef-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at, stop := startServe(t, "--token-file", token)
	run := lightRun("--partitioner", "saspartitioner", "--windows", "4", "-o", "table", "--server", at.Listen)
	if code, _, narration := saspart(t, nil, append(run, "--server-token", token)...); code != codeOK || !strings.Contains(narration, "3 windows answered") {
		t.Errorf("with the token: exit code %d, %s", code, narration)
	}
	for path, want := range map[string]int{"/metrics": 401, "/jobs.json": 401, "/": 401, "/healthz": 200, "/readyz": 200} {
		if status, _ := get(t, "http://"+at.HTTP+path, ""); status != want {
			t.Errorf("%s without the token: status %d, want %d", path, status, want)
		}
		if status, _ := get(t, "http://"+at.HTTP+path, "0123456789abcdef-secret"); status != 200 {
			t.Errorf("%s with the token: status %d", path, status)
		}
	}
	if _, log := stop(); strings.Contains(log, "secret") {
		t.Errorf("the token is in the log: %s", log)
	}
}

func TestServeRefuses(t *testing.T) {
	short := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(short, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why  string
		args []string
		code int
		want string
	}{
		{"everybody could connect", []string{"--listen", "0.0.0.0:0"}, codeUsage, "allow it with --insecure"},
		{"everybody could connect, for no host means all", []string{"--listen", ":0"}, codeUsage, "allow it with --insecure"},
		{"everybody could see the page", []string{"--http", "192.0.2.1:80"}, codeUsage, "allow it with --insecure"},
		{"a name that may mean anything", []string{"--listen", "server:0"}, codeUsage, "allow it with --insecure"},
		{"half of a certificate", []string{"--tls-cert", "x.pem"}, codeUsage, "go together"},
		{"asking for certificates in the clear", []string{"--client-ca", "x.pem"}, codeUsage, "--client-ca needs"},
		{"nothing to watch", []string{"--watch"}, codeUsage, "name one with --checkpoint"},
		{"an address without a port", []string{"--listen", "127.0.0.1"}, codeUsage, "write it as host:port"},
		{"two that decide", []string{"--checkpoint", "x", "--pool", "y"}, codeUsage, "[checkpoint pool] were all set"},
		{"no such pool", []string{"--pool", "/nowhere"}, codeFailed, "load pool"},
		{"a limit of nothing", []string{"--max-jobs", "0"}, codeUsage, "limits.jobs: is 0"},
		{"no such checkpoint", []string{"--checkpoint", "/nowhere"}, codeFailed, "find checkpoint /nowhere"},
		{"a token that can be guessed", []string{"--token-file", short}, codeFailed, "at least 16 characters"},
		{"no such certificate", []string{"--tls-cert", "/nowhere", "--tls-key", "/nowhere"}, codeFailed, "certificate /nowhere"},
	} {
		code, out, narration := saspart(t, nil, append([]string{"serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"}, c.args...)...)
		if code != c.code || out != "" || !strings.Contains(narration, c.want) {
			t.Errorf("%s: exit code %d, stdout %q, stderr %s", c.why, code, out, narration)
		}
		if strings.Contains(narration, "hunter2") {
			t.Errorf("%s: the token is printed: %s", c.why, narration)
		}
	}
	for _, c := range []struct {
		why  string
		args []string
		want string
	}{
		{"no partitioner to decide for", []string{"--partitioner", "hash", "--server", "127.0.0.1:1"}, "add --partitioner saspartitioner"},
		{"how to reach no server", []string{"--server-job", "x"}, "need --server"},
		{"never to give up on it", []string{"--server", "127.0.0.1:1", "--partitioner", "saspartitioner", "--server-stale", "0s"}, "must be above 0"},
		{"a certificate in the clear", []string{"--server", "127.0.0.1:1", "--partitioner", "saspartitioner", "--server-cert", "x", "--server-key", "x"}, "with --server-ca"},
	} {
		if code, _, narration := saspart(t, nil, lightRun(c.args...)...); code != codeUsage || !strings.Contains(narration, c.want) {
			t.Errorf("%s: exit code %d, stderr %s", c.why, code, narration)
		}
	}
}
