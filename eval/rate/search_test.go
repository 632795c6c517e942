package rate

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// step is a job that holds limit records/s.
func step(limit float64, guess func(rate float64) float64) func(float64) (Outcome, error) {
	return func(r float64) (Outcome, error) {
		if r <= limit {
			return Outcome{Held: true, Sent: r}, nil
		}
		return Outcome{Sent: guess(r)}, nil
	}
}

func TestFind(t *testing.T) {
	exact := func(limit float64) func(float64) float64 { return func(float64) float64 { return limit } }
	for _, c := range []struct {
		why    string
		search Search
		limit  float64
		guess  func(float64) float64
		most   int // probes
	}{
		{"a failed probe that knows the limit saves all the others", Search{Start: 1000, Tolerance: 0.01, Probes: 50}, 123, exact(123), 3},
		{"a start below the limit is doubled", Search{Start: 10, Tolerance: 0.01, Probes: 50}, 123, exact(123), 8},
		{"no guess", Search{Start: 1000, Tolerance: 0.01, Probes: 50}, 123, exact(0), 16},
		{"a guess far too high is given up", Search{Start: 1000, Tolerance: 0.01, Probes: 50}, 123, func(r float64) float64 { return r * 0.999 }, 30},
		{"a guess far too low too", Search{Start: 1000, Tolerance: 0.01, Probes: 50}, 123, exact(2), 30},
		{"a limit far below the start", Search{Start: 1e6, Tolerance: 0.01, Probes: 50}, 3, exact(0), 32},
	} {
		b, err := c.search.Find(step(c.limit, c.guess))
		if err != nil || b.Held > c.limit || b.Failed <= c.limit || b.Width() > 0.0101 || b.Probes > c.most {
			t.Errorf("%s: %+v (width %.4f), error %v; the limit is %v, and %d probes should do", c.why, b, b.Width(), err, c.limit, c.most)
		}
	}
}

func TestFindEnds(t *testing.T) {
	guess := func(float64) float64 { return 0 }
	b, err := Search{Start: 10, Tolerance: 0.01, Probes: 4}.Find(step(1e9, guess))
	if !errors.Is(err, ErrProbes) || b.Held != 80 || !math.IsInf(b.Failed, 1) {
		t.Errorf("a job that holds every rate: %+v, error %v", b, err)
	}
	b, err = Search{Start: 1e6, Tolerance: 1e-6, Probes: 5}.Find(step(123, guess))
	if !errors.Is(err, ErrProbes) || b.Probes != 5 || b.Failed < 123 {
		t.Errorf("too few probes: %+v, error %v", b, err)
	}
	if _, err = (Search{Start: 1e6, Tolerance: 0.01, Probes: 100}).Find(step(-1, guess)); err == nil || !strings.Contains(err.Error(), "no rate is held") {
		t.Errorf("a job that holds nothing: error %v", err)
	}
	broken := errors.New("no such file")
	if _, err = (Search{Start: 10, Tolerance: 0.01, Probes: 9}).Find(func(float64) (Outcome, error) { return Outcome{}, broken }); !errors.Is(err, broken) {
		t.Errorf("a probe that fails: error %v", err)
	}
}

// TestFindWithNoise draws where the line is anew for every probe: the bracket closes
// all the same, and its ends are off by no more than the noise.
func TestFindWithNoise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Float64Range(1, 1e6).Draw(t, "limit")
		noise := rapid.Float64Range(0, 0.1).Draw(t, "noise")
		tolerance := rapid.Float64Range(0.002, 0.1).Draw(t, "tolerance")
		start := limit * math.Exp(rapid.Float64Range(-5, 5).Draw(t, "start"))
		wrong := rapid.Float64Range(0, 2).Draw(t, "guess")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		b, err := Search{Start: start, Tolerance: tolerance, Probes: 200}.Find(func(r float64) (Outcome, error) {
			line := limit * (1 + noise*(2*rng.Float64()-1))
			return Outcome{Held: r <= line, Sent: min(r, wrong*line)}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if b.Held > limit*(1+noise) || b.Failed < limit*(1-noise) || b.Width() > tolerance*1.001 || b.Held >= b.Failed {
			t.Fatalf("%+v around %v with noise %v", b, limit, noise)
		}
		if b.Probes > 100 {
			t.Fatalf("%d probes", b.Probes)
		}
	})
}
