package study

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// confidence of intervals.
const confidence = 0.95

// Estimate is a mean over seeds.
type Estimate struct {
	Mean float64 `json:"mean"`
	// Half is half the width of the confidence interval (Student's t, 95 %); 0 with one
	// seed, which says nothing of chance.
	Half float64 `json:"half"`
	N    int     `json:"n"`
}

// estimate is the mean of values, and how sure it is.
func estimate(values []float64) Estimate {
	n := float64(len(values))
	if n == 0 {
		return Estimate{}
	}
	mean, ss := 0.0, 0.0
	for _, v := range values {
		mean += v / n
	}
	for _, v := range values {
		ss += (v - mean) * (v - mean)
	}
	e := Estimate{Mean: mean, N: len(values)}
	if n > 1 {
		t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}
		e.Half = t.Quantile((1+confidence)/2) * math.Sqrt(ss/(n-1)/n)
	}
	return e
}

// Entry is what a contender came to in a cell, over the seeds that it was measured
// with.
type Entry struct {
	Partitioner string              `json:"partitioner"`
	Values      map[string]Estimate `json:"values"` // by the metric's name
	Errors      []string            `json:"errors,omitempty"`
	Records     []*Record           `json:"-"`
}

// Result is a cell with all its contenders.
type Result struct {
	Cell    string  `json:"cell"`
	Labels  []Label `json:"labels,omitempty"`
	Kind    Kind    `json:"kind"`
	Engine  string  `json:"engine"`
	Entries []Entry `json:"entries"`
	// Missing are measurements that were asked for and not yet made. One that failed was made.
	Missing int `json:"missing,omitempty"`
	// Best are the contenders that may be the best: more than one where the difference is
	// within the noise. It is empty without measurements.
	Best []string `json:"best"`
	// Margin is how much better the best one's mean is than that of the best who is not
	// among Best, as a ratio; 0 without one.
	Margin float64 `json:"margin,omitempty"`
}

// Compare sums records up, cell by cell and contender by contender, in the order in
// which they come.
func Compare(records []Record) []Result {
	var out []Result
	for i := range records {
		r := &records[i]
		at := slices.IndexFunc(out, func(o Result) bool { return o.Cell == r.Cell })
		if at < 0 {
			at = len(out)
			out = append(out, Result{Cell: r.Cell, Labels: r.Labels, Kind: r.Kind, Engine: r.Engine})
		}
		entry := out[at].entry(r.Partitioner)
		entry.Records = append(entry.Records, r)
		if r.Error != "" && !slices.Contains(entry.Errors, r.Error) {
			entry.Errors = append(entry.Errors, r.Error)
		}
	}
	for i := range out {
		for k := range out[i].Entries {
			out[i].Entries[k].sum()
		}
		out[i].rank()
	}
	return out
}

// Planned counts the measurements of each cell.
func Planned(runs []Run) map[string]int {
	n := map[string]int{}
	for i := range runs {
		n[runs[i].Cell.Name]++
	}
	return n
}

// Results compares the records of the study, marks the cells in which measurements are
// missing, and adds those without any.
func (i *Info) Results(records []Record) []Result {
	out := Compare(records)
	for _, cell := range i.Order {
		planned, known := i.Planned[cell]
		if !known {
			continue
		}
		at := slices.IndexFunc(out, func(r Result) bool { return r.Cell == cell })
		if at < 0 {
			out = append(out, Result{Cell: cell, Missing: planned})
			continue
		}
		for _, e := range out[at].Entries {
			if slices.Contains(i.Contenders, e.Partitioner) {
				planned -= len(e.Records)
			}
		}
		out[at].Missing = max(0, planned)
	}
	return out
}

// Incomplete says how much of a study is missing; it is empty of a complete one.
func Incomplete(results []Result) string {
	made, missing, cells := 0, 0, 0
	for i := range results {
		for _, e := range results[i].Entries {
			made += len(e.Records)
		}
		if results[i].Missing > 0 {
			missing += results[i].Missing
			cells++
		}
	}
	if missing == 0 {
		return ""
	}
	return fmt.Sprintf("Incomplete: %d of %d measurements are missing, in %d of %d cells.", missing, made+missing, cells, len(results))
}

// measured are the contenders with a value of the metric that decides in the cell.
func (r *Result) measured() []*Entry {
	metric, _ := r.Kind.judged()
	var out []*Entry
	for i := range r.Entries {
		if _, ok := r.Entries[i].Values[metric]; ok {
			out = append(out, &r.Entries[i])
		}
	}
	return out
}

