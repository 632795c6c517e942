package study

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/saspart/saspart/eval/rate"
)

// metric is a quantity that is compared.
type metric struct {
	name string // in conditions and files
	kind Kind   // of the measurements that have it
	head string // of its column in tables; "": only reports show it
	text func(Estimate) string
	read func(r *Record) float64 // of a record of its kind; NaN: none
}

// of returns the metric of a record; ok is false if the record has none.
func (m *metric) of(r *Record) (v float64, ok bool) {
	if m.kind == Throughput && r.Throughput == nil || m.kind == Stress && r.Stress == nil {
		return 0, false
	}
	v = m.read(r)
	return v, !math.IsNaN(v) && !math.IsInf(v, 0)
}

// metrics are what entries have, in the order of tables.
func metrics() []metric {
	held := func(name, head string, text func(Estimate) string, read func(*rate.Result) float64) metric {
		return metric{name, Throughput, head, text, func(r *Record) float64 { return read(r.Throughput) }}
	}
	stress := func(name, head string, text func(Estimate) string, read func(*rate.Stressed) float64) metric {
		return metric{name, Stress, head, text, func(r *Record) float64 { return read(r.Stress) }}
	}
	return []metric{
		held("held", "records/s", perSecond, func(t *rate.Result) float64 { return t.Held }),                          // highest rate held
		held("bound_ratio", "of bound", share, func(t *rate.Result) float64 { return t.Held / t.Bounds.Fluid }),       // of the fluid bound
		held("analytic_ratio", "of split", share, func(t *rate.Result) float64 { return t.Held / t.Bounds.Analytic }), // of the best analytic split
		held("attained", "", share, func(t *rate.Result) float64 { return t.Held / t.Bounds.Least() }),                // of the least bound
		held("imbalance", "imbalance", share, func(t *rate.Result) float64 { return t.At.Imbalance }),                 // (max - mean) / mean of the busy ratios, at the highest rate
		held("fan_out", "fan-out", fixed, func(t *rate.Result) float64 { return t.At.FanOut }),                        // workers per key, mean
		held("top_fan_out", "top key", brief, func(t *rate.Result) float64 { return t.At.TopFanOut }),                 // workers of the heaviest key
		held("pairs", "pairs", count, func(t *rate.Result) float64 { return t.At.Pairs }),                             // (key, worker) pairs with state
		held("state_bytes", "state", size, measured(func(t *rate.Result) float64 { return t.At.Bytes })),              // that state took
		held("route_ns", "ns/record", brief, measured(func(t *rate.Result) float64 { return t.At.RouteNS })),
		held("cpu", "CPU s/M", digits, func(t *rate.Result) float64 { return t.At.CPU.Total() }), // processor time per million records
		held("cpu_workers", "workers", digits, func(t *rate.Result) float64 { return t.At.CPU.Workers }),
		held("cpu_reducers", "reducers", digits, func(t *rate.Result) float64 { return t.At.CPU.Reducers }),
		held("cpu_routing", "routing", digits, func(t *rate.Result) float64 { return t.At.CPU.Routing }),
		held("p50", "p50@80%", seconds, func(t *rate.Result) float64 { return latency(t, func(r *rate.Reading) time.Duration { return r.P50 }) }),
		held("p99", "p99@80%", seconds, func(t *rate.Result) float64 { return latency(t, func(r *rate.Reading) time.Duration { return r.P99 }) }),
		held("idle", "", share, loss(func(t *rate.Result) float64 { return t.Loss.Idle })),   // part of the bound lost to idle workers
		held("extra", "", share, loss(func(t *rate.Result) float64 { return t.Loss.Extra })), // part of the bound lost to emission
		// Part of the bound done beyond the rate held: what was left over and caught up with.
		held("beyond", "", share, loss(func(t *rate.Result) float64 { return t.Loss.Used - t.Held/t.Bounds.Fluid })),
		held("held_up", "", share, func(t *rate.Result) float64 { return t.At.Blocked }), // part of the time that the source was blocked
		held("reducer", "", share, func(t *rate.Result) float64 { return t.At.Reducer }), // busy ratio of the busiest reducer
		stress("stress_imbalance", "imbalance", share, func(s *rate.Stressed) float64 { return s.Imbalance }),
		stress("blocked", "blocked", seconds, func(s *rate.Stressed) float64 { return s.Blocked.Seconds() }), // time that the source had to wait
		stress("stress_p99", "p99", seconds, func(s *rate.Stressed) float64 { return s.P99.Seconds() }),
		stress("stress_pairs", "pairs", count, func(s *rate.Stressed) float64 { return s.Pairs }),
		stress("stress_fan_out", "fan-out", fixed, func(s *rate.Stressed) float64 { return s.FanOut }),
		stress("stress_state_bytes", "state", size, measured(func(s *rate.Stressed) float64 { return s.Bytes })),
		stress("stress_cpu", "CPU s/M", digits, func(s *rate.Stressed) float64 { return s.CPU.Total() }), // processor time per million records
		stress("stress_cpu_workers", "workers", digits, func(s *rate.Stressed) float64 { return s.CPU.Workers }),
		stress("stress_cpu_reducers", "reducers", digits, func(s *rate.Stressed) float64 { return s.CPU.Reducers }),
		stress("stress_cpu_routing", "routing", digits, func(s *rate.Stressed) float64 { return s.CPU.Routing }),
		stress("heap", "heap MB", count, func(s *rate.Stressed) float64 { return float64(s.HeapMost) / (1 << 20) }),
		stress("recovery", "recovery", brief, recovery),
	}
}

