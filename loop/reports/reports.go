// Package reports makes metric windows of what the subtasks of a job report. It is
// pure: the time is passed in, and nothing here knows of connections. The policy
// server assembles with it what jobs in other processes send, and their client what
// it needs to decide without a server.
package reports

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/policy"
)

// Shape is the size of a job, the same for all of its subtasks.
type Shape struct {
	Workers      int           // P
	Partitioners int           // partitioner subtasks
	Slots        int           // hash slots that partitioners count, a power of two; 0: none
	Slides       int           // reports of each subtask in a metric window
	Slide        time.Duration // what one report covers
	Reducers     int           // reducer subtasks; 0: none report
	Queue        int           // records that fit a worker's queue; 0: not known
	Named        int           // heavy keys that a window names; 0: four per worker, at least 64
}

// Bounds of a shape besides policy.MaxWorkers.
const (
	mostPartitioners = 1 << 12
	mostSlots        = 1 << 19 // policy.SlotCount(policy.MaxWorkers): no larger table is planned
	mostSlides       = 1 << 10
	mostQueue        = 1 << 24
	mostNamed        = 1 << 16
	mostCells        = 1 << 20 // subtasks times slides
)

// Validate reports impossible values by their path.
func (s *Shape) Validate() error {
	err := errors.Join(
		field.Whole("workers", s.Workers, 1, policy.MaxWorkers),
		field.Whole("partitioners", s.Partitioners, 1, mostPartitioners),
		field.Whole("reducers", s.Reducers, 0, policy.MaxWorkers),
		field.Whole("slides", s.Slides, 1, mostSlides),
		field.Whole("queue", s.Queue, 0, mostQueue),
		field.Whole("hot_keys", s.Named, 0, mostNamed),
		field.Check(s.Slots == 0 || s.Slots > 0 && s.Slots <= mostSlots && bits.OnesCount(uint(s.Slots)) == 1,
			"slots", "is %d; it must be 0 or a power of two up to %d", s.Slots, mostSlots),
		field.Check(s.Slide >= time.Millisecond && s.Slide <= time.Hour, "slide", "is %v; it must be from 1ms to 1h", s.Slide),
	)
	if err != nil {
		return err
	}
	cells := s.subtasks() * s.Slides
	return field.Check(cells <= mostCells, "slides", "is %d, which makes %d reports in a window; at most %d are possible", s.Slides, cells, mostCells)
}

// subtasks is how many report: workers, then partitioners, then reducers, where they
// are numbered together.
func (s *Shape) subtasks() int { return s.Workers + s.Partitioners + s.Reducers }

// Window is the length of a metric window.
func (s *Shape) Window() time.Duration { return time.Duration(s.Slides) * s.Slide }

// HotKeys is how many heavy keys a window names. The default is what the planner can
// place and split.
func (s *Shape) HotKeys() int {
	if s.Named > 0 {
		return s.Named
	}
	return max(64, 4*s.Workers)
}

// KeyLimit is the number of keys that the bounds on lists in reports are multiples of. It
// does not fall with Named, because partitioners may split keys that no window names.
func (s *Shape) KeyLimit() int { return max(64, 4*s.Workers, s.Named) }

// Report is what subtasks of a job measured in one slide. One that measured nothing
// is left out.
type Report struct {
	Slide        uint64 // its number; a window has those from n*Slides to n*Slides+Slides-1
	Workers      []Worker
	Partitioners []Partitioner
	Reducers     []Reducer
	Route        *policy.Route // the route in force if the receiver may not know it; else nil
	Whole        *Whole        // what a job in this process knows; nil: the job runs elsewhere
}

// Whole is what a job whose subtasks all run in this process knows about its metric window
// as a whole. It is not part of the wire protocol: where it is missing, the assembler
// derives the same from what each subtask reports.
type Whole struct {
	Start, End  time.Duration           // since the job's start
	Partitioner string                  // in force at the end
	Route       *policy.Route           // in force at the end; nil: the partitioner follows none
	RouteNew    bool                    // the window is mixed
	Latency     *hdrhistogram.Histogram // of the records finished, in ns
}

// Worker is what one worker measured.
type Worker struct {
	Index    int
	Records  int64   // finished
	Units    int64   // work units in them
	Busy     float64 // share of the slide, 0..1
	Queue    float64 // fill at the slide's end, 0..1
	Realised []Realised
	Times    policy.Times // how long it took for records

	Late bool // an answer to an earlier window: it adds counts, and says nothing of the present

	CPU       float64  // share of the slide that its thread was on a core, 0..1; 0: unknown
	Bypassed  int64    // results it finished alone
	StateKeys int64    // keys with state at the slide's end
	Bytes     int64    // that state took at most, within a process; 0: unknown
	Latency   *Latency // of the records finished; nil: not measured
}

