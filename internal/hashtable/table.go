// Package hashtable maps 64-bit hashes of keys to small values. It is the hash table behind
// everything that is looked up once per record or rebuilt once per window: counts of keys,
// indexes of lists, keys seen lately. Three things differ from a Go map. A cell's hash and
// value lie side by side. Clearing takes constant time. The table grows only if its owner
// asks for it.
package hashtable

import (
	"math/bits"
	"math/rand/v2"
)

// secret spreads hashes over the cells: the upper bits of the product depend on all bits of
// the hash, so hashes that agree in their lowest or highest bits still spread. It differs
// from process to process, which keeps an adversary from choosing keys that all collide.
// No result of a Table depends on it.
var secret = rand.Uint64() | 1

// Table maps hashes to values. The zero Table is empty and ready for use. A Table is not
// safe for concurrent use.
//
// Collisions are resolved by linear probing, and deletions move later cells back, so that
// there are no tombstones and lookups do not slow down with age. At most 5/8 of the cells
// are in use, so all operations on one key take constant time on average. Only New, Grow and
// Set allocate, Set only when it has to grow. A cell takes 12 bytes and the value, rounded up to 8.
type Table[V any] struct {
	cells []cell[V] // a power of two of them
	shift uint      // keeps as many upper bits of a product as the cells' number has
	used  int
	most  int    // keys that fit
	round uint32 // a cell of another round is free; never 0
}

type cell[V any] struct {
	hash  uint64
	round uint32
	value V
}

// smallest is the number of cells that Grow begins with.
const smallest = 16

// New returns an empty Table of the given number of cells, a power of two of at least 2.
func New[V any](cells int) Table[V] {
	var t Table[V]
	t.allocate(cells)
	return t
}

func (t *Table[V]) allocate(cells int) {
	t.cells = make([]cell[V], cells)
	t.shift = uint(64 - bits.TrailingZeros(uint(cells)))
	t.most, t.used, t.round = cells*5/8, 0, 1
}

// Len returns the number of keys.
func (t *Table[V]) Len() int { return t.used }

// Cells returns the number of cells, 0 for a zero Table.
func (t *Table[V]) Cells() int { return len(t.cells) }

// home is the cell where the search for a hash begins.
func (t *Table[V]) home(hash uint64) uint64 { return hash * secret >> (t.shift & 63) }

// Find returns the value of a key, nil if the table does not have the key. The pointer is
// valid until a key is added or removed.
func (t *Table[V]) Find(hash uint64) *V {
	cells, round := t.cells, t.round
	if len(cells) == 0 {
		return nil
	}
	for i := t.home(hash); ; i++ {
		c := &cells[i&uint64(len(cells)-1)]
		if c.round != round {
			return nil
		}
		if c.hash == hash {
			return &c.value
		}
	}
}

// Get returns the value of a key and whether the table has the key.
func (t *Table[V]) Get(hash uint64) (value V, ok bool) {
	if v := t.Find(hash); v != nil {
		return *v, true
	}
	return value, false
}

// Add returns the value of a key, after adding the key with a zero value if it is new. It
// returns nil if the key is new and the table is full; the caller then makes room with Grow
// or Retain and tries again. The pointer is valid until a key is added or removed.
func (t *Table[V]) Add(hash uint64) *V {
	cells, round := t.cells, t.round
	if len(cells) == 0 {
		return nil
	}
	for i := t.home(hash); ; i++ {
		c := &cells[i&uint64(len(cells)-1)]
		if c.round != round {
			if t.used == t.most {
				return nil
			}
			t.used++
			*c = cell[V]{hash: hash, round: round}
			return &c.value
		}
		if c.hash == hash {
			return &c.value
		}
	}
}

// Set gives a key a value, growing the table if it is full.
func (t *Table[V]) Set(hash uint64, value V) {
	v := t.Add(hash)
	if v == nil {
		t.Grow()
		v = t.Add(hash)
	}
	*v = value
}

// Grow doubles the number of cells.
func (t *Table[V]) Grow() {
	old, round := t.cells, t.round
	t.allocate(max(smallest, 2*len(old)))
	for i := range old {
		if c := &old[i]; c.round == round {
			*t.Add(c.hash) = c.value
		}
	}
}

// Delete removes a key if the table has it.
func (t *Table[V]) Delete(hash uint64) {
	cells, round := t.cells, t.round
	if len(cells) == 0 {
		return
	}
	for i := t.home(hash); ; i++ {
		c := &cells[i&uint64(len(cells)-1)]
		if c.round != round {
			return
		}
		if c.hash == hash {
			t.free(i)
			return
		}
	}
}

// free empties a cell, and moves cells behind it back as far as their homes allow.
func (t *Table[V]) free(i uint64) {
	cells, round := t.cells, t.round
	if len(cells) == 0 {
		return
	}
	t.used--
	gap := &cells[i&uint64(len(cells)-1)]
	for reach := uint64(1); ; reach++ { // how far behind the gap the next cell is
		i++
		c := &cells[i&uint64(len(cells)-1)]
		if c.round != round {
			gap.round = 0
			return
		}
		if (i-t.home(c.hash))&uint64(len(cells)-1) >= reach {
			*gap = *c
			gap, reach = c, 0
		}
	}
}

// Retain removes the keys for which keep returns false. It may ask about a key more than
// once, and takes time proportional to the number of cells.
func (t *Table[V]) Retain(keep func(hash uint64, value V) bool) {
	for i := 0; i < len(t.cells); {
		if c := &t.cells[i]; c.round == t.round && !keep(c.hash, c.value) {
			t.free(uint64(i)) // another key may have moved here
		} else {
			i++
		}
	}
}

// Clear removes all keys in constant time.
func (t *Table[V]) Clear() {
	t.used = 0
	if t.round++; t.round == 0 { // cells of 2^32 rounds ago would come back to life
		clear(t.cells)
		t.round = 1
	}
}
