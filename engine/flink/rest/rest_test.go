package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var background = context.Background()

// answering is a cluster that answers requests, by method and path, with texts in order; the
// last one is repeated.
func answering(t *testing.T, answers map[string][]string) (*Client, *[]string) {
	t.Helper()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		what := r.Method + " " + r.URL.RequestURI()
		asked = append(asked, what+" "+string(body))
		list := answers[what]
		if len(list) == 0 {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"errors":["Not found: `+what+`"]}`)
			return
		}
		if len(list) > 1 {
			answers[what] = list[1:]
		}
		if code, text, ok := strings.Cut(list[0], "|"); ok && code == "500" {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, text)
			return
		}
		_, _ = io.WriteString(w, list[0])
	}))
	c := New(server.URL + "/")
	t.Cleanup(func() {
		c.Close()
		server.Close()
	})
	return c, &asked
}

func TestOverview(t *testing.T) {
	c, _ := answering(t, map[string][]string{
		"GET /overview":     {`{"flink-version":"1.20.5","taskmanagers":2,"slots-total":8,"slots-available":3,"jobs-running":1,"more":{}}`},
		"GET /taskmanagers": {`{"taskmanagers":[{"id":"a","path":"x"},{"id":"b"}]}`},
	})
	o, err := c.Overview(background)
	if err != nil || o != (Overview{"1.20.5", 2, 8, 3, 1}) {
		t.Errorf("%+v, %v", o, err)
	}
	if ids, err := c.TaskManagers(background); err != nil || strings.Join(ids, " ") != "a b" {
		t.Errorf("%v, %v", ids, err)
	}
}

func TestUploadSendsTheFile(t *testing.T) {
	jar := filepath.Join(t.TempDir(), "x.jar")
	if err := os.WriteFile(jar, []byte("a program"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, asked := answering(t, map[string][]string{"POST /jars/upload": {`{"filename":"/upload/7_x.jar","status":"success"}`}})
	name, err := c.Upload(background, jar)
	if err != nil || name != "7_x.jar" {
		t.Errorf("%q, %v", name, err)
	}
	if !strings.Contains((*asked)[0], "a program") || !strings.Contains((*asked)[0], `name="jarfile"; filename="x.jar"`) {
		t.Errorf("it was sent %s", (*asked)[0])
	}
	if _, err := c.Upload(background, jar+"x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestRunSaysHow(t *testing.T) {
	c, asked := answering(t, map[string][]string{"POST /jars/7_x.jar/run": {`{"jobid":"ab"}`}})
	job, err := c.Run(background, "7_x.jar", Run{EntryClass: "a.B", Args: []string{"--x", "1"}, JobID: "ab", Savepoint: "file:/s"})
	if err != nil || job != "ab" {
		t.Errorf("%q, %v", job, err)
	}
	want := `{"entryClass":"a.B","programArgsList":["--x","1"],"jobId":"ab","savepointPath":"file:/s"}`
	if got := (*asked)[0]; !strings.HasSuffix(got, want) {
		t.Errorf("it was asked %s", got)
	}
}

func TestJob(t *testing.T) {
	c, _ := answering(t, map[string][]string{
		"GET /jobs/ab":        {`{"name":"clicks","state":"RUNNING","vertices":[{"parallelism":2,"tasks":{"RUNNING":1,"FINISHED":1}},{"parallelism":3,"tasks":{"RUNNING":3}}]}`},
		"GET /jobs/ab/status": {`{"status":"RUNNING"}`, `{"status":"FAILING"}`, `{"status":"FAILED"}`},
	})
	if j, err := c.Job(background, "ab"); err != nil || j != (Job{"clicks", Running, 5, 4, 1}) {
		t.Errorf("%+v, %v", j, err)
	}
	if s, err := c.Ended(background, "ab"); err != nil || s != Failed {
		t.Errorf("it ends as %s, %v", s, err)
	}
	if _, err := c.State(background, "cd"); !Gone(err) {
		t.Errorf("a job that the cluster does not know: %v", err)
	}
}

func TestEndedGivesUp(t *testing.T) {
	c, _ := answering(t, map[string][]string{"GET /jobs/ab/status": {`{"status":"CANCELLING"}`}})
	ctx, cancel := context.WithTimeout(background, 300*time.Millisecond)
	defer cancel()
	if _, err := c.Ended(ctx, "ab"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a job that does not end: %v", err)
	}
}

func TestStop(t *testing.T) {
	c, asked := answering(t, map[string][]string{
		"POST /jobs/ab/stop":         {`{"request-id":"r1"}`},
		"GET /jobs/ab/savepoints/r1": {`{"status":{"id":"IN_PROGRESS"}}`, `{"status":{"id":"COMPLETED"},"operation":{"location":"file:/s/1"}}`},
		"POST /jobs/cd/stop":         {`{"request-id":"r2"}`},
		"GET /jobs/cd/savepoints/r2": {`{"status":{"id":"COMPLETED"},"operation":{"failure-cause":{"stack-trace":"a.B: x\nCaused by: java.io.IOException: disk full"}}}`},
	})
	if at, err := c.Stop(background, "ab", "file:/s"); err != nil || at != "file:/s/1" {
		t.Errorf("%q, %v", at, err)
	}
	if !strings.Contains((*asked)[0], `"targetDirectory":"file:/s"`) {
		t.Errorf("it was asked %s", (*asked)[0])
	}
	if _, err := c.Stop(background, "cd", ""); err == nil || !strings.Contains(err.Error(), "IOException: disk full") {
		t.Errorf("a savepoint that fails: %v", err)
	}
}

func TestCause(t *testing.T) {
	c, _ := answering(t, map[string][]string{
		"GET /jobs/a/exceptions": {`{"root-exception":"old","exceptionHistory":{"entries":[{"stacktrace":"x.Y: z\n\tat q","taskName":"worker (1/4)"}]}}`},
		"GET /jobs/b/exceptions": {`{"root-exception":null,"exceptionHistory":{"entries":[{"stacktrace":"x.Y: z","taskName":null}]}}`},
		"GET /jobs/c/exceptions": {`{"root-exception":null,"exceptionHistory":{"entries":[]}}`},
	})
	for job, want := range map[string]string{"a": "Y: z (in worker (1/4))", "b": "Y: z", "c": ""} {
		if cause, err := c.Cause(background, job); err != nil || cause != want {
			t.Errorf("job %s failed for %q, %v; want %q", job, cause, err, want)
		}
	}
}

func TestRootCause(t *testing.T) {
	for _, c := range []struct{ why, trace, want string }{
		{"the innermost counts", "a.B: outer\n\tat x\nCaused by: c.D: middle\n\tat y\nCaused by: e.F$G: inner: deep\n\t... 3 more", "G: inner: deep"},
		{"it may have several lines", "a.B: outer\n\tat x\nCaused by: e.F: slots: is 3\nrate: is -1\n\tat y\n\t... 2 more\nEnd>", "F: slots: is 3; rate: is -1"},
		{"one without a text", "java.lang.NullPointerException\n\tat x", "NullPointerException"},
		{"no stack trace", "Not found: /x.y", "Not found: /x.y"},
		{"a class that only looks like one", "No jar a.b: there", "No jar a.b: there"},
		{"nothing", "", ""},
	} {
		if got := RootCause(c.trace); got != c.want {
			t.Errorf("%s: %q, not %q", c.why, got, c.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	c, _ := answering(t, map[string][]string{
		"GET /overview":             {"<html>a web page</html>"},
		"POST /jars/x/run":          {`500|{"errors":["Internal server error.","<Exception on server side:\na.B: failed\nCaused by: c.D: slots: is 3\n\tat x\nEnd of exception on server side>"]}`},
		"PATCH /jobs/a?mode=cancel": {`500|gateway down`},
	})
	if _, err := c.Overview(background); err == nil || !strings.Contains(err.Error(), "another service") {
		t.Errorf("no Flink: %v", err)
	}
	if _, err := c.Run(background, "x", Run{}); err == nil || !strings.Contains(err.Error(), "500: D: slots: is 3") {
		t.Errorf("a program that fails: %v", err)
	}
	if err := c.Cancel(background, "a"); err == nil || !strings.Contains(err.Error(), "gateway down") {
		t.Errorf("a text that is no answer of Flink's: %v", err)
	}
	for _, address := range []string{"", "127.0.0.1:8081", "ftp://x", "http://"} {
		if CheckAddress(address) == nil {
			t.Errorf("%q is taken for an address", address)
		}
	}
	if err := CheckAddress("https://flink.example:443/x"); err != nil {
		t.Error(err)
	}
}
