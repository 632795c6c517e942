package plan

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// measured is the counts of workers with the given loads and busy ratios at speeds.
func measured(loads, speeds []float64, noise float64, rng *rand.Rand) (counts []float64, busy []float64) {
	for w, load := range loads {
		counts = append(counts, math.Floor(load))
		busy = append(busy, load/speeds[w]*(1+noise*rng.NormFloat64()))
	}
	return counts, busy
}

func TestSpeeds(t *testing.T) {
	nan := math.NaN()
	for _, tc := range []struct {
		why     string
		windows int
		counts  []float64
		busy    []float64
		want    []float64 // capacity
	}{
		{"records over busy time", 1, []float64{1e6, 1e6, 2e6}, []float64{0.5, 0.25, 0.25}, []float64{2. / 14, 4. / 14, 8. / 14}},
		{"a saturated worker's records are those of its full time", 1, []float64{1e6, 3e6, 2e6}, []float64{1, 1, 1}, []float64{1. / 6, 3. / 6, 2. / 6}},
		{"an idle worker counts as typical", 3, []float64{1e6, 0, 1e6}, []float64{0.5, 0, 0.5}, []float64{1. / 3, 1. / 3, 1. / 3}},
		{"so does one without a report", 3, []float64{1e6, 0, 1e6}, []float64{0.5, nan, 0.5}, []float64{1. / 3, 1. / 3, 1. / 3}},
		{"one that is busy with nothing to show has hardly any", 9, []float64{1e6, 0, 1e6}, []float64{0.5, 1, 0.5}, []float64{0.5, 0.02 / 3, 0.5}},
	} {
		for _, form := range []Smoothing{Fixed, Kalman} {
			c := DefaultSpeed()
			c.Smoothing = form
			s := NewSpeeds(c, 3)
			for range tc.windows {
				s.Observe(tc.counts, tc.busy)
			}
			// The fixed form keeps some 5 % of the first guess.
			if diff := cmp.Diff(tc.want, s.Capacity(make([]float64, 3)), cmpopts.EquateApprox(0.06, 1e-3)); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", tc.why, form, diff)
			}
		}
	}
}

// What all workers have in common changes no capacity; an idle worker moves with
// the others.
func TestSpeedsCommonChange(t *testing.T) {
	s := NewSpeeds(DefaultSpeed(), 3)
	s.Observe([]float64{4e6, 2e6, 1e6}, []float64{1, 1, 1})
	before := s.Capacity(make([]float64, 3))
	for range 5 {
		s.Observe([]float64{2e6, 1e6, 0}, []float64{1, 1, 0})
	}
	if diff := cmp.Diff(before, s.Capacity(make([]float64, 3)), cmpopts.EquateApprox(1e-3, 0)); diff != "" {
		t.Errorf("everything takes twice as long (-before +after):\n%s", diff)
	}
}

// The filter averages steady noise away as well as it can, knows how well that is,
// and still follows a worker that slows down.
func TestSpeedsKalman(t *testing.T) {
	const workers, noise = 32, 0.1
	rng := rand.New(rand.NewPCG(5, 5))
	s := NewSpeeds(DefaultSpeed(), workers)
	speeds, loads := make([]float64, workers), make([]float64, workers)
	for w := range speeds {
		speeds[w], loads[w] = 1e6*(0.5+rng.Float64()), 5e5
	}
	rms := func() float64 {
		mean, sq := 0.0, 0.0
		for w := range speeds {
			mean += (s.log[w] - math.Log(speeds[w])) / workers
		}
		for w := range speeds {
			d := s.log[w] - math.Log(speeds[w]) - mean
			sq += d * d / workers
		}
		return math.Sqrt(sq)
	}
	for range 60 {
		s.Observe(measured(loads, speeds, noise, rng))
	}
	if got := rms(); got > noise/3 {
		t.Errorf("after 60 windows of steady speeds and 10 %% noise estimates are off by %.3f", got)
	}
	if got := rms(); s.Deviation() > 3*got || s.Deviation() < got/3 {
		t.Errorf("estimates are off by %.3f, but it says %.3f", got, s.Deviation())
	}
	speeds[3] *= 0.3
	for range 3 {
		s.Observe(measured(loads, speeds, noise, rng))
	}
	if got := s.log[3] - math.Log(speeds[3]) - (s.log[4] - math.Log(speeds[4])); math.Abs(got) > 0.4 {
		t.Errorf("3 windows after a worker slowed to 0.3 its estimate is off by %.2f in the log", got)
	}
}

