package recording

import (
	"fmt"
	"math"
	"slices"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/policy/scenario"
	"github.com/saspart/saspart/train"
)

// Held are the recordings to evaluate on: the held-out ones, or all if there are none.
func (d *Data) Held() Recordings {
	if len(d.HeldOut) > 0 {
		return d.HeldOut
	}
	return d.Train
}

// measured sets m to what a policy sees of window t, as the controller of learned.New
// measures it. A recording does not hold the share that the route gave a worker; m has the
// share that the worker got instead. It reuses the slices of m.
func (r *Recording) measured(t int, m *scenario.Measured) {
	p := r.Raw.Workers
	m.Seen, m.Busy, m.Queue = resize(m.Seen, p), resize(m.Busy, p), resize(m.Queue, p)
	for w := range p {
		m.Seen[w], m.Busy[w], m.Queue[w] = -1, float64(r.Raw.Busy[t*p+w]), 0
		if v := r.Logs[t*p+w]; v == v {
			m.Seen[w] = math.Exp(v) / float64(p)
		}
		if r.Raw.Queue != nil {
			m.Queue[w] = float64(r.Raw.Queue[t*p+w])
		}
	}
	m.Share, m.Records = m.Seen, r.Records[t]
}

func resize(v []float64, n int) []float64 { return slices.Grow(v[:0], n)[:n] }

// Evaluate evaluates a capacity policy on recordings, without critics. It measures how far
// the policy's log shares are from the recorded ones. It also computes the imbalance after
// the first windows at the recorded speeds, of the policy and of the recorded behaviour,
// as means over the recordings. Recordings that are too short, or have a window in which
// no worker was measured, have no such imbalance. If no recording has one, Recorded and
// Behaviour are nil.
func Evaluate(c *checkpoint.Checkpoint, recordings Recordings) (e train.Estimates, err error) {
	square, numbers, scored := 0.0, 0, 0.0
	imbalance, behaviour := 0.0, 0.0
	for _, r := range recordings {
		f, err := learned.NewCapacityPolicy(c, r.Raw.Workers)
		if err != nil {
			return e, err
		}
		share, m := make([]float64, r.Raw.Workers), scenario.Measured{}
		for w := range share {
			share[w] = 1 / float64(len(share))
		}
		for t := range r.Windows() - 1 {
			if r.measured(t, &m); !r.Raw.Mixed[t] {
				f.Decide(&m, share)
			}
			if !r.Usable[t+1] {
				continue
			}
			e.Rows++
			mean := 0.0
			for _, v := range share {
				mean += math.Log(v) / float64(len(share))
			}
			for w, v := range share {
				d := math.Log(v) - mean - float64(r.Share[(t+1)*len(share)+w])
				square += d * d
				numbers++
			}
		}
		s, err := Scenario(&r.Raw, 0, r.Windows(), 0)
		if err != nil || s.Windows <= scenario.FirstWindows {
			continue
		}
		score, err := scenario.ScoreOf(f, s)
		if err != nil {
			return e, fmt.Errorf("trace %s, episode %d: %w", r.Raw.File, r.Raw.Episode, err)
		}
		imbalance += score.After
		for t := scenario.FirstWindows; t < s.Windows; t++ {
			got := make([]float64, s.Workers)
			for w := range got {
				got[w] = math.Exp(r.Logs[t*s.Workers+w])
			}
			if v := s.Imbalance(t, got); v == v {
				behaviour += v / float64(s.Windows-scenario.FirstWindows)
			}
		}
		scored++
	}
	if numbers > 0 {
		e.Distance = math.Sqrt(square / float64(numbers))
	}
	if scored > 0 {
		imbalance, behaviour = imbalance/scored, behaviour/scored
		e.Recorded, e.Behaviour = &imbalance, &behaviour
	}
	return e, nil
}
