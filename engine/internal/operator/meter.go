package operator

import (
	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/loop/reports"
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

// sketchSize is the number of counters behind a list of hot keys: 16 per named key, and at
// least 1024. The last of 4P keys of a zipf 1.0 stream is then well above the sketch's error.
func sketchSize(hot int) int { return max(1024, 16*hot) }

// NewObserver makes an observer for as many keys as the job names.
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

// Report writes what was seen into a subtask's report, whose memory it uses again, and
// starts over. hot is how many keys it names.
func (o *Observer) Report(p *reports.Partitioner, hot int) {
	p.Hot, p.Slots = o.sketch.Top(hot, p.Hot), append(p.Slots[:0], o.slots...)
	o.sketch.Reset()
	clear(o.slots)
}

// NewLatency is a histogram of ns from a microsecond to hours, to 1 %.
func NewLatency() *hdrhistogram.Histogram { return hdrhistogram.New(1000, 1e14, 2) }

// ShapeOf is the shape of the reports of a job that measures in whole metric windows.
func ShapeOf(c *engine.Config) reports.Shape {
	return reports.Shape{
		Workers: c.Workers, Partitioners: c.Partitioners, Reducers: c.Reducers, Slots: policy.SlotCount(c.Workers),
		Slides: 1, Slide: c.MetricWindow(), Queue: c.Queue, Named: c.NamedKeys(),
	}
}
