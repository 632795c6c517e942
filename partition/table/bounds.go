package table

import (
	"math/bits"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/tally"
	"github.com/saspart/saspart/policy"
)

// bounds keep every worker within its capacity, record by record, however well the route fits
// (docs/algorithms.md, "Bounded routing").
//
// Source: consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam: SODA 2018)
// is the closest relative. The clocks are those of the generic cell rate algorithm (ITU-T
// I.371).
//
// Rule: each worker has a virtual clock, which a record sent to it moves forward by unit over
// the worker's capacity. The subtask's own clock moves with every record by what workers that
// are never idle would do meanwhile: unit where they are busy all the time, and more where they
// are not. The difference is how far the worker is ahead, relative to its capacity: what waits
// there, as far as the subtask can tell. All workers may be ahead by the same bound, a part of
// the records of a slide, which is the smaller the more time workers have. A record that puts
// its worker beyond the bound is late, and overflows to a worker that is not:
//
//   - A split key's record overflows at once. Another key's overflows once its worker is ahead by
//     as many bounds as the key has patience. A key loses patience with every late record, so
//     that keys heavier than the route expects leave first, and light keys stay whole.
//   - It goes to the least ahead of some candidates, which are drawn from the key's hash: the
//     same in every slide and at every subtask. A key has two candidates at first, and twice as
//     many when it has found all of them ahead as often as it has candidates. With the most
//     candidates, three random workers are tried too. If all are ahead, the record stays with
//     its worker, unless that is even further ahead.
//   - What a worker is behind by counts only up to a few bounds, since an idle worker can't make
//     up for the time lost: it would get a burst.
//
// At the end of a slide, what workers are ahead or behind by decays. When capacities come with
// what waits at each worker, that becomes what it is ahead by. With a new route, every key is back
// to two candidates.
//
// Constants: Config, all of them settings, and those below.
//
// Cost: records are charged in chunks of 64, without a branch that depends on the record; a
// late one sets a bit, and only those are looked at again. Nothing depends on the number of
// workers.
type bounds struct {
	config Config
	env    partition.Env

	clocks   []clock // nil: no capacities are known, and nothing is bounded
	costs    costs
	now      int64   // the subtask's clock
	pace     int64   // how far a record moves it
	load     float64 // the part of time for which workers are busy, of the busiest of the latest windows
	sent     int64   // records sent in this slide
	perSlide int64   // records sent in a slide, smoothed; 0: unknown, and nothing is bounded

	bound    int64                  // how far a worker may be ahead
	credit   int64                  // how far it may be behind when a record overflows to it
	lag      int64                  // how far it may be behind when a record is sent where the route says: the more, the less time workers have
	patience [suspectMost + 1]int64 // by a suspect's count: how far its worker may be ahead

	suspects [suspectCount]suspect
	random   uint64 // state of a linear congruential generator
}

// clock is a worker's virtual clock. It shows floor records too little, so that a worker of
// little capacity is not late by its first records.
type clock struct {
	next int64
	step int64 // of a record
}

const (
	unit     = 1 << 12    // how far a record moves the subtask's clock
	slowest  = 1.0 / 1024 // the least capacity that makes a difference, as a part of the mean
	floor    = 2          // records that a worker may be ahead by, besides the bound
	far      = 1 << 45    // how far a worker can be ahead or behind
	furthest = 1 << 30    // how far a record of mean cost moves a worker's clock, at most: sums of a chunk's records stay far below 1 << 63

	headroom  = 1.1   // by how much busier workers are taken to be than they were
	idlest    = 0.5   // the least that they are taken to be busy
	relapse   = 8     // windows in which a higher load is forgotten
	leisure   = 0.125 // the part of time for which workers are idle, from which on the bound is tightest
	tightest  = 0.2   // the tightest bound, as a part of the one that is set
	leastAway = 1.4   // the least bound, in records of the mean worker

	chunk = 64 // records that are charged together, a bit for each

	suspectCount = 1 << 8  // counters of suspects
	suspectShift = 64 - 16 // from a mixed hash to its two counters
	suspectFrom  = 3       // late records from which on a key is suspect
	suspectMost  = 128     // late records that count at most, so that former suspects are forgotten
	firstTargets = 2       // candidates of a key at first
	tries        = 4       // workers that are compared for a record, at most
)

