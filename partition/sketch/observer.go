package sketch

import (
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// Observer measures the keys that one partitioner subtask sees in a metric window: the
// heavy keys, and the records of each hash slot. Its memory is bounded, and observing
// allocates nothing. Not for concurrent use.
type Observer struct {
	sketch *SpaceSaving
	slots  []int64
}

// countersFor is the number of counters behind a list of heavy keys. With 16 per key, and
// at least 1024, the last of 4P keys of a zipf 1.0 stream is well above the sketch's error.
func countersFor(keys int) int { return max(1024, 16*keys) }

// NewObserver makes the observer of a job of P workers that names a number of heavy keys.
func NewObserver(keys, workers int) *Observer {
	return &Observer{sketch: NewSpaceSaving(countersFor(keys)), slots: make([]int64, policy.SlotCount(workers))}
}

// Observe counts the records of a batch.
func (o *Observer) Observe(b *stream.Batch) {
	for _, h := range b.Hashes {
		o.slots[policy.SlotOf(h, len(o.slots))]++
	}
	o.sketch.ObserveBatch(b)
}

// Take returns the heaviest keys and the slot counts, in the memory of hot and slots, and
// starts over.
func (o *Observer) Take(keys int, hot []policy.HotKey, slots []int64) ([]policy.HotKey, []int64) {
	hot, slots = o.sketch.Top(keys, hot), append(slots[:0], o.slots...)
	o.sketch.Reset()
	clear(o.slots)
	return hot, slots
}
