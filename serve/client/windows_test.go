package client

import (
	"context"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/sim"
	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/partition/registry"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// The fallback sees the windows that the job itself returned: a sim job's reports, encoded
// and kept as a client keeps them, give its windows back. Only latencies, which sim does
// not report by worker, are missing.
func TestFallbackSeesTheJobsWindows(t *testing.T) {
	setup := engine.Setup{Config: engine.Default(), Seed: 1}
	setup.Config.Workers, setup.Config.Partitioners, setup.Config.HotKeys = 2, 2, 10
	pc, rc, sc := registry.Default(), stream.DefaultRate(), stream.DefaultSource()
	pc.Name, rc.Rate, sc.Kind = "wchoices", 2000, stream.KindZipf
	var err error
	if setup.Scheme, err = registry.New(pc, setup.Config.Workers); err != nil {
		t.Fatal(err)
	}
	if setup.Task, err = stream.NewTask(stream.DefaultTask()); err != nil {
		t.Fatal(err)
	}
	n := setup.Config.Partitioners
	if setup.Sources, err = stream.OpenSources(sc, stream.SourceEnv{Subtasks: n, Seed: 1, Task: setup.Task.Name()}); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		setup.Rates = append(setup.Rates, stream.NewArrivals(rc, i, n, 1))
	}
	c := base()
	c.Shape = reports.Shape{
		Workers: 2, Partitioners: n, Reducers: setup.Config.Reducers, Slots: policy.SlotCount(2), Slides: 1,
		Slide: setup.Config.MetricWindow(), Queue: setup.Config.Queue, Named: 10,
	}
	f := newFallback(&c)
	f.assembler = reports.NewAssembler(c.Shape, c.Window)
	var got []*policy.Window
	setup.Reports = func(r *reports.Report) {
		for _, a := range f.assemble(arrival{time.Unix(0, 0), encode(r)}) {
			got = append(got, a.Window)
		}
	}
	job, err := sim.New(setup)
	if err != nil {
		t.Fatal(err)
	}
	for step := range 5 {
		want, err := job.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != step+1 {
			t.Fatalf("%d windows after %d of the job", len(got), step+1)
		}
		// Latencies come in buckets; bytes of state are known within a process.
		inexact := cmpopts.IgnoreFields(policy.Window{}, "LatencyP50", "LatencyP99", "LatencyMax", "Bytes")
		if diff := gocmp.Diff(want, got[step], inexact); diff != "" {
			t.Fatalf("window %d (-job +fallback):\n%s", step, diff)
		}
		if len(want.Hot) != 10 || len(want.Realised) == 0 {
			t.Errorf("window %d names %d keys and %d realised shares: nothing is shown", step, len(want.Hot), len(want.Realised))
		}
	}
}
