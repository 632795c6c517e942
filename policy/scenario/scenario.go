// Package scenario draws synthetic sequences of worker speeds, noise and delays, on which the
// capacity action is trained and evaluated without a job (docs/algorithms.md, "The scenarios").
// It also has the policies that the learned one is compared with, and their scores.
package scenario

import "math"

// Scenario is what happens to P workers over T windows, whatever a policy decides. It is plain
// data, used by Evaluate and by training.
type Scenario struct {
	Workers     int       // P
	Windows     int       // T
	Utilisation float64   // rho
	Sigma       float64   // of the noise
	Delay       int       // windows
	Reports     bool      // reports are delayed, not work
	Pressure    bool      // a saturated worker slows the whole job
	Speeds      []float64 // [T,P], of mean 1 in each window
	Noise       []float64 // [T,P], the factor on the busy times of a window
	Missing     []bool    // [T,P], whether the report of a window is missing; nil: none
	Records     float64   // finished per window, by all workers; 0: so many that counts are exact

	Start  []float64 // [P], shares of the first window; nil: equal ones
	Lumps  []float64 // [T,P], logarithms of the factors on shares in force; nil: none
	Chance []float64 // [T,P], logarithms of the factors on what workers got; nil: none
}

// InForce sets dst to the shares in force in window t under the capacities share, and returns
// dst.
func (s *Scenario) InForce(t int, share, dst []float64) []float64 {
	return s.shifted(s.Lumps, t, share, dst)
}

// Got sets dst to the parts of the work that workers got in window t with share in force, and
// returns dst.
func (s *Scenario) Got(t int, share, dst []float64) []float64 {
	return s.shifted(s.Chance, t, share, dst)
}

func (s *Scenario) shifted(by []float64, t int, share, dst []float64) []float64 {
	copy(dst, share)
	if by == nil {
		return dst
	}
	for w, l := range by[t*s.Workers : (t+1)*s.Workers] {
		dst[w] *= math.Exp(l)
	}
	ScaleTo1(dst)
	return dst
}

// SpeedsAt is the speed of each worker in window t.
func (s *Scenario) SpeedsAt(t int) []float64 { return s.Speeds[t*s.Workers : (t+1)*s.Workers] }

// Routed is the window whose route distributed the work on which the busy times reported at
// the end of window t were spent.
func (s *Scenario) Routed(t int) int { return max(0, t-s.Delay) }

// Measured is the window in which the busy times reported at the end of window t were
// measured. With delayed work it is t, with delayed reports it is Routed(t).
func (s *Scenario) Measured(t int) int {
	if s.Reports {
		return s.Routed(t)
	}
	return t
}

// The measured busy ratios that scenarios allow.
const (
	leastBusy = 0.01
	mostBusy  = 1
)

// Busy sets busy[w] to the busy ratio measured in window t if worker w has share[w]
// of the work, shares summing to 1:
//
//	busy = clip(rho * share * P / speed * noise, 0.01, 1)
//
// Under pressure the whole job slows to the pace of its busiest worker first. The busy ratio
// of a missing report is NaN.
func (s *Scenario) Busy(t int, share, busy []float64) { s.BusyTaped(t, share, busy, nil) }

// BusyTaped is Busy with what a gradient needs: which busy ratios were not clipped, unless
// inside is nil, and which worker slowed the job down, -1 if none did.
func (s *Scenario) BusyTaped(t int, share, busy []float64, inside []bool) (slowest int) {
	speeds, noise := s.SpeedsAt(t), s.Noise[t*s.Workers:(t+1)*s.Workers]
	most := 0
	for w, v := range share {
		busy[w] = s.Utilisation * v * float64(s.Workers) / speeds[w]
		if busy[w] > busy[most] {
			most = w
		}
	}
	slow := 1.0
	slowest = -1
	if s.Pressure && busy[most] > 1 {
		slow, slowest = 1/busy[most], most
	}
	for w, b := range busy {
		free := b * slow * noise[w]
		busy[w] = min(max(free, leastBusy), mostBusy)
		if s.Missing != nil && s.Missing[t*s.Workers+w] {
			busy[w] = math.NaN()
		}
		if inside != nil {
			inside[w] = busy[w] == free
		}
	}
	return slowest
}

// Imbalance is max/mean - 1 of the true load per speed in window t.
func (s *Scenario) Imbalance(t int, share []float64) float64 {
	most, sum := 0.0, 0.0
	for w, v := range s.SpeedsAt(t) {
		time := share[w] / v
		most = max(most, time)
		sum += time
	}
	return most/sum*float64(s.Workers) - 1
}
