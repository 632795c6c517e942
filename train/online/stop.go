package online

import (
	"fmt"
	"time"
)

// Reason is why a training ended.
type Reason string

const (
	Target        Reason = "target"         // the target imbalance was held over an evaluation
	Windows       Reason = "windows"        // the window budget is used up
	Time          Reason = "time"           // the time budget is
	NoImprovement Reason = "no improvement" // Patience evaluations brought nothing better
	Ended         Reason = "ended"          // the job's source has ended
	Interrupted   Reason = "interrupted"
	Failed        Reason = "failed" // something was not finite, or the job broke
)

// Evaluation is what an evaluation came to.
type Evaluation struct {
	Windows   uint64  `json:"windows"` // exploring windows before it
	Updates   uint64  `json:"updates"`
	Seconds   float64 `json:"seconds"`
	Imbalance float64 `json:"imbalance"` // mean over the episode
	Worst     float64 `json:"worst"`     // of its windows
	Reward    float64 `json:"reward"`    // mean
}

// score orders evaluations: less is better. It is the mean imbalance, the figure that
// throughput follows from.
func (e *Evaluation) score() float64 { return e.Imbalance }

// rules are the stop rules, apart from the loop that they end.
type rules struct {
	cfg   *Config
	best  *Evaluation
	since int // evaluations since the best
}

// evaluated takes in an evaluation; best tells whether it is the best so far.
func (r *rules) evaluated(e Evaluation) (best bool, stop Reason) {
	r.since++
	if best = r.best == nil || e.score() < r.best.score(); best {
		r.best, r.since = &e, 0
	}
	switch {
	case r.cfg.TargetImbalance > 0 && e.Worst <= r.cfg.TargetImbalance:
		return best, Target
	case r.cfg.Patience > 0 && r.since >= r.cfg.Patience:
		return best, NoImprovement
	}
	return best, ""
}

// spent tells whether a budget is used up.
func (r *rules) spent(windows uint64, took time.Duration) Reason {
	switch {
	case r.cfg.Windows > 0 && windows >= uint64(r.cfg.Windows):
		return Windows
	case r.cfg.Time > 0 && took >= r.cfg.Time:
		return Time
	}
	return ""
}

// Explain says a reason in words.
func (c *Config) Explain(r Reason) string {
	switch r {
	case Target:
		return fmt.Sprintf("the target imbalance of %v was held over a whole evaluation", c.TargetImbalance)
	case Windows:
		return fmt.Sprintf("the budget of %d windows is used up", c.Windows)
	case Time:
		return fmt.Sprintf("the budget of %v is used up", c.Time)
	case NoImprovement:
		return fmt.Sprintf("%d evaluations brought nothing better", c.Patience)
	case Ended:
		return "the job's source has ended"
	}
	return string(r)
}
