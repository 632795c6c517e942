package eval

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/saspart/saspart/eval/study"
)

// What routes that are bounded record by record are to reach in every cell, beside fish, which
// decides for every record. docs/results.md has the reasons.
const (
	leastHeld   = 0.985 // of the bound
	mostCPU     = 1.005 // times that of the cheapest rival that holds as much; half a percent is below what differs by chance
	asMuch      = 0.98  // times the rate counts as holding as much
	mostLatency = 4.0   // times fish's 99th percentile
	mostSplit   = 0.5   // of the workers per key that fish has beyond one
	mostBlocked = 1e-3  // seconds that count as not blocked
)

// bounded are the contenders that the targets are for.
func bounded(name string) bool {
	return name == "waterfill" || strings.HasPrefix(name, learnedName)
}

// target is one thing to reach, as a column of a table.
type target struct {
	head  string
	reach string // in words, for those who count cells
	// of reads what a contender came to and whether that is enough; ok is false where the cell
	// has no such measurement.
	of func(r *study.Result, e *study.Entry) (text string, met, ok bool)
}

func targets() []target {
	return []target{
		{"of the bound", fmt.Sprintf("hold %.3f of the bound", leastHeld), func(_ *study.Result, e *study.Entry) (string, bool, bool) {
			v, ok := e.Values["attained"]
			return fmt.Sprintf("%.3f", v.Mean), v.Mean >= leastHeld, ok
		}},
		beside("workers per key", "split keys over fewer workers than fish", "fan_out", "stress_fan_out", digits3, func(own, fish float64) bool { return own < fish }),
		beside("pairs", "keep fewer pairs than fish", "pairs", "stress_pairs", study.Grouped, func(own, fish float64) bool { return own < fish }),
		beside("beyond one worker per key", "have at most half of fish's workers per key beyond one", "fan_out", "stress_fan_out",
			func(v float64) string { return digits3(v - 1) }, func(own, fish float64) bool { return own-1 <= mostSplit*(fish-1) }),
		beside("p99", fmt.Sprintf("keep their 99th percentile within %.0f times fish's", mostLatency), "p99", "stress_p99", study.Seconds,
			func(own, fish float64) bool { return own <= mostLatency*fish }),
		{"CPU s/M", "take no more processor time than the cheapest rival that holds as much", cheapest},
		{"blocked", "are never blocked under stress", func(_ *study.Result, e *study.Entry) (string, bool, bool) {
			v, ok := e.Values["blocked"]
			return study.Seconds(v.Mean), v.Mean <= mostBlocked, ok
		}},
	}
}

func digits3(v float64) string { return fmt.Sprintf("%.3f", v) }

// beside compares a metric with fish's.
func beside(head, reach, held, stress string, text func(float64) string, enough func(own, fish float64) bool) target {
	return target{head, reach, func(r *study.Result, e *study.Entry) (string, bool, bool) {
		metric := held
		if r.Kind == study.Stress {
			metric = stress
		}
		fish := r.Find("fish")
		if fish == nil {
			return "", false, false
		}
		own, ok := e.Values[metric]
		other, too := fish.Values[metric]
		return text(own.Mean) + " : " + text(other.Mean), enough(own.Mean, other.Mean), ok && too
	}}
}

// cheapest compares processor time with that of the cheapest rival that holds as much.
func cheapest(r *study.Result, e *study.Entry) (text string, met, ok bool) {
	own, ok := e.Values["cpu"]
	if !ok {
		return "", false, false
	}
	least, who := math.Inf(1), ""
	for i := range r.Entries {
		o := &r.Entries[i]
		if cpu, measured := o.Values["cpu"]; measured && !bounded(o.Partitioner) && o.Values["held"].Mean >= asMuch*e.Values["held"].Mean && cpu.Mean < least {
			least, who = cpu.Mean, o.Partitioner
		}
	}
	if who == "" {
		return study.Digits(own.Mean) + " : -", true, true
	}
	return fmt.Sprintf("%s : %s %s", study.Digits(own.Mean), study.Digits(least), who), own.Mean <= mostCPU*least, true
}

// targetSections are what bounded routing was to reach: how often it does, where it does not,
// and every cell.
func targetSections(results []study.Result) []Section {
	all := targets()
	head := []string{"cell", "partitioner"}
	for _, t := range all {
		head = append(head, t.head)
	}
	every, missed := &Table{Head: head}, &Table{Head: head}
	type tally struct{ met, of int }
	counts := map[string]*tally{}
	var names []string
	for i := range results {
		r := &results[i]
		if r.Find("fish") == nil {
			continue
		}
		for k := range r.Entries {
			e := &r.Entries[k]
			if !bounded(e.Partitioner) {
				continue
			}
			row, short := []string{r.Cell, e.Partitioner}, false
			for _, t := range all {
				text, met, ok := t.of(r, e)
				if !ok {
					row = append(row, "")
					continue
				}
				key := e.Partitioner + " " + t.head
				if counts[key] == nil {
					counts[key] = &tally{}
				}
				counts[key].of++
				if met {
					counts[key].met++
				} else {
					text, short = text+" !", true
				}
				row = append(row, text)
			}
			if !slices.Contains(names, e.Partitioner) {
				names = append(names, e.Partitioner)
			}
			every.Rows = append(every.Rows, row)
			if short {
				missed.Rows = append(missed.Rows, row)
			}
		}
	}
	if len(every.Rows) == 0 {
		return nil
	}
	s := Section{
		Heading: "Beside the partitioner that decides for every record",
		Text:    "What waterfill and the learned policy are to reach in every cell, and in how many they do. The bound counts the state that no partitioner avoids. Workers per key, pairs and latency are beside fish's (own : fish's); processor time, in seconds per million records, beside that of the cheapest rival that holds within 2 % of the same rate.",
	}
	for _, t := range all {
		var parts []string
		for _, n := range names {
			if c := counts[n+" "+t.head]; c != nil {
				parts = append(parts, fmt.Sprintf("%s in %d of %d", n, c.met, c.of))
			}
		}
		if len(parts) > 0 {
			s.Points = append(s.Points, "They "+t.reach+": "+strings.Join(parts, ", ")+".")
		}
	}
	out := []Section{s}
	if len(missed.Rows) > 0 {
		out = append(out, Section{Heading: "Where that is missed", Text: "Figures with a ! miss their target.", Table: missed})
	}
	return append(out, Section{Heading: "That, cell by cell", Table: every})
}
