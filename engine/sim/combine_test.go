package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/jobtest"
	"github.com/saspart/saspart/policy"
)

// combined is a job over zipf 1.5 keys that aggregates at its senders.
func combined(change func(c *engine.Config)) engine.Config {
	c := engine.Default()
	c.Workers, c.Queue, c.Combine = 8, 256, engine.CombineLocal
	c.Costs = engine.Costs{Record: time.Millisecond, Merge: 10 * time.Microsecond, Entry: 10 * time.Microsecond}
	if change != nil {
		change(&c)
	}
	return c
}

// TestCombineEvensOut: what a heavy key costs is spread over all workers, and held by
// the slowest of them, which gets as many records as the others.
func TestCombineEvensOut(t *testing.T) {
	for _, test := range []struct {
		why    string
		change func(c *engine.Config)
		want   float64 // records/s
	}{
		{"hash alone is held by the worker of the heaviest key", func(c *engine.Config) { c.Combine = engine.CombineNone }, 2354},
		{"equal workers", nil, 8000},
		{"three senders", func(c *engine.Config) { c.Partitioners = 3 }, 8000},
		{"a straggler", func(c *engine.Config) { c.Speeds = engine.Speeds{Kind: "straggler", Worker: 2, Factor: 0.5} }, 4000},
	} {
		j, err := New(jobtest.Setup(t, "count", "hash", 9000, combined(test.change)))
		if err != nil {
			t.Fatal(err)
		}
		rate := 0.0
		const windows = 8
		for i := range 2 + windows {
			if w := jobtest.NextWindow(t, j); i >= 2 {
				rate += float64(w.Records) / windows
			}
		}
		if rate < 0.93*test.want || rate > 1.06*test.want {
			t.Errorf("%s: %.0f records/s, want %.0f", test.why, rate, test.want)
		}
	}
}

// TestCombineFlushes checks the bounds on kept state, and their effect on latency.
func TestCombineFlushes(t *testing.T) {
	run := func(change func(c *engine.Config)) *policy.Window {
		j, err := New(jobtest.Setup(t, "count", "hash", 4000, combined(change)))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			jobtest.NextWindow(t, j)
		}
		return jobtest.NextWindow(t, j)
	}
	slow := run(func(c *engine.Config) { c.CombineAge = time.Minute })
	young := run(func(c *engine.Config) { c.CombineAge = 20 * time.Millisecond })
	few := run(func(c *engine.Config) { c.CombineKeys, c.CombineAge = 2, time.Minute })
	if p := slow.LatencyP99; p < 400*time.Millisecond || p > 520*time.Millisecond {
		t.Errorf("flushed at the ends of slides of 500 ms: the 99th percentile of latency is %v", p)
	}
	if p := young.LatencyP99; p < 18*time.Millisecond || p > 60*time.Millisecond {
		t.Errorf("flushed after 20 ms: %v", p)
	}
	if few.LatencyP99 > slow.LatencyP99/4 || few.Pairs > slow.Pairs*3/5 {
		t.Errorf("two keys at most: %v, %d pairs; %d without such a bound", few.LatencyP99, few.Pairs, slow.Pairs)
	}
	if slow.FanOut != 1 || slices.Max(slow.Reducer) > 0 {
		t.Errorf("flushed by hash, a key ends at one worker: fan-out %v, reducers %v", slow.FanOut, slow.Reducer)
	}
}
