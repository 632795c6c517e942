package reports

import (
	"errors"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/saspart/saspart/policy"
)

// Config says how long windows wait for reports.
type Config struct {
	Deadline time.Duration // from the first report that shows a window to be over, until it is returned incomplete
	Ahead    int           // windows that are open at a time, at most
	Silence  time.Duration // a subtask that has not reported for this long does not hold the job to its window
}

// Default waits a quarter of a second, with eight windows open.
func Default() Config {
	return Config{Deadline: 250 * time.Millisecond, Ahead: 8, Silence: 5 * time.Second}
}

// ErrAhead says that the slide of a report is far ahead of what the other subtasks of the
// job report.
var ErrAhead = errors.New("the report's slide is far ahead of what the job's other subtasks report")

// Counts says what became of reports, counting one for each subtask and slide.
type Counts struct {
	Taken     uint64 `json:"taken"`
	Late      uint64 `json:"late"`      // of a window that had been returned: ignored
	Duplicate uint64 `json:"duplicate"` // the subtask had reported the slide before
	Missing   uint64 `json:"missing"`   // subtasks that had not reported, or not every slide, when their window was returned
	Skipped   uint64 `json:"skipped"`   // windows that no subtask reported, or that the job has jumped over
	Jumps     uint64 `json:"jumps"`     // times that the job's slides jumped, forward or back
}

// Assembled is a window that is over, until Release.
type Assembled struct {
	Number       uint64         // its first slide over Shape.Slides
	Window       *policy.Window // busy and queue of missing workers are NaN, their counts 0
	Workers      []int          // missing workers
	Partitioners []int          // missing partitioner subtasks
	Reducers     []int          // missing reducers

	CPU     []float64               // share of the window that each worker's thread was on a core; 0: unknown
	Latency *hdrhistogram.Histogram // of the records finished; nil: not measured
	Learns  bool                    // a partitioner learns from windows
	Shares  [][]byte                // the latest gossip of each partitioner subtask; nil: none; kept by Release

	pane *pane
}

// Release returns the window's memory for reuse: the window and its lists must not be used
// any more. A window that is not released belongs to the caller.
func (a *Assembled) Release() { poolOf(a.pane.shape).Put(a.pane) }

// Complete reports whether every subtask reported every slide.
func (a *Assembled) Complete() bool { return len(a.Workers)+len(a.Partitioners)+len(a.Reducers) == 0 }

// Assembler joins the reports of a job's subtasks into windows, returned in order.
// A window is complete when each subtask has reported each of its slides. Subtasks report in
// order, so a window is returned incomplete if a later one is complete. It is overdue, and
// returned as well, when Deadline has passed since any subtask ended it or reported a later
// one. Subtasks that lack a slide are then missing. The counts of a missing worker are left
// out, because they do not measure the window; the keys and slots of a missing partitioner
// are kept.
//
// Slides may jump. A report that is Ahead windows in advance is an error as long as other
// subtasks report. The assembler follows back if most subtasks that report are as far behind:
// a wrong slide number of one subtask must not silence its job.
//
// Memory is bounded by Config.Ahead windows, whatever is reported.
type Assembler struct {
	shape  Shape
	config Config
	counts Counts

	begun  bool
	base   uint64      // the oldest window not returned
	open   []*pane     // of base and the next ones; nil: no report yet
	due    []time.Time // when each is overdue; zero: it is not over yet
	heard  []hearing   // of each subtask
	latest uint64      // slide that a report was taken of
	known  [8]*policy.Route
	next   int // of known: the oldest
}

// hearing is the last report of a subtask.
type hearing struct {
	at     time.Time // zero: none
	window uint64
}

// NewAssembler returns an assembler of a job. shape must be valid.
func NewAssembler(shape Shape, config Config) *Assembler {
	return &Assembler{
		shape: shape, config: config,
		open: make([]*pane, config.Ahead), due: make([]time.Time, config.Ahead),
		heard: make([]hearing, shape.subtasks()),
	}
}

// Counts says what became of the reports so far.
func (a *Assembler) Counts() Counts { return a.counts }

// Know adds a route that the job's reports may name by its version. The last few are kept.
func (a *Assembler) Know(r *policy.Route) {
	if r == nil || a.routeOf(r.Version) != nil {
		return
	}
	a.known[a.next] = r
	a.next = (a.next + 1) % len(a.known)
}

// routeOf is the known route of a version, nil if there is none.
func (a *Assembler) routeOf(version uint64) *policy.Route {
	for _, r := range a.known {
		if r != nil && r.Version == version {
			return r
		}
	}
	return nil
}