// suspect is a key that puts workers beyond the bound. It shares two counters with other keys,
// and has one of them. As Misra and Gries count, a late record of a key that has none takes one
// off the lower, and gets that at 0. With one counter, of two heavy keys that share it the
// lighter would never be known.
type suspect struct {
	hash       uint64
	count      uint8
	candidates uint8
	failed     uint8  // times that all candidates were ahead
	last       uint16 // the best worker when the most candidates were ahead
}

func newBounds(c Config, env partition.Env) bounds {
	b := bounds{config: c, env: env, perSlide: env.ExpectedCount, random: env.Seed*tally.Fib + uint64(env.Subtask)}
	b.measure()
	return b
}

// measure computes the pace from the load, and the bound from the load and the records of a
// slide.
func (b *bounds) measure() {
	busy := 1.0
	if b.load > 0 {
		busy = min(max(b.load*headroom, idlest), 1)
	}
	b.pace = int64(unit / busy)
	idle := min((1-busy)/leisure, 1)
	b.bound = within(max(b.config.Bound*max(tightest, 1-idle)*float64(b.perSlide), leastAway*float64(b.env.Workers)) * unit)
	b.credit = within(b.config.Credit * float64(b.bound))
	b.lag = within(float64(max(b.credit, 1)) / idle)
	for n := range b.patience {
		b.patience[n] = max(b.bound, within(b.config.Patience*float64(b.bound)*suspectFrom/float64(max(n, suspectFrom))))
	}
}

// within rounds towards 0, and keeps how far a worker is ahead or behind within far.
func within(v float64) int64 {
	if v != v {
		return 0
	}
	return int64(min(max(v, -far), far))
}

// follow learns the part of time for which workers were busy. A higher load counts at once, a
// lower one by and by, so that a job that is idle for a moment stays protected.
func (b *bounds) follow(load float64) {
	if !(load > 0 && load < 1) {
		load = 1
	}
	b.load = max(load, b.load-(b.load-load)/relapse)
	b.measure()
}

// SetCapacities implements partition.CapacityFollower. It allocates once.
func (b *bounds) SetCapacities(c *policy.Capacities) {
	workers := b.env.Workers
	if b.config.Bound == 0 || b.config.MaxWorkersPerKey > 0 || workers == 1 || len(c.Of) != workers {
		return
	}
	if b.clocks == nil {
		b.clocks = make([]clock, workers)
	}
	b.costs.set(c.Costs, workers)
	b.follow(c.Load)
	least, all := slowest/float64(workers), 1.0
	if b.costs.slots != nil {
		all = 0
		for w, v := range c.Of {
			all += v * c.Costs.Workers[w]
		}
	}
	for w := range b.clocks {
		k := &b.clocks[w]
		cost := 1.0
		if b.costs.slots != nil {
			cost = c.Costs.Workers[w]
		}
		capacity := least
		if v := c.Of[w] * cost / all; v > least {
			capacity = v
		}
		ahead, step := k.next+floor*k.step-b.now, max(min(within(unit/capacity), furthest), 1)
		switch {
		case c.Waiting != nil:
			ahead = within(c.Waiting[w] * cost / float64(max(b.env.Subtasks, 1)) * float64(step))
		case k.step > 0: // by as many records as before
			ahead = within(float64(ahead) * float64(step) / float64(k.step))
		}
		k.step, k.next = step, b.now+ahead-floor*step
	}
}

// endSlide lets the clocks decay, and measures the bound.
func (b *bounds) endSlide() {
	if b.perSlide > 0 {
		b.perSlide = (b.perSlide + b.sent + 1) / 2
	} else {
		b.perSlide = b.sent
	}
	b.sent = 0
	b.measure()
	b.rebase(int64(b.config.Decay))
}

// rebase sets the subtask's clock to 0, and takes a part of what workers are ahead or behind by
// off: 1 over decay.
func (b *bounds) rebase(decay int64) {
	for w := range b.clocks {
		k := &b.clocks[w]
		ahead := max(k.next+floor*k.step-b.now, -far)
		k.next = ahead - ahead/decay - floor*k.step
	}
	b.now = 0
}

// forget lets every key begin with the first candidates again.
func (b *bounds) forget() {
	for i := range b.suspects {
		b.suspects[i].candidates, b.suspects[i].failed = firstTargets, 0
	}
}

