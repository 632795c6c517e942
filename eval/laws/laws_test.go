package laws

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/saspart/saspart/policy/scenario"
)

// A policy that is one of the smoothings differs from the best of them by nothing, or is worse
// than it; the rows are those of scenario.Evaluate.
func TestMeasure(t *testing.T) {
	noisy := scenario.Default()
	noisy.Noise = scenario.Range{0.2, 0.2}
	o := Options{
		Laws:    []scenario.Law{{Name: "default", Config: scenario.Default()}, {Name: "noisy", Config: noisy}},
		Workers: []int{4, 64}, Scenarios: 40, Seed: 5,
		Policy: func(int) (scenario.Starter, error) { return &scenario.Smoothed{Alpha: 0.1}, nil },
	}
	seen := 0
	o.Done = func(Row) { seen++ }
	rows, err := Measure(context.Background(), o)
	if err != nil || len(rows) != 4 || seen != 4 {
		t.Fatalf("%d rows, %d seen: %v", len(rows), seen, err)
	}
	for i, r := range rows {
		n, law := 40, &o.Laws[i%2]
		if r.Workers == 64 {
			n = Least
		}
		if r.Law != law.Name || r.Scenarios != n {
			t.Errorf("row %d is %s with %d scenarios", i, r.Law, r.Scenarios)
		}
		seeds := make([]uint64, n)
		for j := range seeds {
			seeds[j] = 5 + uint64(j)
		}
		scores, err := scenario.Evaluate(&scenario.Smoothed{Alpha: 0.1}, law.Config, r.Workers, seeds)
		if err != nil {
			t.Fatal(err)
		}
		if mean, _ := scenario.MeanScore(scores); r.Policy != mean.After {
			t.Errorf("%s: %v, Evaluate says %v", r.Law, r.Policy, mean.After)
		}
		if math.Abs(r.Policy-r.Smoothing-r.OverSmoothing.Mean) > 1e-12 || math.Abs(r.Policy-r.Waterfill-r.OverWaterfill.Mean) > 1e-12 {
			t.Errorf("%s: differences %+v do not fit", r.Law, r)
		}
		if r.OverSmoothing.Mean < 0 || r.Setting == "0.1" && r.OverSmoothing != (Difference{}) {
			t.Errorf("%s: the best of the smoothings, %s, is worse than one of them by %v", r.Law, r.Setting, r.OverSmoothing)
		}
	}
	text := Markdown(rows)
	if strings.Count(text, "###") != 2 || strings.Count(text, "| noisy |") != 2 {
		t.Errorf("markdown:\n%s", text)
	}
	ctx, cancel := context.WithCancel(context.Background())
	o.Done = func(Row) { cancel() }
	if rows, err := Measure(ctx, o); len(rows) != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted after the first row: %d rows, %v", len(rows), err)
	}
}

// Standard errors are of the mean of paired differences.
func TestDifference(t *testing.T) {
	a := []scenario.Score{{After: 3}, {After: 5}, {After: 4}}
	b := []scenario.Score{{After: 1}, {After: 2}, {After: 3}}
	// Differences 2, 3 and 1: mean 2, variance 1.
	got := difference(a, b)
	if want := (Difference{Mean: 2, Error: 1 / math.Sqrt(3)}); math.Abs(got.Mean-want.Mean) > 1e-12 || math.Abs(got.Error-want.Error) > 1e-12 {
		t.Errorf("%v, want %v", got, want)
	}
	for _, c := range []struct {
		over Difference
		want bool
	}{{Difference{0.3, 0.1}, true}, {Difference{0.1, 0.1}, false}, {Difference{-0.3, 0.1}, false}} {
		if r := (Row{OverSmoothing: c.over}); r.Worse() != c.want {
			t.Errorf("%v: worse is %v", c.over, r.Worse())
		}
	}
}
