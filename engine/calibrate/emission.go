package calibrate

import (
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/operator"
	"github.com/saspart/saspart/stream"
)

// Emission is how long, by its costs, a worker of speed 1 that gets all records of a job
// would take to end a slide, in seconds: it joins panes and emits a partial result per key. No
// partitioner emits less. records are those of one aggregation window or more, the first ones
// counting; a slide has perSlide of them.
func Emission(c *engine.Config, task stream.Task, records []stream.Record, perSlide int) float64 {
	slides := c.WindowSlides()
	comb := operator.NewCombiner(task, slides)
	for slide := range slides {
		from := min(slide*perSlide, len(records))
		for i := range records[from:min(from+perSlide, len(records))] {
			comb.Add(&records[from+i], int64(slide), false)
		}
	}
	cost := operator.ServiceAt(c, 1)
	work := operator.Picos(0)
	comb.Emit(int64(slides-1), 0, func(p operator.Partial) {
		work += cost.Emit
		if slides > 1 {
			work += operator.Picos(p.Entries) * cost.Pane
		}
	})
	return work.Duration().Seconds()
}
