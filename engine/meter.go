package engine

import (
	"cmp"
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// observer is what one partitioner subtask sees of the keys: heavy hitters and
// slot loads. Owned by one goroutine; bounded memory.
type observer struct {
	sketch *partition.SpaceSaving
	slots  []int64
}

// sketchSize is the number of counters behind a list of hot keys: with 16 per key
// named, and 1024 at least, the last of 4P keys of a zipf 1.0 stream is still
// well above the sketch's error.
func sketchSize(hot int) int { return max(1024, 16*hot) }

func newObserver(cfg *Config) *observer {
	return &observer{
		sketch: partition.NewSpaceSaving(sketchSize(cfg.NamedKeys())),
		slots:  make([]int64, policy.SlotCount(cfg.Workers)),
	}
}

func (o *observer) observe(b *stream.Batch) {
	for _, h := range b.Hashes {
		o.slots[policy.SlotOf(h, len(o.slots))]++
	}
	o.sketch.ObserveBatch(b)
}

// seen is what the observers of a job saw in one metric window.
type seen struct {
	hot   []policy.HotKey
	slots []int64
}

// report copies what was seen and starts anew.
func (o *observer) report(hot int) seen {
	s := seen{hot: o.sketch.Top(hot, nil), slots: slices.Clone(o.slots)}
	o.sketch.Reset()
	clear(o.slots)
	return s
}

// add merges the report of another subtask in. A key that is in only one list
// keeps that list's count: what the other subtask saw of it is below its list's
// last count.
func (s *seen) add(o seen) {
	if s.slots == nil {
		s.slots = make([]int64, len(o.slots))
	}
	for i, n := range o.slots {
		s.slots[i] += n
	}
	at := make(map[uint64]int, len(s.hot))
	for i := range s.hot {
		at[s.hot[i].Hash] = i
	}
	for _, k := range o.hot {
		if i, ok := at[k.Hash]; ok {
			s.hot[i].Count += k.Count
			s.hot[i].Error += k.Error
		} else {
			s.hot = append(s.hot, k)
		}
	}
}

// top orders the keys by count and keeps n.
func (s *seen) top(n int) {
	slices.SortFunc(s.hot, func(a, b policy.HotKey) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Hash, b.Hash))
	})
	s.hot = slices.Clone(s.hot[:min(n, len(s.hot))])
}

// sortRealised orders shares by key, then worker.
func sortRealised(r []policy.RealisedShare) {
	slices.SortFunc(r, func(a, b policy.RealisedShare) int {
		return cmp.Or(cmp.Compare(a.Hash, b.Hash), cmp.Compare(a.Worker, b.Worker))
	})
}

// newLatency is a histogram of ns from a microsecond to hours, to 1 %.
func newLatency() *hdrhistogram.Histogram { return hdrhistogram.New(1000, 1e14, 2) }
