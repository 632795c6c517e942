package study

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/saspart/saspart/eval/rate"
	"github.com/saspart/saspart/internal/memtest"
)

// held makes records of a contender that held so much with seeds 1, 2, ....
func held(name string, values ...float64) []Record {
	var out []Record
	for i, v := range values {
		out = append(out, Record{Cell: "c", Kind: Throughput, Partitioner: name, Seed: uint64(i + 1),
			Throughput: &rate.Result{Held: v, Failed: v * 1.01, Bounds: rate.Bounds{Fluid: 100, Analytic: 100}}})
	}
	return out
}

func TestBest(t *testing.T) {
	for _, c := range []struct {
		why     string
		records [][]Record
		best    []string
		margin  float64
	}{
		{"clearly more with every seed", [][]Record{held("a", 50, 51, 49), held("b", 90, 91, 89)}, []string{"b"}, 1.8},
		{"seeds differ more than they do, but by the same", [][]Record{held("a", 50, 80, 20), held("b", 55, 88, 22)}, []string{"b"}, 1.1},
		{"now the one, now the other", [][]Record{held("a", 50, 60, 55), held("b", 60, 50, 57)}, []string{"b", "a"}, 0},
		{"always more, by less than the search can tell", [][]Record{held("a", 50, 50, 50), held("b", 50.2, 50.2, 50.2)}, []string{"b", "a"}, 0},
		{"two equals and a third", [][]Record{held("a", 50, 60, 55), held("b", 60, 50, 57), held("c", 20, 20, 20)}, []string{"b", "a"}, 2.7},
		{"one seed, far apart", [][]Record{held("a", 50), held("b", 90)}, []string{"b"}, 1.8},
		{"one seed, near", [][]Record{held("a", 88), held("b", 90)}, []string{"b", "a"}, 0},
		{"a contender alone", [][]Record{held("a", 50)}, []string{"a"}, 0},
		{"no seed in common, nothing to compare", [][]Record{held("a", 50), held("b", 1, 90)[1:]}, []string{"b", "a"}, 0},
		{"no contender was measured", [][]Record{{{Cell: "c", Kind: Throughput, Partitioner: "a", Error: "crashed"}}}, nil, 0},
	} {
		r := Compare(slices.Concat(c.records...))[0]
		if !slices.Equal(r.Best, c.best) || math.Abs(r.Margin-c.margin) > 0.1 {
			t.Errorf("%s: %v by %v, want %v by %v", c.why, r.Best, r.Margin, c.best, c.margin)
		}
	}
}

