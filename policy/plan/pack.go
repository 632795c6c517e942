package plan

import (
	"cmp"
	"slices"

	"github.com/saspart/saspart/internal/minheap"
	"github.com/saspart/saspart/policy"
)

// reset takes everything off the workers.
func (p *Planner) reset() {
	copy(p.room, p.carry)
	for w := range p.head {
		p.head[w], p.tail[w] = -1, -1
	}
	for i := range p.named {
		p.named[i].parts = p.named[i].parts[:0]
	}
}

// put gives load of a named key to a worker.
func (p *Planner) put(k *namedKey, w uint16, load int64) {
	p.room[w] -= load
	for i := range k.parts {
		if k.parts[i].worker == w {
			k.parts[i].load += load
			return
		}
	}
	k.parts = append(k.parts, part{w, load})
}

// resume lays out the previous route under the new loads. It reports false where
// that route cannot be kept: it names a key that no longer is chosen, or splits
// keys more than a plan would.
func (p *Planner) resume(prev *policy.Route) bool {
	p.reset()
	pairs := 0
	for i := range prev.Keys {
		if _, ok := p.index.Get(prev.Keys[i].Hash); !ok {
			return false
		}
		pairs += len(prev.Keys[i].Workers)
	}
	if pairs > len(prev.Keys)+(len(p.carry)-1)*(1+p.Config.Spread) {
		return false
	}
	for i := range p.named {
		k := &p.named[i]
		at, ok := p.prev.Get(k.Hash)
		if !ok {
			p.put(k, prev.Slots[policy.SlotOf(k.Hash, len(p.loads))], k.load)
			continue
		}
		was, rest := &prev.Keys[at], k.load
		for j, w := range was.Workers {
			load := rest
			if j < len(was.Workers)-1 {
				load = min(rest, int64(was.Shares[j]*float64(k.load)+0.5))
			}
			p.put(k, w, load)
			rest -= load
		}
	}
	copy(p.home, prev.Slots)
	for s, w := range p.home {
		// A worker that can carry nothing must not even have slots that look empty.
		if p.carry[w] == 0 {
			return false
		}
		p.room[w] -= p.loads[s]
	}
	p.list()
	return true
}

// placeKeys is step 2 of the plan.
func (p *Planner) placeKeys(prev *policy.Route) {
	for i := range p.named {
		k := &p.named[i]
		if i < p.Config.Spread {
			p.spreadKey(k)
			continue
		}
		was := p.previous(k, prev)
		if w, ok := p.fits(k, was); ok {
			p.put(k, w, k.load)
			continue
		}
		rest := k.load
		for _, t := range was {
			// A sliver of room is not worth another worker.
			if p.room[t.worker] > p.carry[t.worker]/16 {
				load := min(rest, p.room[t.worker])
				p.put(k, t.worker, load)
				if rest -= load; rest == 0 {
					break
				}
			}
		}
		for rest > 0 {
			// Keys alone never outweigh the workers, so until all is placed one has room.
			w := p.roomiest()
			load := rest
			if p.room[w] > 0 {
				load = min(rest, p.room[w])
			}
			p.put(k, w, load)
			rest -= load
		}
	}
}

// spreadKey divides a key over all workers in proportion to their capacities; what
// rounding leaves goes where there is most room.
func (p *Planner) spreadKey(k *namedKey) {
	sum := int64(0)
	for _, c := range p.carry {
		sum += c
	}
	rest := k.load
	for w, c := range p.carry {
		if load := int64(float64(k.load) * (float64(c) / float64(sum))); load > 0 && load <= rest {
			p.put(k, uint16(w), load)
			rest -= load
		}
	}
	if rest > 0 {
		p.put(k, p.roomiest(), rest)
	}
}

// previous returns where the key's records went: by its name, or by its slot. The
// workers that the key filled come first (their room is about what it had there),
// then the one where it ended and shares the room with others: refilled in this
// order, shares shift no more than loads and capacities did. The result is valid
// until the next call.
func (p *Planner) previous(k *namedKey, prev *policy.Route) []part {
	p.parts = p.parts[:0]
	if prev == nil {
		return nil
	}
	at, ok := p.prev.Get(k.Hash)
	if !ok {
		p.parts = append(p.parts, part{prev.Slots[policy.SlotOf(k.Hash, len(p.loads))], k.load})
		return p.parts
	}
	was := &prev.Keys[at]
	for j, w := range was.Workers {
		p.parts = append(p.parts, part{w, int64(was.Shares[j] * float64(k.load))})
	}
	slices.SortFunc(p.parts, func(a, b part) int {
		return cmp.Or(cmp.Compare(p.room[a.worker]-a.load, p.room[b.worker]-b.load), cmp.Compare(a.worker, b.worker))
	})
	return p.parts
}