// Decided is true of a complete cell in which more than one contender was
// measured. Only then is the best one worth naming.
func (r *Result) Decided() bool { return r.Missing == 0 && len(r.measured()) > 1 }

func (r *Result) entry(name string) *Entry {
	if r.Find(name) == nil {
		r.Entries = append(r.Entries, Entry{Partitioner: name, Values: map[string]Estimate{}})
	}
	return r.Find(name)
}

// Find is the entry of a contender; nil if it has none.
func (r *Result) Find(name string) *Entry {
	for i := range r.Entries {
		if r.Entries[i].Partitioner == name {
			return &r.Entries[i]
		}
	}
	return nil
}

func (e *Entry) sum() {
	for _, m := range metrics() {
		var values []float64
		for _, r := range e.Records {
			if v, ok := m.of(r); ok {
				values = append(values, v)
			}
		}
		if len(values) > 0 {
			e.Values[m.name] = estimate(values)
		}
	}
}

// Spread is the mean of a metric over the seeds of a contender, and its standard error; with
// from, of the difference to another contender, over the seeds that both have. ok is false with
// fewer than two seeds.
func Spread(e, from *Entry, metric string) (mean, se float64, ok bool) {
	m, known := metricOf(metric)
	if !known {
		return 0, 0, false
	}
	var values []float64
	for _, r := range e.Records {
		v, ok := m.of(r)
		if !ok {
			continue
		}
		if from == nil {
			values = append(values, v)
			continue
		}
		for _, o := range from.Records {
			if by, ok := m.of(o); ok && o.Seed == r.Seed {
				values = append(values, v-by)
			}
		}
	}
	if len(values) < 2 {
		return 0, 0, false
	}
	mean, variance := stat.MeanVariance(values, nil)
	return mean, math.Sqrt(variance / float64(len(values))), true
}

// judged is the metric that decides who is best in a cell, and whether more is better.
func (k Kind) judged() (metric string, more bool) {
	if k == Stress {
		return "stress_p99", false
	}
	return "held", true
}

// score is a record's, more being better: logarithms, of which differences are ratios.
func (k Kind) score(r *Record) (float64, bool) {
	name, more := k.judged()
	m, _ := metricOf(name)
	v, ok := m.of(r)
	if !more {
		v = 1 / max(v, 1e-9)
	}
	return math.Log(max(v, 1e-300)), ok
}

// resolution is what two measurements of the same differ by, at the least: the
// tolerance of the search that found them, or for latencies the grain of histograms.
func resolution(a, b *Record) float64 {
	width := func(r *Record) float64 {
		if r.Throughput == nil {
			return 0.02
		}
		return max(0, r.Throughput.Failed/r.Throughput.Held-1)
	}
	return max(width(a), width(b))
}

// Lead compares two contenders by the metric that decides in a cell. It returns the mean
// ratio of the first to the second, over the seeds that both have, and whether that is
// beyond the noise. With one seed only the search's tolerance is known of the noise; three
// times the tolerance is beyond it.
func (k Kind) Lead(a, b *Entry) (ratio float64, sure bool) {
	var logs []float64
	grain := 0.0
	for _, ra := range a.Records {
		for _, rb := range b.Records {
			if ra.Seed != rb.Seed {
				continue
			}
			x, ok := k.score(ra)
			y, too := k.score(rb)
			if ok && too {
				logs = append(logs, x-y)
				grain = max(grain, resolution(ra, rb))
			}
		}
	}
	if len(logs) == 0 {
		return 0, false
	}
	e := estimate(logs)
	ratio = math.Exp(e.Mean)
	if e.N == 1 {
		return ratio, math.Abs(e.Mean) > 3*grain
	}
	return ratio, math.Abs(e.Mean) > e.Half && math.Abs(e.Mean) > grain
}

// rank finds who may be the best.
func (r *Result) rank() {
	metric, more := r.Kind.judged()
	in := r.measured()
	if len(in) == 0 {
		return
	}
	slices.SortStableFunc(in, func(a, b *Entry) int {
		d := cmp.Compare(b.Values[metric].Mean, a.Values[metric].Mean)
		if !more {
			d = -d
		}
		return d
	})
	r.Best = []string{in[0].Partitioner}
	for _, e := range in[1:] {
		ratio, sure := r.Kind.Lead(in[0], e)
		if ratio == 0 || !sure {
			r.Best = append(r.Best, e.Partitioner)
		} else if r.Margin == 0 {
			r.Margin = ratio
		}
	}
}
