package operator

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saspart/saspart/engine"
)

func TestServiceAt(t *testing.T) {
	for _, c := range []struct {
		why   string
		work  float64
		state engine.Ratio
		speed float64
		want  Service
	}{
		{"as measured", 1, 0, 1, Service{Record: 1000, Unit: 2000, Emit: 3000, Pane: 4000, Merge: 5000, Entry: 6000}},
		{"a slower machine: all is dearer", 10, 0, 1, Service{Record: 10_000, Unit: 20_000, Emit: 30_000, Pane: 40_000, Merge: 50_000, Entry: 60_000}},
		{"dear records, cheap state", 10, 1, 1, Service{Record: 10_000, Unit: 20_000, Emit: 3000, Pane: 4000, Merge: 5000, Entry: 6000}},
		{"dear state", 1, 10, 1, Service{Record: 1000, Unit: 2000, Emit: 30_000, Pane: 40_000, Merge: 50_000, Entry: 60_000}},
		{"records cost nothing, and so does state", 0, 0, 1, Service{}},
		{"a slow worker", 10, 1, 0.5, Service{Record: 20_000, Unit: 40_000, Emit: 6000, Pane: 8000, Merge: 10_000, Entry: 12_000}},
	} {
		config := engine.Default()
		config.Costs = engine.Costs{Record: 1 * time.Nanosecond, Unit: 2, Emit: 3, Pane: 4, Merge: 5, Entry: 6}
		config.WorkRatio, config.StateRatio = c.work, c.state
		if d := cmp.Diff(c.want, ServiceAt(&config, c.speed)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.why, d)
		}
	}
}
