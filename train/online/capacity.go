package online

import (
	"math/rand/v2"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/recording"
	"github.com/saspart/saspart/train/replay"
)

// CapacityTrainer updates a policy of the capacity action from stretches of windows.
// capacity.RecurrentSACN is one.
type CapacityTrainer interface {
	trainer
	Update(src recording.Stretches) (train.Stats, error)
	Checkpoint() *checkpoint.Checkpoint
}

// CapacityAgent gives Envs of the capacity action their policy and records their
// windows.
type CapacityAgent interface {
	// Policy is the policy to act with, and a number that grows when it changes. The
	// caller must not change it.
	Policy() (*checkpoint.Checkpoint, uint64)
	// Record takes a window of a job to learn from. It must follow the job's last one.
	Record(job int, w *policy.Window) error
	// Cut says that the job's next window does not follow the last one recorded.
	Cut(job int)
}

// CapacityLearner is the learner of the capacity action: a trainer and the windows that
// it remembers. It learns within Learn, on the caller's goroutine.
type CapacityLearner struct {
	Trainer       CapacityTrainer
	Windows       *replay.Recordings
	Least         int                   // windows in a row that a stretch needs
	Recorded      recording.Recordings  // recordings to learn from as well
	Data          string                // fingerprint of Recorded
	RecordedShare float64               // part of the batches that is drawn from Recorded
	Template      checkpoint.Checkpoint // CreatedBy, Parent and Configuration of what is saved

	newest  *checkpoint.Checkpoint // nil: the trainer has changed it
	version uint64
}

// Policy implements CapacityAgent.
func (s *CapacityLearner) Policy() (*checkpoint.Checkpoint, uint64) {
	if s.newest == nil {
		s.newest = s.Trainer.Checkpoint()
		s.version++
	}
	return s.newest, s.version
}

// Record implements CapacityAgent.
func (s *CapacityLearner) Record(job int, w *policy.Window) error { return s.Windows.Add(job, w) }

// Cut implements CapacityAgent.
func (s *CapacityLearner) Cut(job int) { s.Windows.Cut(job) }

// Learn implements Learner. It does nothing while there is no whole stretch.
func (s *CapacityLearner) Learn(updates int, each func(train.Stats)) error {
	recorded := len(s.Recorded) > 0 && s.RecordedShare > 0
	if s.Windows.Longest() < s.Least && !recorded {
		return nil
	}
	for range updates {
		stats, err := s.Trainer.Update(mixed{s, recorded})
		if err != nil {
			return err
		}
		s.newest = nil
		each(stats)
	}
	return nil
}

// mixed draws each batch from one of the two sources: a batch has one number of
// workers, and recorded jobs may have had another number than the running ones.
type mixed struct {
	*CapacityLearner
	recorded bool
}

// Sample implements recording.Stretches.
func (m mixed) Sample(rng *rand.Rand, length int, count func(workers int) int) ([]recording.Stretch, error) {
	if m.recorded && (m.Windows.Longest() < m.Least || rng.Float64() < m.RecordedShare) {
		return m.Recorded.Sample(rng, length, count)
	}
	return m.Windows.Sample(rng, length, count)
}

// Freeze implements Learner. The policy changes only in Learn.
func (s *CapacityLearner) Freeze(bool) {}

// Close implements Learner.
func (s *CapacityLearner) Close() error { return nil }

// snapshot implements foreground.
func (s *CapacityLearner) snapshot() *checkpoint.Checkpoint { return s.named(s.Trainer.Checkpoint()) }

// named is a copy of a policy with its origin.
func (s *CapacityLearner) named(c *checkpoint.Checkpoint) *checkpoint.Checkpoint {
	named := *c
	named.CreatedBy, named.Parent, named.Configuration = s.Template.CreatedBy, s.Template.Parent, s.Template.Configuration
	named.Trained = checkpoint.OnJob
	return &named
}

// Save implements Learner.
func (s *CapacityLearner) Save(folder string, full bool, status []byte, metrics map[string]float64) error {
	c, _ := s.Policy()
	c = s.named(c)
	c.Metrics = metrics
	if !full {
		return checkpoint.Save(folder, c)
	}
	return saveFull(folder, c, s.Trainer, s.Data, s.Windows, status)
}

// Load restores the learner from the checkpoint in folder and returns the status saved
// with it. It expects each job's next window to follow the last one remembered: Cut the
// jobs that do not continue. If there is no such folder the error is fs.ErrNotExist.
func (s *CapacityLearner) Load(folder string, capacity, workers int, p0 float64) (*Status, error) {
	s.newest = nil
	return loadFull(folder, s.Trainer, s.Data, func(data []byte) (err error) {
		s.Windows, err = replay.ReadRecordings(data, capacity, workers, p0)
		return err
	})
}

// Consecutive is an agent for one job whose windows may have gaps, such as a job in
// another process that leaves and comes back. It cuts the recording where a window's
// step does not follow the step before.
func Consecutive(a CapacityAgent) CapacityAgent { return &consecutive{CapacityAgent: a} }

type consecutive struct {
	CapacityAgent
	next int // expected step
}

// Record implements CapacityAgent.
func (c *consecutive) Record(job int, w *policy.Window) error {
	if w.Step != c.next {
		c.Cut(job)
	}
	c.next = w.Step + 1
	return c.CapacityAgent.Record(job, w)
}
