package calibrate

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saspart/saspart/stream"
)

// A part costs what the task takes beyond the same number of bare things.
func TestEstimates(t *testing.T) {
	var e estimates
	e.note(sample{count: 10, parts: 10, took: 30}, sample{count: 20, parts: 100, took: 260}) // 60 for the things, 200 for the parts
	e.note(sample{count: 10, took: 50}, sample{count: 10, parts: 5, took: 40})               // noise: faster with parts than without
	e.note(sample{count: 10, took: 50}, sample{count: 10, took: 90})                         // no parts at all
	want := estimates{whole: []float64{3, 5, 5}, part: []float64{2, 0, 0}}
	if diff := cmp.Diff(want, e, cmp.AllowUnexported(estimates{})); diff != "" {
		t.Errorf("wrong estimates (-want +got):\n%s", diff)
	}
}

// calibrationOf is a short calibration of a task on synthetic records.
func calibrationOf(t *testing.T, task string) Measurement {
	t.Helper()
	c := stream.DefaultTask()
	c.Name = task
	tk, err := stream.NewTask(c)
	if err != nil {
		t.Fatal(err)
	}
	source := stream.DefaultSource()
	source.Keys = 500
	sources, err := stream.OpenSources(source, stream.SourceEnv{Subtasks: 1, Seed: 1, Task: task})
	if err != nil {
		t.Fatal(err)
	}
	var b stream.Batch
	b.Resize(2048)
	if _, err := sources[0].Fill(&b); err != nil {
		t.Fatal(err)
	}
	return Measurement{Task: tk, Records: b.Records, Slides: 4, Repeats: 2, Least: time.Millisecond, Now: time.Now}
}

func TestCalibrate(t *testing.T) {
	for _, c := range []struct {
		task string
		want []string
	}{
		{"count", []string{"record", "emit", "merge"}}, // it has no parts
		{"wordcount", []string{"record", "unit", "emit", "pane", "merge", "entry"}},
		{"tdigest", []string{"record", "unit", "emit", "pane", "merge", "entry"}},
	} {
		cal := calibrationOf(t, c.task)
		steps := 0
		cal.Step = func() { steps++ }
		costs, err := cal.Run(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if steps != cal.Repeats {
			t.Errorf("%s: %d steps for %d repeats", c.task, steps, cal.Repeats)
		}
		for i, cost := range costs {
			if i >= len(c.want) || cost.Name != c.want[i] {
				t.Fatalf("%s: cost %d is %s, want %v", c.task, i, cost.Name, c.want)
			}
			if !(0 <= cost.Low && cost.Low <= cost.Median && cost.Median <= cost.High) || cost.High > 1e6 {
				t.Errorf("%s: %s is from %v over %v to %v ns", c.task, cost.Name, cost.Low, cost.Median, cost.High)
			}
		}
		if len(costs) != len(c.want) || costs[0].Median == 0 {
			t.Errorf("%s: costs are %v, want %v and a record that costs something", c.task, costs, c.want)
		}
	}
}

func TestCalibrateRefuses(t *testing.T) {
	cal := calibrationOf(t, "count")
	cal.Records = cal.Records[:10]
	if _, err := cal.Run(context.Background()); err == nil {
		t.Error("ten records were enough")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	cal = calibrationOf(t, "count")
	if _, err := cal.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled calibration gives %v", err)
	}
}
