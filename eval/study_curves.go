package eval

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/saspart/saspart/eval/rate"
	"github.com/saspart/saspart/eval/study"
)

// drawn are the entries whose curves are drawn: as many as a plot can tell apart, those
// that the verdict is about before others.
func drawn(r *study.Result) []study.Entry {
	const most = 6
	first := func(e study.Entry) bool {
		return strings.HasPrefix(e.Partitioner, learnedName) || slices.Contains(rivals(), e.Partitioner)
	}
	var out []study.Entry
	for _, wanted := range []bool{true, false} {
		for _, e := range r.Entries {
			if first(e) == wanted && len(out) < most {
				out = append(out, e)
			}
		}
	}
	return out
}

// latencyLines are the latency curves of the first cell that has some.
func latencyLines(results []study.Result) []Line {
	for i := range results {
		var lines []Line
		for _, e := range drawn(&results[i]) {
			for _, rec := range e.Records {
				if rec.Throughput == nil || len(rec.Throughput.Latency) < 2 {
					continue
				}
				at := slices.Clone(rec.Throughput.Latency)
				slices.SortFunc(at, func(a, b rate.LatencyAt) int { return cmp.Compare(a.Part, b.Part) })
				l := Line{Name: e.Partitioner}
				for _, p := range at {
					l.X, l.Y = append(l.X, p.Part), append(l.Y, float64(p.Reading.P99.Microseconds())/1000)
				}
				lines = append(lines, l)
				break
			}
		}
		if len(lines) > 0 {
			return lines
		}
	}
	return nil
}

// telling is the throughput cell in which contenders differ the most.
func telling(results []study.Result) *study.Result {
	var best *study.Result
	most := 0.0
	for i := range results {
		r := &results[i]
		if r.Kind != study.Throughput || len(r.Best) == 0 {
			continue
		}
		low, high := 1e300, 0.0
		for _, e := range r.Entries {
			if v, ok := e.Values["held"]; ok {
				low, high = min(low, v.Mean), max(high, v.Mean)
			}
		}
		if spread := high / max(low, 1e-9); spread > most {
			best, most = r, spread
		}
	}
	return best
}

// insight shows how busy the workers of a cell are, and where its heavy keys go.
func insight(r *study.Result) Section {
	s := Section{Heading: "Inside one cell", Text: "The one in which partitioners differ the most: " + r.Cell + ". Each at the highest rate it holds."}
	busy := Chart{Title: "Busy time per worker", Help: "Share of the time, workers in order of it: a level line is balance.", XLabel: "workers, by busy time", Zero: true}
	for _, e := range drawn(r) {
		for _, rec := range e.Records {
			if rec.Throughput == nil {
				continue
			}
			at := rec.Throughput.At
			l := Line{Name: e.Partitioner, Y: slices.Clone(at.Busy)}
			slices.Sort(l.Y)
			for i := range l.Y {
				l.X = append(l.X, float64(i))
			}
			busy.Lines = append(busy.Lines, l)
			if len(at.Top) > 0 {
				var names []string
				var rows [][]float64
				for _, k := range at.Top {
					names = append(names, fmt.Sprintf("%s %.1f%%", cut(k.Name, 12), 100*k.Share))
					rows = append(rows, k.Workers)
				}
				s.Figures = append(s.Figures, Figure{
					Title: "Where heavy keys go: " + e.Partitioner, Help: "A row per key with its share of all records, a column per worker; darker is more.",
					SVG: heat("route of "+e.Partitioner, names, rows),
				})
			}
			break
		}
	}
	if len(busy.Lines) > 0 {
		s.Charts = []Chart{busy}
	}
	return s
}

// shiftSections show each stressed cell over time.
func shiftSections(results []study.Result) []Section {
	var out []Section
	for i := range results {
		r := &results[i]
		if r.Kind != study.Stress {
			continue
		}
		s := Section{Heading: "Through shifts: " + r.Cell, Text: "A fixed rate, while the distribution shifts. Recovery is the mean number of windows until a job is settled after a shift."}
		s.Table = metricTable(results[i:i+1], study.Stress.Columns())
		for _, c := range []struct {
			chart Chart
			of    func(m rate.Moment) float64
		}{
			{Chart{Title: "Imbalance", Help: "Of the busy time per worker; 0 is perfect.", XLabel: "seconds", Zero: true}, func(m rate.Moment) float64 { return m.Imbalance }},
			{Chart{Title: "Source blocked", Help: "Share of the time that the source had to wait for a full queue.", XLabel: "seconds", Zero: true}, func(m rate.Moment) float64 { return m.Blocked }},
		} {
			for _, e := range drawn(r) {
				if rec := e.Records[0]; rec.Stress != nil {
					l := Line{Name: e.Partitioner}
					for _, m := range rec.Stress.Windows {
						l.X, l.Y = append(l.X, m.At), append(l.Y, c.of(m))
					}
					c.chart.Lines = append(c.chart.Lines, l)
				}
			}
			if len(c.chart.Lines) > 0 {
				s.Charts = append(s.Charts, c.chart)
			}
		}
		out = append(out, s)
	}
	return out
}
