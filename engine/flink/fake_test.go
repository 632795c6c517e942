package flink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/serve/client"
	"github.com/saspart/saspart/serve/wire"
)

// fakeFlink is a cluster's REST interface, with jobs that are goroutines of the test.
type fakeFlink struct {
	*httptest.Server
	t    *testing.T
	runs sync.WaitGroup

	mu      sync.Mutex
	jars    map[string]int // bytes
	jobs    map[string]*fakeJob
	refuse  string        // answer to submissions; "": they are accepted
	silent  bool          // jobs never attach
	late    time.Duration // submissions are not answered, and their jobs start after this; 0: they are answered
	uploads int
	submits int
}

func newFakeFlink(t *testing.T) *fakeFlink {
	f := &fakeFlink{t: t, jars: map[string]int{}, jobs: map[string]*fakeJob{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /overview", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"flink-version": "1.20.5", "taskmanagers": 2, "slots-total": 8, "slots-available": 0, "jobs-running": len(f.jobs)})
	})
	mux.HandleFunc("POST /jars/upload", f.upload)
	mux.HandleFunc("DELETE /jars/{jar}", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.jars, r.PathValue("jar"))
		answer(w, map[string]any{})
	})
	mux.HandleFunc("POST /jars/{jar}/run", f.run)
	mux.HandleFunc("GET /jobs/{job}/status", f.about(func(j *fakeJob) any { return map[string]any{"status": j.status()} }))
	mux.HandleFunc("GET /jobs/{job}", f.about(func(j *fakeJob) any {
		return map[string]any{"name": j.conf.Job, "state": j.status(), "vertices": []any{
			map[string]any{"parallelism": 3, "tasks": map[string]int{"RUNNING": 2, "SCHEDULED": 1}},
		}}
	}))
	mux.HandleFunc("GET /jobs/{job}/exceptions", f.about(func(j *fakeJob) any {
		return map[string]any{"exceptionHistory": map[string]any{"entries": []any{map[string]any{"stacktrace": j.trace, "taskName": "worker (2/4)"}}}}
	}))
	mux.HandleFunc("PATCH /jobs/{job}", f.about(func(j *fakeJob) any {
		j.end("CANCELED", "")
		return map[string]any{}
	}))
	f.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		for _, j := range f.jobs {
			j.end("CANCELED", "")
		}
		f.runs.Wait()
		f.Server.Close()
	})
	return f
}

func answer(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }

func fails(w http.ResponseWriter, code int, trace string) {
	w.WriteHeader(code)
	answer(w, map[string]any{"errors": []string{"Internal server error.", trace}})
}

func (f *fakeFlink) upload(w http.ResponseWriter, r *http.Request) {
	file, header, err := r.FormFile("jarfile")
	if err != nil {
		fails(w, 400, err.Error())
		return
	}
	n, _ := io.Copy(io.Discard, file)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.uploads++
	name := fmt.Sprintf("%d_%s", f.uploads, header.Filename)
	f.jars[name] = int(n)
	answer(w, map[string]any{"filename": "/upload/" + name, "status": "success"})
}

func (f *fakeFlink) run(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		EntryClass      string
		ProgramArgsList []string
		JobID           string
	}
	if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
		fails(w, 400, err.Error())
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.submits++
	if f.refuse != "" {
		fails(w, 500, f.refuse)
		return
	}
	text, err := base64.URLEncoding.DecodeString(ask.ProgramArgsList[1])
	j := &fakeJob{class: ask.EntryClass, state: "RUNNING", over: make(chan struct{})}
	if err == nil {
		err = json.Unmarshal(text, &j.conf)
	}
	if err != nil || ask.ProgramArgsList[0] != "--conf" || f.jars[r.PathValue("jar")] == 0 {
		fails(w, 400, fmt.Sprint(ask, err))
		return
	}
	if f.late > 0 {
		f.runs.Go(func() {
			time.Sleep(f.late)
			f.mu.Lock()
			defer f.mu.Unlock()
			f.jobs[ask.JobID] = j
		})
		panic(http.ErrAbortHandler)
	}
	f.jobs[ask.JobID] = j
	if !f.silent {
		f.runs.Go(func() { j.run(f.t) })
	}
	answer(w, map[string]any{"jobid": ask.JobID})
}

func (f *fakeFlink) about(tell func(*fakeJob) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		j := f.jobs[r.PathValue("job")]
		f.mu.Unlock()
		if j == nil {
			fails(w, 404, "org.apache.flink.runtime.messages.FlinkJobNotFoundException: Could not find Flink job")
			return
		}
		answer(w, tell(j))
	}
}

// job is the only job there has been.
func (f *fakeFlink) job() *fakeJob {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, j := range f.jobs {
		return j
	}
	return nil
}

// fakeJob is a job that attaches as one on Flink does. Its reports are computed from its rate
// and its route.
type fakeJob struct {
	class string
	conf  settings
	over  chan struct{}
	once  sync.Once

	mu     sync.Mutex
	state  string
	trace  string
	wanted wire.Control
	rates  []float64 // in force, slide by slide, pauses left out
	names  []string  // of partitioners in force, each once
}