// keep changes the destinations of records that would put their workers beyond the bound.
func (r *router) keep(hashes []uint64, dst []partition.Dest) {
	b := &r.bounds
	for from := 0; from < len(dst); from += chunk {
		to := min(from+chunk, len(dst))
		part, late := dst[from:to], uint64(0)
		if b.costs.slots == nil {
			b.now += int64(len(part)) * b.pace
			late = b.charge(part)
		} else {
			late = b.chargeWork(hashes[from:to], part)
		}
		for ; late != 0; late &= late - 1 {
			i := from + bits.TrailingZeros64(late)
			dst[i] = r.overflow(hashes[i], dst[i])
		}
	}
	if b.now > far {
		b.rebase(far) // of clocks that are nowhere near far, nothing is taken off
	}
}

// charge moves the clocks of the workers that the records of a chunk go to. It returns a bit
// for each record, 1 if that put the worker beyond the bound.
func (b *bounds) charge(dst []partition.Dest) (late uint64) {
	clocks, limit, least := b.clocks, b.now+b.bound, b.now-b.lag
	for _, d := range dst {
		k := &clocks[d&^partition.Merge]
		k.next = max(k.next, least) + k.step
		late = late>>1 | uint64(limit-k.next)>>63<<63
	}
	return late >> (chunk - uint(len(dst)))
}

// overflow returns where a late record goes.
func (r *router) overflow(hash uint64, d partition.Dest) partition.Dest {
	b := &r.bounds
	home, limit := &b.clocks[d.Worker()], b.now+b.bound
	if home.next <= limit {
		return d // records before it have left
	}
	home.next = min(home.next, b.now+far)
	s := b.suspect(hash)
	count := uint8(0)
	if s.hash == hash {
		count = s.count
	}
	if home.next <= b.now+b.patience[count] && !r.splits(hash) {
		return d
	}
	candidates, known := firstTargets, count >= suspectFrom
	if known {
		candidates = int(s.candidates)
	}
	best := b.leastAhead(hash, candidates)
	if best.next() > limit {
		if known {
			best = b.further(s)
		}
		if best.next() > limit && (!known || best.next() >= home.next-b.stepOf(home, hash)) {
			return d
		}
	}
	home.next -= b.stepOf(home, hash)
	k := &b.clocks[best.worker()]
	k.next = max(k.next, b.now-b.credit) + b.stepOf(k, hash)
	return partition.Dest(best.worker()) | partition.Merge
}

// suspect counts a late record of a key, and returns the key's counter, which may be another
// key's.
func (b *bounds) suspect(hash uint64) *suspect {
	at := hash * tally.Fib >> suspectShift
	s, second := &b.suspects[at%suspectCount], &b.suspects[at/suspectCount]
	if s.hash != hash && (second.hash == hash || second.count < s.count) {
		s = second
	}
	switch {
	case s.hash == hash && s.count > 0:
		s.count = min(s.count+1, suspectMost)
	case s.count > 0:
		s.count--
	default:
		*s = suspect{hash: hash, count: 1, candidates: firstTargets}
	}
	return s
}

// further returns a worker for a key all of whose candidates are ahead.
func (b *bounds) further(s *suspect) option {
	if int(s.candidates) < b.config.Candidates {
		if s.failed++; s.failed >= s.candidates {
			s.candidates, s.failed = 2*s.candidates, 0
		}
		return b.leastAhead(s.hash, int(s.candidates))
	}
	best := b.option(int(s.last))
	for range tries - 1 {
		best = min(best, b.option(int(b.draw()*uint64(len(b.clocks))>>32)))
	}
	s.last = uint16(best.worker())
	return best
}

// splits reports whether the route splits a key.
func (l *layout) splits(hash uint64) bool {
	at := l.find(hash)
	return at >= 0 && l.entries[at].mask > 0
}

// option is a worker and its clock in one number. The least of some is the worker that is least
// ahead, of equals the first: finding it takes no branch.
type option int64

func (b *bounds) option(worker int) option { return option(b.clocks[worker].next<<16 | int64(worker)) }

func (o option) next() int64 { return int64(o) >> 16 }

func (o option) worker() int { return int(o & 0xffff) }

// leastAhead returns the least ahead of a key's n candidates, or of four of them from a random
// one on. n is a power of two.
func (b *bounds) leastAhead(hash uint64, n int) option {
	from := 0
	if n > tries {
		from = int(b.draw())
	}
	best := min(b.candidate(hash, from&(n-1)), b.candidate(hash, (from+1)&(n-1)))
	if n >= tries {
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

// draw returns 32 random bits.
func (b *bounds) draw() uint64 {
	b.random = b.random*6364136223846793005 + 1442695040888963407
	return b.random >> 32
}
