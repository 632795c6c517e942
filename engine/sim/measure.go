package sim

import (
	"slices"

	"github.com/saspart/saspart/engine/internal/operator"
	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
)

// measure makes the window that ends at end, starts the next, and shows the window to the
// rates and the routers that learn.
func (j *Job) measure(end picos) *policy.Window {
	j.measured(end)
	if f := j.setup.Reports; f != nil {
		f(&j.report)
	}
	if f := j.setup.Latency; f != nil {
		f(j.latency)
	}
	w := reports.Join(&j.shape, &j.report)
	j.latency.Reset()
	j.mixed = false
	busiest := max(slices.Max(w.Busy), slices.Max(w.Reducer))
	measured := j.announcements.Measured(w)
	for i := range j.senders {
		s := &j.senders[i]
		s.rate.Observe(w.End, busiest)
		s.Adopt(&measured, s.slide)
	}
	return w
}

// newReport is an empty report of a job, to be filled for each window.
func newReport(shape *reports.Shape) reports.Report {
	return reports.Report{
		Workers: make([]reports.Worker, shape.Workers), Partitioners: make([]reports.Partitioner, shape.Partitioners),
		Reducers: make([]reports.Reducer, shape.Reducers), Whole: &reports.Whole{},
	}
}

// measured fills the report of the window that ends at end.
func (j *Job) measured(end picos) {
	r := &j.report
	r.Slide = uint64(j.now / j.window)
	*r.Whole = reports.Whole{
		Start: j.now.Duration(), End: end.Duration(),
		Partitioner: j.setup.Scheme.Name, Route: j.route, RouteNew: j.mixed, Latency: j.latency,
	}
	for i := range j.workers {
		k := &j.workers[i]
		t := k.take(end)
		w := &r.Workers[i]
		*w = reports.Worker{
			Index: i, Records: t.records, Units: t.units, Busy: j.ratio(t.busy),
			Queue: float64(k.waiting(end)) / float64(j.setup.Config.Queue), StateKeys: int64(k.comb.Keys()), Bytes: k.comb.Held(), Realised: w.Realised[:0], Times: w.Times,
		}
		k.comb.Times(&w.Times, j.shape.Slots)
		k.comb.Realised(func(hash uint64, count int64) {
			w.Realised = append(w.Realised, reports.Realised{Hash: hash, Count: count})
		})
	}
	for i := range j.reducers {
		r.Reducers[i] = reports.Reducer{Index: i, Busy: j.ratio(j.reducers[i].take(end).busy)}
	}
	// The sink counts results and their partial results for all reducers.
	r.Reducers[0].Keys, r.Reducers[0].Pairs = j.sink.Fan.Keys, j.sink.Fan.Pairs
	j.sink.Fan = operator.FanOut{}
	for i := range j.senders {
		s := &j.senders[i]
		p := &r.Partitioners[i]
		pairs, bytes := s.lanes.Held()
		*p = reports.Partitioner{
			Index: i, Sent: s.sent, Blocked: j.ratio(s.blocked.take(end).busy), StateKeys: pairs, Bytes: bytes,
			RouteChanged: j.mixed, Name: s.Partitioner, Hot: p.Hot, Slots: p.Slots,
		}
		p.Hot, p.Slots = s.seen.Take(j.shape.HotKeys(), p.Hot, p.Slots)
		if s.Route != nil {
			p.RouteVersion = s.Route.Version
		}
		if !s.over {
			p.Offered = s.rate.RateAt(r.Whole.Start)
		}
		s.sent = 0
	}
}

// ratio is the share of a metric window.
func (j *Job) ratio(t picos) float64 { return min(1, float64(t)/float64(j.window)) }
