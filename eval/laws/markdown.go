package laws

import (
	"fmt"
	"strings"
)

// String implements fmt.Stringer: -0.0123 ± 0.0010.
func (d Difference) String() string { return fmt.Sprintf("%+.4f ± %.4f", d.Mean, d.Error) }

// Markdown renders a table for each number of workers. The policy's imbalance is in bold where
// it is above neither of the others' by more than two standard errors.
func Markdown(rows []Row) string {
	var b strings.Builder
	workers := 0
	for i := range rows {
		r := &rows[i]
		if r.Workers != workers {
			workers = r.Workers
			fmt.Fprintf(&b, "\n### %d workers, %d scenarios of each law\n\n", workers, r.Scenarios)
			b.WriteString("| law | policy | waterfill | difference | best smoothing | difference | its gain |\n| --- | --- | --- | --- | --- | --- | --- |\n")
		}
		figure := fmt.Sprintf("%.4f", r.Policy)
		if !r.Worse() {
			figure = "**" + figure + "**"
		}
		fmt.Fprintf(&b, "| %s | %s | %.4f | %v | %.4f | %v | %s |\n", r.Law, figure, r.Waterfill, r.OverWaterfill, r.Smoothing, r.OverSmoothing, r.Setting)
	}
	return strings.TrimPrefix(b.String(), "\n")
}
