package table

import (
	"math/bits"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/tally"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// bounds keep every worker within its capacity, record by record, whatever the route is worth
// (docs/algorithms.md, "Bounded routing").
//
// Rule: a worker has a virtual clock, which each record sent to it moves forward by unit over
// the worker's capacity. The subtask's own clock moves by unit with each record sent at all. The
// difference is how far the worker is ahead, relative to its capacity. All workers may be ahead
// by the same bound, a part of a slide's records. A record that would put its worker beyond it
// overflows: it goes to another worker that is not.
//
//   - A split key's records overflow at once. So do those of a suspect, a key that has often put
//     a worker beyond the bound lately: the route does not know how heavy it is. Other keys
//     stay until their worker is ahead by several bounds, so that light keys stay whole.
//   - A key overflows to the least ahead of a few candidates, which are drawn from its hash: the
//     same in every slide and at every subtask. A suspect has two of them at first, and twice
//     as many whenever all that it has are ahead. When even the most are not enough, three
//     random workers are tried. If all are ahead, the record stays.
//
// At a slide's end, how far workers are ahead decays. When capacities come with what waits at
// each worker, that is how far they are ahead.
//
// Cost: records are charged in chunks of 64, without a branch that depends on the record; only
// those that a bit marks as late are looked at again.
type bounds struct {
	config Config
	env    partition.Env

	on       bool // there are capacities
	clocks   []clock
	now      int64                  // the subtask's clock
	bound    int64                  // how far a worker may be ahead
	credit   int64                  // how far a worker may be behind to be sent what overflows
	patience [suspectMost + 1]int64 // by count of a suspect: how far its worker may be ahead before it overflows
	sent     int64                  // records sent in this slide
	perSlide int64                  // records sent in a slide, smoothed; 0: unknown
	suspects [suspectCount]suspect
	random   uint64 // state of a linear congruential generator
}

// clock is a worker's virtual clock. It is floor records behind, so that a worker of little
// capacity is not ahead by its first records.
type clock struct {
	next int64
	step int64 // of a record
}

const (
	// unit is how far a record moves the subtask's clock: fine enough for every capacity.
	unit = 1 << 16
	// slowest is the least capacity, as a part of the mean, that makes a difference.
	slowest = 1.0 / 4096
	// floor is how many records a worker may be ahead by, beside the bound.
	floor = 2

	chunk = 64 // records are charged in chunks of so many, a bit each

	suspectCount = 1 << 8 // counters of suspects, by hash
	suspectShift = 64 - 8 // from a mixed hash to its counter
	suspectFrom  = 3      // overflows, less those of other keys with the same counter, that make a suspect
	suspectMost  = 128    // overflows that count at most, so that a former suspect is soon forgotten
	firstTargets = 2      // candidates that a suspect begins with
	tries        = 4      // workers that are compared for a record
)

// suspect is a key that puts workers beyond the bound, in the counter that it shares with
// others. Misra-Gries: another key's overflow takes one off, and replaces the key at 0.
type suspect struct {
	hash       uint64
	count      uint8
	candidates uint8
	failed     uint8
	last       uint16 // worker that was the best when all candidates were ahead
}

func newBounds(c Config, env partition.Env) bounds {
	b := bounds{config: c, env: env, perSlide: env.ExpectedCount, random: env.Seed*tally.Fib + uint64(env.Subtask)}
	b.setBound()
	return b
}

// setBound computes the bound from the records of a slide.
func (b *bounds) setBound() {
	b.bound = int64(b.config.Bound * unit * float64(b.perSlide))
	b.credit = int64(b.config.Credit * float64(b.bound))
	for n := range b.patience {
		b.patience[n] = max(b.bound, int64(b.config.Whole*float64(b.bound)*suspectFrom/float64(max(n, suspectFrom))))
	}
}

// SetCapacities implements partition.CapacityFollower. It allocates once.
func (r *router) SetCapacities(c *policy.Capacities) {
	if b := &r.bounds; b.config.Bound > 0 && len(c.Of) == b.env.Workers && b.env.Workers > 1 {
		b.set(c)
	}
}

func (b *bounds) set(c *policy.Capacities) {
	if !b.on {
		b.on, b.clocks = true, make([]clock, len(c.Of))
	}
	least := slowest / float64(len(c.Of))
	for w := range b.clocks {
		k := &b.clocks[w]
		ahead := k.next + floor*k.step - b.now
		k.step = int64(unit / max(c.Of[w], least))
		if c.Waiting != nil {
			ahead = int64(c.Waiting[w] / float64(max(b.env.Subtasks, 1)) * float64(k.step))
		}
		k.next = b.now + ahead - floor*k.step
	}
}

// endSlide lets the clocks decay, and counts from 0 again.
func (b *bounds) endSlide() {
	if b.perSlide > 0 {
		b.perSlide = (b.perSlide + b.sent + 1) / 2
	} else {
		b.perSlide = b.sent
	}
	b.sent = 0
	b.setBound()
	for w := range b.clocks {
		k := &b.clocks[w]
		ahead := k.next + floor*k.step - b.now
		k.next = ahead - ahead/int64(b.config.Decay) - floor*k.step
	}
	b.now = 0
}

// newRoute lets every suspect begin again: the route may know it now.
func (b *bounds) newRoute() {
	for i := range b.suspects {
		b.suspects[i].candidates = firstTargets
	}
}

// keep changes the destinations of records that would put their workers beyond the bound.
func (r *router) keep(batch *stream.Batch, dst []partition.Dest) {
	b := &r.bounds
	hashes := batch.Hashes[:len(dst)]
	b.sent += int64(len(dst))
	for from := 0; from < len(dst); from += chunk {
		part := dst[from:min(from+chunk, len(dst))]
		b.now += int64(len(part)) * unit
		for late := b.charge(part); late != 0; late &= late - 1 {
			i := from + bits.TrailingZeros64(late)
			dst[i] = r.overflow(hashes[i], dst[i])
		}
	}
}

// charge moves the clocks of the workers that the records of a chunk go to. It returns a bit
// for each record, which says whether that put the worker beyond the bound.
func (b *bounds) charge(dst []partition.Dest) (late uint64) {
	clocks, limit := b.clocks, b.now+b.bound
	for _, d := range dst {
		k := &clocks[d&^partition.Merge]
		k.next += k.step
		late = late>>1 | uint64(limit-k.next)>>63<<63
	}
	return late >> (chunk - uint(len(dst)))
}

// overflow returns where a record goes that has put its worker beyond the bound.
func (r *router) overflow(hash uint64, d partition.Dest) partition.Dest {
	b := &r.bounds
	home, limit := &b.clocks[d.Worker()], b.now+b.bound
	if home.next <= limit {
		return d // records before it have left
	}
	s := b.suspect(hash)
	count := uint8(0)
	if s.hash == hash {
		count = s.count
	}
	if home.next <= b.now+b.patience[count] && !r.splits(hash) {
		return d
	}
	known := count >= suspectFrom
	n := firstTargets
	if known {
		n = int(s.candidates)
	}
	best := b.leastAhead(hash, n)
	if best.next() > limit && known {
		best = b.further(s)
	}
	if best.next() > limit && !(known && best.next() < home.next-home.step) {
		return d
	}
	home.next -= home.step
	k := &b.clocks[best.worker()]
	k.next = max(k.next, b.now-b.credit) + k.step
	return partition.Dest(best.worker()) | partition.Merge
}

// suspect counts an overflow of a key, and returns the counter, which may be another key's.
func (b *bounds) suspect(hash uint64) *suspect {
	s := &b.suspects[hash*tally.Fib>>suspectShift]
	switch {
	case s.hash == hash:
		s.count = min(s.count+1, suspectMost)
	case s.count > 0:
		s.count--
	default:
		*s = suspect{hash: hash, count: 1, candidates: firstTargets}
	}
	return s
}

// further returns a worker for a suspect all of whose candidates are ahead: one of more
// candidates, once this has happened as often as it has candidates, and with the most
// candidates the least ahead of three random workers and the last that was found so.
func (b *bounds) further(s *suspect) option {
	if n := int(s.candidates); n < b.config.Candidates {
		if s.failed++; s.failed >= s.candidates {
			s.candidates, s.failed = 2*s.candidates, 0
		}
		return b.leastAhead(s.hash, int(s.candidates))
	}
	best := b.option(int(s.last))
	for range tries - 1 {
		best = min(best, b.option(b.draw()))
	}
	s.last = uint16(best.worker())
	return best
}

// splits reports whether the route splits a key.
func (l *layout) splits(hash uint64) bool {
	at := l.find(hash)
	return at >= 0 && l.entries[at].mask > 0
}

// option is a worker and its clock in one number, the least of which is the worker that is
// least ahead: finding it takes no branch.
type option int64

func (b *bounds) option(worker int) option { return option(b.clocks[worker].next<<16 | int64(worker)) }
func (o option) next() int64               { return int64(o) >> 16 }
func (o option) worker() int               { return int(o & 0xffff) }

// leastAhead returns the least ahead of four of a key's n candidates, n a power of two.
func (b *bounds) leastAhead(hash uint64, n int) option {
	from := 0
	if n > tries {
		from = int(b.bits())
	}
	best := min(b.candidate(hash, from&(n-1)), b.candidate(hash, (from+1)&(n-1)))
	if n > 2 {
		best = min(best, b.candidate(hash, (from+2)&(n-1)), b.candidate(hash, (from+3)&(n-1)))
	}
	return best
}

// candidate is the j-th worker that a key overflows to.
func (b *bounds) candidate(hash uint64, j int) option {
	z := hash + uint64(j+1)*tally.Fib
	z = (z ^ z>>32) * 0xd6e8feb86659fd93
	return b.option(int(z >> 32 * uint64(len(b.clocks)) >> 32))
}

// bits returns 32 random bits.
func (b *bounds) bits() uint64 {
	b.random = b.random*6364136223846793005 + 1442695040888963407
	return b.random >> 32
}

// draw returns a random worker.
func (b *bounds) draw() int { return int(b.bits() * uint64(len(b.clocks)) >> 32) }
