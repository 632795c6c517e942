package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/saspart/saspart/cmd/saspart/internal/progress"
	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/eval/study"
	"github.com/saspart/saspart/internal/sums"
	"github.com/saspart/saspart/policy"
)

// watcher shows runs to the user in one of the formats.
type watcher interface {
	begin(e *config.Experiment, engineName string, windows int64) // a run starts; windows is how many are expected, 0 unknown
	window(w *policy.Window) error
	done()                            // it has ended
	end(summaries []runSummary) error // all have ended, and this is what they came to
}

func (a *app) newWatcher(format string) watcher {
	switch format {
	case "json":
		return &jsonWatcher{out: json.NewEncoder(a.out)}
	case "table":
		return &tableWatcher{app: a}
	}
	return &textWatcher{out: a.out, width: a.width}
}

// view is a window as run shows it.
type view struct {
	Partitioner   string        `json:"partitioner"`
	Window        int           `json:"window"`
	Start         time.Duration `json:"start_ns"`
	End           time.Duration `json:"end_ns"`
	Records       int64         `json:"records"`      // finished
	OfferedRate   float64       `json:"offered_rate"` // records/s that were due
	ActualRate    float64       `json:"actual_rate"`  // records/s sent on
	Backpressured float64       `json:"backpressured"`
	Busy          busyView      `json:"busy"`
	Imbalance     float64       `json:"imbalance"`
	FanOut        float64       `json:"fan_out"` // mean workers per key
	LatencyP50    time.Duration `json:"latency_p50_ns"`
	LatencyP99    time.Duration `json:"latency_p99_ns"`
	LatencyMax    time.Duration `json:"latency_max_ns"`
	Route         uint64        `json:"route,omitempty"` // version of the route in force
	Hot           []hotView     `json:"hot_keys"`        // the heaviest, descending
}

// busyView is the busy ratios of the workers that reported.
type busyView struct {
	Min     float64    `json:"min"`
	Mean    float64    `json:"mean"`
	Max     float64    `json:"max"`
	Workers []*float64 `json:"workers"` // of each worker, null where one did not report
}

// hotView is a heavy key and its share of the records sent in the window.
type hotView struct {
	Name  string  `json:"name"` // bytes that are not UTF-8 show as U+FFFD in JSON
	Share float64 `json:"share"`
}

// shownKeys is how many heavy keys a view names.
const shownKeys = 5

func newView(w *policy.Window) view {
	v := view{
		Partitioner: w.Partitioner, Window: w.Step, Start: w.Start, End: w.End, Records: w.Records,
		OfferedRate: w.OfferedRate, ActualRate: w.ActualRate, Backpressured: w.Backpressured,
		Busy: newBusyView(w.Busy), Imbalance: policy.Imbalance(w.Busy), FanOut: w.FanOut,
		LatencyP50: w.LatencyP50, LatencyP99: w.LatencyP99, LatencyMax: w.LatencyMax, Hot: []hotView{},
	}
	if w.Route != nil {
		v.Route = w.Route.Version
	}
	sent := sums.Of(w.Slots)
	for _, k := range w.Hot[:min(len(w.Hot), shownKeys)] {
		v.Hot = append(v.Hot, hotView{k.Name, float64(k.Count) / float64(max(sent, k.Count, 1))})
	}
	return v
}

func newBusyView(busy []float64) busyView {
	var v busyView
	n := 0.0
	for _, b := range busy {
		if math.IsNaN(b) {
			v.Workers = append(v.Workers, nil)
			continue
		}
		if n == 0 || b < v.Min {
			v.Min = b
		}
		v.Max = max(v.Max, b)
		v.Mean += b
		n++
		v.Workers = append(v.Workers, &b)
	}
	v.Mean /= max(n, 1)
	return v
}

// textWatcher prints a line per window.
type textWatcher struct {
	out     io.Writer
	width   int    // of a terminal; 0: lines may be of any length
	runs    int    // begun
	heading string // of the run, until its first window; a run that can't start has none
}

const windowHeading = "   time    due/s   sent/s blocked busy min/avg/max imbalance fan-out     p50     p99  heaviest keys"

func (t *textWatcher) begin(e *config.Experiment, engineName string, _ int64) {
	t.heading = fmt.Sprintf("%s under %s on %s, %s\n%s\n", e.Name, e.Partitioner.Name, engineName,
		plural(e.Job.Workers, "worker"), t.cut(windowHeading))
	if t.runs++; t.runs > 1 {
		t.heading = "\n" + t.heading
	}
}

