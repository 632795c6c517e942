package dataset

import (
	"cmp"
	"context"
	"io"
	"math"
	"slices"
	"time"

	"github.com/saspart/saspart/policy"
)

// Summary summarises a trace for people. Means leave out values that are not finite.
type Summary struct {
	Engine      string `json:"engine,omitempty"`
	Partitioner string `json:"partitioner,omitempty"`
	Created     string `json:"created,omitempty"`
	Seed        uint64 `json:"seed"`
	Workers     int    `json:"workers"`
	Complete    bool   `json:"complete"`          // the trace was closed
	Checked     bool   `json:"checked,omitempty"` // the windows were read from a trace and verified by checksums

	Windows  int           `json:"windows"`
	Episodes int           `json:"episodes"`
	Records  int64         `json:"records"`
	Duration time.Duration `json:"duration_ns"` // from the first window's start to the last one's end

	OfferedRate   float64       `json:"offered_rate"`           // records/s, mean over the windows
	ActualRate    float64       `json:"actual_rate"`            // records/s, likewise
	Backpressured float64       `json:"backpressured"`          // share of the time, likewise
	FanOut        float64       `json:"fan_out"`                // workers per key, mean over the windows that reduced any
	Pairs         float64       `json:"pairs"`                  // (key, worker) pairs with state, mean over the windows' ends
	LatencyP99    time.Duration `json:"latency_p99_ns"`         // upper median of the windows' 99th percentiles, not a percentile of all records
	HighestP99    time.Duration `json:"latency_p99_highest_ns"` // of a window
	Busy          Spread        `json:"busy"`                   // of the workers' mean busy ratios
	Routes        int           `json:"routes"`                 // different ones that were in force

	Imbalance    Imbalance            `json:"imbalance"`
	Partitioners []PartitionerSummary `json:"partitioners"` // in order of their first window
	Hot          []HotSummary         `json:"hot_keys"`     // by share of all records, descending
}

// Imbalance is policy.Imbalance over the windows of a trace.
type Imbalance struct {
	Mean   float64   `json:"mean"`
	Last   float64   `json:"last"`             // of the last window
	Series []float64 `json:"series,omitempty"` // per window
}

// Spread is the range and mean of a quantity over the workers.
type Spread struct {
	Min  float64 `json:"min"`
	Mean float64 `json:"mean"`
	Max  float64 `json:"max"`
}

// PartitionerSummary is the part of a trace under one partitioner.
type PartitionerSummary struct {
	Name      string  `json:"name"`
	Windows   int     `json:"windows"`
	Imbalance float64 `json:"imbalance"` // mean
}

// HotSummary is a hot key over the whole trace.
type HotSummary struct {
	Name    string  `json:"name"`    // bytes that are not UTF-8 show as U+FFFD in JSON
	Hash    uint64  `json:"hash"`    //
	Share   float64 `json:"share"`   // of all records, as estimated in the windows that name the key
	Windows int     `json:"windows"` // that name it
}

// hotKeys is how many hot keys a summary names.
const hotKeys = 20

// Summarise reads a trace to its end. On an error, such as that of a cancelled ctx, it
// returns the summary of the windows before it.
func Summarise(ctx context.Context, r *Reader) (Summary, error) {
	s := NewSummariser(r.Meta())
	for {
		w, err := r.Next()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			sum := s.Summary()
			sum.Complete, sum.Checked = r.Complete(), r.Checked()
			if err == io.EOF {
				err = nil
			}
			return sum, err
		}
		s.Add(w)
	}
}

// Summariser summarises windows one by one.
type Summariser struct {
	sum         Summary
	start       time.Duration
	episode     int
	offered     mean
	actual      mean
	blocked     mean
	fanOut      mean
	pairs       mean
	imbalance   mean
	busy        []mean
	latency     []time.Duration
	version     uint64
	partitioner []mean // imbalance, as sum.Partitioners
	hot         map[uint64]*HotSummary
	hotCount    map[uint64]int64
}

// NewSummariser begins a summary of windows of the run that m describes.
func NewSummariser(m Meta) *Summariser {
	return &Summariser{
		sum: Summary{Engine: m.Engine, Partitioner: m.Partitioner, Created: m.Created, Seed: m.Seed, Workers: m.Workers},
		hot: map[uint64]*HotSummary{}, hotCount: map[uint64]int64{},
	}
}

