package train

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/policy"
)

// RecordingConfig says how traces become recordings.
type RecordingConfig struct {
	P0      float64 `yaml:"p0"`       // performance that earns reward 0
	HeldOut float64 `yaml:"held_out"` // part of the recordings kept from training
}

// DefaultRecordings hold out a tenth.
func DefaultRecordings() RecordingConfig {
	return RecordingConfig{P0: policy.DefaultP0, HeldOut: 0.1}
}

// Validate reports every impossible value by its path.
func (c *RecordingConfig) Validate() error {
	return errors.Join(field.Finite("p0", c.P0, 1e-6, 1e6), field.Finite("held_out", c.HeldOut, 0, 0.9))
}

// CapacityData is what traces hold for learning the capacity action. All of it is in
// memory, at some 70 bytes per window and worker.
type CapacityData struct {
	Train, HeldOut Recordings // HeldOut is empty where no recording could be spared
	Windows        int64      // in both
	Workers        []int      // every P that there is, in the order of the traces
	Fingerprint    string     // of the recordings and of how they were split
}

// LoadCapacity reads the episodes of traces, of any P, as far as they have at least
// so many windows in a row. The same files and seed give the same split. watch, if
// not nil, is called with the windows read so far.
func LoadCapacity(ctx context.Context, c RecordingConfig, files []string, least int, seed uint64, watch func(windows int64)) (*CapacityData, error) {
	d := &CapacityData{}
	var all Recordings
	sum := sha256.New()
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("describe the recordings: %w", err)
	}
	sum.Write(text)
	sum.Write(binary.LittleEndian.AppendUint64(nil, seed))
	for s, err := range dataset.Sequences(ctx, files, least) {
		if err != nil {
			return nil, err
		}
		r, err := RecordingOf(s, c.P0)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
		d.see(s.Workers)
		d.Windows += int64(s.Windows)
		for _, v := range [][]float32{s.Counts, s.Busy, s.Queue} {
			for _, x := range v {
				sum.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(x)))
			}
		}
		if watch != nil {
			watch(d.Windows)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no episode of %d traces has %d windows in a row; collect longer ones, or make stretches shorter", len(files), least)
	}
	d.Fingerprint = fmt.Sprintf("%x", sum.Sum(nil))
	d.split(all, c.HeldOut, seed)
	return d, nil
}

func (d *CapacityData) see(workers int) {
	for _, p := range d.Workers {
		if p == workers {
			return
		}
	}
	d.Workers = append(d.Workers, workers)
}

// split holds out at least one recording, where there are two and any is asked for.
func (d *CapacityData) split(all Recordings, part float64, seed uint64) {
	n := 0
	if part > 0 && len(all) > 1 {
		n = min(max(1, int(part*float64(len(all))+0.5)), len(all)-1)
	}
	out := map[int]bool{}
	for _, i := range rand.New(rand.NewPCG(seed, 0x5e71)).Perm(len(all))[:n] {
		out[i] = true
	}
	for i, r := range all {
		if out[i] {
			d.HeldOut = append(d.HeldOut, r)
		} else {
			d.Train = append(d.Train, r)
		}
	}
}

// held are the recordings to judge by: those held out, or all where none is.
func (d *CapacityData) held() Recordings {
	if len(d.HeldOut) > 0 {
		return d.HeldOut
	}
	return d.Train
}

// measured is what a policy sees of window t: as policy.NewLearned's controller has
// it, but for the share that a worker was to get, which a recording doesn't tell and
// which is taken to be the one that it got. Slices of m are used again.
func (r *Recording) measured(t int, m *policy.Measured) {
	p := r.Raw.Workers
	m.Seen, m.Busy, m.Queue = resize(m.Seen, p), resize(m.Busy, p), resize(m.Queue, p)
	m.Records = 0
	for w := range p {
		m.Seen[w], m.Busy[w], m.Queue[w] = -1, float64(r.Raw.Busy[t*p+w]), 0
		if v := r.logs[t*p+w]; v == v {
			m.Seen[w] = math.Exp(v) / float64(p)
		}
		if r.Raw.Queue != nil {
			m.Queue[w] = float64(r.Raw.Queue[t*p+w])
		}
		m.Records += math.Max(0, float64(r.Raw.Counts[t*p+w]))
	}
	m.Share, m.Records = m.Seen, max(m.Records, 1)
}

func resize(v []float64, n int) []float64 {
	if cap(v) < n {
		return make([]float64, n)
	}
	return v[:n]
}

// judge says of a capacity policy what recordings tell without its critics: how far
// its log shares are from those recorded, and how it would have done with the speeds
// recorded, beside what was done, in the mean over the recordings of imbalances after
// the first windows. Recordings that are too short or in which at some time nobody was
// measured have no such imbalance, NaN if that is all of them.
func judge(c *policy.Checkpoint, recordings Recordings) (e Estimates, err error) {
	square, numbers, scored := 0.0, 0, 0.0
	imbalance, behaviour := 0.0, 0.0
	for _, r := range recordings {
		f, err := policy.NewCapacity(c, r.Raw.Workers)
		if err != nil {
			return e, err
		}
		share, m := make([]float64, r.Raw.Workers), policy.Measured{}
		for w := range share {
			share[w] = 1 / float64(len(share))
		}
		for t := range r.Windows() - 1 {
			if r.measured(t, &m); !r.Raw.Mixed[t] {
				f.Follow(&m, share)
			}
			if !r.usable[t+1] {
				continue
			}
			e.Rows++
			mean := 0.0
			for _, v := range share {
				mean += math.Log(v) / float64(len(share))
			}
			for w, v := range share {
				d := math.Log(v) - mean - float64(r.share[(t+1)*len(share)+w])
				square += d * d
				numbers++
			}
		}
		s, err := RecordedScenario(&r.Raw, 0, r.Windows(), 0)
		if err != nil || s.Windows <= judgedFrom {
			continue
		}
		score, err := policy.ScoreFollower(f, s)
		if err != nil {
			return e, fmt.Errorf("trace %s, episode %d: %w", r.Raw.File, r.Raw.Episode, err)
		}
		imbalance += score.After
		for t := judgedFrom; t < s.Windows; t++ {
			got := make([]float64, s.Workers)
			for w := range got {
				got[w] = math.Exp(r.logs[t*s.Workers+w])
			}
			if v := s.Imbalance(t, got); v == v {
				behaviour += v / float64(s.Windows-judgedFrom)
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

// judgedFrom is how many windows a policy gets to learn the speeds, as
// policy.EvaluateFollower has it.
const judgedFrom = 8