// Realised counts the records of a key that the worker finished.
type Realised struct {
	Hash  uint64
	Count int64
}

// Reducer is what one reducer subtask measured.
type Reducer struct {
	Index int
	Busy  float64 // share of the slide, 0..1
	Keys  int64   // results finished
	Pairs int64   // partial results that they were merged from
}

// Partitioner is what one partitioner subtask measured.
type Partitioner struct {
	Index        int
	Sent         int64           // records
	Offered      float64         // records/s that were due
	Blocked      float64         // share of the slide it waited for full queues, 0..1
	Hot          []policy.HotKey // heaviest keys
	Slots        []int64         // records per slot: as many as the shape has, or none
	RouteVersion uint64          // in force at the slide's end
	RouteChanged bool            // records of another route or partitioner were routed or worked on too
	Share        []byte          // what it has learned, for the other subtasks; nil: nothing
	Name         string          // of the partitioner in force at the slide's end; "": untold
	Learns       bool            // the partitioner learns from windows

	// Only within a process:
	StateKeys int64 // keys with state at a subtask that aggregates before it sends
	Bytes     int64 // that this state took at most
	Late      bool  // as of Worker
}

// each calls f with each subtask in the report, as Shape.subtasks numbers them.
func (r *Report) each(s *Shape, f func(subtask int)) {
	for i := range r.Workers {
		f(r.Workers[i].Index)
	}
	for i := range r.Partitioners {
		f(s.Workers + r.Partitioners[i].Index)
	}
	for i := range r.Reducers {
		f(s.Workers + s.Partitioners + r.Reducers[i].Index)
	}
}

// SetWindow makes r the report of a job whose subtasks all run in this process and which
// measures in whole windows: its shape has one slide per window. It uses r's memory again.
// Unmeasured workers are left out. The caller sets the route.
func (r *Report) SetWindow(w *policy.Window, shape *Shape) {
	r.Slide = uint64(max(0, w.Step))
	var realised map[int][]Realised
	if len(w.Realised) > 0 {
		realised = make(map[int][]Realised)
	}
	for _, s := range w.Realised {
		realised[s.Worker] = append(realised[s.Worker], Realised{s.Hash, s.Count})
	}
	r.Workers = slices.Grow(r.Workers[:0], len(w.Busy))
	for i, busy := range w.Busy {
		if busy != busy {
			continue
		}
		of := Worker{Index: i, Records: w.Counts[i], Busy: min(max(busy, 0), 1), Realised: realised[i]}
		if i < len(w.Units) {
			of.Units = w.Units[i]
		}
		if i < len(w.Queue) && w.Queue[i] == w.Queue[i] {
			of.Queue = min(max(w.Queue[i], 0), 1)
		}
		if i < len(w.Times) {
			of.Times = w.Times[i]
		}
		r.Workers = append(r.Workers, of)
	}
	p := Partitioner{
		Offered: w.OfferedRate, Blocked: min(max(w.Backpressured, 0), 1), Hot: w.Hot, Slots: w.Slots, RouteChanged: w.RouteNew,
		Sent: int64(w.ActualRate*(w.End-w.Start).Seconds() + 0.5),
	}
	if len(w.Slots) != shape.Slots {
		p.Slots = nil
	}
	if w.Route != nil {
		p.RouteVersion = w.Route.Version
	}
	r.Partitioners = append(r.Partitioners[:0], p)
}

// Check reports the first value that would make the assembler misbehave: an index or
// a number of slots that is not the shape's, or lists out of order. Amounts are the sender's to vouch for.
func (r *Report) Check(shape *Shape) error {
	for i := range r.Workers {
		if n := r.Workers[i].Index; n < 0 || n >= shape.Workers {
			return fmt.Errorf("worker %d of %d", n, shape.Workers)
		}
		if err := r.Workers[i].Times.Validate(shape.Slots); err != nil {
			return fmt.Errorf("worker %d: %w", r.Workers[i].Index, err)
		}
	}
	for i := range r.Reducers {
		if n := r.Reducers[i].Index; n < 0 || n >= shape.Reducers {
			return fmt.Errorf("reducer %d of %d", n, shape.Reducers)
		}
	}
	for i := range r.Partitioners {
		p := &r.Partitioners[i]
		if p.Index < 0 || p.Index >= shape.Partitioners {
			return fmt.Errorf("partitioner %d of %d", p.Index, shape.Partitioners)
		}
		if p.RouteVersion > policy.MaxVersion {
			return fmt.Errorf("partitioner %d follows route version %d, where %d is the highest", p.Index, p.RouteVersion, uint64(policy.MaxVersion))
		}
		if n := len(p.Slots); n != 0 && n != shape.Slots {
			return fmt.Errorf("partitioner %d counts %d slots; its job has %d", p.Index, n, shape.Slots)
		}
	}
	return nil
}
