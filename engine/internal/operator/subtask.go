package operator

import (
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/partition"
)

// BatchLength is how many records a partitioner subtask takes from its source
// and routes at a time, at most.
const BatchLength = 512

// EnvOf is the environment of a subtask's router.
func EnvOf(s *engine.Setup, subtask int) partition.Env {
	c := &s.Config
	perSlide := s.Rates[subtask].RateAt(0) * c.Slide.Seconds()
	return partition.Env{
		Workers: c.Workers, Subtask: subtask, Subtasks: c.Partitioners,
		Slide: c.Slide, WindowSlides: c.WindowSlides(), MetricSlides: c.MetricSlides,
		Seed: s.Seed, ExpectedCount: int64(perSlide),
	}
}
