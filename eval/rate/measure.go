package rate

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/saspart/saspart/policy/checkpoint"
)

// Result is the highest rate that a partitioner holds on a job, with its price.
type Result struct {
	Bounds   Bounds    `json:"bounds"`
	Held     float64   `json:"held"`   // records/s: the highest rate held
	Failed   float64   `json:"failed"` // records/s: the lowest not held; 0: none failed
	Readings []Reading `json:"readings"`
	// At is the reading at the highest rate held.
	At Reading `json:"at"`
	// Latency is readings at parts of the highest rate, in the order they were asked for.
	Latency []LatencyAt `json:"latency"`
	Loss    *Loss       `json:"loss,omitempty"` // nil without a bound
}

// LatencyAt is a reading at a part of the highest rate held.
type LatencyAt struct {
	Part    float64 `json:"part"`
	Reading Reading `json:"reading"`
}

// Loss divides the workers' total capacity at a rate that was held into parts that sum to
// 1: the difference between the rate and the fluid bound.
type Loss struct {
	Used  float64 `json:"used"`  // for records
	Idle  float64 `json:"idle"`  // workers were idle: imbalance, waiting, chance, and the search's tolerance
	Extra float64 `json:"extra"` // emission and the joining of panes
}

// Measure finds the highest rate that the subject's partitioner holds and takes its
// readings. If checkpoint is that of a shares policy, the policy's bound is measured too.
// If each is not nil, it receives every reading as it is made.
func Measure(ctx context.Context, s Subject, checkpoint *checkpoint.Checkpoint, c Config, each func(Reading)) (*Result, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	bounds, err := BoundsOf(s.Experiment, checkpoint, c.Warmup, c.Warmup+c.Windows)
	if err != nil {
		return nil, err
	}
	res := &Result{Bounds: bounds}
	take := func(r Reading) {
		r.Top = nil // of each rate they would fill a page
		res.Readings = append(res.Readings, r)
		if each != nil {
			each(r)
		}
	}
	if c.Method == Ramped {
		err = res.ramp(ctx, s, c, take)
	} else {
		err = res.bracket(ctx, s, c, take)
	}
	if err != nil {
		return nil, err
	}
	for _, part := range c.LatencyAt {
		r, err := Observe(ctx, s, part*res.Held, c, false)
		if err != nil {
			return nil, fmt.Errorf("latency at %.0f %% of the highest rate: %w", 100*part, err)
		}
		take(r)
		r.Top = nil
		res.Latency = append(res.Latency, LatencyAt{part, r})
	}
	if bounds.Fluid > 0 {
		res.Loss = lossOf(&res.At, bounds)
	}
	return res, nil
}

// bracket finds the highest rate by a search that begins a little above the fluid bound,
// which no job exceeds: the records sent there show where to search.
func (res *Result) bracket(ctx context.Context, s Subject, c Config, take func(Reading)) error {
	search := Search{Start: s.Experiment.Rate.Rate, Tolerance: c.Tolerance, Probes: c.Probes}
	if res.Bounds.Fluid > 0 {
		// This far above the bound, the shortfall exceeds the slack. A partitioner that loses
		// nothing still holds a rate within the tolerance of it.
		search.Start = (1 + max(c.Tolerance/2, 2*c.Slack)) * res.Bounds.Fluid
	}
	if !(search.Start > 0) {
		search.Start = 1000
	}
	b, err := search.Find(func(rate float64) (Outcome, error) {
		r, err := Observe(ctx, s, rate, c, true)
		if err != nil {
			return Outcome{}, err
		}
		take(r)
		if r.Held {
			res.At = r // rates that are held only go up
		}
		return Outcome{Held: r.Held, Sent: r.Sent}, nil
	})
	if errors.Is(err, ErrProbes) && b.Held > 0 {
		err = nil // the bracket is wider than asked for, and says so
	}
	res.Held, res.Failed = b.Held, b.Failed
	if math.IsInf(b.Failed, 1) {
		res.Failed = 0
	}
	return err
}

func lossOf(r *Reading, b Bounds) *Loss {
	able, busy := 0.0, 0.0
	for w, v := range b.Speeds {
		able += v
		busy += v * r.Busy[w]
	}
	l := &Loss{Used: r.Done * b.Cost / able, Idle: max(0, 1-busy/able)}
	l.Extra = max(0, 1-l.Used-l.Idle)
	return l
}
