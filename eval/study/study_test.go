package study

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/config/strict"
	"github.com/saspart/saspart/configs"
	"github.com/saspart/saspart/eval/rate"
	"github.com/saspart/saspart/experiment"
	"github.com/saspart/saspart/partition/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cells are two small jobs, of which the second has a straggler.
func cells() []Cell {
	c := rate.Default()
	c.Warmup, c.Windows, c.Tolerance = 4, 4, 0.05
	base := Cell{
		Kind: Throughput, Engine: experiment.Sim, Rate: c,
		Set: []strict.Override{
			{Path: "task.name", Value: "count"}, {Path: "source.keys", Value: "200"}, {Path: "job.workers", Value: "4"},
			{Path: "job.costs", Value: "{record: 1ms, unit: 0s, emit: 0s, pane: 0s, merge: 0s, entry: 0s}"}, {Path: "job.queue", Value: "64"},
		},
	}
	even, slow := base, base
	even.Name = "even"
	slow.Name = "slow / one"
	slow.Set = append(slices.Clone(base.Set), strict.Override{Path: "job.speeds", Value: "{kind: straggler, worker: 1, factor: 0.4}"})
	return []Cell{even, slow}
}

func contenders(t testing.TB, names ...string) []Contender {
	t.Helper()
	c, err := ParseContenders(names, "builtin")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func create(t testing.TB, dir string, resume bool) *Store {
	t.Helper()
	s, err := Create(dir, Info{Name: "test", Order: []string{"even", "slow / one"}, Contenders: []string{"hash", "waterfill", "saspartitioner:/nowhere"}}, resume)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestStudy runs a study with a contender that can't be opened, reads it back, and resumes
// it.
func TestStudy(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a [study]")
	made, found := 0, 0
	plan := Plan{
		Runs:     Runs(cells(), contenders(t, "hash", "waterfill", "saspartitioner:/nowhere"), []uint64{1, 2, 3}),
		Parallel: 2, Now: time.Now, Store: create(t, dir, false),
		Each: func(_ Record, before bool) {
			if before {
				found++
			} else {
				made++
			}
		},
	}
	records, err := plan.Do(context.Background())
	if err != nil || len(records) != 18 || made != 18 || found != 0 {
		t.Fatalf("%d records, %d made, %d found, error %v", len(records), made, found, err)
	}
	for i, r := range records {
		run := plan.Runs[i]
		if r.Cell != run.Cell.Name || r.Partitioner != run.Contender.Name || r.Seed != run.Seed {
			t.Errorf("record %d is of %s, %s, %d", i, r.Cell, r.Partitioner, r.Seed)
		}
		if broken := run.Contender.Checkpoint != ""; broken != (r.Error != "") || broken != (r.Throughput == nil) {
			t.Errorf("%s, %s: error %q", r.Cell, r.Partitioner, r.Error)
		}
	}
	info, read, err := Read(dir)
	if err != nil || info.Name != "test" || len(read) != 18 || read[0].Cell != "even" || read[3].Partitioner != "waterfill" || read[4].Seed != 2 {
		t.Fatalf("read back: %+v, %d records, error %v", info, len(read), err)
	}

	results := Compare(read)
	if len(results) != 2 || !slices.Equal(Contenders(results), []string{"hash", "waterfill", "saspartitioner:/nowhere"}) {
		t.Fatalf("%d cells, contenders %v", len(results), Contenders(results))
	}
	slow := &results[1]
	if !slices.Equal(slow.Best, []string{"waterfill"}) || slow.Margin < 1.2 {
		t.Errorf("with a straggler %v are the best, by %v", slow.Best, slow.Margin)
	}
	if f := slow.Failures(); len(f) != 1 || !strings.Contains(f[0], "/nowhere failed: find checkpoint") {
		t.Errorf("failures: %q", f)
	}

	if _, err := Create(dir, Info{}, false); err == nil || !strings.Contains(err.Error(), "--resume") {
		t.Errorf("a folder that holds a study: %v", err)
	}
	if err := plan.Store.Close(); err != nil {
		t.Fatal(err)
	}
	plan.Store = create(t, dir, true)
	plan.Runs[0].Cell.Rate.Windows++ // measured otherwise
	made = 0
	if _, err = plan.Do(context.Background()); err != nil || made != 7 || found != 11 {
		t.Errorf("gone on with: %d made (6 that failed and one that is another now), %d found, error %v", made, found, err)
	}
	if info, err := ReadInfo(dir); err != nil || len(info.Resumed) != 1 {
		t.Errorf("%+v, %v", info, err)
	}
	var table, csv strings.Builder
	if err := errors.Join(WriteTable(&table, results), WriteCSV(&csv, read)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"slow / one\n", "of bound", "waterfill holds the most, by ", "saspartitioner:/nowhere failed: find"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, table.String())
		}
	}
	if lines := strings.Split(strings.TrimSpace(csv.String()), "\n"); len(lines) != 19 || strings.Count(lines[0], ",") != strings.Count(lines[1], ",") {
		t.Errorf("CSV:\n%s", csv.String())
	}
}

