package online

import (
	"errors"
	"math"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/policy"
)

// Safety bounds what exploring may do to a running job.
type Safety struct {
	MaxStep          float64 `yaml:"max_step"`          // part of the hot keys' records that a new route may send elsewhere; 1: any
	MaxImbalance     float64 `yaml:"max_imbalance"`     // a window that is worse brings the last good route back; 0: none
	MaxBackpressured float64 `yaml:"max_backpressured"` // so does one in which the source was blocked for a larger part; 0: none
}

// DefaultSafety bounds nothing: simulated jobs have nobody to hurt.
func DefaultSafety() Safety { return Safety{MaxStep: 1} }

// CarefulSafety is for jobs whose results somebody waits for.
func CarefulSafety() Safety { return Safety{MaxStep: 0.1, MaxImbalance: 1, MaxBackpressured: 0.1} }

// Validate reports every impossible value by its path.
func (s *Safety) Validate() error {
	return errors.Join(
		field.Finite("max_step", s.MaxStep, 1e-6, 1),
		field.Finite("max_imbalance", s.MaxImbalance, 0, math.MaxFloat64),
		field.Finite("max_backpressured", s.MaxBackpressured, 0, 1),
	)
}

// bad tells whether a window is beyond the limits.
func (s *Safety) bad(m Measured) bool {
	return s.MaxImbalance > 0 && m.Imbalance > s.MaxImbalance ||
		s.MaxBackpressured > 0 && m.Backpressured > s.MaxBackpressured
}

// guard keeps the shares action within the bounds. Actions are in [0,1].
type guard struct {
	Safety
	mask policy.Mask
	last []float64 // the action in force; nil where none is
	good []float64 // the last one under which a window kept within the limits; nil before
	back bool      // the next action is good
}

// limit changes the next action, given each masked key's load, so that its route sends
// at most MaxStep of these keys' records elsewhere than the last one's does: all
// shares move the same part of their way. An action within the bound stays as it is,
// so that what is learned from is what the policy did.
func (g *guard) limit(next, loads []float64) (limited bool) {
	if g.back {
		g.back = false
		copy(next, g.good)
	} else if g.last != nil && g.MaxStep < 1 {
		limited = g.shorten(next, loads)
	}
	g.last = append(g.last[:0], next...)
	return limited
}

func (g *guard) shorten(next, loads []float64) bool {
	moved, all := 0.0, 0.0
	g.rows(next, func(rank int, now, was []float64) {
		d, sumNow, sumWas := 0.0, sum(now), sum(was)
		for i := range now {
			d += math.Abs(part(now, i, sumNow) - part(was, i, sumWas))
		}
		moved += loads[rank] * d / 2
		all += loads[rank]
	})
	if moved <= g.MaxStep*all {
		return false
	}
	t := g.MaxStep * all / moved
	g.rows(next, func(_ int, now, was []float64) {
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

// rows calls f with each key's numbers in the next and in the last action. Only as
// many keys as loads are known of are in an action.
func (g *guard) rows(next []float64, f func(rank int, now, was []float64)) {
	at := 0
	for rank, row := range g.mask.Keys {
		if at+len(row) > len(next) {
			return
		}
		f(rank, next[at:at+len(row)], g.last[at:at+len(row)])
		at += len(row)
	}
}

// judge takes in a window under the given action and tells whether to go back.
func (g *guard) judge(m Measured, action []float64) bool {
	if !g.bad(m) {
		g.good = append(g.good[:0], action...)
		return false
	}
	// Until a route has kept within the limits there is none to go back to, and one
	// that did once and does no more is no better than another.
	g.back = g.good != nil && !same(g.good, action)
	return g.back
}

func same(a, b []float64) bool {
	for i, v := range a {
		if v != b[i] {
			return false
		}
	}
	return true
}

func sum(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x
	}
	return s
}

// part is the share that number i of a key's means; all 0 means even.
func part(v []float64, i int, sum float64) float64 {
	if sum == 0 {
		return 1 / float64(len(v))
	}
	return v[i] / sum
}
