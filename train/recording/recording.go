// Package recording holds the data that the capacity action is trained on: recordings of
// windows, made from traces or while a job runs. A recording becomes a scenario for training
// through the model, and a policy can be evaluated on it without a job.
package recording

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/scenario"
)

// Recording is a sequence of consecutive windows of a job, as capacity.RecurrentSACN learns
// from it. A transition is two successive windows, t and t+1:
//
//	state   everything measured up to the end of t
//	action  log of each worker's part of the records of t+1, less the mean over the workers
//	reward  of t+1 (policy.Reward)
//
// The action is what the workers got, so a trace of any partitioner holds actions,
// however they were decided. That is why the trainer's action is the log share, and not
// the gain and correction that the network outputs.
//
// Add appends windows. The trainer only reads.
type Recording struct {
	Raw dataset.Sequence // the windows as measured, from which Of makes the recording again

	p0      float64
	Records []float64 // [T] finished records, at least 1
	Logs    []float64 // [T,P] log(part of the records * P), NaN where unknown
	Inst    []float64 // [T,P] log(part of the records * P / busy), NaN where not measured
	Share   []float32 // [T,P] the action
	Reward  []float32 // [T]
	Usable  []bool    // [T] whether action and reward are known
	State   []float32 // [T,P,StateWidth] input of critics, per worker
	Common  []float32 // [T,CommonWidth] input of critics, of all workers

	smooth [len(smoothings)][]float64 // [P] log speeds
}

// smoothings are the factors of the smoothed log speeds that critics see, from fast to
// slow. Together they cover what the policy's memory can hold.
var smoothings = [...]float64{0.5, 0.15, 0.05}

// The critics' inputs of a worker: the smoothed log speeds, then these.
const (
	atDeviation = len(smoothings) + iota // newest log speed minus the middle smoothing
	atShare                              // log share minus the mean
	atBusy
	atSaturated
	atQueue
	atMeasured
	StateWidth
)

// The critics' inputs of all workers.
const (
	atMean     = iota // busy ratio
	atBusiest         // busy ratio
	atSurprise        // mean deviation
	atWorkers         // log P
	CommonWidth
)

// LogScale scales log speeds and log shares, of which a tenth is much, to about 1.
const LogScale = 4

// leastLogShare is a lower bound on the log of a share times P: no capacity policy gives
// less.
var leastLogShare = math.Log(0.02)

// New returns an empty recording of a job of P workers. p0 is the
// performance that earns reward 0.
func New(workers int, p0 float64) *Recording {
	r := &Recording{Raw: dataset.Sequence{Workers: workers}, p0: p0}
	for i := range r.smooth {
		r.smooth[i] = make([]float64, workers)
	}
	return r
}

// Of makes a recording of a sequence, and keeps it. A sequence without counts or busy
// ratios of all its windows is an error that names its trace.
func Of(s *dataset.Sequence, p0 float64) (*Recording, error) {
	n := s.Windows * s.Workers
	if s.Workers < 1 || len(s.Counts) != n || len(s.Busy) != n || len(s.Mixed) != s.Windows || s.Queue != nil && len(s.Queue) != n {
		return nil, fmt.Errorf("trace %s, episode %d: counts, busy ratios and route changes of all %d windows are needed", s.File, s.Episode, s.Windows)
	}
	r := New(s.Workers, p0)
	r.Raw = *s
	for t := range s.Windows {
		r.take(t)
	}
	return r, nil
}

// Windows is T.
func (r *Recording) Windows() int { return len(r.Reward) }

// Add appends a window. Another number of workers is an error.
func (r *Recording) Add(w *policy.Window) error {
	s := &r.Raw
	if len(w.Counts) != s.Workers || len(w.Busy) != s.Workers {
		return fmt.Errorf("window %d has counts of %d workers and busy ratios of %d, in a recording of %d", w.Step, len(w.Counts), len(w.Busy), s.Workers)
	}
	if s.Windows == 0 {
		s.Episode, s.First = w.Episode, w.Step
	}
	for i, n := range w.Counts {
		queue := 0.0
		if len(w.Queue) == s.Workers {
			queue = w.Queue[i]
		}
		s.Counts, s.Busy, s.Queue = append(s.Counts, float32(n)), append(s.Busy, float32(w.Busy[i])), append(s.Queue, float32(queue))
	}
	s.Mixed, s.Seconds = append(s.Mixed, w.RouteNew), append(s.Seconds, float32((w.End-w.Start).Seconds()))
	s.Windows++
	r.take(s.Windows - 1)
	return nil
}

