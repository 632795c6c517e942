package replay

import (
	"encoding/gob"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/train/recording"
)

// Recordings stores the newest windows of running jobs, for a trainer that learns from
// stretches of them (capacity.RecurrentSACN). Each job's windows are kept in order, in segments.
// If there are too many windows, the oldest segment is dropped. Recordings implements
// recording.Stretches and draws uniformly: the error of a recurrent policy in a window
// depends on earlier windows, so windows have no priorities of their own. It must not be
// used concurrently.
type Recordings struct {
	workers, capacity int
	p0                float64
	segments          []segment // oldest first
	windows           int
}

// segment is a sequence of consecutive windows of one job.
type segment struct {
	job       int
	open      bool // it grows
	recording *recording.Recording
}

// segmentWindows is the length of a full segment.
const segmentWindows = 256

// NewRecordings returns a store for capacity windows, and up to one segment more, of jobs
// with the given number of workers. p0 is the performance that earns reward 0.
func NewRecordings(capacity, workers int, p0 float64) *Recordings {
	return &Recordings{workers: workers, capacity: capacity, p0: p0}
}

// Windows is the number of windows stored.
func (r *Recordings) Windows() int { return r.windows }

// Add stores a window of a job. It must follow the job's last one, unless Cut was called.
func (r *Recordings) Add(job int, w *policy.Window) error {
	s := r.growing(job)
	if s == nil {
		r.segments = append(r.segments, segment{job, true, recording.New(r.workers, r.p0)})
		s = &r.segments[len(r.segments)-1]
	}
	if err := s.recording.Add(w); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	r.windows++
	s.open = s.recording.Windows() < segmentWindows
	for first := &r.segments[0]; r.windows > r.capacity && !first.open; first = &r.segments[0] {
		r.windows -= first.recording.Windows()
		copy(r.segments, r.segments[1:])
		r.segments[len(r.segments)-1] = segment{}
		r.segments = r.segments[:len(r.segments)-1]
	}
	return nil
}

// growing is the segment that a job's next window belongs to; nil: a new one must begin.
func (r *Recordings) growing(job int) *segment {
	for i := range r.segments {
		if s := &r.segments[i]; s.open && s.job == job {
			return s
		}
	}
	return nil
}

// Cut ends the segment of a job: its next window does not follow the last one.
func (r *Recordings) Cut(job int) {
	if s := r.growing(job); s != nil {
		s.open = false
	}
}

// Longest is the length of the longest segment.
func (r *Recordings) Longest() int {
	most := 0
	for _, s := range r.segments {
		most = max(most, s.recording.Windows())
	}
	return most
}

// Sample implements recording.Stretches.
func (r *Recordings) Sample(rng *rand.Rand, length int, count func(workers int) int) ([]recording.Stretch, error) {
	all := make(recording.Recordings, len(r.segments))
	for i, s := range r.segments {
		all[i] = s.recording
	}
	return all.Sample(rng, length, count)
}

// savedRecordings are Recordings in their file.
type savedRecordings struct {
	Workers  int
	Segments []savedSegment // oldest first
}

type savedSegment struct {
	Job  int
	Open bool
	Raw  dataset.Sequence
}

// Write writes all windows to w.
func (r *Recordings) Write(w io.Writer) error {
	s := savedRecordings{Workers: r.workers}
	for _, k := range r.segments {
		s.Segments = append(s.Segments, savedSegment{k.job, k.open, k.recording.Raw})
	}
	return gob.NewEncoder(w).Encode(s)
}

// ReadRecordings returns the recordings that Write has written.
func ReadRecordings(data []byte, capacity, workers int, p0 float64) (*Recordings, error) {
	var s savedRecordings
	if err := decode(data, &s); err != nil {
		return nil, err
	}
	if s.Workers != workers {
		return nil, fmt.Errorf("read replay: its jobs have %d workers, where %d belong: use the configuration that wrote it", s.Workers, workers)
	}
	r := NewRecordings(capacity, workers, p0)
	for _, k := range s.Segments {
		recording, err := recording.Of(&k.Raw, p0)
		if err != nil {
			return nil, fmt.Errorf("read replay: %w", err)
		}
		r.segments = append(r.segments, segment{k.Job, k.Open, recording})
		r.windows += k.Raw.Windows
	}
	return r, nil
}
