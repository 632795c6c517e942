package registry

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/routertest"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

func TestDefaultIsValid(t *testing.T) {
	for _, name := range Names() {
		c := Default()
		c.Name = name
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		s, err := New(c, 8)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if s.Name != name {
			t.Errorf("the scheme of %s is called %q", name, s.Name)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		why     string
		change  func(*Config)
		workers int
		path    string
		says    string
	}{
		{"an unknown name, and offers the nearest", func(c *Config) { c.Name = "wchoises" }, 8, "name", `did you mean "wchoices"?`},
		{"no name", func(c *Config) { c.Name = "" }, 8, "name", "is no partitioner"},
		{"an impossible option, of any partitioner", func(c *Config) { c.Choices.Head = math.NaN() }, 8, "choices.head", "NaN"},
		{"no workers", func(*Config) {}, 0, "workers", "is 0"},
		{"more workers than a route can name", func(*Config) {}, policy.MaxWorkers + 1, "workers", "32768"},
	} {
		cfg := Default()
		c.change(&cfg)
		_, err := New(cfg, c.workers)
		var at *field.Error
		if !errors.As(err, &at) || at.Path != c.path || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}

func TestHashTakesTheRemainder(t *testing.T) {
	r := routerOf(t, "hash", false, routertest.Env(7))
	hashes := []uint64{0, 6, 7, 1<<63 + 5, math.MaxUint64}
	dst := make([]partition.Dest, len(hashes))
	r.Route(routertest.BatchOf(hashes), dst)
	for i, h := range hashes {
		if dst[i] != partition.Dest(h%7) {
			t.Errorf("hash %d went to %#x, want worker %d, never merged", h, dst[i], h%7)
		}
	}
}

// step is what happens to the subtasks of a job in one slide.
type step struct {
	batches []*stream.Batch // one per subtask
	route   *policy.Route
	window  *policy.Window
	share   bool
}

// drawSteps draws a job for two subtasks.
func drawSteps(t *rapid.T, workers int) []step {
	steps := make([]step, rapid.IntRange(1, 10).Draw(t, "slides"))
	at := int64(0)
	for i := range steps {
		s := &steps[i]
		for range 2 {
			b := routertest.BatchOf(rapid.SliceOfN(rapid.OneOf(routertest.DrawHash(), rapid.Uint64()), 0, 100).Draw(t, "batch"))
			for j := range b.Records {
				at += 1000
				b.Records[j].Time = at
			}
			s.batches = append(s.batches, b)
		}
		at = int64(i+1) * int64(routertest.Env(1).Slide)
		if rapid.Bool().Draw(t, "new route") {
			s.route = routertest.DrawRoute(t, workers)
		}
		s.share = rapid.Bool().Draw(t, "share")
		if rapid.Bool().Draw(t, "window") {
			s.window = drawWindow(t, workers, s.batches)
		}
	}
	return steps
}

// drawWindow draws what might have been measured, missing workers included.
func drawWindow(t *rapid.T, workers int, batches []*stream.Batch) *policy.Window {
	w := &policy.Window{
		Counts: make([]int64, workers), Units: make([]int64, workers),
		Busy: make([]float64, workers), Queue: make([]float64, workers), Reducer: []float64{0},
		Slots: make([]int64, policy.SlotCount(workers)),
	}
	for i := range workers {
		w.Counts[i] = int64(i * 37 % 101)
		w.Busy[i] = float64(i*53%97) / 96
		w.Records += w.Counts[i]
	}
	if rapid.Bool().Draw(t, "missing") {
		w.Busy[rapid.IntRange(0, workers-1).Draw(t, "which")] = math.NaN()
	}
	for _, b := range batches {
		for _, r := range b.Records[:min(3, len(b.Records))] {
			w.Realised = append(w.Realised, policy.RealisedShare{Hash: r.Hash, Worker: int(r.Hash % uint64(workers)), Count: 1})
		}
	}
	return w
}

// play runs two subtasks of a partitioner through the steps and returns where
// every record went.
func play(t *rapid.T, name string, published bool, workers int, steps []step) [][]partition.Dest {
	c := Default()
	c.Name, c.Published = name, published
	scheme, err := New(c, workers)
	if err != nil {
		t.Fatal(err)
	}
	var routers []partition.Router
	for i := range 2 {
		env := routertest.Env(workers)
		env.Subtask, env.Subtasks = i, 2
		routers = append(routers, scheme.NewRouter(env))
	}
	var out [][]partition.Dest
	for slide, s := range steps {
		for i, r := range routers {
			if f, ok := r.(partition.RouteFollower); ok && s.route != nil {
				f.Follow(s.route, int64(slide))
			}
			dst := slices.Repeat([]partition.Dest{1<<31 - 1}, len(s.batches[i].Hashes))
			r.Route(s.batches[i], dst)
			r.Route(&stream.Batch{}, nil) // an empty batch
			out = append(out, dst)
		}
		for _, r := range routers {
			r.EndSlide(int64(slide))
		}
		var shares []any
		for _, r := range routers {
			if l, ok := r.(partition.Learner); ok && s.window != nil {
				l.Observe(s.window)
			}
			if x, ok := r.(partition.Gossiper); ok && s.share {
				shares = append(shares, x.Gossip())
			}
		}
		for _, r := range routers {
			if x, ok := r.(partition.Gossiper); ok && s.share {
				x.Absorb(shares)
			}
		}
	}
	return out
}

// Every partitioner routes every record to a worker that there is, whatever the
// hashes, at any P, and routes them the same way again.
func TestEveryPartitionerRoutesEveryRecord(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				workers := rapid.OneOf(rapid.IntRange(1, 9), rapid.IntRange(1, 257)).Draw(t, "workers")
				published := rapid.Bool().Draw(t, "published")
				steps := drawSteps(t, workers)
				out := play(t, name, published, workers, steps)
				for _, dst := range out {
					for i, d := range dst {
						if d.Worker() >= workers {
							t.Fatalf("record %d went to worker %d of %d", i, d.Worker(), workers)
						}
					}
				}
				if again := play(t, name, published, workers, steps); !slices.EqualFunc(out, again, slices.Equal) {
					t.Fatal("the same seed and records were routed differently")
				}
			})
		})
	}
}

