package scenario

import (
	"fmt"
	"math"

	"github.com/saspart/saspart/policy/plan"
)

// Measured is what a capacity policy sees of a window. Slices have one element per worker.
type Measured struct {
	Share   []float64 // v: part of the work that each worker gets by the route in force, in expectation
	Seen    []float64 // part of the work that Busy was spent on; negative: unknown
	Busy    []float64 // busy ratio; NaN: missing
	Queue   []float64 // fill of the queue
	Records float64   // finished records that Seen was counted from; 0: Seen is exact
	Age     float64   // how many windows old the busy times are
}

// Parts sets parts to each worker's part of the records that workers finished, -1 where a
// count is negative, and returns the number of records. Half a record more for each worker
// keeps the logarithms finite where a worker, or all of them, finished none.
func Parts[N float32 | float64](counts []N, parts []float64) (records float64) {
	for _, n := range counts {
		records += float64(max(0, n))
	}
	all := records + float64(len(counts))/2
	for w, n := range counts {
		parts[w] = -1
		if n >= 0 {
			parts[w] = (float64(n) + 0.5) / all
		}
	}
	return records
}

// Saturated is the busy ratio from which a worker counts as saturated.
const Saturated = 0.999

// Policy decides on capacities, window by window.
type Policy interface {
	// Decide is given what was measured in a window and sets capacity to each worker's
	// part of the work from now on, summing to 1. It reports whether there was anything to
	// decide on.
	Decide(m *Measured, capacity []float64) bool
}

// Starter is a Policy that can start over, with another scenario.
type Starter interface {
	Policy
	// Start forgets the previous scenario. All but an oracle use only s.Workers.
	Start(s *Scenario)
}

// Score is how well a policy did in a scenario.
type Score struct {
	First float64 // mean imbalance over the first 8 windows
	After float64 // mean imbalance over all later ones; 0 if there are none
}

// FirstWindows is the number of windows that a policy has to learn the speeds.
const FirstWindows = 8

// Evaluate runs a policy through the scenarios of the given seeds and returns their scores
// in order. Every scenario begins with equal capacities. c must be valid. Capacities that
// are negative or not finite, or do not sum to 1, are an error that names the scenario and
// the window.
func Evaluate(p Starter, c Config, workers int, seeds []uint64) ([]Score, error) {
	scores := make([]Score, len(seeds))
	for i, seed := range seeds {
		var err error
		if scores[i], err = ScoreOf(p, New(c, workers, seed)); err != nil {
			return nil, fmt.Errorf("scenario of seed %d, %w", seed, err)
		}
	}
	return scores, nil
}

// ScoreOf runs a policy through a scenario, drawn or recorded, as Evaluate does. An error
// names the window.
func ScoreOf(p Starter, s *Scenario) (score Score, err error) {
	workers := s.Workers
	busy, queue := make([]float64, workers), make([]float64, workers)
	force, got := make([]float64, workers), make([]float64, workers)
	p.Start(s)
	past := make([][]float64, s.Delay+2) // a ring: the shares in force in the last windows, and the next
	for j := range past {
		past[j] = make([]float64, workers)
	}
	for w := range workers {
		past[0][w] = 1 / float64(workers)
	}
	if s.Start != nil {
		copy(past[0], s.Start)
	}
	for t := range s.Windows {
		u, at := s.Routed(t), s.Measured(t)
		now := past[t%len(past)]
		if off := s.Imbalance(t, now); t < FirstWindows {
			score.First += off / float64(min(FirstWindows, s.Windows))
		} else {
			score.After += off / float64(s.Windows-FirstWindows)
		}
		got = s.Got(u, s.InForce(u, past[u%len(past)], force), got)
		s.Busy(at, got, busy)
		for w, b := range busy {
			queue[w] = QueueAt(b)
		}
		next := past[(t+1)%len(past)]
		p.Decide(&Measured{Share: s.InForce(t, now, force), Seen: got, Busy: busy, Queue: queue, Records: s.Records, Age: float64(t - at)}, next)
		if err := checkShares(next); err != nil {
			return score, fmt.Errorf("window %d of %d workers: %w", t, workers, err)
		}
	}
	return score, nil
}

