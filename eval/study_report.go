package eval

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/saspart/saspart/eval/study"
	"github.com/saspart/saspart/runlog"
)

// MarkdownFile is what a study's report is called in Markdown.
const MarkdownFile = "report.md"

// StudyReport returns the report of the study in dir. It says whether the learned policy is
// worth it and who wins each cell, compares with the bounds, and shows prices and how to
// run the study again. The curves of a training run are added if one is named.
func StudyReport(dir, training string) (*Report, error) {
	info, records, err := study.Read(dir)
	if err != nil {
		return nil, err
	}
	results := info.Results(records)
	headline, points := verdict(results)
	if s := study.Incomplete(results); s != "" {
		headline = s + " So far: " + headline
	}
	r := &Report{
		Title:    "Partitioners compared: " + info.Name,
		Subtitle: strings.TrimPrefix(info.Description+fmt.Sprintf("; %s, begun %s", info.Version, info.Started.Format("2 January 2006, 15:04 MST")), "; "),
		Sections: []Section{{Heading: "Is the learned policy worth it here?", Text: headline, Points: points}},
	}
	r.Sections = append(r.Sections, summary(results), prices(results), sideBySide(results), defeats(results))
	r.Sections = append(r.Sections, targetSections(results)...)
	r.Sections = append(r.Sections, winners(results)...)
	r.Sections = append(r.Sections, losses(results))
	if cell := telling(results); cell != nil {
		r.Sections = append(r.Sections, insight(cell))
	}
	r.Sections = append(r.Sections, shiftSections(results)...)
	if training != "" {
		run, err := runlog.ReadInfo(training)
		if err != nil {
			return nil, fmt.Errorf("report on study %s: %w", dir, err)
		}
		m, err := runlog.ReadMetrics(filepath.Join(training, runlog.MetricsFile))
		if err != nil {
			return nil, fmt.Errorf("report on study %s: the training run: %w", dir, err)
		}
		learned := curves(m, steps(run))
		for i := range learned {
			learned[i].Heading = "Learning: " + strings.ToLower(learned[i].Heading)
		}
		r.Sections = append(r.Sections, learned...)
	}
	r.Sections = slices.DeleteFunc(r.Sections, func(s Section) bool {
		return s.Text == "" && s.Table == nil && len(s.Points)+len(s.Charts)+len(s.Figures) == 0
	})
	return r, r.addRun(dir, info, results)
}

// WriteStudyReport makes the report of the study in dir, as HTML and as Markdown, and
// puts both there under the names it returns.
func WriteStudyReport(dir, training string) (html, markdown string, err error) {
	r, err := StudyReport(dir, training)
	if err != nil {
		return "", "", err
	}
	html, markdown = filepath.Join(dir, runlog.ReportFile), filepath.Join(dir, MarkdownFile)
	return html, markdown, errors.Join(writeFile(html, r.Write), writeFile(markdown, r.WriteMarkdown))
}

// winners are the table of who wins, and bars against the bound.
func winners(results []study.Result) []Section {
	names := study.Contenders(results)
	var out []Section
	for _, k := range []study.Kind{study.Throughput, study.Stress} {
		s := Section{Heading: "Who holds the most", Text: "The highest rate held without backpressure, as a part of the fluid bound: the sum of the workers' speeds over the cost of a record. Means over seeds with 95 % confidence intervals. Contenders marked * may be the best: they cannot be told apart from the best, by a paired t-test at 95 % of logarithms, seed by seed, beyond the tolerance of the search."}
		if k == study.Stress {
			s = Section{Heading: "Who comes through shifts best", Text: "The 99th percentile of latency at a fixed rate while the distribution shifts. Contenders marked * may be the best."}
		}
		t := &Table{Head: append(append([]string{"cell"}, names...), "best")}
		for i := range results {
			if r := &results[i]; r.Kind == k {
				row := []string{r.Cell}
				for _, n := range names {
					text := r.Short(n)
					if slices.Contains(r.Best, n) {
						text += " *"
					}
					row = append(row, text)
				}
				t.Rows = append(t.Rows, append(row, r.Winner()))
			}
		}
		if len(t.Rows) == 0 {
			continue
		}
		s.Table = t
		if k == study.Throughput {
			s.Figures = boundBars(results, names)
		}
		out = append(out, s)
	}
	return out
}

// boundBars are mean parts of the bound: over all cells and, of several, for each value
// of each axis.
func boundBars(results []study.Result, names []string) []Figure {
	var out []Figure
	add := func(title, help string, part []study.Result) {
		var rows []Bar
		for _, n := range names {
			mean, count := overCells(part, n, "bound_ratio")
			if count == 0 {
				continue
			}
			b := Bar{Name: n, Value: mean, Text: fmt.Sprintf("%.3f", mean)}
			for r, v := range cellsOf(part, n, "bound_ratio") {
				if count == 1 && v.Half <= v.Mean {
					b.Half = v.Half
				}
				if t := r.Find(n).Records[0].Throughput; t != nil && t.Bounds.Mask > 0 {
					b.Mark += t.Bounds.Mask / t.Bounds.Fluid / float64(count)
				}
			}
			rows = append(rows, b)
		}
		if len(rows) > 0 {
			out = append(out, Figure{Title: title, Help: help, SVG: bars(title, rows, 1, "fluid bound")})
		}
	}
	add("Of the fluid bound", "Mean over all cells; a tick in red is the bound that a shares policy's mask allows.", results)
	labels := axisValues(results)
	for _, l := range labels {
		if len(labels) > 1 {
			add(l.Axis+": "+l.Value, "", with(results, l))
		}
	}
	return out
}