// metricOf returns the metric of a name.
func metricOf(name string) (m metric, ok bool) {
	all := metrics()
	i := slices.IndexFunc(all, func(m metric) bool { return m.name == name })
	if i < 0 {
		return metric{text: brief}, false
	}
	return all[i], true
}

// measured reads what jobs in other processes do not measure.
func measured[T any](read func(*T) float64) func(*T) float64 {
	return func(t *T) float64 {
		if v := read(t); v != 0 {
			return v
		}
		return math.NaN()
	}
}

// latencyAt is the part of its own highest rate at which latencies are compared.
const latencyAt = 0.8

// latency is what of takes from the reading at latencyAt, in seconds.
func latency(t *rate.Result, of func(*rate.Reading) time.Duration) float64 {
	for i := range t.Latency {
		if l := &t.Latency[i]; math.Abs(l.Part-latencyAt) < 1e-9 {
			return of(&l.Reading).Seconds()
		}
	}
	return math.NaN()
}

// loss reads a part of the loss, which is known only beside a bound.
func loss(read func(*rate.Result) float64) func(*rate.Result) float64 {
	return func(t *rate.Result) float64 {
		if t.Loss == nil {
			return math.NaN()
		}
		return read(t)
	}
}

// recovery is how many windows a job took to settle after a shift, on average.
func recovery(s *rate.Stressed) float64 {
	sum := 0.0
	for _, shift := range s.Shifts {
		sum += float64(shift.Windows)
	}
	return sum / float64(len(s.Shifts)) // NaN without any
}

// The following write metrics as people read them, with their uncertainty where it is worth
// telling.

func brief(v Estimate) string   { return fmt.Sprintf("%.1f", v.Mean) }
func fixed(v Estimate) string   { return fmt.Sprintf("%.3f", v.Mean) }
func count(v Estimate) string   { return Grouped(v.Mean) }
func seconds(v Estimate) string { return Seconds(v.Mean) }
func digits(v Estimate) string  { return Digits(v.Mean) }
func size(v Estimate) string    { return Size(v.Mean) }

func perSecond(v Estimate) string {
	switch {
	case v.Half > v.Mean:
		return Grouped(v.Mean) + " (seeds differ)"
	case v.Half > 0.005*v.Mean:
		return fmt.Sprintf("%s ±%s", Grouped(v.Mean), Grouped(v.Half))
	}
	return Grouped(v.Mean)
}

func share(v Estimate) string {
	switch {
	case v.Half > max(v.Mean, 0.1):
		return fixed(v) + " (seeds differ)"
	case v.Half >= 0.005:
		return fmt.Sprintf("%.3f ±%.3f", v.Mean, v.Half)
	}
	return fixed(v)
}

// Digits is a number in three digits, or all before its point.
func Digits(v float64) string {
	for places, most := range []float64{99.95, 9.995, 0.9995} {
		if math.Abs(v) >= most {
			return strconv.FormatFloat(v, 'f', places, 64)
		}
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

// Size is a number of bytes, for people; 0: unknown.
func Size(bytes float64) string {
	if bytes == 0 {
		return "-"
	}
	for _, unit := range []struct {
		name string
		size float64
	}{{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}} {
		if bytes >= unit.size {
			return Digits(bytes/unit.size) + " " + unit.name
		}
	}
	return Digits(bytes) + " B"
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