func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dir := t.TempDir()
	plan := Plan{
		Runs: Runs(cells(), contenders(t, "hash", "pkg"), []uint64{1, 2}), Parallel: 1, Now: time.Now, Store: create(t, dir, false),
		Each: func(Record, bool) { cancel() },
	}
	records, err := plan.Do(ctx)
	if !errors.Is(err, context.Canceled) || len(records) != 1 || !strings.Contains(err.Error(), "1 of 8") {
		t.Errorf("%d records, error %v", len(records), err)
	}
	if _, read, err := Read(dir); err != nil || len(read) != 1 {
		t.Errorf("%d kept, error %v", len(read), err)
	}
}

func TestCrashIsARow(t *testing.T) {
	err := guarded(func() error {
		var none []int
		_ = none[3]
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "crashed: ") || !strings.Contains(err.Error(), "study_test.go") {
		t.Errorf("error %v", err)
	}
	bad := cells()[:1]
	bad[0].Set = append(slices.Clone(bad[0].Set), strict.Override{Path: "job.wrokers", Value: "3"})
	plan := Plan{Runs: Runs(bad, contenders(t, "hash"), []uint64{1}), Now: time.Now}
	records, err := plan.Do(context.Background())
	if err != nil || len(records) != 1 || !strings.Contains(records[0].Error, "workers") {
		t.Errorf("a setting that there is not: %+v, %v", records, err)
	}
}

// TestDigestIsOfWhatCounts: a setting of a partitioner changes the digests of the
// partitioners that have it, and no others. Settings that a measurement does not read
// change no digest.
func TestDigestIsOfWhatCounts(t *testing.T) {
	settings := []struct {
		name   string
		change func(e *config.Experiment)
		of     []string // partitioners
	}{
		{"choices", func(e *config.Experiment) { e.Partitioner.Choices.Head++ }, []string{"dchoices", "wchoices"}},
		{"dagreedy", func(e *config.Experiment) { e.Partitioner.DAGreedy.Divisor++ }, []string{"dagreedy"}},
		{"flexd", func(e *config.Experiment) { e.Partitioner.FlexD.Growth++ }, []string{"flexd"}},
		{"dalton", func(e *config.Experiment) { e.Partitioner.Dalton.SplitMax++ }, []string{"dalton-original", "dalton-metrics"}},
		{"dalton_offline", func(e *config.Experiment) { e.Partitioner.DaltonOffline.Counters++ }, []string{"dalton-offline"}},
		{"fish", func(e *config.Experiment) { e.Partitioner.Fish.Hot++ }, []string{"fish"}},
		{"waterfill", func(e *config.Experiment) { e.Partitioner.Waterfill.Gain++ }, []string{"waterfill"}},
		{"saspartitioner", func(e *config.Experiment) { e.Partitioner.SaSPartitioner.Gain++ }, []string{learned}},
		{"published", func(e *config.Experiment) { e.Partitioner.Published = true }, registry.Names()},
		{"job", func(e *config.Experiment) { e.Job.Queue++ }, registry.Names()},
		{"seed", func(e *config.Experiment) { e.Seed++ }, registry.Names()},
		{"name", func(e *config.Experiment) { e.Name += "x" }, nil},
		{"collect", func(e *config.Experiment) { e.Collect.Windows++ }, nil},
	}
	for _, name := range registry.Names() {
		run := Runs(cells(), []Contender{{Name: name, Partitioner: name}}, []uint64{1})[0]
		of := func(change func(*config.Experiment)) string {
			e, err := run.Cell.Experiment(run.Contender, run.Seed)
			if err != nil {
				t.Fatal(err)
			}
			change(e)
			d, err := digest(&run, &prepared{experiment: e})
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		before := of(func(*config.Experiment) {})
		for _, s := range settings {
			if got, want := of(s.change) != before, slices.Contains(s.of, name); got != want {
				t.Errorf("%s: another %s changes the digest: %v, should be %v", name, s.name, got, want)
			}
		}
	}
}

func TestStoreRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(file, Info{}, false); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a file for a folder: %v", err)
	}
	if _, _, err := Read(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no study") {
		t.Errorf("an empty folder: %v", err)
	}
	dir := t.TempDir()
	s := create(t, dir, false)
	run := Runs(cells(), contenders(t, "hash"), []uint64{1})[0]
	if err := s.Put(&run, &Record{Cell: "even", Partitioner: "hash", Seed: 1}); err != nil {
		t.Fatal(err)
	}
	alike := Runs(cells()[:1], []Contender{{Name: "saspartitioner:a/b"}, {Name: "saspartitioner:a-b"}}, []uint64{1})
	plan := Plan{Runs: alike, Store: s, Now: time.Now}
	if records, err := plan.Do(context.Background()); len(records) > 0 || err == nil || !strings.Contains(err.Error(), "one file") {
		t.Errorf("two checkpoints whose names make one name of a file: %d records, %v", len(records), err)
	}
	path := s.path("even", "hash", 1)
	if err := os.WriteFile(path, []byte("{"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Read(dir); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("half a record: %v", err)
	}
}

func TestContenders(t *testing.T) {
	c := contenders(t, "hash", "combine", "saspartitioner", "saspartitioner:runs/x")
	want := []Contender{
		{"hash", "hash", "", false}, {"combine", "hash", "", true},
		{"saspartitioner", "saspartitioner", "builtin", false}, {"saspartitioner:runs/x", "saspartitioner", "runs/x", false},
	}
	if !slices.Equal(c, want) {
		t.Errorf("%+v", c)
	}
	if all := contenders(t, All); len(all) != len(Everyone()) || slices.ContainsFunc(all, func(c Contender) bool { return c.Name == "table" }) {
		t.Errorf("all: %+v", all)
	}
	for list, want := range map[string]string{"hsah": `"hash"`, "hash:x": "saspartitioner:CHECKPOINT", "hash,hash": "twice", "saspartitioner:": "CHECKPOINT", "": "no partitioner"} {
		if _, err := ParseContenders(strings.Split(list, ","), ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", list, err)
		}
	}
}

// TestReadyMatrices: every ready matrix loads, and every cell of it is an experiment
// under every contender.
func TestReadyMatrices(t *testing.T) {
	t.Chdir("../..")
	for _, name := range configs.MatrixNames() {
		m, err := LoadMatrix(name, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		cells, err := m.Cells()
		if err != nil || len(cells) < 2 {
			t.Fatalf("%s: %d cells, error %v", name, len(cells), err)
		}
		for _, r := range Runs(cells, contenders(t, m.Partitioners...), m.Seeds[:1]) {
			if p := prepare(&r); p.err != nil || p.digest == "" {
				t.Errorf("%s, %s, %s: %v", name, r.Cell.Name, r.Contender.Name, p.err)
			}
		}
	}
}

func TestMatrixRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"partitioners: [hash]\n":                                                    "grids: is empty",
		"partitioners: [hsah]\ngrids: [{name: a}]\n":                                `did you mean "hash"`,
		"seeds: [1, 1]\ngrids: [{name: a}]\n":                                       "seeds[1]",
		"grids: [{name: a, axes: [{name: x, values: []}]}]\n":                       "grids[0].axes[0].values",
		"grids: [{name: a, set: [workers]}]\n":                                      "path=value",
		"grids: [{name: a, measure: speed}]\n":                                      "stress",
		"grids: [{axes: []}]\n":                                                     "a grid without axes",
		"grids: [{name: a}]\nthroughput: {windows: 0}\n":                            "throughput.windows",
		"grids: [{name: a, axes: [{name: x, values: [{name: u, set: ['=3']}]}]}]\n": "values[0].set[0]",
		"grids: [{name: a}]\nengine: smi\n":                                         `"sim"`,
		"grids: [{name: a, seeds: [2, 2]}]\n":                                       "grids[0].seeds[1]",
		"partitioners: [hash]\ngrids: [{name: a, partitioners: [pkg]}]\n":           "grids[0].partitioners[0]",
		"grids: [{name: a}]\npartitoners: [hash]\n":                                 `"partitioners"`,
	} {
		path := filepath.Join(t.TempDir(), "m.yaml")
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadMatrix(path, nil); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := LoadMatrix("smke", nil); err == nil || !strings.Contains(err.Error(), `"smoke"`) {
		t.Errorf("a name that there is not: %v", err)
	}
	m := DefaultMatrix()
	m.Grids = []Grid{{Name: "a", Measure: Throughput}, {Name: "a", Measure: Stress}}
	if _, err := m.Cells(); err == nil || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("two cells of a name: %v", err)
	}
}

