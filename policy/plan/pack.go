package plan

import (
	"cmp"
	"slices"

	"github.com/saspart/saspart/internal/minheap"
	"github.com/saspart/saspart/internal/sums"
	"github.com/saspart/saspart/policy"
)

// reset removes all load from the workers.
func (p *Planner) reset() {
	copy(p.headroom, p.carry)
	for w := range p.head {
		p.head[w], p.tail[w] = -1, -1
	}
	for i := range p.named {
		p.named[i].parts = p.named[i].parts[:0]
	}
}

// put assigns load of a named key to a worker.
func (p *Planner) put(k *namedKey, w uint16, load int64) {
	p.headroom[w] -= load
	for i := range k.parts {
		if k.parts[i].worker == w {
			k.parts[i].load += load
			return
		}
	}
	k.parts = append(k.parts, part{w, load})
}

// resume assigns the new loads by the previous route. It returns false if that route cannot
// be kept, because it names a key that is not chosen any more, or splits keys more than a
// plan would.
func (p *Planner) resume(prev *policy.Route) bool {
	p.reset()
	pairs := 0
	for i := range prev.Keys {
		if _, ok := p.index.Get(prev.Keys[i].Hash); !ok {
			return false
		}
		if !p.Config.allows(len(prev.Keys[i].Workers)) {
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
		p.headroom[w] -= p.loads[s]
	}
	p.list()
	return true
}

// placeKeys is step 2 of the plan.
func (p *Planner) placeKeys(prev *policy.Route) {
	for i := range p.named {
		k := &p.named[i]
		if i < p.Config.Spread && p.Config.allows(len(p.carry)) {
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
			// A little headroom is not worth another worker.
			if p.headroom[t.worker] > p.carry[t.worker]/16 && p.Config.allows(len(k.parts)+2) {
				load := min(rest, p.headroom[t.worker])
				p.put(k, t.worker, load)
				if rest -= load; rest == 0 {
					break
				}
			}
		}
		for rest > 0 {
			// Capacities sum to the whole load, so some worker has headroom for a key.
			w := p.mostHeadroom()
			load := rest
			if p.headroom[w] > 0 && p.Config.allows(len(k.parts)+2) {
				load = min(rest, p.headroom[w])
			}
			p.put(k, w, load)
			rest -= load
		}
	}
}

// spreadKey divides a key over all workers in proportion to their capacities. The rest from
// rounding goes to the worker with the most headroom.
func (p *Planner) spreadKey(k *namedKey) {
	sum := sums.Of(p.carry)
	rest := k.load
	for w, c := range p.carry {
		if load := int64(float64(k.load) * (float64(c) / float64(sum))); load > 0 && load <= rest {
			p.put(k, uint16(w), load)
			rest -= load
		}
	}
	if rest > 0 {
		p.put(k, p.mostHeadroom(), rest)
	}
}

// previous returns the parts that the key had under the previous route, by name or by slot.
// Workers that the key filled come first: their headroom is about the part it had there. In
// this order the key fills them again, so that shares shift no more than loads and
// capacities did. The result is valid until the next call.
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
		return cmp.Or(cmp.Compare(p.headroom[a.worker]-a.load, p.headroom[b.worker]-b.load), cmp.Compare(a.worker, b.worker))
	})
	return p.parts
}

// fits finds a worker for the whole key: one of its previous workers or, for a key that was
// not split, the worker with the most headroom. A split key that would now fit elsewhere
// stays split, since joining it would move all of it.
func (p *Planner) fits(k *namedKey, was []part) (uint16, bool) {
	for _, t := range was {
		if k.load <= p.headroom[t.worker]+p.slack[t.worker] {
			return t.worker, true
		}
	}
	if len(was) > 1 {
		return 0, false
	}
	w := p.mostHeadroom()
	return w, k.load <= p.headroom[w]
}

// mostHeadroom returns the worker with the most headroom; of equals the one with more capacity,
// then the first.
func (p *Planner) mostHeadroom() uint16 {
	best := 0
	for w := 1; w < len(p.headroom); w++ {
		if p.moreHeadroom(w, best) {
			best = w
		}
	}
	return uint16(best)
}

func (p *Planner) moreHeadroom(a, b int) bool {
	if p.headroom[a] != p.headroom[b] {
		return p.headroom[a] > p.headroom[b]
	}
	return p.carry[a] > p.carry[b]
}

// placeSlots is step 3 of the plan.
func (p *Planner) placeSlots(prev *policy.Route) {
	open := p.stuck // reused memory: whether the worker has headroom after the named keys
	for w, headroom := range p.headroom {
		open[w] = headroom > 0
	}
	for s, load := range p.loads {
		p.home[s] = unset
		if prev != nil {
			w := prev.Slots[s]
			if load > 0 && open[w] || load == 0 && p.carry[w] > 0 {
				p.home[s] = w
				p.headroom[w] -= load
			}
		}
	}
	// The worker with the most headroom comes first, of equals, as in mostHeadroom, the one with more
	// capacity, then the one with the lower index.
	p.byHeadroom = p.byHeadroom[:0]
	for w, headroom := range p.headroom {
		p.byHeadroom = append(p.byHeadroom, minheap.Item[int64, int64]{Key: -headroom, ID: -p.carry[w]<<16 | int64(w)})
	}
	p.byHeadroom.Fix()
	for i := len(p.sorted) - 1; i >= 0; i-- {
		if s := p.slot(p.sorted[i]); p.home[s] == unset {
			w := uint16(p.byHeadroom[0].ID)
			p.home[s] = w
			p.headroom[w] -= p.loads[s]
			p.byHeadroom[0].Key = -p.headroom[w]
			p.byHeadroom.FixFirst()
		}
	}
	p.deal()
	p.list()
}

// unset marks a slot that has no worker yet. No worker has this index.
const unset = policy.MaxWorkers

// deal divides the slots without load over the workers in proportion to capacity, since they
// may get records later.
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

// rank encodes a slot as a number that sorts by load.
func (p *Planner) rank(s int) uint64 { return uint64(p.loads[s])<<slotBits | uint64(s) }

func (p *Planner) slot(rank uint64) int { return int(rank & (1<<slotBits - 1)) }

// slotBits is enough for any slot number, since SlotCount(MaxWorkers) is 1<<19. With a load
// below 1<<44, a rank fits in 64 bits.
const slotBits = 19

// sortRanks sorts ranks by load, ascending and stably. It is a radix sort, because sorting is
// most of a plan's work. It returns the sorted ranks, and the other slice for the next call.
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
