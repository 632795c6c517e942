package sim

import (
	"runtime"
	"testing"
	"time"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/jobtest"
	"github.com/saspart/saspart/stream"
)

// Memory is bounded by what the open windows hold: after the first windows it
// does not grow, though ever new keys come from among a million.
func TestSimMemoryIsFlat(t *testing.T) {
	if testing.Short() {
		t.Skip("sends 2 million records")
	}
	c := engine.Default()
	c.Workers, c.Slide, c.Window, c.MetricSlides = 16, 250*time.Millisecond, 500*time.Millisecond, 4
	c.Costs.Record = 10 * time.Nanosecond
	s := jobtest.Setup(t, "count", "wchoices", 50_000, c)
	src := stream.DefaultSource()
	src.Kind, src.Keys, src.Exponent = stream.KindZipf, 1_000_000, 0.8
	sources, err := stream.OpenSources(src, stream.SourceEnv{Subtasks: 1, Seed: 1, Task: "count"})
	if err != nil {
		t.Fatal(err)
	}
	s.Sources = sources
	j, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	heapAfter := func(windows int) float64 {
		for range windows {
			jobtest.NextWindow(t, j)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc) / 1e6
	}
	early := heapAfter(10)
	late := heapAfter(30)
	t.Logf("heap %.0f MB after 0.5 million records, %.0f MB after 2 million", early, late)
	if late > 1.1*early+5 {
		t.Errorf("the heap grew from %.0f MB to %.0f MB", early, late)
	}
	runtime.KeepAlive(j)
}
