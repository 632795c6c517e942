package rest

import (
	"math"
	"strings"
	"testing"
)

// overview and graph are what Flink 1.20 answers, without what is not read.
const (
	overview = `{"jobs":[{"jid":"06e7","name":"clicks","start-time":1796137953489,"end-time":-1,"duration":37881,"state":"RUNNING","tasks":{"running":13}},{"jid":"07","name":"old","state":"FINISHED"}]}`
	graph    = `{"jid":"06e7","name":"clicks","state":"RUNNING","job-type":"STREAMING","vertices":[
		{"id":"a1","name":"Source: clicks","maxParallelism":128,"parallelism":1,"status":"RUNNING","metrics":{"read-records":0}},
		{"id":"b2","name":"window","parallelism":8,"status":"RUNNING"},
		{"id":"c3","name":"sink","parallelism":2,"status":"RUNNING"}],
		"plan":{"jid":"06e7","name":"clicks","type":"STREAMING","nodes":[
		{"id":"c3","parallelism":2,"inputs":[{"num":0,"id":"b2","ship_strategy":"REBALANCE","exchange":"pipelined_bounded"}]},
		{"id":"b2","parallelism":8,"inputs":[{"num":0,"id":"a1","ship_strategy":"HASH","exchange":"pipelined_bounded"}]},
		{"id":"a1","parallelism":1}]}}`
	asked = "/subtasks/metrics?get=numRecordsInPerSecond,busyTimeMsPerSecond,backPressuredTimeMsPerSecond&agg=avg,max"
)

// The load of each operator is read from what Flink has; what it does not have yet is NaN.
func TestLoads(t *testing.T) {
	c, _ := answering(t, map[string][]string{
		"GET /jobs/overview":                 {overview},
		"GET /jobs/06e7":                     {graph},
		"GET /jobs/06e7/vertices/a1" + asked: {`[{"id":"numRecordsInPerSecond","max":0.0,"avg":0.0},{"id":"busyTimeMsPerSecond","max":"NaN","avg":"NaN"},{"id":"backPressuredTimeMsPerSecond","max":870.0,"avg":870.0}]`},
		"GET /jobs/06e7/vertices/b2" + asked: {`[]`, `[{"id":"busyTimeMsPerSecond","max":881.0,"avg":250.5},{"id":"numRecordsInPerSecond","max":2408.0,"avg":712.25},{"id":"backPressuredTimeMsPerSecond","max":0.0,"avg":0.0}]`},
		"GET /jobs/06e7/vertices/c3" + asked: {`[{"id":"numRecordsInPerSecond","max":257.8,"avg":257.7},{"id":"busyTimeMsPerSecond","max":11.0,"avg":9.5},{"id":"backPressuredTimeMsPerSecond","max":0.0,"avg":0.0}]`},
	})
	jobs, err := c.Jobs(background)
	if err != nil || len(jobs) != 2 || jobs[0] != (Listed{"06e7", "clicks", Running}) || !jobs[1].State.Over() {
		t.Errorf("%+v, %v", jobs, err)
	}
	name, loads, err := c.Loads(background, "06e7")
	if err != nil || name != "clicks" || len(loads) != 3 {
		t.Fatalf("%s, %+v, %v", name, loads, err)
	}
	if l := loads[1]; l.Known() || !math.IsNaN(l.Rates.Max) || !l.Keyed {
		t.Errorf("without metrics: %+v", l)
	}
	if _, loads, err = c.Loads(background, "06e7"); err != nil {
		t.Fatal(err)
	}
	want := Load{Name: "window", Parallelism: 8, Keyed: true, Rates: Spread{712.25, 2408}, Busy: Spread{0.2505, 0.881}}
	if loads[1] != want {
		t.Errorf("%+v, want %+v", loads[1], want)
	}
	if loads[0].Known() || loads[0].Backpressured.Max != 0.87 || loads[2].Keyed || !loads[2].Known() {
		t.Errorf("%+v", loads)
	}
	if _, _, err := c.Loads(background, "none"); !Gone(err) {
		t.Errorf("a job that is not there: %v", err)
	}
	if _, _, err := c.Loads(background, "../overview"); !Gone(err) || !strings.Contains(err.Error(), "..%2Foverview") {
		t.Errorf("a job's name is no path: %v", err)
	}
}
