package serve

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics are the server's Prometheus metrics. Those of a job are read from the job when
// they are collected, and disappear with it.
type metrics struct {
	server   *Server
	registry *prometheus.Registry
	latency  prometheus.Histogram
	refused  *prometheus.CounterVec // streams and connections, by reason
	rejected *prometheus.CounterVec // reports, by reason
	unsent   prometheus.Counter

	memory, memoryLimit, jobs, streams, model                                       *prometheus.Desc
	windows, decisions, fallbacks, late, lost, missing, reports                     *prometheus.Desc
	rate, blocked, fanOut, latencies, imbalance, busy, busyOf, cpu, distance, build *prometheus.Desc
}

func newMetrics(s *Server) *metrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("saspart_"+name, help, labels, nil)
	}
	m := &metrics{
		server: s, registry: prometheus.NewRegistry(),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "saspart_decision_seconds", Help: "Time from the last report of a window to its answer, without the network.",
			Buckets: prometheus.ExponentialBuckets(50e-6, 2, 14),
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "saspart_refused_total", Help: "Refused streams and connections, by reason.",
		}, []string{"reason"}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "saspart_rejected_reports_total", Help: "Rejected reports, by reason.",
		}, []string{"reason"}),
		unsent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "saspart_unsent_decisions_total", Help: "Decisions that were replaced by later ones because their client reads slowly.",
		}),
		jobs:        desc("jobs", "Jobs that are attached or have not been dropped yet."),
		memory:      desc("memory_bytes", "Memory that attached jobs and streams are expected to take."),
		memoryLimit: desc("memory_limit_bytes", "Limit of saspart_memory_bytes."),
		streams:     desc("streams", "Open streams."),
		model:       desc("model_generation", "Number of models that have decided so far, including the present one.", "model", "digest"),
		windows:     desc("windows_total", "Windows answered.", "stream_job"),
		decisions:   desc("routes_total", "Windows answered with another route.", "stream_job"),
		fallbacks:   desc("fallbacks_total", "Windows answered by the analytic route, because the model does not fit the job's workers or its keys.", "stream_job", "reason"),
		late:        desc("late_decisions_total", "Windows answered by the latest route, because the decision took too long.", "stream_job"),
		lost:        desc("lost_models_total", "Models that decide no more for the job, because its windows under their routes were bad.", "stream_job"),
		missing:     desc("missing_total", "Subtasks missing from windows.", "stream_job"),
		reports:     desc("reports_total", "Reports of one subtask for one slide, by fate.", "stream_job", "fate"),
		rate:        desc("records_per_second", "Records sent on in the last window, per second.", "stream_job"),
		blocked:     desc("blocked_ratio", "Part of the last window in which the source waited for a full queue.", "stream_job"),
		fanOut:      desc("fan_out", "Workers that held state of a key in the last window, mean over the keys.", "stream_job"),
		latencies:   desc("latency_seconds", "Time from when a record was due to the end of its work.", "stream_job"),
		imbalance:   desc("imbalance", "(largest - mean) / mean of the busy ratios of the last window.", "stream_job"),
		distance:    desc("key_distance", "Distance of the job's hot keys from those that the model was trained on.", "stream_job"),
		busy:        desc("busy_ratio", "Busy ratio in the last window.", "stream_job", "worker"),
		busyOf:      desc("busy_ratios", "Busy ratios of all workers in the last window.", "stream_job"),
		build:       desc("build_info", "The program; always 1.", "version"),
		cpu:         desc("cpu_ratio", "Share of the last window that the worker's thread was on a core.", "stream_job", "worker"),
	}
	m.registry.MustRegister(m.latency, m.refused, m.rejected, m.unsent, m, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// answered counts an answered window.
func (m *metrics) answered(j *job, took time.Duration) {
	m.latency.Observe(took.Seconds())
	if j.decider.analytic != "" {
		j.view.fallbacks++
		if j.decider.far {
			j.view.farKeys++
		}
	}
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.memory, m.memoryLimit, m.jobs, m.streams, m.model, m.windows, m.decisions, m.fallbacks, m.late, m.lost, m.missing, m.reports, m.rate, m.blocked, m.fanOut, m.latencies, m.imbalance, m.busy, m.busyOf, m.build, m.cpu, m.distance} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(m.build, 1, m.server.name)
	jobs := m.server.list()
	model := m.server.currentModel()
	gauge(m.jobs, float64(len(jobs)))
	gauge(m.memory, float64(m.server.memory.now()))
	gauge(m.memoryLimit, float64(m.server.config.Limits.Memory))
	gauge(m.streams, float64(m.server.streams.Load()))
	gauge(m.model, float64(model.generation), model.Name, short(model.Digest))
	for _, j := range jobs {
		v := j.current()
		count(m.windows, v.Windows, v.Job)
		count(m.decisions, v.Routes, v.Job)
		count(m.fallbacks, v.Fallbacks-v.FarKeys, v.Job, "workers")
		count(m.fallbacks, v.FarKeys, v.Job, "keys")
		count(m.late, v.Late, v.Job)
		count(m.lost, v.Lost, v.Job)
		if v.KeyDistance != nil {
			gauge(m.distance, *v.KeyDistance, v.Job)
		}
		count(m.missing, v.Reports.Missing, v.Job)
		count(m.reports, v.Reports.Taken, v.Job, "taken")
		count(m.reports, v.Reports.Late, v.Job, "late")
		count(m.reports, v.Reports.Duplicate, v.Job, "duplicate")
		if n := len(v.Imbalance); n > 0 {
			gauge(m.imbalance, v.Imbalance[n-1], v.Job)
		}
		if v.Windows > 0 {
			gauge(m.rate, v.Rate, v.Job)
			gauge(m.blocked, v.Blocked, v.Job)
		}
		if v.FanOut > 0 {
			gauge(m.fanOut, v.FanOut, v.Job)
		}
		if v.latency.count > 0 {
			to <- v.latency.metric(m.latencies, v.Job)
		}
		to <- busyRatios(m.busyOf, &v)
		for _, w := range shownWorkers(&v) {
			if b := v.Busy[w]; b != nil {
				gauge(m.busy, *b, v.Job, strconv.Itoa(w))
			}
			if c := v.CPU[w]; c != nil {
				gauge(m.cpu, *c, v.Job, strconv.Itoa(w))
			}
		}
	}
}

