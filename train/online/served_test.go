package online

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/saspart/saspart/engine/fluid"
	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/serve"
	"github.com/saspart/saspart/serve/client"
	"github.com/saspart/saspart/train/replay"
)

// noted is an agent that records its calls.
type noted struct{ calls []string }

func (n *noted) Policy() (*checkpoint.Checkpoint, uint64) { return nil, 0 }
func (n *noted) Cut(job int)                              { n.calls = append(n.calls, fmt.Sprintf("cut %d", job)) }
func (n *noted) Record(_ int, w *policy.Window) error {
	n.calls = append(n.calls, fmt.Sprint(w.Step))
	return nil
}

// Windows are recorded in a row as long as they follow each other.
func TestConsecutive(t *testing.T) {
	n := &noted{}
	f := Consecutive(n)
	for _, step := range []int{0, 1, 2, 4, 5, 0, 1} {
		if err := f.Record(3, &policy.Window{Step: step}); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"0", "1", "2", "cut 3", "4", "5", "cut 3", "0", "1"}; !slices.Equal(n.calls, want) {
		t.Errorf("%v, want %v", n.calls, want)
	}
}

// TestServedJob: a training in the background on a job that is behind the policy
// server, which leaves and comes back while the training goes on.
func TestServedJob(t *testing.T) {
	c := quick()
	c.Windows, c.LearningStarts, c.Safety = 60, 10, CarefulSafety()
	closed, _ := fluidJob(t, func(f *fluid.Config) { f.Noise = 0.05 })
	feed := serve.NewFeed(t.Context(), serve.DefaultFeed(4))
	config := serve.Default()
	config.Limits.Jobs, config.Linger = 1, 10*time.Millisecond
	server := serve.New(config, serve.Options{Model: feed.Model("training"), Only: 4, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()

	learner, err := NewBackgroundCapacity(&CapacityLearner{Trainer: newNudger(5), Windows: replay.NewRecordings(600, 4, c.P0), Least: 9})
	if err != nil {
		t.Fatal(err)
	}
	env := NewCapacityEnv[fluid.JobState](CapacityJob{
		Open: func() (Job, error) { return feed, nil }, Workers: 4, Learned: learned.Default(), P0: c.P0,
		Agent: Consecutive(learner), Safety: c.Safety, Seed: 1,
	})
	over, stop := context.WithCancel(t.Context())
	jobs := make(chan uint64, 1)
	go func() { jobs <- runJobs(over, t, l.Addr().String(), closed) }()
	training := &Training{Config: c, Learner: learner, Envs: []Env{env}, EvalEnv: env, Dir: t.TempDir(), Now: time.Now}
	out, err := training.Run(t.Context())
	stop()
	answers := <-jobs
	server.Stop(t.Context())
	if err := errors.Join(err, <-served, learner.Close(), env.Close()); err != nil {
		t.Fatal(err)
	}
	if out.Reason != Windows || out.Windows != 60 || out.Updates == 0 || out.Best == nil || answers < 60 || feed.Dropped() != 0 {
		t.Errorf("%+v, %d answers, %d windows dropped", out, answers, feed.Dropped())
	}
}

// runJobs runs job after job at the server, 25 windows each, until ctx is done, and
// returns how many windows were answered.
func runJobs(ctx context.Context, t *testing.T, address string, c fluid.Config) (answers uint64) {
	for ctx.Err() == nil {
		job, err := fluid.NewJob(c)
		if err != nil {
			t.Error(err)
			return answers
		}
		told := client.Default()
		told.Address, told.Job = address, "fluid"
		told.Shape = reports.Shape{Workers: 4, Partitioners: 1, Slots: policy.SlotCount(4), Slides: 1, Slide: time.Second}
		attached, err := client.New(told)
		if err != nil {
			t.Error(err)
			return answers
		}
		_ = attached.Attached(ctx) // it is over before
		control := loop.New(loop.Config{Workers: 4, Controller: attached.Controller(5 * time.Second)})
		for i := 0; i < 25 && ctx.Err() == nil; i++ {
			w, err := job.Next(ctx)
			if err != nil {
				break
			}
			if err := job.Apply(control.Step(w)); err != nil {
				t.Error(err)
			}
		}
		answers += attached.Status().Answers
		attached.Close()
	}
	return answers
}
