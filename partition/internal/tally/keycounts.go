// Package tally has what the rules of partitioners keep of the past, in bounded memory:
// counts of keys, loads of workers, and the workers a key went to.
package tally

import (
	"math"
	"math/bits"
)

// Fib spreads hashes that share their low or high bits over the upper bits: 2^64 over the
// golden ratio, odd, so that multiplying by it loses nothing.
const Fib = 0x9e3779b97f4a7c15

// Home is the worker of a cold key: hash mod P, the same as the hash
// partitioner's, so that a key which cools down is back where it began.
func Home(hash uint64, workers int) int { return int(hash % uint64(workers)) }

// KeyCounts counts keys exactly, by hash, in an open-addressing table that is
// cleared in O(1). Memory is bounded: at the limit the rarest keys are dropped,
// at least half of them at once, and start again from 0 when they return. A
// count is therefore never too high, and for a key heavier than the dropped ones
// it is exact.
type KeyCounts struct {
	slots []keyCount
	spare []keyCount // the other half of the last rebuild, once there was one at the limit
	shift uint
	gen   uint32 // a slot of another generation is empty
	N     int
	limit int // slots
}

type keyCount struct {
	hash  uint64
	count uint32
	gen   uint32
}

// DefaultKeySlots bounds a table of exact counts: 2^20 slots of 16 bytes hold
// some 650,000 keys.
const DefaultKeySlots = 1 << 20

// NewKeyCounts makes a table that grows up to limit slots, a power of two of at
// least 16.
func NewKeyCounts(limit int) *KeyCounts {
	k := &KeyCounts{limit: limit, gen: 1}
	k.resize(make([]keyCount, min(1024, limit)))
	return k
}

func (k *KeyCounts) resize(slots []keyCount) {
	k.slots = slots
	k.shift = 64 - uint(bits.TrailingZeros(uint(len(slots))))
}

// Inc counts a record of the key and returns its count.
func (k *KeyCounts) Inc(hash uint64) uint32 {
	mask := uint64(len(k.slots) - 1)
	for i := hash * Fib >> k.shift; ; i = (i + 1) & mask {
		s := &k.slots[i]
		if s.gen != k.gen {
			if k.N >= len(k.slots)*5/8 {
				k.makeRoom()
				return k.Inc(hash)
			}
			*s = keyCount{hash, 1, k.gen}
			k.N++
			return 1
		}
		if s.hash == hash {
			if s.count < math.MaxUint32 {
				s.count++
			}
			return s.count
		}
	}
}

// Clear forgets all keys.
func (k *KeyCounts) Clear() {
	k.N = 0
	k.gen++
	if k.gen == 0 { // wrapped: slots of 2^32 clears ago would come back to life
		clear(k.slots)
		k.gen = 1
	}
}

// makeRoom doubles the table, or at the limit drops the rarest keys.
func (k *KeyCounts) makeRoom() {
	old, oldGen, least := k.slots, k.gen, uint32(0)
	if len(old) < k.limit {
		k.resize(make([]keyCount, 2*len(old)))
	} else {
		for left := k.N; left > k.N/2; {
			least = max(1, 2*least)
			left = 0
			for i := range old {
				if old[i].gen == oldGen && old[i].count > least {
					left++
				}
			}
		}
		if k.spare == nil {
			k.spare = make([]keyCount, len(old))
		}
		clear(k.spare)
		k.resize(k.spare)
		k.spare = old
	}
	k.N, k.gen = 0, 1
	for i := range old {
		if old[i].gen == oldGen && old[i].count > least {
			k.insert(old[i])
		}
	}
}

// insert adds a key that is not in the table, which has room.
func (k *KeyCounts) insert(c keyCount) {
	mask := uint64(len(k.slots) - 1)
	i := c.hash * Fib >> k.shift
	for k.slots[i].gen == k.gen {
		i = (i + 1) & mask
	}
	c.gen = k.gen
	k.slots[i] = c
	k.N++
}

