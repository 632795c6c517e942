package serve_test

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/plan"
	"github.com/saspart/saspart/serve"
	"github.com/saspart/saspart/serve/client"
)

// follow makes the job behind a feed follow a controller's routes, until there are no more
// windows. The channel receives the reason.
func follow(f *serve.Feed, c policy.Controller, seen *atomic.Int64) <-chan error {
	ended := make(chan error, 1)
	l := loop.New(loop.Config{Workers: 8, Controller: c})
	go func() {
		for {
			w, err := f.Next(context.Background())
			if err != nil {
				ended <- err
				return
			}
			seen.Add(1)
			if err := f.Apply(l.Step(w)); err != nil {
				ended <- err
				return
			}
		}
	}()
	return ended
}

// The consumer of a feed decides on each window before the next one comes. When the job has
// left, another may attach; if none does, the feed ends.
func TestFeed(t *testing.T) {
	config := serve.DefaultFeed(8)
	config.Patience, config.Quiet, config.Limit = 5*time.Second, 50*time.Millisecond, 2*time.Second
	var gone, again atomic.Int64
	config.Tell = func(is bool) {
		if is {
			gone.Add(1)
		} else {
			again.Add(1)
		}
	}
	if err := config.Validate(); err != nil {
		t.Fatal(err)
	}
	f := serve.NewFeed(t.Context(), config)
	var seen atomic.Int64
	ended := follow(f, plan.NewWaterfill(plan.DefaultWaterfill(), 8), &seen)
	serving := serve.Default()
	serving.Limits.Jobs, serving.Linger = 1, 10*time.Millisecond
	s := start(t, "", serving, serve.Options{Model: f.Model("training"), Only: 8})

	refused := newToy(4).attach(t, s.address, "four", nil)
	eventually(t, "a job of another number of workers is refused", func() bool { return refused.Status().Error != "" })
	refused.Close()
	for i, name := range []string{"one", "another"} {
		eventually(t, "no job is attached", func() bool { return gone.Load() > int64(i) })
		j := newToy(8)
		c := j.attach(t, s.address, name, nil)
		attached(t, c)
		controller := c.Controller(5 * time.Second)
		for range 30 {
			j.follow(controller.Decide(j.window(), j.route).Route)
		}
		if got := policy.Imbalance(j.busy()); got > 0.05 {
			t.Errorf("job %s: imbalance %.3f", name, got)
		}
		if got := c.Status(); got.Model != "training" || got.Source != client.Policy || got.Answers != 30 || got.Outdated != 0 || got.Reason != "" {
			t.Errorf("job %s: status %+v", name, got)
		}
		if l := c.Capacities(); l == nil || l.Of[1] < 1.5*l.Of[0] {
			t.Errorf("job %s: capacities %v, though worker 1 is twice as fast as worker 0", name, l)
		}
		c.Close()
	}
	if err := <-ended; !errors.Is(err, io.EOF) {
		t.Errorf("it ended with %v", err)
	}
	if seen.Load() != 60 || f.Dropped() != 0 || again.Load() < 2 {
		t.Errorf("%d windows seen, %d dropped; %d times there were some again", seen.Load(), f.Dropped(), again.Load())
	}
}

// A slow consumer does not delay answers: they have no route, the latest route is sent with a
// later answer, and the oldest of the waiting windows are dropped.
func TestFeedOfSlowTaker(t *testing.T) {
	config := serve.DefaultFeed(4)
	config.Patience, config.Queue = time.Millisecond, 2
	ctx, cancel := context.WithCancelCause(t.Context())
	f := serve.NewFeed(ctx, config)
	c, err := f.Model("training").New(4)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Model("training").New(5); err == nil {
		t.Error("a job of 5 workers fits")
	}
	j := newToy(4)
	for range 4 {
		if c.Decide(j.window(), j.route).Route != nil {
			t.Error("there is a route without a decision")
		}
	}
	if f.Dropped() != 2 {
		t.Errorf("%d windows dropped, not 2", f.Dropped())
	}
	for _, step := range []int{2, 3} {
		if w, err := f.Next(ctx); err != nil || w.Step != step {
			t.Errorf("window %+v, %v, want %d", w, err, step)
		}
	}
	var last *policy.Route
	for version := range uint64(3) {
		last = &policy.Route{Version: 2 + version}
		if err := f.Apply(policy.Decision{Route: last}); err != nil {
			t.Fatal(err)
		}
	}
	if r := c.Decide(j.window(), j.route).Route; r != last {
		t.Errorf("route %+v, not the newest", r)
	}
	if r := c.Decide(j.window(), j.route).Route; r != nil {
		t.Errorf("route %+v twice", r)
	}
	over := errors.New("over")
	cancel(over)
	for range 10 { // first what is there, perhaps
		if _, err = f.Next(context.Background()); err != nil {
			break
		}
	}
	if !errors.Is(err, over) {
		t.Errorf("it ended with %v", err)
	}
}
