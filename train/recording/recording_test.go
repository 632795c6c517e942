package recording

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/engine/fluid"
	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
)

// drive runs a fluid job of unequal workers under a controller, and returns its windows
// and what was recorded of them.
func drive(t *testing.T, controller policy.Controller, windows int) ([]*policy.Window, *Recording) {
	t.Helper()
	c := fluid.Default([]float64{1, 1, 0.5, 1.5})
	c.Keys = fluid.ZipfKeys(500, 1, policy.SlotCount(4))
	job, err := fluid.NewJob(c)
	if err != nil {
		t.Fatal(err)
	}
	var all []*policy.Window
	l := loop.New(loop.Config{Workers: 4, Controller: controller})
	r := New(4, policy.DefaultP0)
	for range windows {
		w, err := job.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, w)
		if err := r.Add(w); err != nil {
			t.Fatal(err)
		}
		if err := job.Apply(l.Step(w)); err != nil {
			t.Fatal(err)
		}
	}
	return all, r
}

// A recording of a running job equals the recording made from its trace.
func TestRecordingOfAJob(t *testing.T) {
	capacity, err := learned.NewExploringPolicy(checkpoint.UntrainedCapacity(8, 1), 4, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	controller, err := learned.NewCapacityController(capacity, learned.Default(), 4)
	if err != nil {
		t.Fatal(err)
	}
	capacity.Explore = true
	windows, got := drive(t, controller, 30)
	q := &dataset.Sequence{Workers: 4, Windows: len(windows)}
	for _, w := range windows {
		for i := range w.Counts {
			q.Counts, q.Busy, q.Queue = append(q.Counts, float32(w.Counts[i])), append(q.Busy, float32(w.Busy[i])), append(q.Queue, float32(w.Queue[i]))
		}
		q.Mixed = append(q.Mixed, w.RouteNew)
	}
	want, err := Of(q, policy.DefaultP0)
	if err != nil {
		t.Fatal(err)
	}
	if got.Windows() != 30 || !slices.Equal(got.Share, want.Share) || !slices.Equal(got.Reward, want.Reward) || !slices.Equal(got.State, want.State) || !slices.Equal(got.Common, want.Common) {
		t.Error("the recording is not that of the trace")
	}
	if got.Add(&policy.Window{Counts: make([]int64, 3), Busy: make([]float64, 3)}) == nil || got.Windows() != 30 {
		t.Error("a window of another job was taken in")
	}
}

// The values of a recording, computed by hand.
func TestRecording(t *testing.T) {
	q := &dataset.Sequence{
		File: "x.arrow", Workers: 2, Windows: 3, Mixed: make([]bool, 3),
		Counts: []float32{100, 300, 200, 200, 0, -1}, Busy: []float32{0.5, 0.5, 0.25, 1, 0, 0.5},
	}
	r, err := Of(q, 0.6)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.Usable, []bool{true, true, false}) {
		t.Errorf("usable are %v", r.Usable)
	}
	near := func(what string, got, want float64) {
		t.Helper()
		if !(got-want < 0.01 && want-got < 0.01) {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	near("log share", float64(r.Share[1]), 0.549) // log(3)/2
	near("reward of equal busy ratios", float64(r.Reward[0]), 3)
	near("reward", float64(r.Reward[1]), policy.Reward(0.6, 0.6))
	near("smoothed log speed", float64(r.State[1])/LogScale, -0.15*0.549)
	at := r.State[StateWidth:]
	near("log share seen", float64(at[atShare])/LogScale, 0.549)
	near("deviation", float64(at[atDeviation])/LogScale, 0.549)
	near("saturated", float64(r.State[3*StateWidth+atSaturated]), 1)
	near("measured", float64(r.State[4*StateWidth+atMeasured]), 0)
	near("busiest", float64(r.Common[CommonWidth+atBusiest]), 1)
	near("mean", float64(r.Common[CommonWidth+atMean]), 0.625)
	if _, err := Of(&dataset.Sequence{File: "y.arrow", Workers: 2, Windows: 1, Busy: make([]float32, 2)}, 0.6); err == nil {
		t.Error("a trace without counts was taken")
	}
}

// Places are drawn from every recording, as often as they have them, and a batch is
// of one P.
func TestRecordingsSample(t *testing.T) {
	of := func(workers, windows int) *Recording {
		q := &dataset.Sequence{Workers: workers, Windows: windows, Mixed: make([]bool, windows)}
		q.Counts, q.Busy = make([]float32, workers*windows), make([]float32, workers*windows)
		r, err := Of(q, 0.6)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	all := Recordings{of(2, 10), of(3, 6), of(2, 4), of(2, 6)}
	rng, seen := rand.New(rand.NewPCG(1, 1)), map[Stretch]int{}
	for range 4000 {
		batch, err := all.Sample(rng, 4, func(p int) int { return 2 * p })
		if err != nil {
			t.Fatal(err)
		}
		p := batch[0].Recording.Raw.Workers
		if len(batch) != 2*p {
			t.Fatalf("%d stretches of %d workers", len(batch), p)
		}
		for _, s := range batch {
			if s.Recording.Raw.Workers != p || s.From < 0 || s.From+4 >= s.Recording.Windows() {
				t.Fatalf("stretch from %d of %d windows and %d workers, among those of %d", s.From, s.Recording.Windows(), s.Recording.Raw.Workers, p)
			}
		}
		seen[batch[0]]++
	}
	for s, n := range seen {
		if n < 300 || n > 500 {
			t.Errorf("window %d of %d came %d times in 4,000, want 400", s.From, s.Recording.Windows(), n)
		}
	}
	if len(seen) != 10 {
		t.Errorf("%d places, want 10", len(seen))
	}
}
