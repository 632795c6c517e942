package stream

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func fixed(rate float64) RateConfig {
	cfg := DefaultRate()
	cfg.Rate = rate
	return cfg
}

// all yields the arrivals before until, size at a time.
func all(a *Arrivals, until int64, size int) []int64 {
	var out []int64
	times := make([]int64, size)
	for {
		n := a.Fill(times, until)
		out = append(out, times[:n]...)
		if n < size {
			return out
		}
	}
}

func TestArrivals(t *testing.T) {
	staged := RateConfig{Kind: RateStaged, Spacing: SpacingEven, Stages: []Stage{
		{Rate: 4, Duration: time.Second}, {Rate: 0, Duration: time.Second}, {Rate: 2, Duration: time.Second}, {Rate: 1},
	}}
	const ms = int64(time.Millisecond)
	for _, c := range []struct {
		why               string
		cfg               RateConfig
		subtask, subtasks int
		until             int64 // ms
		want              []int64
	}{
		{"one subtask has them all", fixed(4), 0, 1, 1001, []int64{0, 250, 500, 750, 1000}},
		{"until is not included", fixed(4), 0, 1, 1000, []int64{0, 250, 500, 750}},
		{"the first of two has the even ones", fixed(4), 0, 2, 1100, []int64{0, 500, 1000}},
		{"the second of two has the odd ones, half a gap later", fixed(4), 1, 2, 1100, []int64{250, 750}},
		{"stages change the gap, the pause has none", staged, 0, 1, 4500, []int64{0, 250, 500, 750, 2000, 2500, 3000, 4000}},
		{"what a subtask owes at a stage's end it owes in the next", staged, 2, 3, 8000, []int64{500, 2500, 5000}},
	} {
		got := all(NewArrivals(c.cfg, c.subtask, c.subtasks, 1), c.until*ms, 3)
		for i := range got {
			got[i] /= ms
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.why, d)
		}
	}
}

// The subtasks together are the stream of one subtask, whatever the rate does and
// however Fill is called.
func TestArrivalsInterleave(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := RateConfig{Kind: RateStaged, Spacing: SpacingEven}
		for range rapid.IntRange(1, 5).Draw(t, "stages") {
			cfg.Stages = append(cfg.Stages, Stage{
				Rate:     rapid.SampledFrom([]float64{0, 0.3, 7, 1000. / 3, 1e4}).Draw(t, "rate"),
				Duration: time.Duration(rapid.Int64Range(1, int64(time.Second)).Draw(t, "duration")),
			})
		}
		const until = int64(2 * time.Second)
		want := all(NewArrivals(cfg, 0, 1, 0), until, 100)
		subtasks := rapid.IntRange(1, 7).Draw(t, "subtasks")
		var got []int64
		for s := range subtasks {
			one := all(NewArrivals(cfg, s, subtasks, 0), until, rapid.IntRange(1, 50).Draw(t, "size"))
			if !slices.IsSorted(one) {
				t.Fatalf("subtask %d: not ascending: %v", s, one)
			}
			got = append(got, one...)
		}
		slices.Sort(got)
		if len(got) < len(want)-1 || len(got) > len(want)+1 { // one may fall on either side of the end
			t.Fatalf("%d arrivals in %d subtasks, %d in one", len(got), subtasks, len(want))
		}
		for i := range min(len(got), len(want)) {
			if d := got[i] - want[i]; d < -10 || d > 10 {
				t.Fatalf("arrival %d is at %d, in one subtask at %d", i, got[i], want[i])
			}
		}
	})
}

// A billion records later the times are still right to the nanosecond.
func TestArrivalsDoNotDrift(t *testing.T) {
	for _, rate := range []float64{3, 44_100, 1e6 / 7, 6e6} {
		a := NewArrivals(fixed(rate), 1, 2, 0)
		a.taken = 1_000_000_000
		var times [1]int64
		a.Fill(times[:], math.MaxInt64)
		want := 2_000_000_001 / rate * float64(time.Second)
		if got := float64(times[0]); math.Abs(got-want) > 1+want*1e-15 {
			t.Errorf("rate %v: record 2,000,000,001 arrives at %.0f, want %.0f", rate, got, want)
		}
	}
	// The same through a million changes of rate that change nothing.
	a := NewArrivals(fixed(1000), 0, 1, 0)
	n := 0
	for i := range int64(100_000) {
		a.Set(time.Duration(i)*7_777_777, 1000)
		n += len(all(a, (i+1)*7_777_777, 64))
	}
	if want := 777_778; n != want {
		t.Errorf("%d records, want %d", n, want)
	}
}

func TestPoisson(t *testing.T) {
	cfg := fixed(1000)
	cfg.Spacing = SpacingPoisson
	const until = int64(100 * time.Second)
	times := all(NewArrivals(cfg, 0, 2, 3), until, 512)
	if !slices.IsSorted(times) {
		t.Error("not ascending")
	}
	if n := float64(len(times)); math.Abs(n-50_000) > 5*math.Sqrt(50_000) {
		t.Errorf("%v arrivals in 100 s, want 50,000 give or take some 224", n)
	}
	// Exponential gaps have a standard deviation equal to their mean.
	sum, squares := 0.0, 0.0
	for i := range times[1:] {
		gap := float64(times[i+1]-times[i]) / 2e6
		sum, squares = sum+gap, squares+gap*gap
	}
	mean := sum / float64(len(times)-1)
	if sd := math.Sqrt(squares/float64(len(times)-1) - mean*mean); math.Abs(mean-1) > 0.03 || math.Abs(sd-1) > 0.03 {
		t.Errorf("gaps have mean %v and standard deviation %v, want 1 and 1", mean, sd)
	}
	if again := all(NewArrivals(cfg, 0, 2, 3), until, 7); !slices.Equal(times, again) {
		t.Error("another batch size changes the times")
	}
	if other := all(NewArrivals(cfg, 1, 2, 3), until, 512); slices.Equal(times, other) {
		t.Error("two subtasks have the same times")
	}
}

