package operator

import (
	"cmp"
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/partition/sketch"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// Observer is what one partitioner subtask sees of the keys: heavy hitters and
// slot loads. Owned by one goroutine; bounded memory.
type Observer struct {
	sketch *sketch.SpaceSaving
	slots  []int64
}

// sketchSize is the number of counters behind a list of hot keys: with 16 per key
// named, and 1024 at least, the last of 4P keys of a zipf 1.0 stream is still
// well above the sketch's error.
func sketchSize(hot int) int { return max(1024, 16*hot) }

// NewObserver makes what sees as many keys as the job names.
func NewObserver(cfg *engine.Config) *Observer {
	return &Observer{
		sketch: sketch.NewSpaceSaving(sketchSize(cfg.NamedKeys())),
		slots:  make([]int64, policy.SlotCount(cfg.Workers)),
	}
}

// Observe counts the records of a batch.
func (o *Observer) Observe(b *stream.Batch) {
	for _, h := range b.Hashes {
		o.slots[policy.SlotOf(h, len(o.slots))]++
	}
	o.sketch.ObserveBatch(b)
}

// Seen is what the observers of a job saw in one metric window.
type Seen struct {
	Hot   []policy.HotKey
	Slots []int64
}

// Report copies what was seen and starts anew.
func (o *Observer) Report(hot int) Seen {
	s := Seen{Hot: o.sketch.Top(hot, nil), Slots: slices.Clone(o.slots)}
	o.sketch.Reset()
	clear(o.slots)
	return s
}

// Add merges the report of another subtask in. A key that is in only one list
// keeps that list's count: what the other subtask saw of it is below its list's
// last count.
func (s *Seen) Add(o Seen) {
	if s.Slots == nil {
		s.Slots = make([]int64, len(o.Slots))
	}
	for i, n := range o.Slots {
		s.Slots[i] += n
	}
	at := make(map[uint64]int, len(s.Hot))
	for i := range s.Hot {
		at[s.Hot[i].Hash] = i
	}
	for _, k := range o.Hot {
		if i, ok := at[k.Hash]; ok {
			s.Hot[i].Count += k.Count
			s.Hot[i].Error += k.Error
		} else {
			s.Hot = append(s.Hot, k)
		}
	}
}

// Top orders the keys by count and keeps n.
func (s *Seen) Top(n int) {
	slices.SortFunc(s.Hot, func(a, b policy.HotKey) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Hash, b.Hash))
	})
	s.Hot = slices.Clone(s.Hot[:min(n, len(s.Hot))])
}

// SortRealised orders shares by key, then worker.
func SortRealised(r []policy.RealisedShare) {
	slices.SortFunc(r, func(a, b policy.RealisedShare) int {
		return cmp.Or(cmp.Compare(a.Hash, b.Hash), cmp.Compare(a.Worker, b.Worker))
	})
}

// NewLatency is a histogram of ns from a microsecond to hours, to 1 %.
func NewLatency() *hdrhistogram.Histogram { return hdrhistogram.New(1000, 1e14, 2) }
