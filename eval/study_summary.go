package eval

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/saspart/saspart/eval/study"
)

// learnedOf is the learned policy that a report is about: the first that took part.
func learnedOf(results []study.Result) (name string, ok bool) {
	for _, n := range study.Contenders(results) {
		if strings.HasPrefix(n, learnedName) {
			return n, true
		}
	}
	return "", false
}

// cellsOf are the cells in which a contender has a value of a metric, with the value.
func cellsOf(results []study.Result, name, metric string) iter.Seq2[*study.Result, study.Estimate] {
	return func(yield func(*study.Result, study.Estimate) bool) {
		for i := range results {
			if e := results[i].Find(name); e != nil {
				if v, ok := e.Values[metric]; ok && !yield(&results[i], v) {
					return
				}
			}
		}
	}
}

// overCells is the mean of a metric over the cells that have it, and over how many.
func overCells(results []study.Result, name, metric string) (value float64, cells int) {
	for _, v := range cellsOf(results, name, metric) {
		value += v.Mean
		cells++
	}
	return value / max(1, float64(cells)), cells
}

// mostCells is in how many cells any contender has the metric.
func mostCells(results []study.Result, metric string) int {
	n := 0
	for i := range results {
		if slices.ContainsFunc(results[i].Entries, func(e study.Entry) bool { _, ok := e.Values[metric]; return ok }) {
			n++
		}
	}
	return n
}

// ofCells marks a mean that is over fewer cells than there are: it does not compare with one
// over all.
func ofCells(n, all int) string {
	if n == all {
		return ""
	}
	return fmt.Sprintf(" (%d of %d)", n, all)
}

// with are the cells with a label.
func with(results []study.Result, l study.Label) []study.Result {
	return slices.DeleteFunc(slices.Clone(results), func(r study.Result) bool { return !slices.Contains(r.Labels, l) })
}

// summary is one table: the mean rate of each contender, for each value of each axis.
func summary(results []study.Result) Section {
	names := study.Contenders(results)
	t := &Table{Head: append([]string{"where"}, names...)}
	row := func(label string, part []study.Result) {
		cells, some := []string{label}, false
		most := mostCells(part, "bound_ratio")
		for _, n := range names {
			v, count := overCells(part, n, "bound_ratio")
			text := "-"
			if count > 0 {
				text, some = fmt.Sprintf("%.3f", v)+ofCells(count, most), true
			}
			cells = append(cells, text)
		}
		if some {
			t.Rows = append(t.Rows, cells)
		}
	}
	row("all cells", results)
	for _, l := range axisValues(results) {
		row(l.Axis+" "+l.Value, with(results, l))
	}
	// Cells of no axis of their own would be left out of every row but the first.
	if len(t.Rows) < 3 {
		return Section{}
	}
	return Section{Heading: "In short", Text: "The highest rate held, as a part of the fluid bound. Each row is a mean over the cells with that value; one over fewer cells than others has their number in parentheses, and does not compare with them.", Table: t}
}

// defeats are the cells in which another holds more than the learned policy beyond the
// noise, and what that one pays for it.
func defeats(results []study.Result) Section {
	name, ok := learnedOf(results)
	if !ok {
		return Section{}
	}
	t := &Table{Head: []string{"cell", name, "the best", "holds", "more by", name + ": workers per key", "the best: workers per key", "others that hold more"}}
	measured := 0
	for r := range cellsOf(results, name, "held") {
		own := r.Find(name)
		measured++
		var ahead []*study.Entry
		for k := range r.Entries {
			if e := &r.Entries[k]; e != own {
				if ratio, sure := r.Kind.Lead(e, own); sure && ratio > 1 {
					ahead = append(ahead, e)
				}
			}
		}
		if len(ahead) == 0 {
			continue
		}
		slices.SortStableFunc(ahead, func(a, b *study.Entry) int {
			return cmp.Compare(b.Values["held"].Mean, a.Values["held"].Mean)
		})
		best := ahead[0]
		ratio, _ := r.Kind.Lead(best, own)
		var others []string
		for _, e := range ahead[1:] {
			others = append(others, e.Partitioner)
		}
		t.Rows = append(t.Rows, []string{r.Cell, own.Text("bound_ratio"), best.Partitioner, best.Text("bound_ratio"),
			fmt.Sprintf("%.1f %%", 100*(ratio-1)), own.Text("fan_out"), best.Text("fan_out"), strings.Join(others, ", ")})
	}
	if measured == 0 {
		return Section{}
	}
	s := Section{Heading: "Where the learned policy loses", Text: fmt.Sprintf("In none of %s does another hold more than %s beyond the noise.", cells(measured), name)}
	if len(t.Rows) > 0 {
		s.Text = fmt.Sprintf("In %d of %s another holds more than %s beyond the noise. The price is state and merges: workers per key.", len(t.Rows), cells(measured), name)
		s.Table = t
	}
	return s
}
