package dataset

import (
	"encoding/json"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saspart/saspart/policy"
)

func TestSummarise(t *testing.T) {
	nan := math.NaN()
	second := func(n int) time.Duration { return time.Duration(n) * time.Second }
	hash, route := policy.HashRoute(2), policy.HashRoute(2)
	route.Version = 1
	windows := []*policy.Window{
		{Episode: 0, Start: second(5), End: second(6), Partitioner: "hash", Records: 100, OfferedRate: 100, ActualRate: 90, FanOut: 1,
			Busy: []float64{0.5, 0.5}, Route: hash, Hot: []policy.HotKey{{Name: "a", Hash: 1, Count: 60}, {Name: "b", Hash: 2, Count: 10}}, LatencyP99: second(3)},
		{Episode: 0, Start: second(6), End: second(7), Partitioner: "hash", Records: 100, OfferedRate: 100, ActualRate: 110, FanOut: nan,
			Busy: []float64{0.9, 0.3}, Route: route, Hot: []policy.HotKey{{Name: "b", Hash: 2, Count: 80}}, LatencyP99: second(1)},
		{Episode: 1, Start: second(7), End: second(8), Partitioner: "pkg", OfferedRate: 100, ActualRate: 100, FanOut: 3,
			Busy: []float64{nan, 0.4}, Backpressured: 0.3, LatencyP99: 0},
	}
	path := filepath.Join(t.TempDir(), "x.arrow")
	writeTrace(t, path, smallMeta, windows, true)
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := Summarise(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	// (max - mean) / (mean + 1e-6): (0.9-0.6)/0.6 = 0.5 in the second window, 0 where
	// all reporting workers are equal.
	unequal := 0.3 / 0.600001
	want := Summary{
		Engine: "sim", Seed: 1, Workers: 2, Complete: true, Checked: true,
		Windows: 3, Episodes: 2, Records: 200, Duration: second(3),
		OfferedRate: 100, ActualRate: 100, Backpressured: 0.1, FanOut: 2, LatencyP99: second(3), HighestP99: second(3), // the upper of two medians
		Busy: Spread{Min: 0.4, Mean: 0.55, Max: 0.7}, Routes: 2, // worker 0: (0.5+0.9)/2; worker 1: (0.5+0.3+0.4)/3
		Imbalance:    Imbalance{Mean: unequal / 3, Last: 0, Series: []float64{0, unequal, 0}},
		Partitioners: []PartitionerSummary{{"hash", 2, unequal / 2}, {"pkg", 1, 0}},
		Hot:          []HotSummary{{"b", 2, 0.45, 2}, {"a", 1, 0.3, 1}},
	}
	close := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-4 }) // 1e-6 in Imbalance's divisor
	if diff := cmp.Diff(want, got, close); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if _, err := json.Marshal(got); err != nil {
		t.Errorf("as JSON: %v", err)
	}
}

func TestSummariseNothing(t *testing.T) {
	got := NewSummariser(smallMeta).Summary()
	if got.Windows != 0 || got.Imbalance.Mean != 0 || len(got.Hot) != 0 {
		t.Errorf("%+v", got)
	}
	if _, err := json.Marshal(got); err != nil {
		t.Errorf("as JSON: %v", err)
	}
}
