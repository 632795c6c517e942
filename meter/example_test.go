package meter_test

import (
	"fmt"
	"log"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/meter"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/table"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/plan"
	"github.com/saspart/saspart/stream"
)

// A program routes the records of a keyed stream to four workers, of which one is slow.
// Waterfill measures how fast the workers are and routes keys so that all are equally busy.
func Example() {
	const workers = 4
	m, err := meter.New(meter.Config{Workers: workers, Partitioners: 1})
	if err != nil {
		log.Fatal(err)
	}
	env := partition.Env{Workers: workers, Subtasks: 1, Slide: time.Second, WindowSlides: 1, MetricSlides: 1}
	router := table.New(table.Default(), env)
	control := loop.New(loop.Config{Workers: workers, Controller: plan.NewWaterfill(plan.DefaultWaterfill(), workers)})

	// The stream: 1000 keys, the heaviest of which have most of the records.
	keys := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, 999)
	batch, destinations := &stream.Batch{}, make([]partition.Dest, 500)
	batch.Resize(len(destinations))
	source := m.Partitioner(0)

	for second := range int64(20) {
		for range 20 {
			for i := range batch.Records {
				key := strconv.FormatUint(keys.Uint64(), 10)
				batch.Records[i].Key, batch.Hashes[i] = key, stream.Hash(key)
			}
			router.Route(batch, destinations)
			source.Observe(batch, destinations)
			for _, d := range destinations {
				// In a real program this is in the worker's goroutine, and measured.
				took := 200 * time.Microsecond
				if d.Worker() == 0 {
					took *= 2
				}
				m.Worker(d.Worker()).Done(1, took)
			}
		}
		router.EndSlide(second)
		window := m.Window(time.Duration(second+1) * time.Second)
		if second == 0 || second == 19 {
			fmt.Printf("busiest worker over the mean after %d s: %.1f\n", second+1, 1+policy.Imbalance(window.Busy))
		}
		decision := control.Step(window)
		if decision.Capacities != nil {
			router.(partition.CapacityFollower).SetCapacities(decision.Capacities)
		}
		if route := decision.Route; route != nil {
			router.(partition.RouteFollower).Follow(route, second+1)
			source.Follow(route)
		}
	}
	// Output:
	// busiest worker over the mean after 1 s: 1.8
	// busiest worker over the mean after 20 s: 1.0
}
