// Package table has the partitioners that look each record up in a route. table follows
// any route that the job is given. The others have a controller that computes it: waterfill
// from measurements, saspartitioner by a learned policy.
package table

import (
	"cmp"
	"math"
	"slices"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/tally"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// router is `table`. It follows the three-tier routes of a controller
// (docs/algorithms.md, "The route") and starts with the route that names no key.
//
// Rule: the records of a named key cycle through the key's sequence of workers (see
// spread). The sequence of a split key follows its shares to within two records at every
// moment; that of a placed key has one worker. All other keys go to the worker of their hash
// slot.
//
// Cost: O(1) per record whatever P is, without a branch that depends on the record. A
// perfect hash finds the named keys (see layout): a record's hash selects the only entry that
// its key can have. The workers of the entry and of the slot are both read, and comparing the
// hashes selects one. The SaSPartitioner prototype scans all P workers for each hot record
// instead (largest target share less share so far), with the same resulting shares.
//
// Merge: a split key's records are always marked. A key that a new route moves is marked
// while aggregation windows reach back past the move: for the first Env.WindowSlides - 1
// slides of the route. So is every key of a slot that moves. A key that is no longer named
// keeps its entry for as long, because its records may have been on other workers than those
// of its slot.
//
// Subtasks start at staggered positions of a sequence, so that they do not send to the same
// worker at the same time. A key that stays split keeps its position, because starting over
// with every route would favour the first workers.
//
// Constants: a share is kept to within 1/128 of the key's mean share.
type router struct {
	layout
	states    []keyState // by entry: what the next route's marks depend on
	slotUntil []int64    // by hash slot: the first slide that needs no mark
	expiry    int64      // the first slide at which a mark comes off
	bounds
}

// keyState is what a router has to remember of a named key.
type keyState struct {
	hash   uint64
	worker int32 // -1: several (split)
	named  bool  // false: the entry is nobody's
	kept   bool  // used by Follow: the new route names the key too
	until  int64 // the first slide at which it needs no mark, unless split
}

// split is the worker of a keyState that has several.
const split = -1

// New makes a router of the table partitioner. It follows whatever route the job is
// given.
func New(c Config, env partition.Env) partition.Router { return newRouter(c, env) }

func newRouter(c Config, env partition.Env) *router {
	r := &router{bounds: newBounds(c, env)}
	r.Follow(policy.HashRoute(env.Workers), 0)
	return r
}

// Route implements Router.
func (r *router) Route(b *stream.Batch, dst []partition.Dest) {
	r.lookUp(b, dst)
	r.sent += int64(len(dst))
	if r.clocks != nil && r.perSlide > 0 {
		r.keep(b.Hashes[:len(dst)], dst)
	}
}

// lookUp sends every record where the route says.
func (r *router) lookUp(b *stream.Batch, dst []partition.Dest) {
	slots, entries, choices := r.slots, r.entries, r.choices
	slotShift, entryShift := r.slotShift&63, r.entryShift&63
	hashes := b.Hashes[:len(dst)]
	for i, h := range hashes {
		s := slots[h>>slotShift]
		e := &entries[h*tally.Fib*uint64(s.seed)>>entryShift]
		to := choices[e.base+uint32(e.at&e.mask)]
		// Both compile to a conditional move or set.
		turn := uint16(0)
		if e.hash == h {
			turn = 1
		}
		if e.hash != h {
			to = s.to
		}
		e.at += turn
		dst[i] = to
	}
}

// EndSlide implements Router: it takes off the marks that are no longer needed.
func (r *router) EndSlide(slide int64) {
	if slide+1 >= r.expiry {
		r.mark(slide + 1)
	}
	r.endSlide()
}

// mark sets the Merge flag of the entries and slots that need it in slide now and clears
// it elsewhere. The sequences of split keys always have it.
func (r *router) mark(now int64) {
	r.expiry = math.MaxInt64
	flag := func(d *partition.Dest, until int64) {
		*d &^= partition.Merge
		if until > now {
			*d |= partition.Merge
			r.expiry = min(r.expiry, until)
		}
	}
	for i, until := range r.slotUntil {
		flag(&r.slots[i].to, until)
	}
	for i, k := range r.states {
		if k.named && k.worker != split {
			flag(&r.choices[r.entries[i].base], k.until)
		}
	}
}

// Follow implements Follower. The route must be valid and of as many workers as
// the job. It takes O(slots + lengths of the sequences) and allocates.
func (r *router) Follow(route *policy.Route, slide int64) {
	old := &router{layout: r.layout, states: r.states, slotUntil: r.slotUntil, bounds: bounds{env: r.env}}
	// Windows up to this slide contain records that the previous route has routed.
	straddles := slide + int64(r.env.WindowSlides) - 1
	if slide <= 0 {
		straddles = 0
	}

	n := max(len(route.Slots), len(old.slots), tableSize(2*len(route.Keys)))
	r.slots, r.slotUntil = make([]slot, n), make([]int64, n)
	r.slotShift = shiftFor(n)
	for i := range r.slots {
		r.slots[i] = slot{to: partition.Dest(route.Slots[i*len(route.Slots)/n])}
		if len(old.slots) > 0 {
			was := i * len(old.slots) / n
			r.slotUntil[i] = old.slotUntil[was]
			if old.slots[was].to.Worker() != r.slots[i].to.Worker() {
				r.slotUntil[i] = straddles
			}
		}
	}

	keys := make([]policy.KeyRoute, 0, len(route.Keys))
	states := make([]keyState, 0, len(route.Keys))
	for _, k := range route.Keys {
		k = r.limited(k)
		s := keyState{hash: k.Hash, worker: split, named: true}
		if len(k.Workers) == 1 {
			s.worker = int32(k.Workers[0])
		}
		states = append(states, old.moved(s, straddles))
		keys = append(keys, k)
	}
	for _, k := range old.states {
		if !k.named || k.kept {
			continue
		}
		slot := k.hash >> r.slotShift
		worker := r.slots[slot].to.Worker()
		s := old.moved(keyState{hash: k.hash, worker: int32(worker), named: true}, straddles)
		if max(s.until, r.slotUntil[slot]) > slide {
			states = append(states, s)
			keys = append(keys, policy.KeyRoute{Hash: k.hash, Workers: []uint16{uint16(worker)}, Shares: []float64{1}})
		}
	}

	r.layOut(keys)
	r.states = make([]keyState, len(r.entries))
	for i, k := range keys {
		at := r.find(k.Hash)
		r.states[at] = states[i]
		r.entries[at].at = old.position(k.Hash, r.entries[at].mask)
	}
	r.mark(slide)
	r.forget()
}

// limited returns a key with no more workers than a key may have: those of the largest shares.
func (r *router) limited(k policy.KeyRoute) policy.KeyRoute {
	most := r.config.MaxWorkersPerKey
	if most == 0 || len(k.Workers) <= most {
		return k
	}
	order := make([]int, len(k.Workers))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(k.Shares[b], k.Shares[a]) })
	order = order[:most]
	slices.Sort(order)
	few := policy.KeyRoute{Hash: k.Hash, Name: k.Name}
	sum := 0.0
	for _, i := range order {
		few.Workers, few.Shares = append(few.Workers, k.Workers[i]), append(few.Shares, k.Shares[i])
		sum += k.Shares[i]
	}
	for i := range few.Shares {
		few.Shares[i] /= sum
	}
	return few
}