// axisValues are the values of all axes, axis by axis.
func axisValues(results []study.Result) []study.Label {
	var axes []string
	var out []study.Label
	for i := range results {
		for _, l := range results[i].Labels {
			axes = append(axes, l.Axis)
			if !slices.Contains(out, l) {
				out = append(out, l)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b study.Label) int {
		return slices.Index(axes, a.Axis) - slices.Index(axes, b.Axis)
	})
	return out
}

// prices are means over the cells of what a contender's rate costs.
func prices(results []study.Result) Section {
	s := Section{Heading: "At what price", Text: "Means over the cells: imbalance and state at the highest rate held, latency at 80 % of it, the time to route a record, and processor time, in seconds per million records. Latency runs from when a record was due to the end of its service."}
	columns := []study.Column{{Head: "imbalance", Metric: "imbalance"}, {Head: "workers per key", Metric: "fan_out"}, {Head: "of the top key", Metric: "top_fan_out"},
		{Head: "(key, worker) pairs", Metric: "pairs"}, {Head: "state", Metric: "state_bytes"}, {Head: "ns to route", Metric: "route_ns"}, {Head: "median latency", Metric: "p50"}, {Head: "99th percentile", Metric: "p99"},
		{Head: "processor time", Metric: "cpu"}, {Head: "workers", Metric: "cpu_workers"}, {Head: "reducers", Metric: "cpu_reducers"}, {Head: "routing", Metric: "cpu_routing"}}
	s.Table = metricTable(results, columns)
	if s.Table == nil {
		return Section{}
	}
	if lines := latencyLines(results); len(lines) > 0 {
		s.Charts = []Chart{{Title: "Latency over rate", Help: "99th percentile, in ms, at parts of each one's own highest rate.", XLabel: "part of its highest rate", Lines: lines, Zero: true}}
	}
	return s
}

// metricTable has a row per contender, means over the cells. A row or value over fewer cells
// than others says over how many.
func metricTable(results []study.Result, columns []study.Column) *Table {
	t := &Table{Head: []string{"partitioner"}}
	for _, c := range columns {
		t.Head = append(t.Head, c.Head)
	}
	for _, n := range study.Contenders(results) {
		_, own := overCells(results, n, columns[0].Metric)
		row, some := []string{n + ofCells(own, mostCells(results, columns[0].Metric))}, false
		for _, c := range columns {
			over := study.Entry{Values: map[string]study.Estimate{}}
			v, count := overCells(results, n, c.Metric)
			if count > 0 {
				over.Values[c.Metric] = study.Estimate{Mean: v}
				some = true
			}
			text := over.Text(c.Metric)
			if count > 0 && count != own {
				text += ofCells(count, mostCells(results, c.Metric))
			}
			row = append(row, text)
		}
		if some {
			t.Rows = append(t.Rows, row)
		}
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return t
}

// losses are where the rest of the bound went.
func losses(results []study.Result) Section {
	t := metricTable(results, []study.Column{{Head: "held, of the bound", Metric: "bound_ratio"}, {Head: "done beyond it", Metric: "beyond"},
		{Head: "workers idle", Metric: "idle"}, {Head: "emission", Metric: "extra"}, {Head: "source blocked", Metric: "held_up"}, {Head: "busiest reducer", Metric: "reducer"}})
	if t == nil {
		return Section{}
	}
	return Section{Heading: "Where the rest went", Text: "Parts of the work that all workers can do, at the highest rate held; the first four columns sum to 1. Done beyond it is work from the warm-up, done later: the tolerance of the search and the noise of its criterion allow it. Idle workers are due to imbalance, to a source blocked by one full queue, and to chance. Emission is the workers' cost of ending slides. A blocked source need not lose anything: it is blocked wherever more is due than the workers can do. Merges run on the reducers, and cost nothing unless a reducer is saturated.", Table: t}
}

// addRun adds the measurements, the machine, and the command that repeats the study.
func (r *Report) addRun(dir string, info *study.Info, results []study.Result) error {
	measurements, failures, failed, took := 0, 0, []string{}, time.Duration(0)
	seeds := map[uint64]bool{}
	for i := range results {
		for _, e := range results[i].Entries {
			measurements += len(e.Records)
			for _, rec := range e.Records {
				seeds[rec.Seed] = true
				if rec.Error != "" {
					failures++
				}
				took += rec.Took
			}
		}
		for _, f := range results[i].Failures() {
			failed = append(failed, results[i].Cell+": "+f)
		}
	}
	r.Facts = []Fact{{"Measurements", fmt.Sprintf("%d: %s, %d partitioners, seeds: %d", measurements, cells(len(results)), len(study.Contenders(results)), len(seeds))},
		{"Command", quoted(info.Command...)}, {"Version", info.Version}, {"Learned policy", strings.Join(info.Policies, "; ")},
		{"Time of all measurements, one after the other", took.Round(time.Second).String()}, {"Machine", machine("", info.Host)}}
	r.Facts = slices.DeleteFunc(r.Facts, func(f Fact) bool { return f.Value == "" })
	if len(failed) > 0 {
		r.Facts = append(r.Facts, Fact{"Failed", fmt.Sprint(failures)})
		r.Sections = append(r.Sections, Section{Heading: "What failed", Points: failed})
	}
	r.Sections = append(r.Sections, Section{
		Heading: "Run it again", Text: "The first command repeats the study in another folder; the second writes this page again.",
		Code: quoted(elsewhere(info.Command)...) + "\nsaspart report " + quoted(filepath.Clean(dir)),
	})
	if info.Matrix == nil {
		return nil
	}
	text, err := yaml.Marshal(info.Matrix)
	if err != nil {
		return fmt.Errorf("report on study %s: %w", dir, err)
	}
	r.Sections = append(r.Sections, Section{Heading: "Matrix", Code: strings.TrimRight(string(text), "\n"), Folded: true})
	return nil
}
