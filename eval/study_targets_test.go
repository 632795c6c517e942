package eval

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saspart/saspart/eval/rate"
	"github.com/saspart/saspart/eval/study"
)

// priced is a record with all that targets look at; the bound is 1000.
func priced(cell, name string, seed uint64, held, fan, pairs, cpu float64, p99 time.Duration) study.Record {
	r := measured(cell, name, seed, held)
	at := &r.Throughput.At
	at.FanOut, at.Pairs, at.CPU = fan, pairs, rate.CPU{Workers: cpu}
	r.Throughput.Latency[0].Reading.P99 = p99
	return r
}

func TestTargets(t *testing.T) {
	const ms = time.Millisecond
	records := []study.Record{
		priced("good", "hash", 1, 300, 1, 50, 80, 9*ms), // cheaper, but holds less
		priced("good", "wchoices", 1, 980, 2, 300, 101, 2*ms),
		priced("good", "fish", 1, 990, 1.4, 200, 105, 2*ms),
		priced("good", "waterfill", 1, 990, 1.1, 150, 101, 7*ms),
		priced("bad", "wchoices", 1, 985, 2, 300, 99, 2*ms),
		priced("bad", "fish", 1, 990, 1.4, 200, 105, 2*ms),
		priced("bad", "waterfill", 1, 980, 1.3, 201, 101, 9*ms),
	}
	// Where state is dear the bound is lower: 970 is nearly all of it.
	dear := priced("dear state", "waterfill", 1, 970, 1, 100, 300, ms)
	dear.Throughput.Bounds.State = 980
	records = append(records, dear, priced("dear state", "fish", 1, 400, 1.5, 150, 400, ms), priced("without fish", "waterfill", 1, 500, 1, 100, 300, ms))
	stress := []study.Record{stressed("fish", ms), stressed("waterfill", 3*ms)}
	stress[0].Stress.FanOut, stress[0].Stress.Pairs = 1.6, 30
	stress[1].Stress.FanOut, stress[1].Stress.Pairs, stress[1].Stress.Blocked = 1.2, 20, time.Second
	sections := targetSections(study.Compare(append(records, stress...)))
	if len(sections) != 3 {
		t.Fatalf("%d sections", len(sections))
	}
	want := [][]string{
		{"bad", "waterfill", "0.980 !", "1.300 : 1.400", "201 : 200 !", "0.300 : 0.400 !", "9ms : 2ms !", "101 : 99.0 wchoices !", ""},
		{"shift & drift", "waterfill", "", "1.200 : 1.600", "20 : 30", "0.200 : 0.600", "3ms : 1ms", "", "1s !"},
	}
	if d := cmp.Diff(want, sections[1].Table.Rows); d != "" {
		t.Errorf("what is missed (-want +got):\n%s", d)
	}
	want = append([][]string{{"good", "waterfill", "0.990", "1.100 : 1.400", "150 : 200", "0.100 : 0.400", "7ms : 2ms", "101 : 101 wchoices", ""}},
		want[0], []string{"dear state", "waterfill", "0.990", "1.000 : 1.500", "100 : 150", "0.000 : 0.500", "1ms : 1ms", "300 : -", ""}, want[1])
	if d := cmp.Diff(want, sections[2].Table.Rows); d != "" {
		t.Errorf("every cell (-want +got):\n%s", d)
	}
	if points := strings.Join(sections[0].Points, "\n"); !strings.Contains(points, "They hold 0.985 of the bound: waterfill in 2 of 3.") || !strings.Contains(points, "under stress: waterfill in 0 of 1.") {
		t.Errorf("how often:\n%s", points)
	}
	if s := targetSections(study.Compare(records[9:10])); s != nil {
		t.Errorf("without fish: %+v", s)
	}
}

// Differences are of pairs: what seeds have in common is not in their error.
func TestSideBySide(t *testing.T) {
	var records []study.Record
	for seed := range uint64(4) {
		base := 500 + 100*float64(seed)
		records = append(records, priced("c", "fish", seed, base, 1.4, 200, 100, 2), priced("c", "waterfill", seed, base+10, 1.4, 200+float64(seed%2), 100, 2))
	}
	results := study.Compare(records)
	mean, se, ok := study.Spread(&results[0].Entries[1], &results[0].Entries[0], "held")
	if math.Abs(mean-10) > 1e-9 || se > 1e-9 || !ok {
		t.Errorf("the difference is %v ± %v", mean, se)
	}
	mean, se, _ = study.Spread(&results[0].Entries[0], nil, "held")
	if want := math.Sqrt(50_000. / 3 / 4); mean != 650 || math.Abs(se-want) > 1e-9 {
		t.Errorf("fish holds %v ± %v, want 650 ± %v", mean, se, want)
	}
	s := sideBySide(results)
	if s.Table == nil || len(s.Table.Rows) != 2 || s.Table.Rows[0][3] != "" || s.Table.Rows[1][3] != "0.010 ± 0.000 !" || s.Table.Rows[1][9] != "1 ± 0" {
		t.Errorf("side by side: %+v", s.Table)
	}
	if s := sideBySide(study.Compare(records[:6])); s.Table != nil {
		t.Errorf("of three seeds: %+v", s.Table)
	}
}
