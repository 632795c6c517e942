package fluid

import (
	"context"
	"encoding/csv"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/policy"
)

var nearly = cmpopts.EquateApprox(1e-9, 1e-12)

// referenceSpeeds reads the speeds drawn by the generator of SaSPartitioner's prototype.
func referenceSpeeds(t testing.TB, workers int) []float64 {
	f, err := os.Open(filepath.Join("..", "..", "testdata", "reference_env", fmt.Sprintf("speeds_%d.csv", workers)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	speeds := make([]float64, workers)
	for i, row := range rows[1:] {
		if speeds[i], err = strconv.ParseFloat(row[4], 64); err != nil {
			t.Fatal(err)
		}
	}
	return speeds
}

func constant(n int, v float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = v
	}
	return out
}

func TestReferenceEnv(t *testing.T) {
	want := []float64{385746, 136381, 74236, 48218, 34502, 26246, 20828, 17047, 14286, 12198}
	if diff := cmp.Diff(want, ReferenceCounts()); diff != "" {
		t.Errorf("key counts (-published +got):\n%s", diff)
	}
	for _, tc := range []struct {
		workers            int
		ones, random, slop float64 // imbalance of the published environment, to its digits; the random one is a mean
	}{
		{8, 0.62, 0.86, 0.005},
		{64, 0.92, 1.61, 0.005},
	} {
		e := NewReferenceEnv(referenceSpeeds(t, tc.workers), false)
		obs, action := make([]float64, 2*tc.workers), constant(e.observation.Mask.Pairs(), 1)
		if got, _, _ := e.Step(action, obs); math.Abs(got-tc.ones) > tc.slop {
			t.Errorf("%d workers, all ones: imbalance %.4f, want %v", tc.workers, got, tc.ones)
		}
		rng := rand.New(rand.NewPCG(1, 1))
		const steps = 20000
		mean := 0.0
		for range steps {
			for i := range action {
				action[i] = rng.Float64()
			}
			got, _, _ := e.Step(action, obs)
			mean += got / steps
		}
		// Single steps spread by 0.4: the prototype's figure is a mean of some hundreds.
		if math.Abs(mean-tc.random) > 0.03 {
			t.Errorf("%d workers, uniform random: imbalance %.4f, want %v", tc.workers, mean, tc.random)
		}
	}
}

// The environment on two workers, computed by hand. One key of 10 records is split 3:1 by an
// action of (0.75, 0.25): loads 7.5 and 2.5. Speeds of 10 and 5 give times 0.75 and 0.5, and
// busy ratios of 0.84 * time = 0.63 and 0.42.
func TestReferenceEnvStep(t *testing.T) {
	e := NewReferenceEnv([]float64{10, 5}, false)
	e.counts = []float64{10}
	e.observation.Mask = policy.NewMask(e.counts, 2, policy.MaskConfig{TrueHot: 1})
	obs := make([]float64, 4)
	imbalance, reward, _ := e.Step([]float64{0.75, 0.25}, obs)
	if diff := cmp.Diff([]float64{1.2, 0.8, 0.63, 0.42}, obs, nearly); diff != "" {
		t.Errorf("observation (-want +got):\n%s", diff)
	}
	if math.Abs(imbalance-0.2) > 1e-5 || math.Abs(reward-16.0/9) > 1e-4 {
		t.Errorf("imbalance %v, reward %v; want 0.2 and 16/9", imbalance, reward)
	}
}

// The job configured as the reference measures what the environment does, whatever
// the action.
func TestReferenceFluid(t *testing.T) {
	for _, workers := range []int{8, 64} {
		speeds := referenceSpeeds(t, workers)
		e := NewReferenceEnv(speeds, false)
		job, err := NewJob(ReferenceConfig(speeds))
		if err != nil {
			t.Fatal(err)
		}
		s := policy.Shares{Mask: e.observation.Mask, Hot: job.config.Keys.Keys()}
		obs, action := make([]float64, 2*workers), make([]float64, s.Dim())
		rng := rand.New(rand.NewPCG(7, 7))
		for range 20 {
			for i := range action {
				action[i] = rng.Float64()
			}
			r, err := s.Route(action)
			if err != nil {
				t.Fatal(err)
			}
			if err := job.Apply(policy.Decision{Route: r}); err != nil {
				t.Fatal(err)
			}
			w, err := job.Next(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			imbalance, _, _ := e.Step(action, obs)
			if diff := cmp.Diff(e.busy, w.Busy, nearly); diff != "" {
				t.Fatalf("%d workers, busy (-environment +job):\n%s", workers, diff)
			}
			if got := policy.Imbalance(w.Busy); math.Abs(got-imbalance) > 2e-4*imbalance { // the 1e-6 in it weighs more on times
				t.Fatalf("%d workers: imbalance %v, environment %v", workers, got, imbalance)
			}
			for i := range e.loads {
				if math.Abs(float64(w.Counts[i])-e.loads[i]) > 0.51 {
					t.Fatalf("%d workers: worker %d has %d records, environment %v", workers, i, w.Counts[i], e.loads[i])
				}
			}
		}
	}
}

func TestModelStep(t *testing.T) {
	for _, tc := range []struct {
		why        string
		overload   Overload
		loads      []float64
		done, busy []float64
	}{
		// speeds 1 and 3, utilisation 0.5: busy = 0.5 * 4 * load / speed
		{"below capacity all agree", Open, []float64{0.25, 0.75}, []float64{0.25, 0.75}, []float64{0.5, 0.5}},
		{"open: past 1", Open, []float64{0.7, 0.3}, []float64{0.7, 0.3}, []float64{1.4, 0.2}},
		{"clip: up to 1, all done", Clip, []float64{0.7, 0.3}, []float64{0.7, 0.3}, []float64{1, 0.2}},
		{"backpressure: everything at 1/1.4", Backpressure, []float64{0.7, 0.3}, []float64{0.5, 0.3 / 1.4}, []float64{1, 0.2 / 1.4}},
	} {
		c := Default([]float64{1, 3})
		c.Utilisation, c.Overload = 0.5, tc.overload
		f, err := NewModel(c)
		if err != nil {
			t.Fatal(err)
		}
		done, busy := make([]float64, 2), make([]float64, 2)
		f.Step(tc.loads, done, busy)
		if diff := cmp.Diff([][]float64{tc.done, tc.busy}, [][]float64{done, busy}, nearly); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.why, diff)
		}
		if n := testing.AllocsPerRun(100, func() { f.Step(tc.loads, done, busy) }); n != 0 {
			t.Errorf("%s: a step allocates %v times", tc.why, n)
		}
	}
}

