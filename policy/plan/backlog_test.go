package plan_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/internal/toy"
	"github.com/saspart/saspart/policy/plan"
)

func TestMakeUp(t *testing.T) {
	quarter := []float64{0.25, 0.25, 0.25, 0.25}
	nan := math.NaN()
	for _, c := range []struct {
		why   string
		queue []float64
		size  int
		n     int64
		part  float64
		want  []float64
	}{
		{"40 of 400 records wait at the first beyond the mean of 10, half of the 30 are to be made up for", []float64{0.4, 0, 0, 0}, 100, 400, 0.5, []float64{0.2125, 0.2625, 0.2625, 0.2625}},
		{"queues of equal length change nothing", []float64{1, 1, 1, 1}, 100, 400, 1, quarter},
		{"one without a report keeps its capacity, and the others are compared with each other", []float64{nan, 0.3, 0, 0}, 100, 400, 1, []float64{0.25, 0.2, 0.275, 0.275}},
		{"however much waits, a fifth is left", []float64{1, 0, 0, 0}, 1 << 20, 10, 1, []float64{0.05, 1.25, 1.25, 1.25}},
		{"not asked for", []float64{1, 0, 0, 0}, 100, 400, 0, quarter},
		{"a window that does not say how long queues are", []float64{1, 0, 0, 0}, 0, 400, 1, quarter},
		{"a window without queues", nil, 100, 400, 1, quarter},
		{"no worker reported", []float64{nan, nan, nan, nan}, 100, 400, 1, quarter},
	} {
		got := slices.Clone(quarter)
		plan.MakeUp(got, &policy.Window{Counts: make([]int64, 4), Queue: c.queue, QueueSize: c.size, Records: c.n}, c.part)
		for w := range got {
			if math.Abs(got[w]-c.want[w]) > 1e-12 {
				t.Errorf("%s: capacities %v, want %v", c.why, got, c.want)
				break
			}
		}
	}
}

// queuedJob is a toy.Job with queues: the work that a worker cannot do in a window waits,
// and a full queue slows the source down.
type queuedJob struct {
	*toy.Job
	size    int
	waiting []float64
	done    float64 // records of the last window, as a part of those due
}

func (j *queuedJob) next() *policy.Window {
	w := j.Job.Window()
	loads := make([]float64, len(w.Counts))
	speeds := 0.0
	for _, v := range j.Speeds {
		speeds += v
	}
	for i, load := range toy.LoadsOf(j.Route, j.Keys, j.Slots) {
		loads[i] = load * j.N // records due, all workers together being able to do as many
	}
	pace := 1.0
	for i, load := range loads {
		can := j.N * j.Speeds[i] / speeds
		pace = min(pace, (can+float64(j.size)-j.waiting[i])/load)
	}
	w.Records, w.QueueSize, w.Queue = 0, j.size, make([]float64, len(loads))
	for i, load := range loads {
		can := j.N * j.Speeds[i] / speeds
		served := min(can, j.waiting[i]+load*pace)
		j.waiting[i] += load*pace - served
		w.Counts[i], w.Busy[i] = int64(served), served/can
		w.Queue[i] = j.waiting[i] / float64(j.size)
		w.Records += w.Counts[i]
	}
	j.done = pace
	return w
}

// TestBacklogIsMadeUpFor: errors of the estimates overload some workers a little all the
// time. Once their queues are full, they block the job. With Backlog hardly anything is
// lost.
func TestBacklogIsMadeUpFor(t *testing.T) {
	lost := func(backlog float64) float64 {
		j := &queuedJob{Job: toy.New(64, 1, 40_000, 5), size: 256, waiting: make([]float64, 64)}
		j.RNG = nil
		c := plan.DefaultWaterfill()
		c.Backlog = backlog
		f := plan.NewWaterfill(c, 64)
		sum := 0.0
		for i := range 40 {
			w := j.next()
			if r := f.Decide(w, j.Route).Route; r != nil {
				j.Route = r
			}
			if i >= 20 {
				sum += (1 - j.done) / 20
			}
		}
		return sum
	}
	without, with := lost(0), lost(0.85)
	t.Logf("lost without looking at queues %.4f, with %.4f", without, with)
	if with > 0.01 || with > without/2 {
		t.Errorf("%.4f of the records due are not sent, %.4f where queues are not looked at", with, without)
	}
}

// TestMakeUpKeepsTheSum: where no bound is met, what is taken from some goes to others.
func TestMakeUpKeepsTheSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		queue := rapid.SliceOfN(rapid.Float64Range(0, 1), 1, 50).Draw(t, "queue")
		capacity := make([]float64, len(queue))
		for w := range capacity {
			capacity[w] = 1 / float64(len(queue))
		}
		part := rapid.Float64Range(0, 0.5).Draw(t, "part")
		w := &policy.Window{Counts: make([]int64, len(queue)), Queue: queue, QueueSize: 100, Records: int64(100 * len(queue))}
		plan.MakeUp(capacity, w, part)
		sum := 0.0
		for _, c := range capacity {
			sum += c
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Fatalf("capacities sum to %v", sum)
		}
	})
}