// take computes everything about window t from the windows up to it.
func (r *Recording) take(t int) {
	workers := r.Raw.Workers
	counts, busy := r.Raw.Row(r.Raw.Counts, t), r.Raw.Row(r.Raw.Busy, t)
	parts, known := make([]float64, workers), true
	r.Records = append(r.Records, max(scenario.Parts(counts, parts), 1))
	measures, total, busiest, n := make([]float64, workers), 0.0, 0.0, 0.0
	mean := 0.0
	for w, count := range counts {
		v, inst := math.Log(parts[w]*float64(workers)), math.NaN() // v is NaN where unknown
		b := float64(busy[w])
		measures[w] = b
		if b > 0 && !math.IsInf(b, 1) && count >= 0 {
			inst = v - math.Log(b)
			total += b
			busiest = max(busiest, b)
			n++
		}
		known = known && count >= 0 && b == b
		mean += max(v, leastLogShare) / float64(workers)
		r.Logs, r.Inst = append(r.Logs, v), append(r.Inst, inst)
	}
	reward := policy.Reward(policy.Perf(measures), r.p0)
	if !known || math.IsNaN(reward) || math.IsInf(reward, 0) {
		known, reward, mean = false, 0, 0
	}
	r.Reward, r.Usable = append(r.Reward, float32(reward)), append(r.Usable, known)

	inst, logs := r.Inst[t*workers:], r.Logs[t*workers:]
	surprise := 0.0
	from := len(r.State)
	r.State = append(r.State, make([]float32, workers*StateWidth)...)
	for w := range workers {
		f := r.State[from+w*StateWidth:][:StateWidth]
		share := 0.0
		if logs[w] == logs[w] {
			share = max(logs[w], leastLogShare) - mean
		}
		r.Share = append(r.Share, float32(share))
		f[atShare] = float32(LogScale * share)
		if inst[w] == inst[w] {
			f[atMeasured], f[atBusy] = 1, float32(measures[w])
		}
		if measures[w] >= 0.999 {
			f[atSaturated] = 1
		}
		if r.Raw.Queue != nil {
			f[atQueue] = float32(Finite(float64(r.Raw.Queue[t*workers+w])))
		}
	}
	for i, alpha := range smoothings {
		deviations := r.follow(i, alpha, inst, n)
		for w, d := range deviations {
			f := r.State[from+w*StateWidth:][:StateWidth]
			f[i] = float32(LogScale * r.smooth[i][w])
			if i == len(smoothings)/2 {
				f[atDeviation] = float32(LogScale * d)
				surprise += math.Abs(d) / float64(workers)
			}
		}
	}
	r.Common = append(r.Common, float32(total/max(n, 1)), float32(busiest), float32(LogScale*surprise), float32(math.Log(float64(workers))/2))
}

// follow updates a smoothing with the newest log speeds, of n workers, and returns their
// deviations from it.
func (r *Recording) follow(i int, alpha float64, inst []float64, n float64) []float64 {
	s, off := r.smooth[i], make([]float64, len(r.smooth[i]))
	mean := 0.0
	for w := range s {
		if inst[w] == inst[w] {
			mean += (inst[w] - s[w]) / n
		}
	}
	centre := 0.0
	for w := range s {
		if inst[w] == inst[w] {
			off[w] = inst[w] - s[w] - mean
			s[w] += alpha * off[w]
		}
		centre += s[w] / float64(len(s))
	}
	for w := range s {
		s[w] -= centre
	}
	return off
}

// Finite returns v, or 0 if v is not finite.
func Finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

// Stretch is a part of a recording to learn from: transitions from window From on.
type Stretch struct {
	Recording *Recording
	From      int
}

// Stretches is a source of batches for capacity.RecurrentSACN.
type Stretches interface {
	// Sample returns count(P) stretches of length transitions each, all for the same
	// number of workers P, in memory that the source may reuse. It draws only from rng,
	// which is part of the trainer's state.
	Sample(rng *rand.Rand, length int, count func(workers int) int) ([]Stretch, error)
}

// Recordings is a source of stretches. It draws the first stretch of a batch uniformly from
// all places in all recordings, and the others from those with the same P.
type Recordings []*Recording

// Sample implements Stretches.
func (r Recordings) Sample(rng *rand.Rand, length int, count func(workers int) int) ([]Stretch, error) {
	places := func(workers int) (n int) {
		for _, v := range r {
			if workers == 0 || v.Raw.Workers == workers {
				n += max(0, v.Windows()-length)
			}
		}
		return n
	}
	place := func(workers, at int) Stretch {
		for _, v := range r {
			if workers != 0 && v.Raw.Workers != workers {
				continue
			}
			n := max(0, v.Windows()-length)
			if at < n {
				return Stretch{v, at}
			}
			at -= n
		}
		panic("recording: a place after the last recording")
	}
	all := places(0)
	if all == 0 {
		return nil, fmt.Errorf("none of %d recordings has %d windows in a row; collect longer episodes, or make stretches shorter", len(r), length+1)
	}
	batch := []Stretch{place(0, rng.IntN(all))}
	workers := batch[0].Recording.Raw.Workers
	same := places(workers)
	for range count(workers) - 1 {
		batch = append(batch, place(workers, rng.IntN(same)))
	}
	return batch, nil
}
