package sim

import (
	"slices"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/operator"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// sender is one partitioner subtask, with its source and its router.
type sender struct {
	index   int
	source  stream.Source
	rate    engine.Arrivals
	router  partition.Router
	seen    *operator.Observer
	cost    int64 // per record, ps
	slide   int64 // the slide whose records are being sent
	free    int64 // when the subtask can send the next record, ps
	over    bool  // the source has ended
	end     error // what the source said behind the last batch
	sent    int64 // records in the window being measured
	blocked ledger
	route   *policy.Route   // in force at this subtask; nil: none was ever announced
	lanes   *operator.Lanes // nil: records are sent as they are
	pending []change

	times []int64
	batch stream.Batch
	dst   []partition.Dest
	pos   int // of the next record to send
}

// change is what a subtask takes up when it begins a slide, or a route before that
// if it is behind.
type change struct {
	slide  int64 // the first slide it holds for
	route  *policy.Route
	router partition.Router
	shares []any
}

func newSender(s *engine.Setup, i int, window int64) sender {
	return sender{
		index: i, source: s.Sources[i], rate: s.Rates[i], router: s.Scheme.NewRouter(operator.EnvOf(s, i)),
		seen: operator.NewObserver(&s.Config), lanes: operator.NewLanes(&s.Config, s.Task, i), cost: s.Config.Costs.Route.Nanoseconds() * ps,
		blocked: ledger{length: window, until: window},
		times:   make([]int64, operator.BatchLength), dst: make([]partition.Dest, 0, operator.BatchLength),
	}
}

// ready is when the subtask can send its next record or, with none left in its
// slide, end the slide.
func (s *sender) ready(slide int64) int64 {
	switch {
	case s.over:
		return never
	case s.pos < len(s.dst):
		return max(s.batch.Records[s.pos].Time*ps, s.free)
	default:
		return max((s.slide+1)*slide*ps, s.free)
	}
}

// never is after every time.
const never = 1<<63 - 1

// load takes the next records due before until (ns) from the source, and routes
// them. None are left before until when dst is empty.
func (s *sender) load(until int64) error {
	s.pos, s.dst = 0, s.dst[:0]
	if s.end != nil {
		return s.end
	}
	n := s.rate.Fill(s.times, until)
	s.batch.Resize(n)
	for i, t := range s.times[:n] {
		s.batch.Records[i].Time = t
	}
	if n == 0 {
		return nil
	}
	n, s.end = s.source.Fill(&s.batch)
	s.batch.Resize(n)
	if n == 0 {
		return s.end
	}
	s.seen.Observe(&s.batch)
	s.dst = s.dst[:n]
	s.router.Route(&s.batch, s.dst)
	return nil
}

// await keeps a change until its slide begins.
func (s *sender) await(c change) { s.pending = append(s.pending, c) }

// takeUp takes up what has waited for the slide that now begins, and reports
// whether the route is another than before.
func (s *sender) takeUp() bool {
	before := s.route
	s.pending = slices.DeleteFunc(s.pending, func(c change) bool {
		if c.slide > s.slide {
			return false
		}
		if c.router != nil {
			s.router, s.route = c.router, nil
		}
		if f, ok := s.router.(partition.RouteFollower); ok && c.route != nil {
			f.Follow(c.route, s.slide)
			s.route = c.route
		}
		if sh, ok := s.router.(partition.Gossiper); ok && c.shares != nil {
			sh.Absorb(c.shares)
		}
		return true
	})
	return s.route != before
}

// hurry takes up, inside its slide, the newest route that waits for a later one, and
// routes by it what is left of the batch; those announced before it never come into
// force here. It reports whether there was one. Routes that wait behind another
// router are that one's.
func (s *sender) hurry() bool {
	f, ok := s.router.(partition.RouteFollower)
	if !ok {
		return false
	}
	next := slices.IndexFunc(s.pending, func(c change) bool { return c.router != nil })
	if next < 0 {
		next = len(s.pending)
	}
	var newest *policy.Route
	later := s.pending[:0]
	for i, c := range s.pending {
		if i < next && c.route != nil {
			newest = c.route
		} else {
			later = append(later, c)
		}
	}
	clear(s.pending[len(later):])
	s.pending = later
	if newest == nil {
		return false
	}
	f.Follow(newest, s.slide+1)
	s.route = newest
	if s.pos < len(s.dst) {
		rest := stream.Batch{Records: s.batch.Records[s.pos:], Hashes: s.batch.Hashes[s.pos:]}
		s.router.Route(&rest, s.dst[s.pos:])
	}
	return true
}