// HashIndex maps key hashes to small non-negative numbers; open addressing,
// deletion by shifting back, so that lookups stay short for ever.
type HashIndex struct {
	slots []hashRef
	shift uint
	N     int
}

type hashRef struct {
	hash uint64
	ref  int32 // number + 1; 0 is empty
}

// NewHashIndex makes an empty one.
func NewHashIndex() *HashIndex {
	x := &HashIndex{}
	x.resize(64)
	return x
}

func (x *HashIndex) resize(n int) {
	old := x.slots
	x.slots, x.N = make([]hashRef, n), 0
	x.shift = 64 - uint(bits.TrailingZeros(uint(n)))
	for _, s := range old {
		if s.ref != 0 {
			x.Put(s.hash, s.ref-1)
		}
	}
}

// Get returns the key's number, -1 if it has none.
func (x *HashIndex) Get(hash uint64) int32 {
	mask := uint64(len(x.slots) - 1)
	for i := hash * Fib >> x.shift; ; i = (i + 1) & mask {
		s := &x.slots[i]
		if s.ref == 0 || s.hash == hash {
			return s.ref - 1
		}
	}
}

// Put gives a key that has none the number ref.
func (x *HashIndex) Put(hash uint64, ref int32) {
	if 2*x.N >= len(x.slots) {
		x.resize(2 * len(x.slots))
	}
	mask := uint64(len(x.slots) - 1)
	i := hash * Fib >> x.shift
	for x.slots[i].ref != 0 {
		i = (i + 1) & mask
	}
	x.slots[i] = hashRef{hash, ref + 1}
	x.N++
}

// Del takes the key's number away, if it has one.
func (x *HashIndex) Del(hash uint64) {
	mask := uint64(len(x.slots) - 1)
	i := hash * Fib >> x.shift
	for x.slots[i].hash != hash || x.slots[i].ref == 0 {
		if x.slots[i].ref == 0 {
			return
		}
		i = (i + 1) & mask
	}
	x.N--
	// Pull later members of the run into the gap unless that would put them
	// before their own first slot.
	for j := (i + 1) & mask; x.slots[j].ref != 0; j = (j + 1) & mask {
		first := x.slots[j].hash * Fib >> x.shift
		if (j-first)&mask >= (j-i)&mask {
			x.slots[i] = x.slots[j]
			i = j
		}
	}
	x.slots[i] = hashRef{}
}

// CountMin is the Count-Min sketch (Cormode and Muthukrishnan 2005) as the
// public Dalton code sizes it: ceil(2/epsilon) columns, ceil(log2(1/(1-confidence)))
// rows. An estimate is never too low, and too high by more than epsilon times
// the total with probability 1-confidence at most.
type CountMin struct {
	cells []uint32 // rows x width
	width int
}

// NewCountMin makes one that counts a key too high by more than epsilon times all records
// with a probability of 1-confidence at most.
func NewCountMin(epsilon, confidence float64) *CountMin {
	width := int(math.Ceil(2 / epsilon))
	rows := max(1, int(math.Ceil(-math.Log2(1-confidence))))
	return &CountMin{cells: make([]uint32, rows*width), width: width}
}

// Inc counts a record of the key and returns the estimate of its count.
func (c *CountMin) Inc(hash uint64) uint32 {
	least := uint32(math.MaxUint32)
	for at, row := 0, uint64(1); at < len(c.cells); at, row = at+c.width, row+1 {
		col, _ := bits.Mul64(Mix(hash^row*Fib), uint64(c.width))
		cell := &c.cells[at+int(col)]
		*cell++
		least = min(least, *cell)
	}
	return least
}

// Clear forgets everything.
func (c *CountMin) Clear() { clear(c.cells) }

// Mix is a bijection of 64 bits in which every input bit reaches every output
// bit (the finaliser of MurmurHash3).
func Mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
