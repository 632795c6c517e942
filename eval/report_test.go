package eval

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"flag"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	diff "github.com/google/go-cmp/cmp"
	"gonum.org/v1/plot/plotter"
	"pgregory.net/rapid"

	"github.com/saspart/saspart/runlog"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// run writes a run of n reports with curves as they are, and returns its folder.
func run(t testing.TB, n int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "wordcount-zipf")
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	info := runlog.Info{
		Name: "wordcount-zipf", Version: "saspart v0.1.0", Seed: 7, Started: start,
		Command: []string{"saspart", "train-offline", "--data", "traces/wordcount zipf*.arrow", "--out", "runs/wordcount-zipf", "--seed", "7"},
		Host:    runlog.Host{Name: "here", CPU: "A CPU <fast> & cheap", CPUs: 2, MemoryMB: 7680, Platform: "linux/amd64", Go: "go1.26"},
	}
	var tags []string
	for _, tag := range runlog.Tags() {
		tags = append(tags, tag.Name)
	}
	tags = append(tags, "mine/own")
	r, err := runlog.Create(dir, info, []byte("updates: 20000\nlearner:\n  algorithm: cql\n  gamma: 0.99 # a & b < c\n"), tags)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	rng := rand.New(rand.NewPCG(1, 1))
	noisy := func(v, by float64) float64 { return v + by*rng.NormFloat64() }
	for i := 1; i <= n; i++ {
		fade := math.Exp(-4 * float64(i) / float64(n))
		values := map[string]float64{
			runlog.LossCritic: noisy(0.02+0.4*fade, 0.03*fade+0.004), runlog.LossLoads: 0.001 + 0.02*fade, runlog.LossCQL: noisy(3+8*fade, 0.4), runlog.LossActor: noisy(-20+25*fade, 0.5),
			runlog.ValueData: noisy(250*(1-fade), 2), runlog.ValueTarget: noisy(251*(1-fade), 2), runlog.ValuePolicy: noisy(248*(1-fade), 3),
			runlog.Alpha: 0.01 + 0.001*fade, runlog.Entropy: noisy(-17+10*fade, 0.3),
			runlog.GradCritic: math.Abs(noisy(4*fade, 1)), runlog.GradActor: math.Abs(noisy(20000*fade, 1000)), runlog.UpdateRate: noisy(182, 6),
			runlog.ExploreImbalance: noisy(0.1+0.6*fade, 0.05), runlog.ExploreReturn: noisy(300-200*fade, 5), runlog.ExploreBackpressure: 0.1 * fade,
			runlog.Returns: float64(i / 100), runlog.Limited: float64(i / 50), runlog.Updates: float64(100 * i),
			"mine/own": 1,
		}
		if i%max(1, n/12) == 0 {
			values[runlog.Imbalance] = noisy(0.03+0.5*fade, 0.01)
			values[runlog.WorstImbalance] = noisy(0.05+0.7*fade, 0.02)
			values[runlog.Reward] = noisy(2.8-2*fade, 0.02)
			values[runlog.ActionDistance] = noisy(0.1+0.8*fade, 0.01)
			values[runlog.HeldOutValue] = noisy(240*(1-fade), 4)
			values[runlog.HeldOutPolicy] = noisy(250*(1-fade), 4)
		}
		if err := r.Log(int64(i*100), start.Add(time.Duration(i)*550*time.Millisecond), values); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestTrainingReport checks that the report of a run has every curve, says how to run
// it again and needs nothing from elsewhere. With SASPART_REPORT set to a file the
// report is kept there, to be looked at.
func TestTrainingReport(t *testing.T) {
	dir := run(t, 400)
	path, err := WriteTrainingReport(dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if keep := os.Getenv("SASPART_REPORT"); keep != "" {
		if err := os.WriteFile(keep, text, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	page := string(text)
	if n, want := strings.Count(page, "<svg "), len(runlog.Tags())-5; n != want { // without those of other algorithms, with our own, values sharing two plots
		t.Errorf("%d plots, want %d", n, want)
	}
	if strings.Contains(page, runlog.Describe(runlog.LossClone).Title) {
		t.Error("a curve without points is shown")
	}
	for _, want := range []string{
		"Training wordcount-zipf", "saspart v0.1.0", "A CPU &lt;fast&gt; &amp; cheap, 2 CPUs, 7.5 GB", "40000 in 3m40s, 182 per second",
		"--data &#39;traces/wordcount zipf*.arrow&#39; --out runs/wordcount-zipf-again --seed 7\n", "tensorboard --logdir ", "algorithm: cql", "a &amp; b &lt; c", "mine/own",
		"Best rollout", "Values in the batches",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the report does not say %q", want)
		}
	}
	for _, foreign := range []string{"<script", "<link", "<img", "@import", "url(", " src=", " href="} {
		if strings.Contains(page, foreign) {
			t.Errorf("the report has %s: it would need something else", foreign)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.new")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestTrainingReportRefusals(t *testing.T) {
	empty := run(t, 0)
	r, err := TrainingReport(empty)
	if err != nil || !slices.ContainsFunc(r.Sections, func(s Section) bool { return strings.Contains(s.Text, "nothing yet") }) {
		t.Errorf("a run without reports: %v", err)
	}
	for file, want := range map[string]string{runlog.InfoFile: "holds no run", runlog.MetricsFile: runlog.MetricsFile, runlog.ConfigFile: runlog.ConfigFile} {
		dir := run(t, 1)
		if err := os.Remove(filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
		if _, err := WriteTrainingReport(dir); err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), want) {
			t.Errorf("without %s: %v", file, err)
		}
	}
}

// TestGolden holds the page to what was looked at.
func TestGolden(t *testing.T) {
	r := Report{
		Title: "Throughput <of> all", Subtitle: "a & b", Facts: []Fact{{"Workers", "8"}},
		Sections: []Section{
			{Heading: "Rates", Text: "Highest rate held.", Table: &Table{Head: []string{"partitioner", "records/s"}, Rows: [][]string{{"hash", "1,000"}, {"a<b", "2"}}}},
			{Heading: "Over time", Charts: []Chart{{Title: "Busy", Help: "Of a worker.", XLabel: "s", Zero: true,
				Lines: []Line{{"least", []float64{0, 1, 2}, []float64{1, 2, math.NaN()}}, {"most", []float64{0, 1}, []float64{3, 4}}}},
				{Title: "Nothing", Lines: []Line{{"a", nil, nil}}}}},
			{Heading: "Again", Code: "saspart <x>"}, {Heading: "Configuration", Code: "a: b", Folded: true},
		},
	}
	var got bytes.Buffer
	if err := r.Write(&got); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "report.html")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff.Diff(string(want), got.String()); d != "" {
		t.Errorf("the page changed; if it is meant to, look at it and use -update (-golden +now):\n%s", d)
	}
}

// TestCharts draws what curves may hold: every one is well-formed XML, and has no
// coordinate that is not a number.
func TestCharts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		y := rapid.OneOf(rapid.Float64Range(-10, 10), rapid.Just(math.NaN()), rapid.Just(math.Inf(1)), rapid.Just(3.0), rapid.Float64Range(-1e300, 1e300), rapid.Float64Range(-1e-300, 1e-300))
		c := Chart{Title: rapid.String().Draw(rt, "title"), Zero: rapid.Bool().Draw(rt, "zero")}
		for range rapid.IntRange(0, 2).Draw(rt, "lines") {
			l := Line{Y: rapid.SliceOfN(y, 0, 400).Draw(rt, "y")}
			for i := range l.Y {
				l.X = append(l.X, float64(i))
			}
			c.Lines = append(c.Lines, l)
		}
		text, err := svg(c)
		if err != nil {
			rt.Fatal(err)
		}
		if regexp.MustCompile(`[ ",]-?(NaN|[+-]?Inf)`).MatchString(regexp.MustCompile(`aria-label="[^"]*"`).ReplaceAllString(string(text), "")) {
			rt.Fatalf("not a number in %s", text)
		}
		if !validXML(c.Title) {
			return
		}
		for d := xml.NewDecoder(strings.NewReader(string(text))); ; {
			if _, err := d.Token(); err == io.EOF {
				return
			} else if err != nil {
				rt.Fatalf("%v in %s", err, text)
			}
		}
	})
}

