package sim

import (
	"slices"
	"time"

	"github.com/saspart/saspart/engine/internal/operator"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
)

// measure makes the window that ends at end, starts the next, and tells the
// rates and the routers that learn.
func (j *Job) measure(end int64) *policy.Window {
	c := &j.setup.Config
	w := &policy.Window{
		Step: j.step, Partitioner: j.setup.Scheme.Name,
		Start: time.Duration(j.now / ps), End: time.Duration(end / ps),
		Route: j.route, RouteNew: j.stale,
		FanOut: j.sink.Fan.Mean(), QueueSize: c.Queue,
	}
	j.step++
	j.stale = false
	for i := range j.workers {
		k := &j.workers[i]
		t := k.take(end)
		w.Counts = append(w.Counts, t.records)
		w.Units = append(w.Units, t.units)
		w.Busy = append(w.Busy, j.ratio(t.busy))
		w.Queue = append(w.Queue, float64(k.waiting(end))/float64(c.Queue))
		w.Records += t.records
		w.Pairs += k.comb.Keys()
		k.comb.Realised(func(hash uint64, count int64) {
			w.Realised = append(w.Realised, policy.RealisedShare{Hash: hash, Worker: i, Count: count})
		})
	}
	operator.SortRealised(w.Realised)
	for i := range j.reducers {
		w.Reducer = append(w.Reducer, j.ratio(j.reducers[i].take(end).busy))
	}
	var all operator.Seen
	var sent int64
	for i := range j.senders {
		s := &j.senders[i]
		all.Add(s.seen.Report(c.NamedKeys()))
		if !s.over {
			w.OfferedRate += s.rate.RateAt(w.Start)
		}
		w.Backpressured += j.ratio(s.blocked.take(end).busy) / float64(len(j.senders))
		w.Pairs += s.lanes.Held()
		sent += s.sent
		s.sent = 0
	}
	w.ActualRate = float64(sent) / c.MetricWindow().Seconds()
	all.Top(c.NamedKeys())
	w.Hot, w.Slots = all.Hot, all.Slots
	if j.setup.Latency != nil {
		j.setup.Latency(j.latency)
	}
	if j.latency.TotalCount() > 0 {
		w.LatencyP50 = time.Duration(j.latency.ValueAtQuantile(50))
		w.LatencyP99 = time.Duration(j.latency.ValueAtQuantile(99))
		w.LatencyMax = time.Duration(j.latency.Max())
		j.latency.Reset()
	}
	j.tell(w)
	return w
}

// tell lets the rates adapt and the routers learn.
func (j *Job) tell(w *policy.Window) {
	busiest := max(slices.Max(w.Busy), slices.Max(w.Reducer))
	for i := range j.senders {
		s := &j.senders[i]
		s.rate.Observe(w.End, busiest)
		if l, ok := s.Router.(partition.Learner); ok {
			l.Observe(w)
		}
	}
}

// ratio is the share of a metric window.
func (j *Job) ratio(t int64) float64 { return min(1, float64(t)/float64(j.window)) }
