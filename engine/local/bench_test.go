package local

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/jobtest"
	"github.com/saspart/saspart/policy"
)

// BenchmarkLocalNative measures the highest rate of a native job: count, 8 workers, zipf 1.5
// over 10,000 keys, far more offered than can be done. cpu-ns/record also holds on a busy
// machine.
func BenchmarkLocalNative(b *testing.B) {
	for _, name := range []string{"hash", "table", "wchoices"} {
		b.Run(name, func(b *testing.B) { benchmarkNative(b, name) })
	}
}

func benchmarkNative(b *testing.B, name string) {
	c := engine.Default()
	c.Execution, c.MetricSlides = engine.Native, 1
	j, err := New(jobtest.Setup(b, "count", name, 50e6, c))
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	if name == "table" {
		if err := j.Apply(policy.Decision{Route: jobtest.SplitRoute(c.Workers)}); err != nil {
			b.Fatal(err)
		}
	}
	for range 2 {
		if _, err := j.Next(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	start, cpu, records := time.Now(), cpuTime(), int64(0)
	for records < int64(b.N) {
		w, err := j.Next(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		records += w.Records
	}
	b.StopTimer()
	b.ReportMetric(float64(records)/time.Since(start).Seconds()/1e6, "Mrecords/s")
	b.ReportMetric(float64(cpuTime()-cpu)/float64(records), "cpu-ns/record")
}

// cpuTime is what the process has used of all cores.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