// Add adds the next window. It keeps nothing of w.
func (s *Summariser) Add(w *policy.Window) {
	t := &s.sum
	if t.Windows == 0 {
		s.start = w.Start
	}
	if t.Windows == 0 || w.Episode != s.episode {
		t.Episodes++
		s.episode = w.Episode
	}
	if w.Route != nil && (t.Routes == 0 || w.Route.Version != s.version) {
		t.Routes++
		s.version = w.Route.Version
	}
	t.Windows++
	t.Records += w.Records
	t.Duration = w.End - s.start
	s.offered.add(w.OfferedRate)
	s.actual.add(w.ActualRate)
	s.blocked.add(w.Backpressured)
	if w.FanOut > 0 { // 0 where nothing was reduced
		s.fanOut.add(w.FanOut)
	}
	s.pairs.add(float64(w.Pairs))
	if w.Records > 0 {
		s.latency = append(s.latency, w.LatencyP99)
		t.HighestP99 = max(t.HighestP99, w.LatencyP99)
	}
	if s.busy == nil {
		s.busy = make([]mean, t.Workers)
	}
	for i, b := range w.Busy {
		s.busy[i].add(b)
	}
	imbalance := policy.Imbalance(w.Busy)
	s.imbalance.add(imbalance)
	t.Imbalance.Last = imbalance
	t.Imbalance.Series = append(t.Imbalance.Series, imbalance)
	s.addPartitioner(w.Partitioner, imbalance)
	s.addHot(w.Hot)
}

func (s *Summariser) addPartitioner(name string, imbalance float64) {
	t := &s.sum
	i := slices.IndexFunc(t.Partitioners, func(p PartitionerSummary) bool { return p.Name == name })
	if i < 0 {
		i = len(t.Partitioners)
		t.Partitioners = append(t.Partitioners, PartitionerSummary{Name: name})
		s.partitioner = append(s.partitioner, mean{})
	}
	t.Partitioners[i].Windows++
	s.partitioner[i].add(imbalance)
}

func (s *Summariser) addHot(hot []policy.HotKey) {
	for _, k := range hot {
		h := s.hot[k.Hash]
		if h == nil {
			h = &HotSummary{Name: k.Name, Hash: k.Hash}
			s.hot[k.Hash] = h
		}
		h.Windows++
		s.hotCount[k.Hash] += k.Count
	}
}

// Summary returns the summary of the windows so far.
func (s *Summariser) Summary() Summary {
	t := s.sum
	t.OfferedRate, t.ActualRate, t.Backpressured = s.offered.value(), s.actual.value(), s.blocked.value()
	t.FanOut, t.Pairs, t.Imbalance.Mean = s.fanOut.value(), s.pairs.value(), s.imbalance.value()
	t.Imbalance.Series = slices.Clone(t.Imbalance.Series)
	t.Partitioners = slices.Clone(t.Partitioners)
	for i := range t.Partitioners {
		t.Partitioners[i].Imbalance = s.partitioner[i].value()
	}
	if len(s.latency) > 0 {
		t.LatencyP99 = slices.Sorted(slices.Values(s.latency))[len(s.latency)/2]
	}
	var over mean
	for i, b := range s.busy {
		v := b.value()
		over.add(v)
		if i == 0 || v < t.Busy.Min {
			t.Busy.Min = v
		}
		t.Busy.Max = max(t.Busy.Max, v)
	}
	t.Busy.Mean = over.value()
	t.Hot = s.topHot()
	return t
}

func (s *Summariser) topHot() []HotSummary {
	all := make([]HotSummary, 0, len(s.hot))
	for hash, h := range s.hot {
		k := *h
		if s.sum.Records > 0 {
			k.Share = float64(s.hotCount[hash]) / float64(s.sum.Records)
		}
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b HotSummary) int {
		return cmp.Or(cmp.Compare(s.hotCount[b.Hash], s.hotCount[a.Hash]), cmp.Compare(a.Hash, b.Hash))
	})
	return all[:min(len(all), hotKeys)]
}

// mean is a running mean of finite numbers; 0 of none.
type mean struct {
	sum float64
	n   int
}

func (m *mean) add(v float64) {
	if !math.IsNaN(v) && !math.IsInf(v, 0) {
		m.sum += v
		m.n++
	}
}

func (m *mean) value() float64 {
	if m.n == 0 {
		return 0
	}
	return m.sum / float64(m.n)
}