// Add processes a report, which must pass Check. Its lists are not kept; its route and the
// gossip of partitioners are. The error is nil or ErrAhead, for a report that is ignored.
func (a *Assembler) Add(now time.Time, r *Report) error {
	slides := uint64(a.shape.Slides)
	n := r.Slide / slides
	subtasks := uint64(len(r.Workers) + len(r.Partitioners) + len(r.Reducers))
	if subtasks == 0 {
		return nil
	}
	switch {
	case !a.begun:
		a.begun, a.base = true, n
	case n < a.base:
		a.hear(now, n, r)
		if a.base-n < uint64(len(a.open)) || !a.behind(now) {
			a.counts.Late += subtasks
			return nil
		}
		a.jump(n)
	case n-a.base >= uint64(len(a.open)):
		if a.others(now, r) {
			return ErrAhead
		}
		a.jump(n)
	}
	a.hear(now, n, r)
	a.Know(r.Route)
	a.latest = max(a.latest, r.Slide)
	at := int(n - a.base)
	if a.open[at] == nil {
		a.open[at] = newPane(&a.shape)
	}
	a.open[at].add(r, int(r.Slide%slides), &a.counts)
	over := at // windows before this one are over
	if r.Slide%slides == slides-1 {
		over++
	}
	for i := range a.due[:over] {
		if a.due[i].IsZero() {
			a.due[i] = now.Add(a.config.Deadline)
		}
	}
	return nil
}

// Latest is the latest reported slide. Subtasks are in the next slide, or about to begin the
// slide after that.
func (a *Assembler) Latest() uint64 { return a.latest }

// hear records which subtasks have reported, and of which window.
func (a *Assembler) hear(now time.Time, window uint64, r *Report) {
	r.each(&a.shape, func(subtask int) { a.heard[subtask] = hearing{now, window} })
}

// recent reports whether a subtask has reported within Silence.
func (a *Assembler) recent(now time.Time, h hearing) bool {
	return !h.at.IsZero() && now.Sub(h.at) < a.config.Silence
}

// behind reports whether most subtasks that have reported within Silence are so far behind
// that all their reports are late.
func (a *Assembler) behind(now time.Time) bool {
	n := 0
	for _, h := range a.heard {
		switch {
		case !a.recent(now, h):
		case h.window < a.base && a.base-h.window >= uint64(len(a.open)):
			n++
		default:
			n--
		}
	}
	return n > 0
}

// others reports whether subtasks that are not in r have reported within Silence.
func (a *Assembler) others(now time.Time, r *Report) bool {
	in := make([]bool, len(a.heard))
	r.each(&a.shape, func(subtask int) { in[subtask] = true })
	for i, h := range a.heard {
		if a.recent(now, h) && !in[i] {
			return true
		}
	}
	return false
}

// jump drops the open windows and continues at window n.
func (a *Assembler) jump(n uint64) {
	for _, p := range a.open {
		if p != nil {
			a.counts.Skipped++
			poolOf(p.shape).Put(p)
		}
	}
	clear(a.open)
	clear(a.due)
	a.base, a.latest = n, 0
	a.counts.Jumps++
}

// Next returns the oldest window if it is complete or overdue, else nil.
func (a *Assembler) Next(now time.Time) *Assembled {
	for {
		p, due := a.open[0], a.due[0]
		overdue := !due.IsZero() && !now.Before(due)
		if !overdue && !slices.ContainsFunc(a.open, a.complete) {
			return nil
		}
		n := a.base
		a.base++
		copy(a.open, a.open[1:])
		copy(a.due, a.due[1:])
		a.open[len(a.open)-1], a.due[len(a.due)-1] = nil, time.Time{}
		if p == nil {
			a.counts.Skipped++
			continue
		}
		out := p.finish(n, a.routeOf)
		a.counts.Missing += uint64(len(out.Workers) + len(out.Partitioners) + len(out.Reducers))
		return out
	}
}

// complete reports whether every subtask has reported every slide of a window.
func (a *Assembler) complete(p *pane) bool {
	return p != nil && p.whole == a.shape.subtasks()
}

// Due is when the oldest window is overdue and Next has to be called, even without a report;
// false if only a report changes anything.
func (a *Assembler) Due() (time.Time, bool) { return a.due[0], !a.due[0].IsZero() }

// Join returns the window of a job whose subtasks all run in this process. r has their
// reports of one metric window, which is one slide of shape, and r.Whole. A subtask that is
// not in r is unmeasured. The window is the caller's; nothing of r is kept but its route.
func Join(shape *Shape, r *Report) *policy.Window {
	p := newPane(shape)
	var counts Counts
	p.add(r, 0, &counts)
	a := p.finish(r.Slide, nil)
	defer a.Release()
	return a.Window.Clone()
}
