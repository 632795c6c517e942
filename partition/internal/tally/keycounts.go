// Package tally keeps what partitioners remember of the past, in bounded memory: counts of keys,
// loads of workers, and the workers to which a key was sent.
package tally

import (
	"math"
	"math/bits"

	"github.com/saspart/saspart/internal/hashtable"
)

// Fib is 2^64 over the golden ratio. The upper bits of a product with it differ even for hashes
// that share their low or their high bits. It is odd, so multiplying by it loses nothing.
const Fib = 0x9e3779b97f4a7c15

// Home returns the worker of a cold key: hash mod P, as in the hash partitioner. A key that
// cools down returns to where it started.
func Home(hash uint64, workers int) int { return int(hash % uint64(workers)) }

// KeyCounts counts keys exactly in bounded memory. When it is full, it drops the rarest keys,
// at least half of them at once, and these start again from 0 when they return. A count is
// therefore never too high, and for a key heavier than the dropped ones it is exact.
type KeyCounts struct {
	counts hashtable.Table[uint32]
	limit  int // cells
}

// DefaultKeyCells bounds a table of keys: 2^20 cells of 16 bytes hold some 650,000 keys.
const DefaultKeyCells = 1 << 20

// NewKeyCounts returns a table that grows up to limit cells, a power of two of at least 16.
func NewKeyCounts(limit int) *KeyCounts {
	return &KeyCounts{counts: hashtable.New[uint32](min(1024, limit)), limit: limit}
}

// Len returns the number of keys.
func (k *KeyCounts) Len() int { return k.counts.Len() }

// Inc counts a record of the key and returns its count.
func (k *KeyCounts) Inc(hash uint64) uint32 {
	n := k.counts.Add(hash)
	if n == nil {
		k.makeRoom()
		n = k.counts.Add(hash)
	}
	if *n < math.MaxUint32 {
		*n++
	}
	return *n
}

// Clear forgets all keys in constant time.
func (k *KeyCounts) Clear() { k.counts.Clear() }

// makeRoom doubles the table, or at the limit drops the rarest keys.
func (k *KeyCounts) makeRoom() {
	if k.counts.Cells() < k.limit {
		k.counts.Grow()
		return
	}
	for half, least := k.counts.Len()/2, uint32(1); k.counts.Len() > half; least *= 2 {
		k.counts.Retain(func(_ uint64, n uint32) bool { return n > least })
	}
}

// Numbers gives keys small numbers, under which their state is kept in slices. The numbers
// of removed keys are given out again, the latest first, before the next higher number.
type Numbers struct {
	byHash hashtable.Table[int32]
	free   []int32
	next   int32
}

// Get returns the key's number, -1 if it has none.
func (n *Numbers) Get(hash uint64) int32 {
	if k := n.byHash.Find(hash); k != nil {
		return *k
	}
	return -1
}

// Add gives a key that has none a number, and returns it.
func (n *Numbers) Add(hash uint64) int32 {
	k := n.next
	if last := len(n.free) - 1; last >= 0 {
		k, n.free = n.free[last], n.free[:last]
	} else {
		n.next++
	}
	n.byHash.Set(hash, k)
	return k
}

// Remove takes the number k away from its key.
func (n *Numbers) Remove(hash uint64, k int32) {
	n.byHash.Delete(hash)
	n.free = append(n.free, k)
}

// Len returns how many keys have numbers.
func (n *Numbers) Len() int { return n.byHash.Len() }

// CountMin is the Count-Min sketch (Cormode and Muthukrishnan 2005), sized as in the public
// Dalton code: ceil(2/epsilon) columns and ceil(log2(1/(1-confidence))) rows. An estimate is
// never too low. It is too high by more than epsilon times the total with a probability of at
// most 1-confidence.
type CountMin struct {
	cells []uint32 // rows x width
	width int
}

// NewCountMin returns an empty sketch.
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
