package engine

import (
	"errors"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/stream"
)

// Setup is everything a job is made of. The engines sim and local take the same.
type Setup struct {
	Config  Config
	Task    stream.Task
	Sources []stream.Source // one per partitioner subtask
	Rates   []Arrivals      // one per partitioner subtask
	Scheme  partition.Scheme
	Seed    uint64
	Results ResultFunc  // nil: results are computed but not reported
	Latency LatencyFunc // nil: the quantiles in windows are enough
	Reports ReportFunc  // nil: windows are enough
}

// LatencyFunc receives the latencies of the records of one metric window, before Next
// returns the window. A latency is the time in ns from when a record was due until its
// service ended. The histogram is only valid during the call.
type LatencyFunc func(h *hdrhistogram.Histogram)

// ReportFunc receives what the subtasks of a job measured in one metric window, before Next
// returns the window that is made of it. The report is only valid during the call.
type ReportFunc func(r *reports.Report)

// Arrivals says when the records of one partitioner subtask are due. The loop is open: a
// slow job does not slow arrivals. stream.Arrivals implements it.
type Arrivals interface {
	// Fill sets times to the next intended arrivals, in ns since the job's start,
	// ascending and before until, and returns how many; 0 when none is left
	// before until.
	Fill(times []int64, until int64) int
	// Observe receives the end of a metric window and the largest busy ratio of
	// workers and reducers in it.
	Observe(end time.Duration, busiest float64)
	// RateAt is the subtask's rate in force at t, in records/s.
	RateAt(t time.Duration) float64
}

var _ Arrivals = (*stream.Arrivals)(nil)

// Validate reports what is missing or impossible, by its path.
func (s *Setup) Validate() error {
	if err := s.Config.Validate(); err != nil {
		return fmt.Errorf("job: %w", err)
	}
	switch n := s.Config.Partitioners; {
	case s.Task == nil:
		return errors.New("job: no task")
	case len(s.Sources) != n || len(s.Rates) != n:
		return fmt.Errorf("job: %d sources and %d rates for %d partitioner subtasks", len(s.Sources), len(s.Rates), n)
	case s.Scheme.NewRouter == nil:
		return errors.New("job: no partitioner")
	}
	return nil
}