// A grid may be measured under some of the partitioners, and with other seeds.
func TestRunsOfGrids(t *testing.T) {
	all, some := Cell{Name: "all"}, Cell{Name: "some", Partitioners: []string{"pkg"}, Seeds: []uint64{7}}
	var got []string
	for _, r := range Runs([]Cell{all, some}, contenders(t, "hash", "pkg"), []uint64{1, 2}) {
		got = append(got, fmt.Sprintf("%s %s %d", r.Cell.Name, r.Contender.Name, r.Seed))
	}
	if want := []string{"all hash 1", "all pkg 1", "all hash 2", "all pkg 2", "some pkg 7"}; !slices.Equal(got, want) {
		t.Errorf("measured: %q, want %q", got, want)
	}
}

func TestCells(t *testing.T) {
	m := DefaultMatrix()
	m.Grids = []Grid{{Name: "g", Measure: Throughput, Windows: 7, Set: []string{"job.workers=4"}, Axes: []Axis{
		{"x", []Value{{"x1", []string{"job.workers=2"}}, {"x2", nil}}},
		{"y", []Value{{"y1", nil}, {"y2", []string{"source.exponent=2"}}}},
	}}}
	cells, err := m.Cells()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range cells {
		e, err := c.Experiment(Contender{Name: "pkg", Partitioner: "pkg"}, 9)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, fmt.Sprintf("%s: %d %v %s %d", c.Name, e.Job.Workers, e.Source.Exponent, e.Partitioner.Name, e.Seed))
		if c.Rate.Windows != 7 || c.Rate.Warmup != rate.Default().Warmup || len(c.Labels) != 2 {
			t.Errorf("%+v", c)
		}
	}
	want := []string{"g x1 y1: 2 1.5 pkg 9", "g x1 y2: 2 2 pkg 9", "g x2 y1: 4 1.5 pkg 9", "g x2 y2: 4 2 pkg 9"}
	if !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
}
