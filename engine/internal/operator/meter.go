package operator

import (
	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
)

// NewLatency is a histogram of ns from a microsecond to hours, to 1 %.
func NewLatency() *hdrhistogram.Histogram { return hdrhistogram.New(1000, 1e14, 2) }

// ShapeOf is the shape of the reports of a job that measures in whole metric windows.
func ShapeOf(c *engine.Config) reports.Shape {
	return reports.Shape{
		Workers: c.Workers, Partitioners: c.Partitioners, Reducers: c.Reducers, Slots: policy.SlotCount(c.Workers),
		Slides: 1, Slide: c.MetricWindow(), Queue: c.Queue, Named: c.NamedKeys(),
	}
}
