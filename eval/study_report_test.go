package eval

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/saspart/saspart/eval/rate"
	"github.com/saspart/saspart/eval/study"
	"github.com/saspart/saspart/runlog"
)

// measured is a record of a contender that held so much of a bound of 1000.
func measured(cell, name string, seed uint64, held float64) study.Record {
	busy := []float64{held / 1000, 1}
	r := rate.Reading{Rate: held, Busy: busy, Imbalance: 0.2, FanOut: 1.1, P50: time.Millisecond, P99: 9 * time.Millisecond,
		Top: []rate.TopKey{{Name: "a<b>\x00", Share: 0.3, Workers: []float64{0.25, 0.75}}}}
	return study.Record{Cell: cell, Kind: study.Throughput, Partitioner: name, Seed: seed, Labels: []study.Label{{Axis: "speeds", Value: cell}},
		Throughput: &rate.Result{Held: held, Failed: held * 1.01, Bounds: rate.Bounds{Fluid: 1000, Analytic: 999, Mask: 700}, At: r,
			Latency: []rate.LatencyAt{{Part: 0.8, Reading: r}, {Part: 0.5, Reading: r}}, Loss: &rate.Loss{Used: held / 1000, Idle: 1 - held/1000}}}
}

// stressed is a record of a contender under stress.
func stressed(name string, p99 time.Duration) study.Record {
	r := &rate.Stressed{P99: p99, Imbalance: 0.3, Shifts: []rate.Shift{{At: 10, Windows: 3, Recovered: true}}}
	for i := range 20 {
		r.Windows = append(r.Windows, rate.Moment{At: float64(i), Imbalance: math.Exp(-float64(i)), Blocked: 0.1})
	}
	return study.Record{Cell: "shift & drift", Kind: study.Stress, Partitioner: name, Seed: 1, Stress: r}
}

// keep writes a study of the records to a folder.
func keep(t testing.TB, records []study.Record) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "study")
	info := study.Info{
		Name: "paper", Description: "all <cells>", Command: []string{"saspart", "matrix", "--file", "my file"}, Version: "saspart v1",
		Started: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Matrix: map[string]any{"seeds": []int{1, 2, 3}},
		Order: []string{"even", "straggler"}, Contenders: []string{"hash", "combine", "waterfill", "saspartitioner"},
	}
	s, err := study.Create(dir, info, false)
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		r := &records[i]
		if err := s.Put(&study.Run{Cell: study.Cell{Name: r.Cell, Base: "straggler"}, Contender: study.Contender{Name: r.Partitioner, Partitioner: "hash"}}, r); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func someRecords() []study.Record {
	var out []study.Record
	for seed := range uint64(3) {
		for name, held := range map[string][2]float64{"hash": {300, 200}, "combine": {990, 500}, "waterfill": {985, 970}, "saspartitioner": {980, 975}} {
			wobble := 1 + 0.001*float64(seed)
			out = append(out, measured("even", name, seed+1, held[0]*wobble), measured("straggler", name, seed+1, held[1]*wobble))
		}
	}
	out = append(out, study.Record{Cell: "even", Kind: study.Throughput, Partitioner: "saspartitioner:/gone", Seed: 1, Error: "find checkpoint /gone: there is none\nmore"})
	return append(out, stressed("hash", time.Second), stressed("waterfill", 100*time.Millisecond), stressed("saspartitioner", 20*time.Millisecond))
}

