package meter_test

import (
	"fmt"
	"log"
	"strconv"
	"time"

	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/meter"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/table"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/stream"
)

// The policy that is built in was trained by reinforcement learning. It estimates the
// workers' speeds itself, and reacts when they change: here worker 7 becomes three times
// as slow after 10 s.
func Example_builtinPolicy() {
	const workers = 8
	builtin, err := checkpoint.Builtin()
	if err != nil {
		log.Fatal(err)
	}
	controller, err := learned.New(builtin, learned.Default(), workers)
	if err != nil {
		log.Fatal(err)
	}
	control := loop.New(loop.Config{Workers: workers, Controller: controller})
	router := table.New(table.Default(), partition.Env{Workers: workers, Subtasks: 1, Slide: time.Second, WindowSlides: 1, MetricSlides: 1})
	m, err := meter.New(meter.Config{Workers: workers, Partitioners: 1})
	if err != nil {
		log.Fatal(err)
	}
	source := m.Partitioner(0)

	batch, destinations := &stream.Batch{}, make([]partition.Dest, 5000)
	batch.Resize(len(destinations))
	for i := range batch.Records {
		key := strconv.Itoa(i * i % 617)
		batch.Records[i].Key, batch.Hashes[i] = key, stream.Hash(key)
	}
	for second := range int64(30) {
		router.Route(batch, destinations)
		source.Observe(batch, destinations)
		for _, d := range destinations {
			took := time.Millisecond
			if d.Worker() == 7 && second >= 10 {
				took *= 3
			}
			m.Worker(d.Worker()).Done(1, took)
		}
		router.EndSlide(second)
		window := m.Window(time.Duration(second+1) * time.Second)
		if second%10 == 9 || second == 10 {
			fmt.Printf("after %d s, the busiest worker is %.0f %% above the mean\n", second+1, 100*policy.Imbalance(window.Busy))
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
	// after 10 s, the busiest worker is 2 % above the mean
	// after 11 s, the busiest worker is 49 % above the mean
	// after 20 s, the busiest worker is 5 % above the mean
	// after 30 s, the busiest worker is 6 % above the mean
}
