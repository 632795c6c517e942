package study

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// WriteTable writes results for people: a table per cell with all that was measured,
// or, of more than three cells, one with a line per cell.
func WriteTable(w io.Writer, results []Result) error {
	var b bytes.Buffer
	if len(results) > 3 {
		writeOverview(&b, results)
	} else {
		for i := range results {
			if i > 0 {
				fmt.Fprintln(&b)
			}
			if len(results) > 1 {
				fmt.Fprintln(&b, results[i].Cell)
			}
			results[i].write(&b)
		}
	}
	if s := Incomplete(results); s != "" {
		fmt.Fprintf(&b, "\n%s --resume measures them.\n", s)
	}
	_, err := b.WriteTo(w)
	return err
}

// Column is a metric as tables show it.
type Column struct{ Head, Metric string }

// Columns are what tables show of a kind of measurement.
func (k Kind) Columns() []Column {
	var out []Column
	for _, m := range metrics() {
		if m.kind == k && m.head != "" {
			out = append(out, Column{m.head, m.name})
		}
	}
	return out
}

func (r *Result) write(b *bytes.Buffer) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "partitioner\t")
	for _, c := range r.Kind.Columns() {
		fmt.Fprintf(t, "%s\t", c.Head)
	}
	fmt.Fprintln(t)
	for i := range r.Entries {
		e := &r.Entries[i]
		fmt.Fprintf(t, "%s\t", e.Partitioner)
		for _, c := range r.Kind.Columns() {
			fmt.Fprintf(t, "%s\t", e.Text(c.Metric))
		}
		fmt.Fprintln(t)
	}
	t.Flush()
	if s := r.Sentence(); s != "" {
		fmt.Fprintln(b, s)
	}
	for _, f := range r.Failures() {
		fmt.Fprintln(b, f)
	}
}

// Failures says what could not be measured in a cell, a line for each contender.
func (r *Result) Failures() []string {
	var out []string
	for _, e := range r.Entries {
		for _, text := range e.Errors {
			first, _, _ := strings.Cut(text, "\n")
			out = append(out, fmt.Sprintf("%s failed: %s", e.Partitioner, first))
		}
	}
	return out
}

// Sentence says who is best in a cell.
func (r *Result) Sentence() string {
	what := "holds the most"
	if r.Kind == Stress {
		what = "has the lowest latency"
	}
	switch {
	case len(r.measured()) < 2:
		return ""
	case r.Missing > 0:
		return fmt.Sprintf("no verdict: %d of the cell's measurements are missing", r.Missing)
	case len(r.Best) == len(r.Entries):
		return "they cannot be told apart"
	case len(r.Best) == 1 && r.Margin >= 2:
		return fmt.Sprintf("%s %s, by a factor of %.1f", r.Best[0], what, r.Margin)
	case len(r.Best) == 1 && r.Margin > 0:
		return fmt.Sprintf("%s %s, by %s", r.Best[0], what, percent(r.Margin-1))
	case len(r.Best) == 1:
		return fmt.Sprintf("%s %s", r.Best[0], what)
	}
	return strings.Join(r.Best, ", ") + " cannot be told apart"
}

func percent(v float64) string {
	switch {
	case v >= 1:
		return fmt.Sprintf("%.1f times", 1+v)
	case v < 0.1:
		return fmt.Sprintf("%.1f %%", 100*v)
	}
	return fmt.Sprintf("%.0f %%", 100*v)
}

