package table

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/tally"
	"github.com/saspart/saspart/policy"
)

// layout holds a route such that two multiplications find the only entry that a hash can
// have: a perfect hash of the kind called hash and displace (Belazzougui, Botelho,
// Dietzfelbinger: ESA 2009). A hash slot holds a seed with which no two named keys share an
// entry. A hash is mixed and multiplied by the seed of its slot; the upper bits of the
// product are the number of its entry.
type layout struct {
	slots      []slot // by the hash's top bits
	entries    []entry
	choices    []partition.Dest // the sequences of all keys, end to end
	slotShift  uint             // from a hash to its slot
	entryShift uint             // from a mixed hash to its entry
}

// slot is the worker of the keys that the route does not name, and the seed that leads to
// those that it names.
type slot struct {
	to   partition.Dest
	seed uint32 // odd
}

// entry is a named key.
type entry struct {
	hash uint64
	base uint32 // of its sequence, in choices
	mask uint16 // length of its sequence, a power of two, less 1
	at   uint16 // its position, modulo the length; routing changes nothing else
}

// shiftFor is the shift that leaves the top bits of a 64-bit number as an index
// into n elements, n a power of two from 2.
func shiftFor(n int) uint { return uint(64 - bits.TrailingZeros(uint(n))) }

// tableSize is the size of a table for n keys: a power of two from 2, at least one and a half
// times n, so that seeds are found quickly.
func tableSize(n int) int { return 1 << max(1, bits.Len(uint(n+n/2))) }

// home is the only entry that a hash can have.
func (l *layout) home(hash uint64) int {
	seed := uint64(l.slots[hash>>l.slotShift].seed)
	return int(hash * tally.Fib * seed >> l.entryShift)
}

// find returns the entry of a key, or -1.
func (l *layout) find(hash uint64) int {
	if len(l.entries) == 0 {
		return -1
	}
	at := l.home(hash)
	if l.entries[at].hash != hash {
		return -1
	}
	return at
}

// layOut enters keys, no two of which have the same hash, into the layout. The slots must be
// set.
func (l *layout) layOut(keys []policy.KeyRoute) {
	hashes := make([]uint64, len(keys))
	for i, k := range keys {
		hashes[i] = k.Hash
	}
	for i := range l.slots {
		l.slots[i].seed = 1
	}
	for size := tableSize(len(keys)); !l.place(hashes, size); size *= 2 {
	}
	l.clearEntries()
	// The router also reads the choice of a free entry.
	l.choices = append(make([]partition.Dest, 0, 1+len(keys)+len(l.choices)), 0)
	var round rounder
	var spread sequencer
	var sequence []int
	for _, k := range keys {
		e := entry{hash: k.Hash, base: uint32(len(l.choices))}
		if len(k.Workers) == 1 {
			l.choices = append(l.choices, partition.Dest(k.Workers[0]))
		} else {
			counts, length := round.turns(k.Shares)
			e.mask = uint16(length - 1)
			sequence = spread.spread(counts, length, sequence[:0])
			for _, i := range sequence {
				l.choices = append(l.choices, partition.Dest(k.Workers[i])|partition.Merge)
			}
		}
		l.entries[l.home(k.Hash)] = e
	}
}

// maxSeeds is how many seeds are tried for a slot. At most two thirds of the
// entries are taken, so a slot with g named keys takes about 3^g tries.
const maxSeeds = 1 << 12

// place finds seeds with which no two of the hashes share one of size entries, and returns
// false if it cannot. It sorts the hashes.
func (l *layout) place(hashes []uint64, size int) bool {
	l.entries, l.entryShift = make([]entry, size), shiftFor(size)
	slices.Sort(hashes)
	var groups [][]uint64 // the hashes of each slot that has any
	for from, to := 0, 0; from < len(hashes); from = to {
		for to < len(hashes) && hashes[to]>>l.slotShift == hashes[from]>>l.slotShift {
			to++
		}
		groups = append(groups, hashes[from:to])
	}
	slices.SortStableFunc(groups, func(a, b []uint64) int { // the largest first, while there is space
		return cmp.Compare(len(b), len(a))
	})
	taken := make([]bool, size)
	for _, group := range groups {
		if !l.placeGroup(group, taken) {
			return false
		}
	}
	return true
}

// placeGroup finds a seed for the hashes of one slot and takes their entries; it returns
// false if it cannot.
func (l *layout) placeGroup(group []uint64, taken []bool) bool {
	s := &l.slots[group[0]>>l.slotShift]
	for try := range uint32(maxSeeds) {
		s.seed = try*0x9e3779b9 | 1
		placed := 0
		for placed < len(group) && !taken[l.home(group[placed])] {
			taken[l.home(group[placed])] = true
			placed++
		}
		if placed == len(group) {
			return true
		}
		for _, hash := range group[:placed] {
			taken[l.home(hash)] = false
		}
	}
	return false
}

// clearEntries frees every entry: it sets a hash that no record of the entry can have. That
// is 0, which belongs to entry 0 alone, and for entry 0 a hash that belongs elsewhere.
func (l *layout) clearEntries() {
	clear(l.entries)
	for l.home(l.entries[0].hash) == 0 {
		l.entries[0].hash++
	}
}