// QueueAt is the fill of the queue of a worker with a measured busy ratio: full where it was
// busy all the time.
func QueueAt(busy float64) float64 {
	if busy >= mostBusy {
		return 1
	}
	return 0
}

func checkShares(share []float64) error {
	sum := 0.0
	for w, v := range share {
		if !(v >= 0) {
			return fmt.Errorf("worker %d got share %v", w, v)
		}
		sum += v
	}
	if !(math.Abs(sum-1) < 1e-6) {
		return fmt.Errorf("the shares sum to %v", sum)
	}
	return nil
}

// MeanScore is the mean over scenarios, and the standard errors of both means.
func MeanScore(scores []Score) (mean, deviation Score) {
	n := float64(len(scores))
	for _, s := range scores {
		mean.First += s.First / n
		mean.After += s.After / n
	}
	for _, s := range scores {
		deviation.First += (s.First - mean.First) * (s.First - mean.First) / (n * n)
		deviation.After += (s.After - mean.After) * (s.After - mean.After) / (n * n)
	}
	return mean, Score{First: math.Sqrt(deviation.First), After: math.Sqrt(deviation.After)}
}

// Smoothed is a fixed smoothing of log speeds: estimates move by the part Alpha of each
// deviation, and those of unmeasured workers not at all. A saturated worker is at least as slow as its busy ratio says. Its estimate
// moves down by the whole deviation plus Overload, and never up. With Plain it is treated
// like any other worker, as an untrained network does.
type Smoothed struct {
	Alpha, Overload float64
	Plain           bool

	log, inst []float64
}

// Start implements Starter.
func (f *Smoothed) Start(s *Scenario) {
	f.log, f.inst = make([]float64, s.Workers), make([]float64, s.Workers)
}

// Decide implements Policy.
func (f *Smoothed) Decide(m *Measured, capacity []float64) bool {
	mean, n := 0.0, 0.0
	for w := range f.inst {
		f.inst[w] = math.Log(m.Seen[w] / m.Busy[w])
		if d := f.inst[w] - f.log[w]; d == d {
			mean += d
			n++
		}
	}
	mean /= n
	for w, b := range m.Busy {
		d := f.inst[w] - mean - f.log[w]
		switch {
		case d != d:
		case b >= Saturated && !f.Plain:
			f.log[w] += min(0, d-f.Overload)
		default:
			f.log[w] += f.Alpha * d
		}
	}
	Softmax(capacity, f.log)
	return n > 0
}

// Analytic uses waterfill's estimate of the speeds.
type Analytic struct {
	Config plan.SpeedConfig
	speeds *plan.Speeds
	counts []float64
}

// Start implements Starter.
func (f *Analytic) Start(s *Scenario) {
	f.speeds, f.counts = plan.NewSpeeds(f.Config, s.Workers), make([]float64, s.Workers)
}

// Decide implements Policy.
func (f *Analytic) Decide(m *Measured, capacity []float64) bool {
	records := m.Records
	if records == 0 {
		records = 1e12 // so many that counts have no noise of their own
	}
	for w, v := range m.Seen {
		f.counts[w] = math.Round(v * records)
	}
	f.speeds.Observe(f.counts, m.Busy)
	f.speeds.Capacity(capacity)
	ScaleTo1(capacity)
	return true
}

// Softmax sets dst to the exponentials of v, scaled to sum to 1.
func Softmax(dst, v []float64) {
	most := math.Inf(-1)
	for _, x := range v {
		most = max(most, x)
	}
	for i, x := range v {
		dst[i] = math.Exp(x - most)
	}
	ScaleTo1(dst)
}

// ScaleTo1 scales v, whose sum is above 0, to sum to 1.
func ScaleTo1(v []float64) {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	for i := range v {
		v[i] /= sum
	}
}