// Noise multiplies: its mean is 1, its deviation sigma, and the seed decides it.
func TestModelNoise(t *testing.T) {
	c := Default(constant(100, 1))
	c.Noise, c.Utilisation, c.Overload, c.Seed = 0.1, 0.5, Open, 3
	run := func() (mean, deviation float64) {
		f, err := NewModel(c)
		if err != nil {
			t.Fatal(err)
		}
		loads, done, busy := constant(100, 0.01), make([]float64, 100), make([]float64, 100)
		for range 100 {
			f.Step(loads, done, busy)
			for _, b := range busy {
				mean += b / 0.5 / 1e4
				deviation += (b/0.5 - 1) * (b/0.5 - 1) / 1e4
			}
		}
		return mean, math.Sqrt(deviation)
	}
	mean, deviation := run()
	if math.Abs(mean-1) > 0.005 || math.Abs(deviation-0.1) > 0.005 {
		t.Errorf("factors of mean %v and deviation %v; want 1 and 0.1", mean, deviation)
	}
	if again, _ := run(); again != mean {
		t.Error("the same seed gives other noise")
	}
	c.Seed = 4
	if other, _ := run(); other == mean {
		t.Error("another seed gives the same noise")
	}
}

// With a delay of 2, windows measure the route of two windows ago, and name it.
func TestModelDelayAndChange(t *testing.T) {
	c := Default([]float64{1, 1})
	c.Delay, c.Overload = 2, Open
	var err error
	if c.Keys, err = NewKeySpace([]string{"a", "b"}, []float64{3, 1}, 4096); err != nil {
		t.Fatal(err)
	}
	other, err := NewKeySpace([]string{"a", "b"}, []float64{1, 1}, 4096)
	if err != nil {
		t.Fatal(err)
	}
	c.Shift = func(step int) *KeySpace {
		if step == 4 {
			return other
		}
		return nil
	}
	c.Drift = func() engine.Drift {
		return func(step int, speeds []float64) {
			if step == 5 {
				speeds[0] = 2
			}
		}
	}
	job, err := NewJob(c)
	if err != nil {
		t.Fatal(err)
	}
	heavy := c.Keys.Keys()[0]
	to := func(w uint16, version uint64) *policy.Route {
		r := policy.HashRoute(2)
		r.Version = version
		for i := range r.Slots {
			r.Slots[i] = 1 - w
		}
		r.Keys = []policy.KeyRoute{{Hash: heavy.Hash, Workers: []uint16{w}, Shares: []float64{1}}}
		return r
	}
	type seen struct {
		Route uint64
		Busy  []float64
		Heavy int64
	}
	var got []seen
	for step := range 8 {
		if step == 1 || step == 3 {
			if err := job.Apply(policy.Decision{Route: to(uint16(step/2), uint64(step))}); err != nil {
				t.Fatal(err)
			}
		}
		w, err := job.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if w.Step != step || w.End-w.Start != time.Second || w.RouteNew {
			t.Fatalf("window %d is step %d from %v to %v, new route %v", step, w.Step, w.Start, w.End, w.RouteNew)
		}
		got = append(got, seen{w.Route.Version, w.Busy, w.Hot[0].Count})
	}
	// busy = 0.7 * 2 * load / speed: 0.75 -> 1.05, 0.25 -> 0.35, 0.5 -> 0.7 (0.35 at speed 2)
	first := got[0].Busy
	want := []seen{
		{0, first, 750000}, {0, first, 750000}, {0, first, 750000}, // window 0, until window 2 has it
		{1, []float64{1.05, 0.35}, 750000}, {1, []float64{1.05, 0.35}, 750000}, // windows 1, 2
		{3, []float64{0.35, 1.05}, 750000}, // window 3
		{3, []float64{0.7, 0.7}, 500000},   // window 4: the keys have shifted
		{3, []float64{0.35, 0.7}, 500000},  // window 5: the first worker is faster
	}
	if diff := cmp.Diff(want, got, nearly); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for why, r := range map[string]*policy.Route{"of another P": policy.HashRoute(3), "without slots": {Workers: 2}} {
		if job.Apply(policy.Decision{Route: r}) == nil {
			t.Errorf("a route %s is applied", why)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := job.Next(ctx); err == nil {
		t.Error("a cancelled context yields a window")
	}
	job.Close()
	if _, err := job.Next(context.Background()); err == nil {
		t.Error("a closed job yields a window")
	}
}

// ExpectedLoads against its naive twin, which asks for each key where it goes; the
// loads sum to 1 and windows count every record.
func TestExpectedLoads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.IntRange(1, 40).Draw(t, "workers")
		k := ZipfKeys(rapid.IntRange(1, 300).Draw(t, "keys"), rapid.Float64Range(0, 2).Draw(t, "exponent"), 64)
		r := &policy.Route{Workers: p, Slots: make([]uint16, 1<<rapid.IntRange(0, 10).Draw(t, "slots"))}
		for i := range r.Slots {
			r.Slots[i] = uint16(rapid.IntRange(0, p-1).Draw(t, "slot"))
		}
		for i := range rapid.IntRange(0, len(k.hot)).Draw(t, "named") {
			kr := policy.KeyRoute{Hash: k.hot[i].Hash}
			n := rapid.IntRange(1, p).Draw(t, "fan-out")
			for w := range n {
				kr.Workers, kr.Shares = append(kr.Workers, uint16(w)), append(kr.Shares, 1/float64(n))
			}
			r.Keys = append(r.Keys, kr)
		}
		want := make([]float64, p)
		for i, key := range k.hot {
			workers, shares := []uint16{r.Slots[policy.SlotOf(key.Hash, len(r.Slots))]}, []float64{1}
			for _, kr := range r.Keys {
				if kr.Hash == key.Hash {
					workers, shares = kr.Workers, kr.Shares
				}
			}
			for j, w := range workers {
				want[w] += k.weight[i] * shares[j]
			}
		}
		if diff := cmp.Diff(want, ExpectedLoads(r, k, nil), nearly); diff != "" {
			t.Fatalf("(-naive +got):\n%s", diff)
		}
	})
}