// validXML reports whether all of s may occur in XML, of which HTML takes more.
func validXML(s string) bool {
	for _, r := range s {
		if r < ' ' || r == 0xfffe || r == 0xffff {
			return false
		}
	}
	return true
}

// TestThin checks groups against the points themselves.
func TestThin(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		y := rapid.SliceOfN(rapid.Float64Range(-10, 10), 0, 100).Draw(rt, "y")
		var x []float64
		for i := range y {
			x = append(x, float64(i))
		}
		n := rapid.IntRange(1, 30).Draw(rt, "n")
		got, low, high := thin(Line{X: x, Y: y}, n)
		if len(y) <= n {
			if len(got) != len(y) || low != nil || high != nil {
				rt.Fatalf("%d points became %d", len(y), len(got))
			}
			return
		}
		if len(got) != n || slices.Min(y) != slices.MinFunc(low, byY).Y || slices.Max(y) != slices.MaxFunc(high, byY).Y {
			rt.Fatalf("%d points became %d, %v to %v", len(y), len(got), low, high)
		}
		for i := range got {
			if got[i].Y < low[i].Y-1e-9 || got[i].Y > high[i].Y+1e-9 {
				rt.Fatalf("group %d has mean %v, from %v to %v", i, got[i].Y, low[i].Y, high[i].Y)
			}
		}
	})
}

func byY(a, b plotter.XY) int { return cmp.Compare(a.Y, b.Y) }

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		least, most float64
		want        string
	}{
		{0, 1, "0 0.2 0.4 0.6 0.8 1.0"},
		{0, 40000, "0 10k 20k 30k 40k"},
		{-1, 1, "-1.0 -0.5 0 0.5 1.0"},
		{0, 0.011, "0 0.005 0.010"},
		{0.009, 0.0112, "0.0090 0.0095 0.0100 0.0105 0.0110"},
		{0, 250, "0 50 100 150 200 250"},
		{0, 3e6, "0 1M 2M 3M"},
		{0, 3e-6, "0 1e-06 2e-06 3e-06"},
	} {
		var got []string
		for _, tick := range (ticks{}).Ticks(c.least, c.most) {
			got = append(got, tick.Label)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%v to %v: %s, want %s", c.least, c.most, s, c.want)
		}
	}
}

func TestQuoted(t *testing.T) {
	for word, want := range map[string]string{"a/b-1.yaml": "a/b-1.yaml", "a b": "'a b'", "it's": `'it'\''s'`, "": "''", "*": "'*'"} {
		if got := quoted(word); got != want {
			t.Errorf("%q: %s, want %s", word, got, want)
		}
	}
}
