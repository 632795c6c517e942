package eval

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/saspart/saspart/eval/study"
)

// learnedName begins the names of learned policies.
const learnedName = "saspartitioner"

// rivals are what a practitioner would do without a learned policy, by contender.
func rivals() []string { return []string{"hash", study.CombineName, "wchoices", "waterfill"} }

// duel is how a contender does against another, over the cells that have both.
type duel struct {
	rival               string
	cells               int
	wins, losses        int     // beyond the noise
	ratio               float64 // geometric mean: of rates, or of inverse latencies under stress
	best, worst         float64 // ratios
	bestCell, worstCell string
}

func duelOf(results []study.Result, kind study.Kind, name, rival string) duel {
	d := duel{rival: rival, best: 0, worst: math.Inf(1)}
	sum := 0.0
	for i := range results {
		r := &results[i]
		a, b := r.Find(name), r.Find(rival)
		if r.Kind != kind || a == nil || b == nil {
			continue
		}
		ratio, sure := r.Kind.Lead(a, b)
		if ratio == 0 {
			continue
		}
		d.cells++
		sum += math.Log(ratio)
		switch {
		case sure && ratio > 1:
			d.wins++
		case sure:
			d.losses++
		}
		if ratio > d.best {
			d.best, d.bestCell = ratio, r.Cell
		}
		if ratio < d.worst {
			d.worst, d.worstCell = ratio, r.Cell
		}
	}
	if d.cells > 0 {
		d.ratio = math.Exp(sum / float64(d.cells))
	}
	return d
}

// strongest returns the duel of a contender against its strongest opponent that is neither
// learned nor among the rivals. Without such an opponent the duel has no cells.
func strongest(results []study.Result, name string) duel {
	var least duel
	for _, other := range study.Contenders(results) {
		if strings.HasPrefix(other, learnedName) || slices.Contains(rivals(), other) {
			continue
		}
		if d := duelOf(results, study.Throughput, name, other); d.cells > 0 && (least.cells == 0 || d.ratio < least.ratio) {
			least = d
		}
	}
	return least
}

// worth is how much better, on average, counts as better for people.
const worth = 1.02

// verdict answers in words whether the learned policy is worth it: a headline, and how
// it does against each rival.
func verdict(results []study.Result) (headline string, points []string) {
	name, ok := learnedOf(results)
	if !ok {
		return "No learned policy took part; add saspartitioner to the partitioners.", overall(results)
	}
	var better, equal, worse []string
	for _, rival := range rivals() {
		d := duelOf(results, study.Throughput, name, rival)
		if d.cells == 0 {
			continue
		}
		points = append(points, d.sentence(name))
		switch {
		case d.ratio >= worth && d.wins > 0 && d.wins >= d.losses:
			better = append(better, rival)
		case d.ratio <= 1/worth && d.losses > 0 && d.losses >= d.wins:
			worse = append(worse, rival)
		default:
			equal = append(equal, rival)
		}
	}
	if d := strongest(results, name); d.cells > 0 {
		points = append(points, "Of the other partitioners, "+d.rival+" holds the most. "+d.sentence(name))
	}
	for _, rival := range rivals() {
		if d := duelOf(results, study.Stress, name, rival); d.cells > 0 {
			points = append(points, d.stressSentence())
		}
	}
	for _, n := range []string{name, "waterfill"} {
		if s := shareOfBound(results, n); s != "" {
			points = append(points, s)
		}
	}
	switch {
	case len(better)+len(equal)+len(worse) == 0:
		headline = "No cell measured the throughput of " + name + " beside a partitioner without training."
	case len(worse) > 0:
		headline = fmt.Sprintf("No: %s, without training, %s more than %s over these cells.", list(worse), verb(worse, "holds", "hold"), name)
	case len(equal) > 0 && len(better) > 0:
		headline = fmt.Sprintf("Yes against %s, but %s, without training, %s as well over these cells.", list(better), list(equal), verb(equal, "does", "do"))
	case len(equal) > 0:
		headline = fmt.Sprintf("No: %s, without training, %s as well over these cells.", list(equal), verb(equal, "does", "do"))
	default:
		headline = fmt.Sprintf("Yes: it holds more than %s over these cells.", list(better))
	}
	return headline, append(points, overall(results)...)
}

func verb(names []string, one, many string) string {
	if len(names) == 1 {
		return one
	}
	return many
}

func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

func cells(n int) string {
	if n == 1 {
		return "1 cell"
	}
	return fmt.Sprintf("%d cells", n)
}

func (d *duel) sentence(name string) string {
	s := fmt.Sprintf("Against %s, %s holds %s on average: more in %d of %s, less in %d, within the noise in %d.",
		d.rival, name, times(d.ratio), d.wins, cells(d.cells), d.losses, d.cells-d.wins-d.losses)
	if d.cells > 1 {
		s += fmt.Sprintf(" At best it holds %s (%s), at worst %s (%s).", times(d.best), d.bestCell, times(d.worst), d.worstCell)
	}
	return s
}

func (d *duel) stressSentence() string {
	word, by := "lower", d.ratio
	if by < 1 {
		word, by = "higher", 1/by
	}
	digits := 0
	if by < 100 {
		digits = 1
	}
	return fmt.Sprintf("Through shifts, at a fixed rate, the 99th percentile of its latency is %.*f times %s than that of %s: better in %d of %s, worse in %d.",
		digits, by, word, d.rival, d.wins, cells(d.cells), d.losses)
}

// times is a ratio in words.
func times(ratio float64) string {
	switch {
	case ratio >= 1.5:
		return fmt.Sprintf("%.1f times as much", ratio)
	case ratio >= 1.0005:
		return fmt.Sprintf("%.1f %% more", 100*(ratio-1))
	case ratio > 0.9995:
		return "the same"
	}
	return fmt.Sprintf("%.1f %% less", 100*(1-ratio))
}

// shareOfBound says how near to what is possible a contender comes.
func shareOfBound(results []study.Result, name string) string {
	mean, n := overCells(results, name, "bound_ratio")
	least, cell, below := math.Inf(1), "", 0
	for r, v := range cellsOf(results, name, "bound_ratio") {
		if v.Mean < least {
			least, cell = v.Mean, r.Cell
		}
		if v.Mean < 0.95 {
			below++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%s holds %.3f of the fluid bound on average, and %.3f at worst (%s). It is below 0.95 in %d of %s.", name, mean, least, cell, below, cells(n))
}

// overall says who is among the best how often.
func overall(results []study.Result) []string {
	count := map[string]int{}
	alone := map[string]int{}
	n := 0
	for i := range results {
		if !results[i].Decided() {
			continue
		}
		n++
		for _, b := range results[i].Best {
			count[b]++
		}
		if len(results[i].Best) == 1 {
			alone[results[i].Best[0]]++
		}
	}
	if n == 0 {
		return []string{"In no cell are all measurements made, of more than one partitioner."}
	}
	names := study.Contenders(results)
	slices.SortStableFunc(names, func(a, b string) int { return count[b] - count[a] })
	var among, single []string
	for _, name := range names {
		if count[name] > 0 {
			among = append(among, fmt.Sprintf("%s %d", name, count[name]))
		}
		if alone[name] > 0 {
			single = append(single, fmt.Sprintf("%s %d", name, alone[name]))
		}
	}
	s := fmt.Sprintf("Of %s, each partitioner is among the best in: %s.", cells(n), strings.Join(among, ", "))
	if len(single) > 0 {
		s += fmt.Sprintf(" It is the only best in: %s.", strings.Join(single, ", "))
	}
	return []string{s}
}
