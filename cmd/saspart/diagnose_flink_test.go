package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// metrics are of an operator, as Flink has them.
func flinkMetrics(rate, most, busy, busiest string) string {
	return `[{"id":"numRecordsInPerSecond","avg":` + rate + `,"max":` + most + `},{"id":"busyTimeMsPerSecond","avg":` + busy + `,"max":` + busiest + `},{"id":"backPressuredTimeMsPerSecond","avg":0.0,"max":0.0}]`
}

// A job on Flink is judged by the answers of its REST interface, which is only read.
func TestDiagnoseFlink(t *testing.T) {
	jobs := `{"jobs":[{"jid":"06e7","name":"clicks","state":"RUNNING"},{"jid":"05","name":"old","state":"CANCELED"}]}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			t.Errorf("it sends %s %s", r.Method, r.URL)
		}
		answer := map[string]string{
			"/jobs/overview": jobs,
			"/jobs/06e7": `{"name":"clicks","vertices":[{"id":"a","name":"Source: a very long chain of operators -> Map -> Filter -> Timestamps","parallelism":1},{"id":"b","name":"window","parallelism":8}],
				"plan":{"nodes":[{"id":"b","inputs":[{"ship_strategy":"HASH"}]},{"id":"a"}]}}`,
			"/jobs/06e7/vertices/a/subtasks/metrics": flinkMetrics("0.0", "0.0", "5.0", "5.0"),
			"/jobs/06e7/vertices/b/subtasks/metrics": flinkMetrics("712.2", "2408.0", "250.5", "881.0"),
		}[r.URL.Path]
		if answer == "" {
			w.WriteHeader(http.StatusNotFound)
			answer = `{"errors":["not found"]}`
		}
		_, _ = io.WriteString(w, answer)
	}))
	defer server.Close()
	code, out, narration := saspart(t, nil, "diagnose", server.URL)
	if code != codeOK {
		t.Fatalf("exit code %d\n%s", code, narration)
	}
	golden(t, "diagnose_flink.txt", out)
	code, out, narration = saspart(t, nil, "diagnose", server.URL, "--job", "06e7", "-o", "json")
	var d flinkDiagnosis
	if err := json.Unmarshal([]byte(out), &d); code != codeOK || err != nil || d.Version != 1 || len(d.Operators) != 2 || !d.Operators[1].Keyed {
		t.Errorf("exit code %d, %v, %+v\n%s", code, err, d, narration)
	}
	if code, _, narration = saspart(t, nil, "diagnose", server.URL, "--job", "08"); code != codeUsage || !strings.Contains(narration, "there is no job 08") {
		t.Errorf("another job: exit code %d\n%s", code, narration)
	}
	jobs = `{"jobs":[{"jid":"06e7","name":"clicks","state":"RUNNING"},{"jid":"09","name":"views","state":"RUNNING"}]}`
	if code, _, narration = saspart(t, nil, "diagnose", server.URL); code != codeUsage || !strings.Contains(narration, "09  views") {
		t.Errorf("two jobs: exit code %d\n%s", code, narration)
	}
	jobs = `{"jobs":[]}`
	if code, _, narration = saspart(t, nil, "diagnose", server.URL); code != codeFailed || !strings.Contains(narration, "no job runs at "+server.URL) {
		t.Errorf("no job: exit code %d\n%s", code, narration)
	}
	server.Close()
	if code, _, _ = saspart(t, nil, "diagnose", server.URL); code != codeFailed {
		t.Errorf("no cluster: exit code %d", code)
	}
}