func TestModelRefusals(t *testing.T) {
	for why, change := range map[string]func(*Config){
		"no workers": func(c *Config) { c.Speeds = nil }, "a worker that stands still": func(c *Config) { c.Speeds[1] = 0 },
		"no keys": func(c *Config) { c.Keys = nil }, "NaN utilisation": func(c *Config) { c.Utilisation = math.NaN() },
		"no records": func(c *Config) { c.Records = 0 }, "no time": func(c *Config) { c.Window = 0 },
		"negative delay": func(c *Config) { c.Delay = -1 }, "noise above 1": func(c *Config) { c.Noise = 2 },
		"unknown overload": func(c *Config) { c.Overload = "spill" }, "negative hot keys": func(c *Config) { c.HotKeys = -1 },
	} {
		c := Default([]float64{1, 1})
		change(&c)
		if _, err := NewJob(c); err == nil {
			t.Errorf("%s: no error", why)
		}
	}
	for why, k := range map[string]struct {
		names   []string
		weights []float64
		slots   int
	}{
		"a weight missing": {[]string{"a"}, nil, 16}, "a key twice": {[]string{"a", "a"}, []float64{1, 1}, 16},
		"a negative weight": {[]string{"a", "b"}, []float64{2, -1}, 16}, "NaN": {[]string{"a"}, []float64{math.NaN()}, 16},
		"nothing": {nil, nil, 16}, "three slots": {[]string{"a"}, []float64{1}, 3},
	} {
		if _, err := NewKeySpace(k.names, k.weights, k.slots); err == nil {
			t.Errorf("key space with %s: no error", why)
		}
	}
}

func BenchmarkFluidStep(b *testing.B) {
	for _, p := range []int{8, 64} {
		b.Run(fmt.Sprintf("reference/P=%d", p), func(b *testing.B) {
			e := NewReferenceEnv(referenceSpeeds(b, p), false)
			action, obs := constant(e.observation.Mask.Pairs(), 0.5), make([]float64, 2*p)
			b.ReportAllocs()
			for b.Loop() {
				e.Step(action, obs)
			}
		})
		b.Run(fmt.Sprintf("model/P=%d", p), func(b *testing.B) {
			f, err := NewModel(Default(constant(p, 1)))
			if err != nil {
				b.Fatal(err)
			}
			loads, done, busy := constant(p, 1/float64(p)), make([]float64, p), make([]float64, p)
			b.ReportAllocs()
			for b.Loop() {
				f.Step(loads, done, busy)
			}
		})
		b.Run(fmt.Sprintf("job/P=%d", p), func(b *testing.B) {
			job, err := NewJob(Default(constant(p, 1)))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := job.Next(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
