package local

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/jobtest"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// Whatever a job is doing, it ends when it is closed: TestMain fails on goroutines that remain.
func TestLocalEnds(t *testing.T) {
	c := engine.Default()
	c.Queue, c.Slide, c.Window, c.MetricSlides = 4, 5*time.Millisecond, 5*time.Millisecond, 1
	c.Costs.Record = time.Second // workers asleep, subtasks blocked
	t.Run("never started", func(t *testing.T) {
		j := mustLocal(t, jobtest.SteadySetup(c, jobtest.FixedScheme(0), 100_000, 1))
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := j.Next(context.Background()); err == nil {
			t.Error("a closed job continues")
		}
	})
	t.Run("closed", func(t *testing.T) {
		j := mustLocal(t, jobtest.SteadySetup(c, jobtest.FixedScheme(0), 100_000, 1))
		if w := jobtest.NextWindow(t, j); w.Backpressured < 0.5 {
			t.Errorf("blocked %.3f of the time", w.Backpressured)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		j := mustLocal(t, jobtest.SteadySetup(c, jobtest.FixedScheme(0), 100_000, 1))
		jobtest.NextWindow(t, j)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		for range 2 {
			if _, err := j.Next(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		}
	})
	t.Run("source fails", func(t *testing.T) {
		s := jobtest.SteadySetup(c, jobtest.FixedScheme(0), 100_000, 1)
		s.Sources[0] = brokenSource{}
		j := mustLocal(t, s)
		var err error
		for err == nil {
			_, err = j.Next(context.Background())
		}
		if !strings.Contains(err.Error(), "partitioner subtask 0: line 7") {
			t.Errorf("got %v", err)
		}
	})
}

type brokenSource struct{}

func (brokenSource) Fill(*stream.Batch) (int, error) { return 0, errors.New("line 7: no such word") }

// Who does not report in time is missing from the window, not made up, and what
// was counted meanwhile is in a later one.
func TestLocalMissingReport(t *testing.T) {
	jobtest.InBubble(t, "stalled", func(t *testing.T) {
		c := engine.Default()
		c.Workers, c.MetricSlides = 1, 1
		s := jobtest.SteadySetup(c, jobtest.FixedScheme(0), 1000, 1)
		s.Task = &stallingTask{Task: jobtest.Count(), at: 300, length: 3 * time.Second}
		j := mustLocal(t, s)
		total, missed := int64(0), 0
		for w := jobtest.NextWindow(t, j); ; w = jobtest.NextWindow(t, j) {
			total += w.Records
			stalled := w.End > 300*time.Millisecond && w.End < 3300*time.Millisecond
			if math.IsNaN(w.Busy[0]) != stalled {
				t.Errorf("window %v to %v: busy %v; stalled from 0.3 s to 3.3 s", w.Start, w.End, w.Busy[0])
			}
			if stalled {
				missed++
				if w.Records != 0 {
					t.Errorf("window %v to %v: %d records of a worker that has not reported", w.Start, w.End, w.Records)
				}
			}
			if w.End >= 4*time.Second {
				break
			}
		}
		if missed == 0 {
			t.Error("no window was missed")
		}
		if due := int64(1000 * j.clock.now() / 1e9); total < due-10 || total > due {
			t.Errorf("%d records are in the windows, %d were due", total, due)
		}
	})
}

// stallingTask counts, and stalls once.
type stallingTask struct {
	stream.Task
	at, n  int
	length time.Duration
}

func (s *stallingTask) Units(*stream.Record) int {
	if s.n++; s.n == s.at {
		time.Sleep(s.length)
	}
	return 0
}

// A Next that is called late makes a longer window, and says so.
func TestLocalLateNext(t *testing.T) {
	jobtest.InBubble(t, "late", func(t *testing.T) {
		c := engine.Default()
		j := mustLocal(t, jobtest.SteadySetup(c, jobtest.FixedScheme(0), 1000, 1))
		jobtest.NextWindow(t, j)
		time.Sleep(2700 * time.Millisecond)
		for _, want := range []time.Duration{3700 * time.Millisecond, 5 * time.Second, 6 * time.Second} {
			w := jobtest.NextWindow(t, j)
			if w.End != want {
				t.Errorf("window %v to %v, want its end at %v", w.Start, w.End, want)
			}
			if rate := float64(w.Records) / (w.End - w.Start).Seconds(); math.Abs(rate-1000) > 10 || math.Abs(w.ActualRate-1000) > 10 {
				t.Errorf("window %v to %v: %.0f records/s finished, %.0f sent, want 1000", w.Start, w.End, rate, w.ActualRate)
			}
		}
	})
}

// Impossible routes and schemes are refused.
func TestLocalRefuses(t *testing.T) {
	j := mustLocal(t, jobtest.SteadySetup(engine.Default(), jobtest.FixedScheme(0), 1000, 1))
	for name, err := range map[string]error{
		"a route for another number of workers": j.Apply(policy.Decision{Route: policy.HashRoute(3)}),
		"a route that is none":                  j.Apply(policy.Decision{Route: &policy.Route{Workers: 8}}),
		"a scheme without routers":              j.Switch(partition.Scheme{}),
	} {
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := New(engine.Setup{}); err == nil {
		t.Error("a job of nothing is started")
	}
}
