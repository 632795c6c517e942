package online

import (
	"fmt"
	"math/rand/v2"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/recording"
	"github.com/saspart/saspart/train/replay"
)

// CapacityLearner learns the capacity action from stretches of windows.
// capacity.Recurrent is one.
type CapacityLearner interface {
	Update(src recording.Stretches) (train.Stats, error)
	State() (train.State, error)
	Restore(s train.State) error
	Checkpoint() *checkpoint.Checkpoint
}

// Filter is what Envs of the capacity action have of their student.
type Filter interface {
	// Newest is the policy by now, with a number that grows when it changes. It must
	// not be changed.
	Newest() (*checkpoint.Checkpoint, uint64)
	// Record takes a window of a job, which follows the one before.
	Record(job int, w *policy.Window) error
	// Cut says that the next window of a job does not follow the one before.
	Cut(job int)
}

// Capacity is the student of the capacity action: the trainer with the windows that it
// remembers. It learns when it is told to, on the caller's goroutine.
type Capacity struct {
	Learner  CapacityLearner
	Windows  *replay.Recordings
	Least    int                   // windows in a row that a stretch needs
	Recorded recording.Recordings  // to learn from as well; none: nothing
	Data     string                // fingerprint of Recorded
	Share    float64               // of the batches that are of Recorded
	Policy   checkpoint.Checkpoint // its manifest's origin: CreatedBy, Parent, Configuration

	newest  *checkpoint.Checkpoint
	version uint64
}

var (
	_ Student = (*Capacity)(nil)
	_ Filter  = (*Capacity)(nil)
)

// Newest implements Filter.
func (s *Capacity) Newest() (*checkpoint.Checkpoint, uint64) {
	if s.newest == nil {
		s.newest = s.Learner.Checkpoint()
		s.version++
	}
	return s.newest, s.version
}

// Record implements Filter.
func (s *Capacity) Record(job int, w *policy.Window) error { return s.Windows.Add(job, w) }

// Cut implements Filter.
func (s *Capacity) Cut(job int) { s.Windows.Cut(job) }

// Learn implements Student. Nothing is learned before there is a whole stretch.
func (s *Capacity) Learn(updates int, each func(train.Stats)) error {
	recorded := len(s.Recorded) > 0 && s.Share > 0
	if s.Windows.Longest() < s.Least && !recorded {
		return nil
	}
	for range updates {
		stats, err := s.Learner.Update(mixed{s, recorded})
		if err != nil {
			return err
		}
		s.newest = nil
		each(stats)
	}
	return nil
}

// mixed draws whole batches from either source: one is of a single number of workers,
// and recorded jobs may have had another.
type mixed struct {
	*Capacity
	recorded bool
}

// Sample implements recording.Stretches.
func (m mixed) Sample(rng *rand.Rand, length int, count func(workers int) int) ([]recording.Stretch, error) {
	if m.recorded && (m.Windows.Longest() < m.Least || rng.Float64() < m.Share) {
		return m.Recorded.Sample(rng, length, count)
	}
	return m.Windows.Sample(rng, length, count)
}

// Freeze implements Student: nothing is learned but in Learn.
func (s *Capacity) Freeze(bool) {}

// Close implements Student.
func (s *Capacity) Close() error { return nil }

// checkpoint is the policy c as it is saved.
func (s *Capacity) checkpoint(c *checkpoint.Checkpoint, metrics map[string]float64) *checkpoint.Checkpoint {
	named := *c
	named.CreatedBy, named.Parent, named.Configuration, named.Metrics = s.Policy.CreatedBy, s.Policy.Parent, s.Policy.Configuration, metrics
	return &named
}

// snapshot is the policy by now.
func (s *Capacity) snapshot() *checkpoint.Checkpoint {
	return s.checkpoint(s.Learner.Checkpoint(), nil)
}

// Save implements Student.
func (s *Capacity) Save(folder string, whole bool, status []byte, metrics map[string]float64) error {
	var extra []func(string) error
	if whole {
		state, err := s.Learner.State()
		if err != nil {
			return err
		}
		extra = append(extra, train.Saved{State: state, Data: s.Data}.Write, writeReplay(s.Windows, status))
	}
	c, _ := s.Newest()
	return checkpoint.Save(folder, s.checkpoint(c, metrics), extra...)
}

// Load makes the student what it was when the checkpoint in folder was saved, and
// returns the status saved with it. It takes the next windows of its jobs to follow the
// ones that it remembers: Cut those that do not go on. Without the folder the error is
// fs.ErrNotExist.
func (s *Capacity) Load(folder string, capacity, workers int, p0 float64) (*Status, error) {
	from, err := train.ReadSaved(folder)
	if err != nil {
		return nil, err
	}
	if from.Data != s.Data {
		return nil, otherData(folder)
	}
	data, status, err := readReplay(folder)
	if err == nil {
		s.Windows, err = replay.ReadRecordings(data, capacity, workers, p0)
	}
	if err == nil {
		err = s.Learner.Restore(from.State)
	}
	if err != nil {
		return nil, fmt.Errorf("go on from checkpoint %s: %w", folder, err)
	}
	s.newest = nil
	return status, nil
}

func otherData(folder string) error {
	return fmt.Errorf("go on from checkpoint %s: it learned from other recorded windows too; name the same traces, in the same state, or another --out", folder)
}
