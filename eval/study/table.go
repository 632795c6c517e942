package study

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteTable writes results for people: a table per cell with all that was measured,
// or, of more than three cells, one with a line per cell.
func WriteTable(w io.Writer, results []Result) error {
	if len(results) > 3 {
		return writeOverview(w, results)
	}
	for i := range results {
		if i > 0 {
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
		}
		if err := results[i].write(w, len(results) > 1); err != nil {
			return err
		}
	}
	return nil
}

// Column is a metric as tables show it.
type Column struct{ Head, Metric string }

// Columns are what tables show of a kind of measurement.
func (k Kind) Columns() []Column {
	if k == Stress {
		return []Column{{"imbalance", "stress_imbalance"}, {"blocked", "blocked"}, {"p99", "stress_p99"}, {"pairs", "stress_pairs"}, {"heap MB", "heap"}, {"recovery", "recovery"}}
	}
	return []Column{
		{"records/s", "held"}, {"of bound", "bound_ratio"}, {"of split", "analytic_ratio"}, {"imbalance", "imbalance"},
		{"fan-out", "fan_out"}, {"top key", "top_fan_out"}, {"pairs", "pairs"}, {"ns/record", "route_ns"}, {"p50@80%", "p50"}, {"p99@80%", "p99"},
	}
}

func (r *Result) write(w io.Writer, title bool) error {
	if title {
		if _, err := fmt.Fprintf(w, "%s\n", r.Cell); err != nil {
			return err
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
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
	if err := t.Flush(); err != nil {
		return err
	}
	lines := r.Failures()
	if s := r.Sentence(); s != "" {
		lines = append([]string{s}, lines...)
	}
	for _, l := range lines {
		if _, err := fmt.Fprintln(w, l); err != nil {
			return err
		}
	}
	return nil
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
	case len(r.Best) == 0, len(r.Entries) == 1:
		return ""
	case len(r.Best) == len(r.Entries):
		return "no difference that is more than noise"
	case len(r.Best) == 1 && r.Margin > 0:
		return fmt.Sprintf("%s %s, by %s", r.Best[0], what, percent(r.Margin-1))
	case len(r.Best) == 1:
		return fmt.Sprintf("%s %s", r.Best[0], what)
	}
	return fmt.Sprintf("%s: equally good, as far as the noise lets tell", strings.Join(r.Best, ", "))
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
func writeOverview(w io.Writer, results []Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	names := Contenders(results)
	for _, k := range []Kind{Throughput, Stress} {
		head := "of the fluid bound"
		if k == Stress {
			head = "p99 under stress"
		}
		some := false
		for i := range results {
			r := &results[i]
			if r.Kind != k {
				continue
			}
			if !some {
				fmt.Fprintf(t, "%s\t%s\tbest\n", head, strings.Join(names, "\t"))
				some = true
			}
			fmt.Fprintf(t, "%s\t", r.Cell)
			for _, n := range names {
				fmt.Fprintf(t, "%s\t", r.Short(n))
			}
			fmt.Fprintf(t, "%s\n", r.Winner())
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for i := range results {
		for _, f := range results[i].Failures() {
			if _, err := fmt.Fprintf(w, "%s: %s\n", results[i].Cell, f); err != nil {
				return err
			}
		}
	}
	return nil
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

// Winner names the best of a cell in a few words, and no winner within the noise.
func (r *Result) Winner() string {
	switch {
	case len(r.Best) == 0:
		return "no measurement"
	case len(r.Best) == 1 && r.Margin > 0:
		return fmt.Sprintf("%s +%s", r.Best[0], percent(r.Margin-1))
	case len(r.Best) == len(r.Entries) && len(r.Best) > 1:
		return "all within noise"
	case len(r.Best) > mostNamed:
		return fmt.Sprintf("%d within noise", len(r.Best))
	}
	return strings.Join(r.Best, " = ")
}

// Contenders are the names that occur in results, in order.
func Contenders(results []Result) []string {
	var names []string
	seen := map[string]bool{}
	for i := range results {
		for _, e := range results[i].Entries {
			if !seen[e.Partitioner] {
				seen[e.Partitioner] = true
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
	switch metric {
	case "held":
		if v.Half > v.Mean {
			return Grouped(v.Mean) + " (seeds differ)"
		}
		if v.Half > 0.005*v.Mean {
			return fmt.Sprintf("%s ±%s", Grouped(v.Mean), Grouped(v.Half))
		}
		return Grouped(v.Mean)
	case "pairs", "stress_pairs", "heap":
		return Grouped(v.Mean)
	case "bound_ratio", "analytic_ratio", "imbalance", "stress_imbalance", "idle", "extra", "beyond", "held_up", "reducer":
		if v.Half > max(v.Mean, 0.1) {
			return fmt.Sprintf("%.3f (seeds differ)", v.Mean)
		}
		if v.Half >= 0.005 {
			return fmt.Sprintf("%.3f ±%.3f", v.Mean, v.Half)
		}
		return fmt.Sprintf("%.3f", v.Mean)
	case "fan_out":
		return fmt.Sprintf("%.3f", v.Mean)
	case "p50", "p99", "stress_p99", "blocked":
		return Seconds(v.Mean)
	}
	return fmt.Sprintf("%.1f", v.Mean)
}

// Seconds is a duration in three digits.
func Seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	for _, unit := range []time.Duration{time.Minute, time.Second, time.Millisecond, time.Microsecond} {
		if d >= 100*unit {
			return d.Round(unit).String()
		}
		if d >= unit {
			return d.Round(unit / 10).String()
		}
	}
	return d.String()
}

// Grouped is a whole number with its thousands apart.
func Grouped(v float64) string {
	digits := strconv.FormatInt(int64(math.Round(v)), 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// WriteCSV writes a line per measurement, with everything as a number.
func WriteCSV(w io.Writer, records []Record) error {
	out := csv.NewWriter(w)
	head := []string{"cell", "kind", "engine", "partitioner", "seed"}
	for _, m := range Metrics() {
		head = append(head, m.Name)
	}
	lines := [][]string{append(head, "bound", "analytic", "mask_bound", "failed_at", "took_s", "error")}
	for i := range records {
		r := &records[i]
		line := []string{r.Cell, string(r.Kind), r.Engine, r.Partitioner, strconv.FormatUint(r.Seed, 10)}
		for _, m := range Metrics() {
			text := ""
			if v, ok := m.Of(r); ok {
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
