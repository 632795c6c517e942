package eval

import (
	"github.com/saspart/saspart/eval/study"
)

// A study of few contenders over several seeds is shown side by side: from fewer seeds no
// error can be estimated, and more contenders are too many differences to read.
const (
	mostBeside  = 6
	leastSeeds  = 4
	significant = 2 // standard errors
)

// sideBySide are means over seeds with standard errors, and the differences from the first
// contender, seed by seed.
func sideBySide(results []study.Result) Section {
	names := study.Contenders(results)
	if len(names) < 2 || len(names) > mostBeside {
		return Section{}
	}
	t := &Table{Head: []string{"cell", "partitioner"}}
	for _, k := range []study.Kind{study.Throughput, study.Stress} {
		for i := range results {
			r := &results[i]
			if r.Kind != k {
				continue
			}
			for n := range r.Entries {
				e := &r.Entries[n]
				if len(e.Records) < leastSeeds {
					continue
				}
				columns := pairedColumns(k)
				if len(t.Head) == 2 {
					for _, c := range columns {
						t.Head = append(t.Head, c.Head, "difference")
					}
				}
				row := []string{r.Cell, e.Partitioner}
				for _, c := range columns {
					mean, se, _ := study.Spread(e, nil, c.Metric)
					text, difference := plusMinus(c.Metric, mean, se), ""
					if n > 0 {
						if mean, se, ok := study.Spread(e, &r.Entries[0], c.Metric); ok {
							difference = plusMinus(c.Metric, mean, se)
							if mean > significant*se || mean < -significant*se {
								difference += " !"
							}
						}
					}
					row = append(row, text, difference)
				}
				t.Rows = append(t.Rows, row)
			}
		}
	}
	if len(t.Rows) == 0 {
		return Section{}
	}
	return Section{
		Heading: "Side by side",
		Text:    "Means over seeds with standard errors, and differences from " + names[0] + " with their standard errors, from pairs of the same seed; those beyond two errors have a !.",
		Table:   t,
	}
}

func pairedColumns(k study.Kind) []study.Column {
	if k == study.Stress {
		return []study.Column{{Head: "imbalance", Metric: "stress_imbalance"}, {Head: "p99", Metric: "stress_p99"}, {Head: "workers per key", Metric: "stress_fan_out"},
			{Head: "pairs", Metric: "stress_pairs"}, {Head: "CPU s/M", Metric: "stress_cpu"}}
	}
	return []study.Column{{Head: "of the bound", Metric: "attained"}, {Head: "p99", Metric: "p99"}, {Head: "workers per key", Metric: "fan_out"},
		{Head: "pairs", Metric: "pairs"}, {Head: "CPU s/M", Metric: "cpu"}}
}

// plusMinus writes a value with its standard error in the metric's form.
func plusMinus(metric string, mean, se float64) string {
	return study.Text(metric, mean) + " ± " + study.Text(metric, se)
}
