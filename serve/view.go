package serve

import (
	"math"
	"slices"
	"strings"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/saspart/saspart/internal/sums"
	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
)

// View is a job's data on the live page.
type View struct {
	Job          string         `json:"job"`
	Workers      int            `json:"workers"`
	Partitioners int            `json:"partitioners"`
	Streams      int            `json:"streams"`
	Model        string         `json:"model"`
	Generation   uint64         `json:"generation"`
	Analytic     string         `json:"analytic"` // why the model does not decide; "": it does
	Windows      uint64         `json:"windows"`
	Routes       uint64         `json:"routes"`       // windows answered with another route
	Incomplete   uint64         `json:"incomplete"`   // windows without some of the subtasks
	Fallbacks    uint64         `json:"fallbacks"`    // windows answered by the analytic route
	FarKeys      uint64         `json:"far_keys"`     // of them, because of the job's keys
	Lost         uint64         `json:"lost"`         // models that decide no more, because their windows were bad
	Late         uint64         `json:"late"`         // windows answered by the latest route, because the decision took too long
	KeyDistance  *float64       `json:"key_distance"` // of the job's keys from those trained on; null: unknown, or any fit
	Reports      reports.Counts `json:"reports"`
	Rate         float64        `json:"rate"`       // records/s sent on
	Blocked      float64        `json:"blocked"`    // part of the last window in which the source waited for a full queue
	FanOut       float64        `json:"fan_out"`    // workers that held state of a key, on average; 0: not measured
	Imbalance    []float64      `json:"imbalance"`  // of the last windows, the latest last
	Busy         []*float64     `json:"busy"`       // of each worker, null where it is missing
	CPU          []*float64     `json:"cpu"`        // share of the window that each worker's thread was on a core, null where it is unknown
	Version      uint64         `json:"version"`    // of the route in force
	Hot          []HotView      `json:"hot"`        // the heaviest keys, descending
	SlotShare    []float64      `json:"slot_share"` // part of the slots at each worker

	latency latencies
}

// HotView is a heavy key and its route.
type HotView struct {
	Name   string    `json:"name"`
	Share  float64   `json:"share"` // of the records in the window
	FanOut int       `json:"fan_out"`
	Route  []float64 `json:"route"` // part of its records at each worker
}

// The sizes of a view.
const (
	viewWindows = 240
	viewKeys    = 12
)

// view is what a job keeps for its View.
type view struct {
	windows, routes, incomplete, fallbacks, farKeys, late, lost uint64
	imbalance                                                   []float64
	busy                                                        []float64
	cpu                                                         []float64 // 0: unknown
	hot                                                         []policy.HotKey
	sent                                                        int64 // records that the shares of hot refer to
	rate, blocked, fanOut                                       float64
	latency                                                     latencies
	route                                                       *policy.Route // in force in the last window that reported one
}

// latencies is a histogram of the latencies of a job's records, over all windows.
type latencies struct {
	counts [24]uint64 // in buckets up to latencyBound
	count  uint64
	sum    float64 // seconds
}

// latencyBound is the upper bound of a bucket in seconds: from 16 us to two minutes.
func latencyBound(bucket int) float64 { return math.Ldexp(1, bucket-16) }

// add counts in the records of a window; h is nil if they were not measured.
func (l *latencies) add(h *hdrhistogram.Histogram) {
	if h == nil {
		return
	}
	bucket := 0
	for _, bar := range h.Distribution() {
		if bar.Count == 0 {
			continue
		}
		seconds := float64(bar.From+bar.To) / 2 / 1e9
		for bucket < len(l.counts) && seconds > latencyBound(bucket) {
			bucket++
		}
		if bucket < len(l.counts) {
			l.counts[bucket] += uint64(bar.Count)
		}
		l.count += uint64(bar.Count)
		l.sum += seconds * float64(bar.Count)
	}
}

func newView(workers int) view {
	v := view{busy: make([]float64, workers), cpu: make([]float64, workers)}
	for i := range v.busy {
		v.busy[i] = math.NaN()
	}
	return v
}

// add processes a window and the route that it was answered with, nil if none.
func (v *view) add(a *reports.Assembled, route *policy.Route) {
	w := a.Window
	v.windows++
	if route != nil {
		v.routes++
	}
	if !a.Complete() {
		v.incomplete++
	}
	if len(v.imbalance) >= 2*viewWindows {
		v.imbalance = append(v.imbalance[:0], v.imbalance[len(v.imbalance)-viewWindows:]...)
	}
	v.imbalance = append(v.imbalance, policy.Imbalance(w.Busy))
	v.rate, v.blocked, v.fanOut = w.ActualRate, w.Backpressured, w.FanOut
	v.latency.add(a.Latency)
	copy(v.busy, w.Busy)
	copy(v.cpu, a.CPU)
	if len(w.Hot) > 0 {
		v.hot, v.sent = append(v.hot[:0], w.Hot[:min(len(w.Hot), viewKeys)]...), sums.Of(w.Slots)
		if len(w.Slots) == 0 {
			v.sent = w.Records
		}
	}
	if w.Route != nil {
		v.route = w.Route
	}
}

// current returns the job's View.
func (j *job) current() View {
	j.mu.Lock()
	defer j.mu.Unlock()
	v := &j.view
	out := View{
		Job: j.name, Workers: j.shape.Workers, Partitioners: j.shape.Partitioners, Streams: len(j.streams),
		Model: j.decider.model.Name, Generation: j.decider.model.generation, Analytic: j.decider.analytic, KeyDistance: j.distance,
		Windows: v.windows, Routes: v.routes, Incomplete: v.incomplete, Fallbacks: v.fallbacks, FarKeys: v.farKeys, Late: v.late, Lost: v.lost, Rate: v.rate, Blocked: v.blocked, FanOut: v.fanOut, latency: v.latency,
		Reports:   j.assembler.Counts(),
		Imbalance: slices.Clone(v.imbalance[max(0, len(v.imbalance)-viewWindows):]),
		Busy:      make([]*float64, len(v.busy)), CPU: make([]*float64, len(v.cpu)), Hot: []HotView{}, SlotShare: make([]float64, j.shape.Workers),
	}
	for i, b := range v.busy {
		if b == b {
			out.Busy[i] = &b
		}
	}
	for i, c := range v.cpu {
		if c > 0 {
			out.CPU[i] = &c
		}
	}
	if v.route != nil {
		out.Version = v.route.Version
		for _, w := range v.route.Slots {
			out.SlotShare[w] += 1 / float64(len(v.route.Slots))
		}
	}
	for _, k := range v.hot {
		h := HotView{Name: strings.ToValidUTF8(k.Name, "\uFFFD"), Share: float64(k.Count) / float64(max(v.sent, k.Count, 1)), Route: make([]float64, j.shape.Workers)}
		if v.route != nil {
			h.FanOut = v.route.SharesOf(k.Hash, h.Route)
		}
		out.Hot = append(out.Hot, h)
	}
	return out
}