// fits finds the worker that takes the key whole: one it was at, else, for a key
// that was not split, the one with most room. A split key that would now just fit
// elsewhere stays split: gathering it would move all of it.
func (p *Planner) fits(k *namedKey, was []part) (uint16, bool) {
	for _, t := range was {
		if k.load <= p.room[t.worker]+p.slack[t.worker] {
			return t.worker, true
		}
	}
	if len(was) > 1 {
		return 0, false
	}
	w := p.roomiest()
	return w, k.load <= p.room[w]
}

// roomiest is the worker with most room; among equals the one with more capacity,
// then the first.
func (p *Planner) roomiest() uint16 {
	best := 0
	for w := 1; w < len(p.room); w++ {
		if p.roomier(w, best) {
			best = w
		}
	}
	return uint16(best)
}

func (p *Planner) roomier(a, b int) bool {
	if p.room[a] != p.room[b] {
		return p.room[a] > p.room[b]
	}
	return p.carry[a] > p.carry[b]
}

// placeSlots is step 3 of the plan.
func (p *Planner) placeSlots(prev *policy.Route) {
	open := p.stuck // borrowed: whether the worker had room after the named keys
	for w, room := range p.room {
		open[w] = room > 0
	}
	for s, load := range p.loads {
		p.home[s] = unset
		if prev != nil {
			w := prev.Slots[s]
			if load > 0 && open[w] || load == 0 && p.carry[w] > 0 {
				p.home[s] = w
				p.room[w] -= load
			}
		}
	}
	// The worker with most room comes first, of equals as in roomiest: the one with more
	// capacity, then the one with the lower index.
	p.roomy = p.roomy[:0]
	for w, room := range p.room {
		p.roomy = append(p.roomy, minheap.Item[int64, int64]{Key: -room, ID: -p.carry[w]<<16 | int64(w)})
	}
	p.roomy.Fix()
	for i := len(p.sorted) - 1; i >= 0; i-- {
		if s := p.slot(p.sorted[i]); p.home[s] == unset {
			w := uint16(p.roomy[0].ID)
			p.home[s] = w
			p.room[w] -= p.loads[s]
			p.roomy[0].Key = -p.room[w]
			p.roomy.FixFirst()
		}
	}
	p.deal()
	p.list()
}

// unset marks a slot without load that still needs a worker; no worker has this
// index.
const unset = policy.MaxWorkers

// deal spreads the slots without load over the workers in proportion to capacity:
// records may yet turn up in them.
func (p *Planner) deal() {
	idle := len(p.loads) - len(p.sorted)
	sum := 0.0
	for _, c := range p.carry {
		sum += float64(c)
	}
	w, upTo, seen := 0, float64(p.carry[0]), 0.0
	for s, load := range p.loads {
		if load > 0 {
			continue
		}
		for point := (seen + 0.5) / float64(idle) * sum; upTo < point || p.carry[w] == 0; {
			w++
			upTo += float64(p.carry[w])
		}
		if p.home[s] == unset {
			p.home[s] = uint16(w)
		}
		seen++
	}
}

// rank is a slot as a number that sorts by load.
func (p *Planner) rank(s int) uint64 { return uint64(p.loads[s])<<slotBits | uint64(s) }

func (p *Planner) slot(rank uint64) int { return int(rank & (1<<slotBits - 1)) }

// slotBits holds any slot number: SlotCount(MaxWorkers) is 1<<19; with a load
// below 1<<44 a rank fits 64 bits.
const slotBits = 19

// sortRanks sorts ranks by load, ascending, keeping the order of equal loads: a radix
// sort, as this is most of a plan's work. It returns the sorted ranks and the other
// slice, for the next time.
func sortRanks(ranks, spare []uint64) (sorted, other []uint64) {
	const digit = 11
	spare = sized(spare, len(ranks))
	all := uint64(0)
	for _, r := range ranks {
		all |= r
	}
	for shift := slotBits; all>>shift != 0; shift += digit {
		var starts [1<<digit + 1]int32
		for _, r := range ranks {
			starts[r>>shift&(1<<digit-1)+1]++
		}
		for i := range 1 << digit {
			starts[i+1] += starts[i]
		}
		for _, r := range ranks {
			at := &starts[r>>shift&(1<<digit-1)]
			spare[*at] = r
			*at++
		}
		ranks, spare = spare, ranks
	}
	return ranks, spare
}
