package engine_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/jobtest"
	"github.com/saspart/saspart/engine/local"
	"github.com/saspart/saspart/engine/sim"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/stream"
)

// sharing gossips its subtask's index, and records what it absorbs.
type sharing struct {
	partition.Router
	subtask int
	absorb  func(shares []any)
}

func (s sharing) Gossip() any         { return s.subtask }
func (s sharing) Absorb(shares []any) { s.absorb(shares) }

// What subtasks learned stays in its place when one of them has ended: a router
// finds its own share by its index.
func TestSharesKeepTheirPlaces(t *testing.T) {
	for _, name := range []string{"sim", "local"} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			seen := map[string]bool{}
			scheme := partition.Scheme{Name: "sharing", NewRouter: func(env partition.Env) partition.Router {
				return sharing{jobtest.FixedScheme(0).NewRouter(env), env.Subtask, func(shares []any) {
					mu.Lock()
					defer mu.Unlock()
					seen[fmt.Sprint(shares)] = true
				}}
			}}
			c := engine.Default()
			c.Workers, c.Partitioners, c.Slide, c.Window, c.Execution = 2, 3, 10*time.Millisecond, 10*time.Millisecond, engine.Native
			task, err := stream.NewTask(stream.TaskConfig{Name: "count"})
			if err != nil {
				t.Fatal(err)
			}
			var records []stream.Record
			for i := range 3000 {
				records = append(records, stream.Record{Key: "k", Hash: stream.Hash("k"), Time: int64(i) * int64(100*time.Microsecond)})
			}
			s := jobtest.WithList(engine.Setup{Config: c, Task: task, Scheme: scheme}, records)
			first := s.Sources[0].(*jobtest.ListSource)
			first.Records = first.Records[:400] // the first subtask ends long before the others

			var j engine.Job
			if name == "sim" {
				j, err = sim.New(s)
			} else {
				j, err = local.New(s)
			}
			if err != nil {
				t.Fatal(err)
			}
			jobtest.RunOut(t, j, nil)
			all, without := fmt.Sprint([]any{0, 1, 2}), fmt.Sprint([]any{nil, 1, 2})
			if !seen[all] || !seen[without] {
				t.Errorf("shares were %v; want some %s, and %s once the first subtask has ended", slices.Collect(maps.Keys(seen)), all, without)
			}
		})
	}
}
