package online

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/policy"
)

// Safety limits what exploration may do to a running job.
type Safety struct {
	MaxStep          float64 `yaml:"max_step"`          // part of the hot keys' records that a new route may send to other workers; 1: no limit
	MaxImbalance     float64 `yaml:"max_imbalance"`     // a window above it brings the last good route back; 0: no limit
	MaxBackpressured float64 `yaml:"max_backpressured"` // so does a window in which the source was blocked for a larger part of the time; 0: no limit
}

// DefaultSafety sets no limits. It is for simulated jobs.
func DefaultSafety() Safety { return Safety{MaxStep: 1} }

// CarefulSafety is for real jobs, whose results are in use.
func CarefulSafety() Safety { return Safety{MaxStep: 0.1, MaxImbalance: 1, MaxBackpressured: 0.1} }

// Validate reports every impossible value by its path.
func (s *Safety) Validate() error {
	return errors.Join(
		field.Finite("max_step", s.MaxStep, 1e-6, 1),
		field.Finite("max_imbalance", s.MaxImbalance, 0, math.MaxFloat64),
		field.Finite("max_backpressured", s.MaxBackpressured, 0, 1),
	)
}

// exceeded reports whether a window is beyond the limits.
func (s *Safety) exceeded(r StepResult) bool {
	return s.MaxImbalance > 0 && r.Imbalance > s.MaxImbalance ||
		s.MaxBackpressured > 0 && r.Backpressured > s.MaxBackpressured
}

// actionLimits keeps the shares action within Safety. Actions are in [0,1].
type actionLimits struct {
	Safety
	mask      policy.Mask
	last      []float64 // the last action; nil before the first
	good      []float64 // the last one under which a window was within the limits; nil before the first
	returning bool      // the next action is good
}

// reset forgets everything but the action in force, which may be nil.
func (l *actionLimits) reset(action []float64) {
	l.last, l.good, l.returning = slices.Clone(action), nil, false
}

// apply maps the policy's action act from [-1,1] to the environment's [0,1], and limits it.
// If the action changes, act follows it: learning credits the action taken. loads are the
// masked keys' parts of the records. An action that is not finite is an error.
func (l *actionLimits) apply(act []float32, action, loads []float64) (limited bool, err error) {
	for i, a := range act {
		if !(math.Abs(float64(a)) <= 1) {
			return false, fmt.Errorf("number %d of the policy's action is %v: the policy has diverged; lower the learning rates, and resume from an earlier checkpoint", i, a)
		}
		action[i] = (float64(a) + 1) / 2
	}
	returning := l.returning
	if limited = l.limit(action, loads); limited || returning {
		for i, a := range action {
			act[i] = float32(2*a - 1)
		}
	}
	return limited, nil
}

// limit changes the next action so that its route sends at most MaxStep of the masked
// keys' records to other workers than the last one's. All shares then go the same part
// of their way. An action within the limit stays as it is.
func (l *actionLimits) limit(next, loads []float64) (limited bool) {
	if l.returning {
		l.returning = false
		copy(next, l.good)
	} else if l.last != nil && l.MaxStep < 1 {
		limited = l.shorten(next, loads)
	}
	l.last = append(l.last[:0], next...)
	return limited
}

func (l *actionLimits) shorten(next, loads []float64) bool {
	moved, all := 0.0, 0.0
	l.rows(next, func(rank int, now, was []float64) {
		d, sumNow, sumWas := 0.0, sum(now), sum(was)
		for i := range now {
			d += math.Abs(part(now, i, sumNow) - part(was, i, sumWas))
		}
		moved += loads[rank] * d / 2
		all += loads[rank]
	})
	if moved <= l.MaxStep*all {
		return false
	}
	t := l.MaxStep * all / moved
	l.rows(next, func(_ int, now, was []float64) {
		sumNow, sumWas, most := sum(now), sum(was), 1.0
		scale := sumNow
		if scale == 0 {
			scale = 1
		}
		for i := range now {
			now[i] = scale * (part(was, i, sumWas) + t*(part(now, i, sumNow)-part(was, i, sumWas)))
			most = max(most, now[i])
		}
		for i := range now {
			now[i] /= most
		}
	})
	return true
}

// rows calls f with each key's numbers in the next and in the last action. An action
// may have fewer keys than the mask.
func (l *actionLimits) rows(next []float64, f func(rank int, now, was []float64)) {
	at := 0
	for rank, row := range l.mask.Keys {
		if at+len(row) > len(next) {
			return
		}
		f(rank, next[at:at+len(row)], l.last[at:at+len(row)])
		at += len(row)
	}
}

// check takes in the result of a window under the given action and reports whether the
// last good action is to return. There is none until a window was within the limits; and
// if the good action itself exceeds them now, it is no better than any other.
func (l *actionLimits) check(r StepResult, action []float64) (returning bool) {
	if !l.exceeded(r) {
		l.good = append(l.good[:0], action...)
		return false
	}
	l.returning = l.good != nil && !slices.Equal(l.good, action)
	return l.returning
}