// No partitioner allocates per record. The end of a slide may allocate.
func TestNoPartitionerAllocatesPerRecord(t *testing.T) {
	batches := routertest.ZipfBatches(64, 512, 10000, 1.2, 1)
	dst := make([]partition.Dest, 512)
	for _, name := range Names() {
		for _, workers := range []int{8, 64} {
			r := warmRouter(t, name, workers, batches)
			i := 0
			if n := testing.AllocsPerRun(len(batches), func() {
				r.Route(&batches[i%len(batches)], dst)
				i++
			}); n != 0 {
				t.Errorf("%s at P %d: %v allocations per batch", name, workers, n)
			}
		}
	}
}

// warmRouter is a router that has seen the batches for some slides, and follows a
// three-tier route if it follows routes.
func warmRouter(t testing.TB, name string, workers int, batches []stream.Batch) partition.Router {
	env := routertest.Env(workers)
	r := routerOf(t, name, false, env)
	if f, ok := r.(partition.RouteFollower); ok {
		f.Follow(routertest.ThreeTiers(workers, 4*workers+16, 1.5), 0)
	}
	dst := make([]partition.Dest, len(batches[0].Hashes))
	counts := make([]int64, workers)
	for slide := range int64(6) {
		setTimes(batches, slide, env)
		for i := range batches {
			r.Route(&batches[i], dst)
			for _, d := range dst {
				counts[d.Worker()]++
			}
		}
		r.EndSlide(slide)
		if l, ok := r.(partition.Learner); ok {
			l.Observe(windowOf(counts))
		}
		clear(counts)
	}
	return r
}

// setTimes spreads the batches' records over a slide.
func setTimes(batches []stream.Batch, slide int64, env partition.Env) {
	n := len(batches) * len(batches[0].Records)
	for i := range batches {
		for j := range batches[i].Records {
			at := i*len(batches[i].Records) + j
			batches[i].Records[j].Time = slide*int64(env.Slide) + int64(env.Slide)*int64(at)/int64(n)
		}
	}
}