func (t *textWatcher) window(w *policy.Window) error {
	_, err := fmt.Fprintf(t.out, "%s%s\n", t.heading, t.cut(newView(w).line()))
	t.heading = ""
	return err
}

func (t *textWatcher) done() {}

func (t *textWatcher) end(summaries []runSummary) error {
	_, err := fmt.Fprintf(t.out, "\n%s", comparison(summaries))
	return err
}

// cut makes a line fit the terminal.
func (t *textWatcher) cut(line string) string {
	if runes := []rune(line); t.width > 3 && len(runes) > t.width {
		return string(runes[:t.width-3]) + "..."
	}
	return line
}

// line is the window in one line, below windowHeading.
func (v view) line() string {
	var keys []string
	for _, k := range v.Hot {
		keys = append(keys, fmt.Sprintf("%s %.1f%%", printable(k.Name), 100*k.Share))
	}
	fanOut := "-" // nothing was reduced
	if v.FanOut > 0 {
		fanOut = fmt.Sprintf("%.3f", v.FanOut)
	}
	return strings.TrimRight(fmt.Sprintf("%7s %8s %8s %6.1f%% %6.2f %4.2f %4.2f %9.3f %7s %7s %7s  %s",
		brief(v.End), grouped(int64(v.OfferedRate)), grouped(int64(v.ActualRate)), 100*v.Backpressured,
		v.Busy.Min, v.Busy.Mean, v.Busy.Max, v.Imbalance, fanOut, brief(v.LatencyP50), brief(v.LatencyP99),
		strings.Join(keys, ", ")), " ")
}

// brief is a duration in three digits or so.
func brief(d time.Duration) string {
	for _, unit := range []time.Duration{time.Minute, time.Second, time.Millisecond, time.Microsecond} {
		if d >= 10*unit {
			return d.Round(unit / 10).String()
		}
		if d >= unit {
			return d.Round(unit / 100).String()
		}
	}
	return d.String()
}

// tableWatcher prints the comparison alone, and shows progress meanwhile.
type tableWatcher struct {
	app   *app
	meter *progress.Meter
}

func (t *tableWatcher) begin(e *config.Experiment, _ string, windows int64) {
	t.meter = t.app.progress(e.Partitioner.Name, "windows", windows)
}

func (t *tableWatcher) window(w *policy.Window) error {
	t.meter.Note("imbalance %.3f", policy.Imbalance(w.Busy))
	t.meter.Add(1)
	return nil
}

func (t *tableWatcher) done() { t.meter.Stop() }

func (t *tableWatcher) end(summaries []runSummary) error {
	_, err := io.WriteString(t.app.out, comparison(summaries))
	return err
}

// comparison is a table of what runs came to.
func comparison(summaries []runSummary) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "partitioner\twindows\tdue/s\tsent/s\tblocked\tbusy\tbusiest\timbalance\tfan-out\tpairs\tstate\tmedian p99\thighest p99\tCPU s/M\tworkers\treducers\trouting\t\n")
	for _, s := range summaries {
		routing := "-" // not measured
		if s.CPU.Routing > 0 {
			routing = study.Digits(s.CPU.Routing)
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%.1f%%\t%.2f\t%.2f\t%.3f\t%.3f\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", s.Partitioner, s.Windows,
			grouped(int64(s.OfferedRate)), grouped(int64(s.ActualRate)), 100*s.Backpressured, s.Busy.Mean, s.Busy.Max,
			s.Imbalance.Mean, s.FanOut, grouped(int64(s.Pairs+0.5)), study.Size(s.Bytes), brief(s.LatencyP99), brief(s.HighestP99),
			study.Digits(s.CPU.Total()), study.Digits(s.CPU.Workers), study.Digits(s.CPU.Reducers), routing)
	}
	t.Flush()
	return b.String()
}

// jsonWatcher prints a line of JSON per window, and at the end one per run.
type jsonWatcher struct{ out *json.Encoder }

func (j *jsonWatcher) begin(*config.Experiment, string, int64) {}

func (j *jsonWatcher) window(w *policy.Window) error { return j.print(newView(w)) }

func (j *jsonWatcher) done() {}

func (j *jsonWatcher) end(summaries []runSummary) error {
	for _, s := range summaries {
		if err := j.print(map[string]runSummary{"summary": s}); err != nil {
			return err
		}
	}
	return nil
}

func (j *jsonWatcher) print(v any) error {
	if err := j.out.Encode(v); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	return nil
}