// SaSPartitioner's training source: over 0.9 a step down, under 0.7 a step up, every 30 s, a step at
// least rate/50.
func TestAdaptive(t *testing.T) {
	cfg := fixed(10_000)
	cfg.Kind = RateAdaptive
	a := NewArrivals(cfg, 0, 2, 0)
	for _, c := range []struct {
		why  string
		end  time.Duration
		busy float64
		want float64 // of the whole job
	}{
		{"too early to act", 29 * time.Second, 1, 10_000},
		{"busy: a step of 200 down", 30 * time.Second, 0.95, 9_800},
		{"30 s have not passed since", 59 * time.Second, 0.95, 9_800},
		{"between the bounds nothing changes", 60 * time.Second, 0.8, 9_800},
		{"on the bound nothing changes", 90 * time.Second, 0.9, 9_800},
		{"idle: a step up", 120 * time.Second, 0.1, 10_000},
		{"again", 150 * time.Second, 0.69, 10_200},
		{"a step is at least a fiftieth of the rate", 180 * time.Second, 0.69, 10_404},
		{"nothing measured, nothing changes", 210 * time.Second, math.NaN(), 10_404},
	} {
		a.Observe(c.end, c.busy)
		if got := 2 * a.RateAt(c.end); got != c.want {
			t.Errorf("%s: at %v the rate is %v, want %v", c.why, c.end, got, c.want)
		}
	}
	if got := 2 * a.RateAt(29*time.Second); got != 10_000 {
		t.Errorf("looking back at 29 s the rate is %v, want 10000", got)
	}
	for i := range 1000 {
		a.Observe(time.Duration(i+8)*30*time.Second, 1)
	}
	if got := 2 * a.RateAt(math.MaxInt64); got != 200 {
		t.Errorf("always busy, the rate ends at %v, want one step, 200", got)
	}
}

// Fixed and staged rates take no notice of the job: an open loop.
func TestOpenLoop(t *testing.T) {
	a, b := NewArrivals(fixed(1000), 0, 1, 0), NewArrivals(fixed(1000), 0, 1, 0)
	a.Observe(time.Minute, 1)
	if x, y := all(a, int64(2*time.Minute), 64), all(b, int64(2*time.Minute), 64); !slices.Equal(x, y) {
		t.Error("a busy job changes a fixed rate")
	}
}

func TestSet(t *testing.T) {
	cfg := RateConfig{Kind: RateStaged, Spacing: SpacingEven, Stages: []Stage{{10, time.Second}, {1000, time.Second}, {5, 0}}}
	a := NewArrivals(cfg, 0, 1, 0)
	first := all(a, int64(500*time.Millisecond), 2)
	a.Set(800*time.Millisecond, 4) // drops the stages after it
	a.Set(100*time.Millisecond, 2) // too late: from the last time yielded, and drops the one before
	if got := a.RateAt(time.Hour); got != 2 {
		t.Errorf("the rate in an hour is %v, want 2", got)
	}
	rest := all(a, int64(3*time.Second), 2)
	want := []int64{900, 1400, 1900, 2400, 2900} // a tenth of a second's record was owed: 1 record at 2 a second
	for i := range rest {
		rest[i] /= int64(time.Millisecond)
	}
	if len(first) != 5 || !slices.Equal(rest, want) {
		t.Errorf("%d arrivals, then %v; want 5, then %v", len(first), rest, want)
	}
	a.Set(3*time.Second, 0)
	if n := len(all(a, int64(time.Hour), 2)); n != 0 {
		t.Errorf("%d arrivals in a pause", n)
	}
	a.Set(2*time.Hour, 1)
	if n := len(all(a, int64(2*time.Hour+10*time.Second), 2)); n != 10 {
		t.Errorf("%d arrivals in 10 s after the pause, want 10", n)
	}
}

// Fill allocates nothing, and a job that changes its rate for ever keeps a
// bounded history.
func TestArrivalsMemory(t *testing.T) {
	for _, spacing := range []string{SpacingEven, SpacingPoisson} {
		cfg := fixed(1e6)
		cfg.Spacing = spacing
		a, times := NewArrivals(cfg, 0, 1, 0), make([]int64, 100)
		if n := testing.AllocsPerRun(100, func() { a.Fill(times, math.MaxInt64) }); n != 0 {
			t.Errorf("%s: Fill allocates %v times", spacing, n)
		}
	}
	a, times := NewArrivals(fixed(1), 0, 1, 0), make([]int64, 4)
	for i := range 10_000 {
		a.Set(time.Duration(i)*time.Second, float64(i%2))
		a.Fill(times, int64(i+1)*int64(time.Second))
	}
	if len(a.segs) > 300 {
		t.Errorf("%d rates are remembered", len(a.segs))
	}
}
