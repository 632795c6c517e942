package serve_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/meter"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/table"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/serve"
	"github.com/saspart/saspart/serve/client"
	"github.com/saspart/saspart/stream"
)

// A job attaches to a policy server. It reports each window and follows the routes that
// the server answers with. If the server does not answer for a while, the client computes
// routes itself.
func Example() {
	// The server, which `saspart serve` runs as a process of its own.
	builtin, err := checkpoint.Builtin()
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := serve.New(serve.Default(), serve.Options{
		Model: serve.CheckpointModel(checkpoint.BuiltinName, builtin, learned.Default()), Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	go server.Serve(listener)
	defer server.Stop(context.Background())

	// The job.
	const workers = 4
	size := meter.Config{Workers: workers, Partitioners: 1}
	m, err := meter.New(size)
	if err != nil {
		log.Fatal(err)
	}
	source := m.Partitioner(0)
	router := table.New(table.Default(), partition.Env{Workers: workers, Subtasks: 1, Slide: time.Second, WindowSlides: 1, MetricSlides: 1})

	attached, err := client.New(client.Config{Address: listener.Addr().String(), Job: "clicks", Shape: size.Shape(time.Second)})
	if err != nil {
		log.Fatal(err)
	}
	defer attached.Close()
	if err := attached.Attached(context.Background()); err != nil {
		log.Fatal(err)
	}
	control := loop.New(loop.Config{Workers: workers, Controller: attached.Controller(5 * time.Second)})

	batch, destinations := &stream.Batch{}, make([]partition.Dest, 2000)
	batch.Resize(len(destinations))
	for i := range batch.Records {
		key := strconv.Itoa(i * i % 617)
		batch.Records[i].Key, batch.Hashes[i] = key, stream.Hash(key)
	}
	for second := range int64(20) {
		router.Route(batch, destinations)
		source.Observe(batch, destinations)
		for _, d := range destinations {
			took := 600 * time.Microsecond
			if d.Worker() == 0 {
				took *= 2
			}
			m.Worker(d.Worker()).Done(1, took)
		}
		router.EndSlide(second)
		window := m.Window(time.Duration(second+1) * time.Second)
		if second == 0 || second == 19 {
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
	status := attached.Status()
	fmt.Printf("routes are from the %s; %d windows were answered\n", status.Source, status.Answers)
	// Output:
	// after 1 s, the busiest worker is 60 % above the mean
	// after 20 s, the busiest worker is 7 % above the mean
	// routes are from the policy; 20 windows were answered
}
