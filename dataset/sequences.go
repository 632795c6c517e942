package dataset

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/saspart/saspart/policy"
)

// Sequence is an unbroken run of windows of one episode, per worker: what the
// `capacity` action is learned from. Matrices are [T,P], row-major.
type Sequence struct {
	File    string // the trace
	Episode int    // in it
	First   int    // step of the first window
	Workers int    // P
	Windows int    // T

	Counts  []float32 // [T,P] records finished
	Units   []float32 // [T,P] work units finished; nil where the engine does not measure them
	Busy    []float32 // [T,P] busy ratio; NaN where a worker did not report
	Queue   []float32 // [T,P] fill of the queue; nil where the engine does not measure it
	Mixed   []bool    // [T] the route changed in the window: its counts and busy times are of two
	Seconds []float32 // [T] length of the window

	partitioner string
}

// Row returns the row of window t of a matrix of the sequence.
func (s *Sequence) Row(matrix []float32, t int) []float32 {
	return matrix[t*s.Workers : (t+1)*s.Workers]
}

// Sequences iterates over the episodes of traces in order, file by file, one in memory at a
// time. P may differ between files. An episode is split where a window is missing or the
// partitioner changes. Sequences of fewer than least windows are left out. An error names
// the file and ends the iteration.
func Sequences(ctx context.Context, files []string, least int) iter.Seq2[*Sequence, error] {
	return func(yield func(*Sequence, error) bool) {
		if len(files) == 0 {
			yield(nil, errors.New("no trace to learn from; make some with `saspart collect`"))
			return
		}
		for _, path := range files {
			s := sequencer{path: path, least: least, yield: yield}
			err := s.read(ctx)
			if errors.Is(err, errStop) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// errStop ends the reading of a trace early.
var errStop = errors.New("stop")

// sequencer cuts one trace into sequences.
type sequencer struct {
	path    string
	workers int
	least   int
	yield   func(*Sequence, error) bool
	now     *Sequence
	windows int
}

func (s *sequencer) read(ctx context.Context) error {
	err := eachWindow(ctx, s.path, func(m Meta) error {
		s.workers = m.Workers
		return nil
	}, s.window)
	if err != nil {
		return err
	}
	if s.windows == 0 {
		return fmt.Errorf("trace %s holds no windows: remove it, or collect again", s.path)
	}
	return s.end()
}

// end yields the current sequence.
func (s *sequencer) end() error {
	now := s.now
	s.now = nil
	if now == nil || now.Windows < s.least || s.yield(now, nil) {
		return nil
	}
	return errStop
}

func (s *sequencer) window(w *policy.Window) error {
	if len(w.Counts) == 0 || len(w.Busy) == 0 {
		return fmt.Errorf("trace %s: window %d has no counts or busy ratios of the workers: collect on an engine that measures them", s.path, s.windows)
	}
	s.windows++
	if s.now != nil && !s.now.continues(w) {
		if err := s.end(); err != nil {
			return err
		}
	}
	if s.now == nil {
		s.now = &Sequence{File: s.path, Episode: w.Episode, First: w.Step, Workers: s.workers, partitioner: w.Partitioner}
	}
	n := s.now
	n.Windows++
	n.Counts = appendNarrow(n.Counts, w.Counts)
	n.Units = appendNarrow(n.Units, w.Units)
	n.Busy = appendNarrow(n.Busy, w.Busy)
	n.Queue = appendNarrow(n.Queue, w.Queue)
	n.Mixed = append(n.Mixed, w.RouteNew)
	n.Seconds = append(n.Seconds, float32((w.End - w.Start).Seconds()))
	return nil
}

// continues reports whether w is the sequence's next window. A window with other
// measurements is not, because every column of a sequence has all rows.
func (s *Sequence) continues(w *policy.Window) bool {
	return w.Episode == s.Episode && w.Step == s.First+s.Windows && w.Partitioner == s.partitioner &&
		(len(w.Units) == 0) == (s.Units == nil) && (len(w.Queue) == 0) == (s.Queue == nil)
}

func appendNarrow[T int64 | float64](dst []float32, src []T) []float32 {
	for _, v := range src {
		dst = append(dst, float32(v))
	}
	return dst
}
