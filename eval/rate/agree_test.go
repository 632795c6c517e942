package rate

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/experiment"
	"github.com/saspart/saspart/stream"
)

// TestSimAndLocalAgree: the highest rates on both engines are within 5 % of each other. The
// clock stands still while goroutines work (testing/synctest), so other load on the
// machine does not matter.
func TestSimAndLocalAgree(t *testing.T) {
	if testing.Short() {
		t.Skip("runs jobs of goroutines for minutes of their time")
	}
	for why, shape := range map[string]func(e *config.Experiment){
		"8 workers, of which one is slow": func(e *config.Experiment) {
			e.Job.Workers, e.Job.Speeds = 8, engine.Speeds{Kind: "straggler", Worker: 3, Factor: 0.5}
		},
		"16 workers, words, two subtasks": func(e *config.Experiment) {
			e.Task.Name = stream.TaskWordcount
			e.Job.Workers, e.Job.Partitioners = 16, 2
			e.Job.Costs = engine.Costs{Record: time.Millisecond, Unit: 500 * time.Microsecond, Emit: 20 * time.Microsecond, Merge: 50 * time.Microsecond, Entry: 10 * time.Microsecond}
			e.Source.Sentences.Words = 2
		},
	} {
		for _, name := range []string{"hash", "wchoices", "waterfill", "saspartitioner", "combine"} {
			e := job(shape)
			e.Source.Exponent, e.Partitioner.Name = 1.4, name
			if name == "combine" {
				e.Partitioner.Name, e.Job.Combine = "hash", engine.CombineLocal
			}
			c := Default()
			c.LatencyAt = nil
			sim := measure(t, e, c)
			t.Run(why+"/"+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					local, err := Measure(context.Background(), Subject{Experiment: e, Engine: experiment.Local, Now: time.Now}, nil, c, nil)
					if err != nil {
						t.Fatal(err)
					}
					t.Logf("sim %.0f, local %.0f records/s (%.1f %%)", sim.Held, local.Held, 100*(local.Held/sim.Held-1))
					if math.Abs(local.Held-sim.Held) > 0.05*sim.Held {
						t.Errorf("sim holds %.0f records/s, local %.0f", sim.Held, local.Held)
					}
				})
			})
		}
	}
}