// The sentence below a cell names a winner and its margin.
func TestSentence(t *testing.T) {
	for _, c := range []struct {
		why  string
		r    Result
		want string
	}{
		{"a small margin", Result{Best: []string{"b"}, Margin: 1.018, Entries: make([]Entry, 2)}, "b holds the most, by 1.8 %"},
		{"a margin in whole percents", Result{Best: []string{"b"}, Margin: 1.8, Entries: make([]Entry, 2)}, "b holds the most, by 80 %"},
		{"twice as much and more", Result{Kind: Stress, Best: []string{"b"}, Margin: 99, Entries: make([]Entry, 2)}, "b has the lowest latency, by a factor of 99.0"},
		{"nothing to compare with", Result{Best: []string{"b"}, Entries: make([]Entry, 1)}, ""},
		{"all are equal", Result{Best: []string{"a", "b"}, Entries: make([]Entry, 2)}, "they cannot be told apart"},
		{"some are equal", Result{Best: []string{"a", "b"}, Entries: make([]Entry, 3)}, "a, b cannot be told apart"},
		{"a clear winner of a cell that is not complete", Result{Best: []string{"b"}, Margin: 1.8, Missing: 3, Entries: make([]Entry, 2)}, "no verdict: 3 of the cell's measurements are missing"},
	} {
		for i := range c.r.Entries {
			metric, _ := c.r.Kind.judged()
			c.r.Entries[i].Values = map[string]Estimate{metric: {Mean: 1, N: 1}}
		}
		if got := c.r.Sentence(); got != c.want {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
}

// A study that was interrupted says what is missing, and names no winner of cells that are
// not complete or have a single contender.
func TestIncomplete(t *testing.T) {
	of := func(cell string, records []Record) []Record {
		for i := range records {
			records[i].Cell = cell
		}
		return records
	}
	failed := Record{Cell: "c", Kind: Throughput, Partitioner: "b", Seed: 1, Error: "crashed"}
	for _, c := range []struct {
		why     string
		planned map[string]int
		records [][]Record
		winner  string // of the first cell
		says    string
	}{
		{"all was measured", map[string]int{"c": 4}, [][]Record{held("a", 50, 51), held("b", 90, 91)}, "b +79 %", ""},
		{"hash alone of two", map[string]int{"c": 2}, [][]Record{held("a", 50)}, "incomplete", "Incomplete: 1 of 2 measurements are missing, in 1 of 1 cells."},
		{"the last seed is missing", map[string]int{"c": 4}, [][]Record{held("a", 50, 51), held("b", 90)}, "incomplete", "Incomplete: 1 of 4 measurements are missing, in 1 of 1 cells."},
		{"a cell without any", map[string]int{"c": 2, "d": 3}, [][]Record{held("a", 50), held("b", 90)}, "b +80 %", "Incomplete: 3 of 5 measurements are missing, in 1 of 2 cells."},
		{"two cells, one whole", map[string]int{"c": 2, "d": 2}, [][]Record{held("a", 50), held("b", 90), of("d", held("a", 50))}, "b +80 %", "Incomplete: 1 of 4 measurements are missing, in 1 of 2 cells."},
		{"two that cannot be told apart", map[string]int{"c": 2}, [][]Record{held("a", 88), held("b", 90)}, "none told apart", ""},
		{"what failed was made", map[string]int{"c": 2}, [][]Record{held("a", 50), {failed}}, "only a measured", ""},
		{"records of a contender that is no longer asked for fill no gap", map[string]int{"c": 2}, [][]Record{held("a", 50), held("old", 60)}, "incomplete", "Incomplete: 1 of 3 measurements are missing, in 1 of 1 cells."},
		{"a study of an older version", nil, [][]Record{held("a", 50), held("b", 90)}, "b +80 %", ""},
	} {
		info := Info{Order: []string{"c", "d"}, Contenders: []string{"a", "b"}, Planned: c.planned}
		results := info.Results(slices.Concat(c.records...))
		if got := results[0].Winner(); got != c.winner {
			t.Errorf("%s: the winner is %q, want %q", c.why, got, c.winner)
		}
		if got := Incomplete(results); got != c.says {
			t.Errorf("%s: %q, want %q", c.why, got, c.says)
		}
	}
}

// Seeds that all partitioners share are compared in pairs.
func TestPairedBySeed(t *testing.T) {
	for _, c := range []struct {
		why  string
		a, b []Record
		sure bool
	}{
		{"hash scatters over the seeds, and the other holds far more with each of five", held("hash", 5208, 3137, 6486, 4400, 5600), held("waterfill", 9271, 9271, 9271, 9271, 9271), true},
		{"three such seeds are too few for the test", held("hash", 5208, 3137, 6486), held("waterfill", 9271, 9271, 9271), false},
		{"intervals overlap, the difference of each seed is the same", held("hash", 20, 50, 80), held("waterfill", 22, 55, 88), true},
	} {
		r := Compare(slices.Concat(c.a, c.b))[0]
		if _, sure := Throughput.Lead(r.Find("waterfill"), r.Find("hash")); sure != c.sure {
			t.Errorf("%s: sure is %v", c.why, sure)
		}
	}
}

func TestEstimate(t *testing.T) {
	if e := estimate([]float64{1, 2, 3}); e.Mean != 2 || math.Abs(e.Half-2.484) > 0.001 || e.N != 3 { // t of 2 degrees, 4.303, over root 3
		t.Errorf("%+v", e)
	}
	if e := estimate([]float64{7}); e.Half != 0 || e.Mean != 7 {
		t.Errorf("one value: %+v", e)
	}
}

func TestConditions(t *testing.T) {
	names := []string{"hash", "waterfill", "saspartitioner", "saspartitioner:runs/v1.2"}
	records := slices.Concat(held("hash", 40, 42), held("waterfill", 95, 97), held("saspartitioner", 90, 90), held("saspartitioner:runs/v1.2", 80, 80))
	for i := range records {
		records[i].Throughput.Latency = []rate.LatencyAt{{Part: 0.8, Reading: rate.Reading{P99: 20e6}}}
	}
	results := Compare(records)
	for text, met := range map[string]bool{
		"saspartitioner/hash>=2":             true,
		"saspartitioner / hash >= 2.5":       false,
		"waterfill/bound>=0.95":              true,
		"waterfill/analytic>0.97":            false,
		"hash<50":                            true,
		"saspartitioner.p99<=20ms":           true,
		"saspartitioner.p99<20ms":            false,
		"waterfill.p99/hash.p99<=1":          true,
		"saspartitioner:runs/v1.2.p99<=0.02": true,
		"saspartitioner:runs/v1.2<70":        false,
		"hash.recovery<5":                    false, // nothing measures it
	} {
		c, err := ParseCondition(text, names)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if broken := c.Check(results); (len(broken) == 0) != met || !met && !strings.Contains(broken[0], c.Text) {
			t.Errorf("%s: %q, want it met: %v", text, broken, met)
		}
	}
	for text, want := range map[string]string{
		"hash": "is no condition", "hash>=": "is no condition", "hash>= ": "neither", "hsah>=2": `"hash"`, "hash.p9>2": `"p99"`, "hash>=x": "neither",
		"bound.p99>1": "no metrics", "hash>=NaN": "NaN", "hash/waterfal>1": `"waterfill"`,
	} {
		if _, err := ParseCondition(text, names); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	failed := append(records, Record{Cell: "c", Kind: Throughput, Partitioner: "hash", Seed: 3, Error: "crashed"})
	c, _ := ParseCondition("waterfill/hash>1", names)
	if broken := c.Check(Compare(failed)); len(broken) != 1 {
		t.Errorf("a contender that failed: %q", broken)
	}
}

func FuzzParseCondition(f *testing.F) {
	for _, s := range []string{"a/b>=2", "a.p99<=50ms", "a>1e9", " a / b < -3 ", "a.b.c>1", ">=", "a>=0x1p-2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		defer memtest.Limit(t, 8<<20)()
		c, err := ParseCondition(text, []string{"a", "b"})
		if err != nil {
			return
		}
		if c.Value != c.Value || c.Left.name == "" || !slices.Contains([]string{">=", "<=", ">", "<"}, c.Op) {
			t.Fatalf("%q: %+v", text, c)
		}
		c.Check(nil)
	})
}

func TestText(t *testing.T) {
	for v, want := range map[float64]string{1234567: "1,234,567", 999: "999", -1234: "-1,234", 0: "0", 99999.6: "100,000"} {
		if got := Grouped(v); got != want {
			t.Errorf("%v: %s", v, got)
		}
	}
	for v, want := range map[float64]string{0.00042: "420µs", 0.0024567: "2.5ms", 0.2: "200ms", 23.64: "23.6s", 90: "1m30s"} {
		if got := Seconds(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}
