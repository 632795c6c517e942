package rate

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/saspart/saspart/policy/checkpoint"
)

// Result is the sustainable rate of a job under a partitioner, with its cost.
type Result struct {
	Bounds   Bounds    `json:"bounds"`
	Held     float64   `json:"held"`   // records/s: the highest rate that was sustained
	Failed   float64   `json:"failed"` // records/s: the lowest that was not; 0: none up to the ceiling
	Readings []Reading `json:"readings"`
	// At is the reading at the highest sustained rate.
	At Reading `json:"at"`
	// Latency has the readings at parts of the sustainable rate, in the order of the configuration.
	Latency []LatencyAt `json:"latency"`
	Loss    *Loss       `json:"loss,omitempty"` // nil without a bound
}

// LatencyAt is a reading at a part of the sustainable rate.
type LatencyAt struct {
	Part    float64 `json:"part"`
	Reading Reading `json:"reading"`
}

// Loss divides the fluid bound into the sustained rate (Used) and the reasons for the rest, as
// parts that sum to 1.
type Loss struct {
	Used  float64 `json:"used"`  // for records
	Idle  float64 `json:"idle"`  // idle workers: imbalance, waiting, chance, and the search's tolerance
	Extra float64 `json:"extra"` // emission and the merging of panes
}

// Measure finds the sustainable rate of the subject and takes readings. checkpoint is that of
// its shares policy, for the bound, or nil. each, if not nil, is called with every reading.
func Measure(ctx context.Context, s Subject, checkpoint *checkpoint.Checkpoint, c Config, each func(Reading)) (*Result, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	bounds, err := BoundsOf(s.Experiment, checkpoint)
	if err != nil {
		return nil, err
	}
	res := &Result{Bounds: bounds}
	take := func(r Reading) {
		r.Top = nil // only Result.At has them
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

// bracket finds the sustainable rate by a search. It starts slightly above the fluid bound,
// which no job exceeds: the rate sent there estimates the limit.
func (res *Result) bracket(ctx context.Context, s Subject, c Config, take func(Reading)) error {
	search := Search{Start: s.Experiment.Rate.Rate, Tolerance: c.Tolerance, Probes: c.Probes}
	if res.Bounds.Fluid > 0 {
		// Far enough above the bound that no job sustains it within the slack, and close
		// enough that a perfect partitioner is within the tolerance.
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
			res.At = r // sustained rates only increase
		}
		return Outcome{Held: r.Held, Sent: r.Sent}, nil
	})
	if errors.Is(err, ErrProbes) && b.Held > 0 {
		err = nil // the bracket is wider than the tolerance, as the result shows
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
