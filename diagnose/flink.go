package diagnose

import (
	"fmt"
	"math"
	"strings"

	"github.com/saspart/saspart/engine/flink/rest"
)

// Uneven is what is wrong with an operator of a running job.
type Uneven struct {
	Operator    string  `json:"operator"`
	Parallelism int     `json:"parallelism"`
	Keyed       bool    `json:"keyed"`
	Records     float64 `json:"records_imbalance"` // (busiest - mean) / mean of the records/s into subtasks; 0 if unknown
	Busy        float64 `json:"busy_imbalance"`    // the same of their busy ratios
	Busiest     float64 `json:"busiest"`           // busy ratio of the busiest subtask
	Held        float64 `json:"held"`              // part of what the subtasks can do that they hold before the busiest is always busy
	Advice      string  `json:"advice,omitempty"`
}

// From these imbalances and busy ratios on, an operator is uneven, and its busiest subtask busy.
const (
	unevenFrom = 0.15
	busyFrom   = 0.5
)

// Operator judges the load of an operator of a job on Flink.
func Operator(l rest.Load) Uneven {
	u := Uneven{
		Operator: l.Name, Parallelism: l.Parallelism, Keyed: l.Keyed,
		Records: imbalance(l.Rates), Busy: imbalance(l.Busy), Busiest: known(l.Busy.Max), Held: 1,
	}
	if u.Busy > 0 {
		u.Held = 1 / (1 + u.Busy)
	}
	if l.Parallelism < 2 || u.Busy < unevenFrom && u.Records < unevenFrom {
		return u
	}
	var b strings.Builder
	if u.Busiest >= busyFrom {
		fmt.Fprintf(&b, "its busiest subtask works %.0f %% of the time and the mean one %.0f %%: it holds %.0f %% of what its subtasks could.", 100*u.Busiest, 100*l.Busy.Mean, 100*u.Held)
	} else {
		fmt.Fprintf(&b, "it is uneven, but its busiest subtask works only %.0f %% of the time: it matters at higher rates.", 100*u.Busiest)
	}
	switch {
	case l.Keyed && u.Records >= unevenFrom:
		fmt.Fprintf(&b, " The busiest subtask gets %.1f times the mean of the records: keys are skewed. Splitting the heaviest ones would help (docs/flink.md).", 1+u.Records)
	case l.Keyed:
		b.WriteString(" Records are even, so some keys are dearer than others, or some machines slower: routes by measured work would help (docs/flink.md).")
	default:
		b.WriteString(" Its input is not partitioned by key: rebalance it, or look at the machines.")
	}
	u.Advice = b.String()
	return u
}

// imbalance is (max - mean) / mean; 0 if it is unknown.
func imbalance(s rest.Spread) float64 {
	if !(s.Mean > 0) || math.IsNaN(s.Max) {
		return 0
	}
	return s.Max/s.Mean - 1
}

// known is v, or 0 for what is not known: JSON has no NaN.
func known(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}