// mostWorkers is how many workers of a job have series of their own: all, or as many of the
// busiest and of the least busy together.
const mostWorkers = 64

// shownWorkers returns the workers that have series of their own.
func shownWorkers(v *View) []int {
	workers := make([]int, len(v.Busy))
	for w := range workers {
		workers[w] = w
	}
	if len(workers) <= mostWorkers {
		return workers
	}
	busy := func(w int) float64 {
		if b := v.Busy[w]; b != nil {
			return *b
		}
		return -1
	}
	slices.SortStableFunc(workers, func(a, b int) int { return cmp.Compare(busy(a), busy(b)) })
	return slices.Delete(workers, mostWorkers/2, len(workers)-mostWorkers/2)
}

// metric is the latencies of a job as a histogram.
func (l *latencies) metric(d *prometheus.Desc, job string) prometheus.Metric {
	buckets, below := map[float64]uint64{}, uint64(0)
	for i, n := range l.counts {
		below += n
		buckets[latencyBound(i)] = below
	}
	return prometheus.MustNewConstHistogram(d, l.count, l.sum, buckets, job)
}

// busyRatios is the histogram of a job's busy ratios.
func busyRatios(d *prometheus.Desc, v *View) prometheus.Metric {
	buckets, count, sum := map[float64]uint64{}, uint64(0), 0.0
	for i := range 10 {
		buckets[float64(i+1)/10] = 0
	}
	for _, b := range v.Busy {
		if b == nil {
			continue
		}
		count, sum = count+1, sum+*b
		for upper := range buckets {
			if *b <= upper {
				buckets[upper]++
			}
		}
	}
	return prometheus.MustNewConstHistogram(d, count, sum, buckets, v.Job)
}
