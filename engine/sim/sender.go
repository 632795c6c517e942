package sim

import (
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/internal/operator"
	"github.com/saspart/saspart/loop"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/sketch"
	"github.com/saspart/saspart/stream"
)

// sender is one partitioner subtask, with its source and its router.
type sender struct {
	loop.Subtask
	index   int
	source  stream.Source
	rate    engine.Arrivals
	seen    *sketch.Observer
	cost    picos // per record
	slide   int64 // the slide whose records are being sent
	free    picos // when the subtask can send the next record
	over    bool  // the source has ended
	end     error // of the source, after the last batch
	sent    int64 // records in the window being measured
	blocked ledger
	lanes   *operator.Lanes // nil: records are sent as they are

	times []int64
	batch stream.Batch
	dst   []partition.Dest
	pos   int // of the next record to send
}

func newSender(s *engine.Setup, i int, window picos) sender {
	return sender{
		index: i, source: s.Sources[i], rate: s.Rates[i], Subtask: loop.Subtask{Router: s.Scheme.NewRouter(operator.EnvOf(s, i)), Partitioner: s.Scheme.Name},
		seen: sketch.NewObserver(s.Config.NamedKeys(), s.Config.Workers), lanes: operator.NewLanes(&s.Config, s.Task, i), cost: operator.FromNanos(s.Config.Costs.Route.Nanoseconds()),
		blocked: ledger{length: window, until: window},
		times:   make([]int64, operator.BatchLength), dst: make([]partition.Dest, 0, operator.BatchLength),
	}
}

// ready is when the subtask can send its next record or, with none left in its
// slide, end the slide.
func (s *sender) ready(slide int64) picos {
	switch {
	case s.over:
		return never
	case s.pos < len(s.dst):
		return max(operator.FromNanos(s.batch.Records[s.pos].Time), s.free)
	default:
		return max(operator.FromNanos((s.slide+1)*slide), s.free)
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
	s.Router.Route(&s.batch, s.dst)
	return nil
}
