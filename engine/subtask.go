package engine

import (
	"github.com/saspart/saspart/partition"
)

// batchLength is how many records a partitioner subtask takes from its source
// and routes at a time, at most.
const batchLength = 512

// envOf is what a router of the given subtask is told.
func envOf(s *Setup, subtask int) partition.Env {
	c := &s.Config
	perSlide := s.Rates[subtask].RateAt(0) * c.Slide.Seconds()
	return partition.Env{
		Workers: c.Workers, Subtask: subtask, Subtasks: c.Partitioners,
		Slide: c.Slide, WindowSlides: c.WindowSlides(), MetricSlides: c.MetricSlides,
		Seed: s.Seed, ExpectedCount: int64(perSlide),
	}
}

// behind reports whether, at time now, a slide should have ended more than a slide
// ago, by the job's clock; length and now in ns.
func behind(slide, length, now int64) bool { return now > (slide+2)*length }

// round collects what Sharers tell of one slide, by subtask.
type round struct {
	shares []any
	told   int
}