func (j *fakeJob) status() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.state
}

// end has the job end, if it has not.
func (j *fakeJob) end(state, trace string) {
	j.once.Do(func() {
		j.mu.Lock()
		j.state, j.trace = state, trace
		j.mu.Unlock()
		close(j.over)
	})
}

func (j *fakeJob) control(c wire.Control) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.wanted = c.Over(j.wanted)
}

// run reports slide by slide until the job is over.
func (j *fakeJob) run(t *testing.T) {
	c := &j.conf
	slide := time.Duration(c.SlideMS) * time.Millisecond
	shape := reports.Shape{Workers: c.Workers, Partitioners: c.Partitioners, Reducers: c.Reducers, Slots: c.HashSlots, Slides: c.MetricSlides, Slide: slide}
	attach := client.Config{
		Address: c.Server, Token: c.Token, Job: c.Job, Instance: c.Instance, Shape: shape, StaleAfter: time.Hour, Control: j.control,
	}
	if c.Authority != "" {
		trusted := x509.NewCertPool()
		trusted.AppendCertsFromPEM([]byte(c.Authority))
		attach.TLS = credentials.NewTLS(&tls.Config{RootCAs: trusted})
	}
	attached, err := client.New(attach)
	if err != nil {
		t.Error(err)
		return
	}
	defer attached.Close()
	route := policy.HashRoute(c.Workers)
	var partitioner struct{ Name string }
	if err := json.Unmarshal(c.Partitioner, &partitioner); err != nil {
		t.Error(err)
	}
	rate, results := c.Rate, map[int64]int64{}
	for n := time.Now().UnixNano() / int64(slide); ; n++ {
		select {
		case <-j.over:
			return
		case <-time.After(time.Until(time.Unix(0, (n+1)*int64(slide)))):
		}
		if err := attached.Report(j.report(shape, uint64(n), rate, route, partitioner.Name)); err != nil {
			t.Error(err)
		}
		results[(n+1)*c.SlideMS] = int64(rate * slide.Seconds())
		j.mu.Lock()
		wanted := j.wanted
		if rate > 0 {
			j.rates = append(j.rates, rate)
		}
		if len(j.names) == 0 || j.names[len(j.names)-1] != partitioner.Name {
			j.names = append(j.names, partitioner.Name)
		}
		j.mu.Unlock()
		// What was requested in a slide holds from the next one on.
		if wanted.Rate != nil {
			rate = *wanted.Rate
		}
		if wanted.Partitioner != "" {
			if err := json.Unmarshal([]byte(wanted.Partitioner), &partitioner); err != nil {
				t.Error(err)
			}
		}
		if r := attached.Route(); r != nil {
			route = r
		}
		if wanted.End {
			j.write(t, results)
			j.end("FINISHED", "")
			return
		}
	}
}

// report is what subtasks measure in a slide: worker 0 gets a quarter of the records
// by hash, and each can do 1000/s.
func (j *fakeJob) report(shape reports.Shape, slide uint64, rate float64, route *policy.Route, name string) *reports.Report {
	records := rate * shape.Slide.Seconds()
	r := &reports.Report{Slide: slide}
	load := make([]float64, shape.Workers)
	load[route.Slots[0]] += 0.25
	for _, w := range route.Slots {
		load[w] += 0.75 / float64(len(route.Slots))
	}
	for i, part := range load {
		done := min(part*rate, 1000)
		r.Workers = append(r.Workers, reports.Worker{
			Index: i, Records: int64(done * shape.Slide.Seconds()), Busy: done / 1000, StateKeys: 3,
			Latency: &reports.Latency{Buckets: []uint32{13*128 + 244}, Counts: []int64{int64(done)}, Max: 2 * time.Millisecond},
		})
	}
	for i := range shape.Partitioners {
		slots := make([]int64, shape.Slots)
		slots[0] = int64(records / 4)
		for s := range slots {
			slots[s] += int64(records * 0.75 / float64(len(slots)))
		}
		r.Partitioners = append(r.Partitioners, reports.Partitioner{
			Index: i, Sent: int64(records) / int64(shape.Partitioners), Offered: rate / float64(shape.Partitioners), Slots: slots, Name: name,
			RouteVersion: route.Version,
		})
	}
	for i := range shape.Reducers {
		r.Reducers = append(r.Reducers, reports.Reducer{Index: i, Busy: 0.1, Keys: 1, Pairs: 2})
	}
	return r
}

// write leaves results as the jobs do.
func (j *fakeJob) write(t *testing.T, results map[int64]int64) {
	if j.conf.Results == "" {
		return
	}
	var b strings.Builder
	for end, n := range results {
		if n > 0 {
			fmt.Fprintf(&b, "%d\tkey\\x09%d\t%d\n", end, end%2, n)
		}
	}
	dir := filepath.Join(j.conf.Results, "2026-01-01--00")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Error(err)
	}
	for name, text := range map[string]string{"part-0": b.String(), ".part-1.inprogress": "not complete"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Error(err)
		}
	}
}

var background = context.Background()