// writeOverview writes a line per cell: the highest rates as parts of the fluid bound
// (of native workers in records/s), or latencies under stress.
func writeOverview(b *bytes.Buffer, results []Result) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	names := Contenders(results)
	for _, k := range []Kind{Throughput, Stress} {
		head := "of the fluid bound"
		if k == Stress {
			head = "p99 under stress"
		}
		if slices.ContainsFunc(results, func(r Result) bool { return r.Kind == k }) {
			fmt.Fprintf(t, "%s\t%s\tbest\n", head, strings.Join(names, "\t"))
		}
		for i := range results {
			r := &results[i]
			if r.Kind != k {
				continue
			}
			fmt.Fprintf(t, "%s\t", r.Cell)
			for _, n := range names {
				fmt.Fprintf(t, "%s\t", r.Short(n))
			}
			fmt.Fprintf(t, "%s\n", r.Winner())
		}
	}
	t.Flush()
	for i := range results {
		for _, f := range results[i].Failures() {
			fmt.Fprintf(b, "%s: %s\n", results[i].Cell, f)
		}
	}
}

// Short is what decides of a contender in a cell, in a word.
func (r *Result) Short(name string) string {
	e := r.Find(name)
	switch {
	case e == nil:
		return "-"
	case r.Kind == Stress:
		return e.Text("stress_p99")
	}
	if _, ok := e.Values["bound_ratio"]; ok {
		return e.Text("bound_ratio")
	}
	return e.Text("held")
}

// mostNamed is how many may share the first place by name.
const mostNamed = 3

// Winner names the best of a cell in a few words. It names none within the noise, of a cell
// with missing measurements, or without a second contender.
func (r *Result) Winner() string {
	switch measured := r.measured(); {
	case r.Missing > 0:
		return "incomplete"
	case len(measured) == 0:
		return "no measurement"
	case len(measured) == 1:
		return "only " + r.Best[0] + " measured"
	case len(r.Best) == 1 && r.Margin > 0:
		return fmt.Sprintf("%s +%s", r.Best[0], percent(r.Margin-1))
	case len(r.Best) == len(r.Entries):
		return "none told apart"
	case len(r.Best) > mostNamed:
		return fmt.Sprintf("%d not told apart", len(r.Best))
	}
	return strings.Join(r.Best, " or ")
}

// Contenders are the names that occur in results, in order.
func Contenders(results []Result) []string {
	var names []string
	for i := range results {
		for _, e := range results[i].Entries {
			if !slices.Contains(names, e.Partitioner) {
				names = append(names, e.Partitioner)
			}
		}
	}
	return names
}

// Text is a metric's value as people read it, with its uncertainty where that is known
// and worth telling; "-" where there is none.
func (e *Entry) Text(metric string) string {
	v, ok := e.Values[metric]
	if !ok {
		if len(e.Errors) > 0 {
			return "failed"
		}
		return "-"
	}
	m, _ := metricOf(metric)
	return m.text(v)
}

// Text writes a value of a metric as people read it.
func Text(metric string, v float64) string {
	m, _ := metricOf(metric)
	if v < 0 {
		return "-" + m.text(Estimate{Mean: -v})
	}
	return m.text(Estimate{Mean: v})
}

// WriteCSV writes a line per measurement, with everything as a number.
func WriteCSV(w io.Writer, records []Record) error {
	out := csv.NewWriter(w)
	head := []string{"cell", "kind", "engine", "partitioner", "seed"}
	for _, m := range metrics() {
		head = append(head, m.name)
	}
	lines := [][]string{append(head, "bound", "analytic", "mask_bound", "failed_at", "took_s", "error")}
	for i := range records {
		r := &records[i]
		line := []string{r.Cell, string(r.Kind), r.Engine, r.Partitioner, strconv.FormatUint(r.Seed, 10)}
		for _, m := range metrics() {
			text := ""
			if v, ok := m.of(r); ok {
				text = decimal(v)
			}
			line = append(line, text)
		}
		bounds := []string{"", "", "", ""}
		if t := r.Throughput; t != nil {
			bounds = []string{decimal(t.Bounds.Fluid), decimal(t.Bounds.Analytic), decimal(t.Bounds.Mask), decimal(t.Failed)}
		}
		line = append(line, bounds...)
		lines = append(lines, append(line, decimal(r.Took.Seconds()), r.Error))
	}
	if err := out.WriteAll(lines); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'g', 8, 64) }
