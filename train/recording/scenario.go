package recording

import (
	"fmt"
	"math"
	"slices"

	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/policy/scenario"
)

// Scenario makes a scenario of windows [from, from+windows) of a recorded job, for training
// the capacity action offline. The workers' speeds are the measured ones,
//
//	speed = work units finished / busy ratio (records, if units were not measured),
//
// divided by their mean, with their noise and changes. The utilisation is the offered work
// over the work that the workers could have done, as a mean over the windows. The fluid
// model computes the result of any shares at these speeds, so neither the behaviour that
// collected the trace nor its actions matter.
//
// delay is the delay of the metrics, in windows. An unmeasured or idle worker keeps its last
// speed; before its first, it has the mean of the others. A window in which no worker was
// measured is an error, and so is a range that the sequence does not have.
func Scenario(s *dataset.Sequence, from, windows, delay int) (*scenario.Scenario, error) {
	if from < 0 || windows < 1 || from+windows > s.Windows {
		return nil, fmt.Errorf("trace %s, episode %d: no windows %d to %d among the %d from step %d on", s.File, s.Episode, from, from+windows, s.Windows, s.First)
	}
	r := &scenario.Scenario{
		Workers: s.Workers, Windows: windows, Delay: delay,
		Speeds: make([]float64, windows*s.Workers), Noise: make([]float64, windows*s.Workers),
	}
	for i := range r.Noise {
		r.Noise[i] = 1 // the speeds have it
	}
	work := s.Units
	if !slices.ContainsFunc(work, func(v float32) bool { return v > 0 }) {
		work = s.Counts // an engine without records counts no units
	}
	for t := range windows {
		speeds := r.SpeedsAt(t)
		done, busy := s.Row(work, from+t), s.Row(s.Busy, from+t)
		sum, n, all := 0.0, 0.0, 0.0
		for w, b := range busy {
			speeds[w] = math.NaN()
			if b > 0 && done[w] > 0 {
				speeds[w] = float64(done[w]) / float64(b)
				sum += speeds[w]
				n++
				all += float64(done[w])
			}
		}
		if n == 0 {
			return nil, fmt.Errorf("trace %s, episode %d: no worker was measured in step %d; leave that part out", s.File, s.Episode, s.First+from+t)
		}
		r.Utilisation += all / sum / float64(windows)
		// Unmeasured workers keep their speed relative to the mean of all.
		total := 0.0
		for w := range speeds {
			switch {
			case speeds[w] == speeds[w]:
				speeds[w] *= n / sum
			case t > 0:
				speeds[w] = r.SpeedsAt(t - 1)[w]
			default:
				speeds[w] = 1
			}
			total += speeds[w]
		}
		for w := range speeds {
			speeds[w] *= float64(s.Workers) / total
		}
	}
	return r, nil
}
