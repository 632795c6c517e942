package online

import (
	"fmt"
	"time"
)

// Reason is why a training ended.
type Reason string

const (
	Target        Reason = "target"         // no window of an evaluation was above the target imbalance
	Windows       Reason = "windows"        // the window budget is used up
	Time          Reason = "time"           // the time budget is used up
	NoImprovement Reason = "no improvement" // no better evaluation for Patience evaluations
	Ended         Reason = "ended"          // the job's source has ended
	Interrupted   Reason = "interrupted"
	Failed        Reason = "failed" // something was not finite, or the job broke
)

// Evaluation is the result of an evaluation.
type Evaluation struct {
	Windows   uint64  `json:"windows"` // exploring windows before it
	Updates   uint64  `json:"updates"`
	Seconds   float64 `json:"seconds"`
	Imbalance float64 `json:"imbalance"` // mean over the episode; evaluations are compared by it
	Worst     float64 `json:"worst"`     // imbalance of the worst window
	Reward    float64 `json:"reward"`    // mean
}

// evaluated records an evaluation. It reports whether it is the best so far, and the
// reason to stop, if there is one.
func (s *Status) evaluated(c *Config, e Evaluation) (best bool, stop Reason) {
	s.Last = &e
	s.Since++
	if best = s.Best == nil || e.Imbalance < s.Best.Imbalance; best {
		s.Best, s.Since = &e, 0
	}
	switch {
	case c.TargetImbalance > 0 && e.Worst <= c.TargetImbalance:
		return best, Target
	case c.Patience > 0 && s.Since >= c.Patience:
		return best, NoImprovement
	}
	return best, ""
}

// spent returns the reason to stop if a budget is used up.
func (c *Config) spent(windows uint64, took time.Duration) Reason {
	switch {
	case c.Windows > 0 && windows >= uint64(c.Windows):
		return Windows
	case c.Time > 0 && took >= c.Time:
		return Time
	}
	return ""
}

// Explain puts a reason into words.
func (c *Config) Explain(r Reason) string {
	switch r {
	case Target:
		return fmt.Sprintf("no window of an evaluation was above the target imbalance of %v", c.TargetImbalance)
	case Windows:
		return fmt.Sprintf("the budget of %d windows is used up", c.Windows)
	case Time:
		return fmt.Sprintf("the budget of %v is used up", c.Time)
	case NoImprovement:
		return fmt.Sprintf("no better evaluation in %d evaluations", c.Patience)
	case Ended:
		return "the job's source has ended"
	}
	return string(r)
}