// TestStudyReport checks that the page has everything and needs nothing from elsewhere.
// With SASPART_STUDY_REPORT set to a file the page is kept there, to be looked at.
func TestStudyReport(t *testing.T) {
	dir := keep(t, someRecords())
	html, markdown, err := WriteStudyReport(dir, run(t, 100))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(html)
	if err != nil {
		t.Fatal(err)
	}
	if keep := os.Getenv("SASPART_STUDY_REPORT"); keep != "" {
		if err := os.WriteFile(keep, text, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	page := string(text)
	for _, want := range []string{
		"Partitioners compared: paper", "all &lt;cells&gt;; saspart v1", "Is the learned policy worth it here?", "waterfill, without training, does as well",
		"Of the fluid bound", "speeds: straggler", "Latency over rate", "Busy time per worker", "Where heavy keys go: waterfill", "a&lt;b&gt;·",
		"Through shifts: shift &amp; drift", "Source blocked", "What failed", "saspartitioner:/gone failed: find checkpoint /gone: there is none",
		"saspart matrix --file &#39;my file&#39;\nsaspart report ", "Learning: rollouts", "seeds:", "Where the rest went",
		"In short", "<td>speeds straggler</td><td>0.200</td>", "Where the learned policy loses", "In 1 of 2 cells another holds more than saspartitioner",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, foreign := range []string{"<script", "<link", "<img", "@import", "url(", " src=", " href=", "NaN", "Inf"} {
		if strings.Contains(page, foreign) {
			t.Errorf("the page has %s", foreign)
		}
	}
	plain, err := os.ReadFile(markdown)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# Partitioners compared: paper\n", "## Is the learned policy worth it here?\n", "| even | 0.300 |", "all &lt;cells>", "```\nsaspart matrix --file 'my file'\n"} {
		if !strings.Contains(string(plain), want) {
			t.Errorf("the Markdown does not say %q", want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.new")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, _, err := WriteStudyReport(t.TempDir(), ""); err == nil || !strings.Contains(err.Error(), "no study") {
		t.Errorf("an empty folder: %v", err)
	}
	if _, err := StudyReport(dir, t.TempDir()); err == nil || !strings.Contains(err.Error(), runlog.InfoFile) {
		t.Errorf("a training run that is none: %v", err)
	}
}

// A report of a study that is not complete says so first, and the page counts failures as the
// command does: by measurement.
func TestIncompleteReport(t *testing.T) {
	var records []study.Record
	for seed := range uint64(2) {
		records = append(records, measured("even", "hash", seed+1, 300),
			study.Record{Cell: "even", Kind: study.Throughput, Partitioner: "combine", Seed: seed + 1, Error: "the same error"})
	}
	dir := keep(t, records)
	path := filepath.Join(dir, study.InfoFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, "planned: {even: 8, straggler: 8}\n"...), 0o666); err != nil {
		t.Fatal(err)
	}
	r, err := StudyReport(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Sections[0].Text; !strings.HasPrefix(got, "Incomplete: 12 of 16 measurements are missing, in 2 of 2 cells.") {
		t.Errorf("the headline is %q", got)
	}
	if !slices.Contains(r.Facts, Fact{"Failed", "2"}) {
		t.Errorf("two measurements failed: %v", r.Facts)
	}
	var page strings.Builder
	if err := r.WriteMarkdown(&page); err != nil || !strings.Contains(page.String(), "| incomplete |") || strings.Contains(page.String(), "among the best") {
		t.Errorf("%v: a cell that is not complete has a winner:\n%s", err, page.String())
	}
}

// A mean over fewer cells than those beside it says so.
func TestMeansOverDifferentCells(t *testing.T) {
	records := []study.Record{measured("even", "hash", 1, 300), measured("straggler", "hash", 1, 100), measured("even", "combine", 1, 900)}
	table := summary(study.Compare(records)).Table
	if table == nil || !slices.Equal(table.Rows[0], []string{"all cells", "0.200", "0.900 (1 of 2)"}) {
		t.Errorf("%+v", table)
	}
	if rows := metricTable(study.Compare(records), []study.Column{{Head: "held", Metric: "bound_ratio"}}).Rows; rows[1][0] != "combine (1 of 2)" || rows[0][0] != "hash" {
		t.Errorf("%v", rows)
	}
}

func TestVerdict(t *testing.T) {
	rows := func(held map[string]float64) []study.Result {
		var records []study.Record
		for seed := range uint64(3) {
			for _, name := range []string{"hash", "combine", "pkg", "wchoices", "fish", "waterfill", "saspartitioner"} {
				if v, ok := held[name]; ok {
					records = append(records, measured("c", name, seed+1, v*(1+0.001*float64(seed))))
				}
			}
		}
		return study.Compare(records)
	}
	for _, c := range []struct {
		why  string
		held map[string]float64
		want string
	}{
		{"better than all", map[string]float64{"hash": 300, "waterfill": 800, "saspartitioner": 950}, "Yes: it holds more than hash and waterfill"},
		{"as good as what needs no training", map[string]float64{"hash": 300, "waterfill": 950, "saspartitioner": 952}, "Yes against hash, but waterfill, without training, does as well"},
		{"worse than one", map[string]float64{"hash": 300, "combine": 990, "waterfill": 950, "saspartitioner": 900}, "No: combine and waterfill, without training, hold more than saspartitioner"},
		{"none better or worse", map[string]float64{"hash": 950, "saspartitioner": 951}, "No: hash, without training, does as well"},
		{"alone", map[string]float64{"saspartitioner": 951}, "No cell measured"},
		{"no learned policy", map[string]float64{"hash": 951}, "No learned policy took part"},
		{"nothing", nil, "No learned policy took part"},
	} {
		headline, points := verdict(rows(c.held))
		if !strings.HasPrefix(headline, c.want) || len(points) == 0 {
			t.Errorf("%s: %q, %q", c.why, headline, points)
		}
	}
	const want = "Of the other partitioners, fish holds the most. Against fish, saspartitioner holds 9.1 % less on average"
	_, points := verdict(rows(map[string]float64{"hash": 300, "pkg": 960, "fish": 990, "saspartitioner": 900}))
	if !slices.ContainsFunc(points, func(p string) bool { return strings.HasPrefix(p, want) }) {
		t.Errorf("of the other partitioners: %q", points)
	}
}

func TestFigures(t *testing.T) {
	svg := string(bars("t<", []Bar{{Name: "a&b", Value: 1, Half: 0.2, Text: "1.0", Mark: 0.7}, {Name: "none"}}, 1, "limit"))
	for _, want := range []string{`aria-label="t&lt;"`, "a&amp;b", "limit", `stroke="#d55e00"`} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %q in %s", want, svg)
		}
	}
	for why, got := range map[string]string{
		"no values":   string(bars("t", []Bar{{Name: "a"}}, 0, "")),
		"no finite":   string(bars("t", []Bar{{Name: "a", Value: math.Inf(1)}}, 0, "")),
		"no keys":     string(heat("t", nil, nil)),
		"not numbers": string(bars("t", []Bar{{Name: "a", Value: math.NaN()}}, 0, "")),
	} {
		if !strings.Contains(got, "no data") {
			t.Errorf("%s: %s", why, got)
		}
	}
	if h := string(heat("t", []string{"k"}, [][]float64{{0, 0.5, 0.5}})); strings.Count(h, "<title>") != 2 || !strings.Contains(h, "worker 2: 50 %") {
		t.Error(h)
	}
}

func TestMarkdownEscapes(t *testing.T) {
	r := Report{Title: "a*b", Sections: []Section{{Heading: "H", Table: &Table{Head: []string{"x|y"}, Rows: [][]string{{"<b>\n`c`"}}}, Code: "```"}, {Heading: "Hidden", Code: "x", Folded: true}}}
	var b bytes.Buffer
	if err := r.WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	want := "# a\\*b\n\n\n## H\n\n| x\\|y |\n| --- |\n| &lt;b> 'c' |\n\n```\n` ` `\n```\n"
	if b.String() != want {
		t.Errorf("%q", b.String())
	}
}

// TestDefeats: contenders that hold more than the learned policy beyond the noise are
// named for each cell, the best first.
func TestDefeats(t *testing.T) {
	var records []study.Record
	for seed := range uint64(3) {
		wobble := 1 + 0.001*float64(seed)
		for name, held := range map[string][3]float64{
			"hash": {300, 940, 500}, "wchoices": {990, 941, 0}, "fish": {960, 930, 500}, "saspartitioner": {900, 942, 0},
		} {
			for i, cell := range []string{"far", "near", "unmeasured"} {
				if held[i] > 0 {
					records = append(records, measured(cell, name, seed+1, held[i]*wobble))
				}
			}
		}
	}
	s := defeats(study.Compare(records))
	if s.Table == nil || len(s.Table.Rows) != 1 || !strings.HasPrefix(s.Text, "In 1 of 2 cells another holds more than saspartitioner") {
		t.Fatalf("%q, %+v", s.Text, s.Table)
	}
	got, want := s.Table.Rows[0], []string{"far", "0.901", "wchoices", "0.991", "10.0 %", "1.100", "1.100", "fish"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if s := defeats(study.Compare(records[:0])); s.Heading != "" {
		t.Errorf("without a learned policy: %q", s.Text)
	}
}