// KeepsKeys implements partition.KeyKeeper.
func (r *router) KeepsKeys() bool { return r.config.MaxWorkersPerKey == 1 }

// MayMove implements partition.KeyKeeper. Windows that overlap have a key's records from before
// and after every boundary.
func (r *router) MayMove(slide int64) bool {
	return !r.KeepsKeys() || slide <= 0 || r.env.WindowSlides == 1
}

// moved completes the state that a key gets by a new route. If the previous route had it on
// other workers it is marked until straddles, otherwise for as long as it was to be marked.
func (r *router) moved(s keyState, straddles int64) keyState {
	if len(r.slots) == 0 {
		return s
	}
	slot := s.hash >> r.slotShift
	was, until := int32(r.slots[slot].to.Worker()), r.slotUntil[slot]
	if at := r.find(s.hash); at >= 0 {
		r.states[at].kept = true
		was, until = r.states[at].worker, r.states[at].until
	}
	s.until = until
	if was == split || was != s.worker {
		s.until = straddles
	}
	return s
}

// position is where in its new sequence, of mask+1 positions, a key starts: as far as it had
// got in its previous sequence, or else at the subtask's own position.
func (r *router) position(hash uint64, mask uint16) uint16 {
	turns := int(mask) + 1
	if at := r.find(hash); at >= 0 && r.states[at].worker == split {
		e := &r.entries[at]
		return uint16(int(e.at&e.mask) * turns / (int(e.mask) + 1))
	}
	return uint16(turns * r.env.Subtask / max(r.env.Subtasks, 1))
}