// Far deviations that the next measurement does not confirm count for little after some of them;
// those that it confirms are followed at once.
func TestSpeedsTellJumpsFromOutliers(t *testing.T) {
	const workers, windows = 16, 200
	for _, c := range []struct {
		why           string
		disturb       func(w, at int, rng *rand.Rand) (measured, speed float64) // factors
		typical, jump float64                                                   // mean error at most, and in the window after a jump
	}{
		{"noise alone", func(int, int, *rand.Rand) (float64, float64) { return 1, 1 }, 0.03, 0},
		{"one in twenty busy times is five times too short", func(_, _ int, rng *rand.Rand) (float64, float64) {
			if rng.IntN(20) == 0 {
				return 0.2, 1
			}
			return 1, 1
		}, 0.06, 0},
		{"or five times too long", func(_, _ int, rng *rand.Rand) (float64, float64) {
			if rng.IntN(20) == 0 {
				return 5, 1
			}
			return 1, 1
		}, 0.06, 0},
		{"one worker jumps every twenty windows", func(w, at int, _ *rand.Rand) (float64, float64) {
			if w == 3 && at/20%2 == 1 {
				return 1, 0.4
			}
			return 1, 1
		}, 0.05, 0.15},
	} {
		rng := rand.New(rand.NewPCG(17, 4))
		s := NewSpeeds(DefaultSpeed(), workers)
		counts, busy, last := make([]float64, workers), make([]float64, workers), make([]float64, workers)
		off, after, jumps := 0.0, 0.0, 0.0
		for at := range windows {
			logs, mean := make([]float64, workers), 0.0
			for w := range workers {
				by, speed := c.disturb(w, at, rng)
				logs[w] = math.Log(speed)
				counts[w], busy[w] = 1e6, 0.1/speed*(1+0.03*rng.NormFloat64())*by
			}
			s.Observe(counts, busy)
			for w := range logs {
				mean += (s.log[w] - logs[w]) / workers
			}
			for w, l := range logs {
				d := math.Abs(s.log[w] - l - mean)
				if at >= windows/4 {
					off += d / workers / (windows - windows/4)
				}
				if at >= windows/4 && l != last[w] {
					after += d
					jumps++
				}
				last[w] = l
			}
		}
		t.Logf("%s: off by %.3f, by %.3f after a jump", c.why, off, after/max(jumps, 1))
		if off > c.typical || jumps > 0 && after/jumps > c.jump {
			t.Errorf("%s: off by %.3f, by %.3f after a jump; %v and %v are the most", c.why, off, after/max(jumps, 1), c.typical, c.jump)
		}
	}
}

func TestSpeedConfigValidate(t *testing.T) {
	if c := DefaultSpeed(); c.Validate() != nil {
		t.Errorf("the default does not validate: %v", c.Validate())
	}
	for why, change := range map[string]func(*SpeedConfig){
		"smoothing": func(c *SpeedConfig) { c.Smoothing = "median" }, "alpha 0": func(c *SpeedConfig) { c.Alpha = 0 },
		"floor": func(c *SpeedConfig) { c.Floor = 1.1 }, "records": func(c *SpeedConfig) { c.Records = math.NaN() },
	} {
		c := DefaultSpeed()
		if change(&c); c.Validate() == nil {
			t.Errorf("%s: validates", why)
		}
	}
}

// Of 64 workers 10 have something to do: how sure their speeds are is not hidden by the
// others, of which nothing is known.
func TestSpeedsDeviationOfIdleWorkers(t *testing.T) {
	s := NewSpeeds(DefaultSpeed(), 64)
	if got := s.Deviation(); got < 1 {
		t.Errorf("before anything was measured speeds are said to be off by %.3f", got)
	}
	counts, busy := make([]float64, 64), make([]float64, 64)
	for w := range 10 {
		counts[w], busy[w] = 5000, 0.5
	}
	for range 5 {
		s.Observe(counts, busy)
	}
	if got := s.Deviation(); got > 0.05 {
		t.Errorf("after windows without any noise speeds are said to be off by %.3f", got)
	}
}
