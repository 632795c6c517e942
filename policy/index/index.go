// Package index finds keys in lists by their hashes, for loops that build such an index
// over a few hundred keys again and again.
package index

import (
	"math/bits"
	"math/rand/v2"
)

// secret spreads hashes over cells. It is another one in each process, so that nobody
// can choose keys whose cells are the same, which would make every search as long as the
// list. What an Index says does not depend on it.
var secret = rand.Uint64() | 1

// Index maps hashes of keys to where the keys are in a list. A zero Index is empty. It
// allocates only to grow, and is for one goroutine.
type Index struct {
	cells []cell // a power of two of them, no more than half in use
	shift uint   // keeps the highest bits of a product, as many as cells have
	used  int
	round uint32 // a cell of another round is free
}

type cell struct {
	hash  uint64
	round uint32
	at    int32
}

// Clear forgets all keys.
func (x *Index) Clear() {
	x.used = 0
	if x.round++; x.round == 0 { // cells of 2^32 rounds ago would seem to be in use
		clear(x.cells)
		x.round = 1
	}
}

// Len is the number of keys.
func (x *Index) Len() int { return x.used }

// Get returns where a key is, and whether it is anywhere.
func (x *Index) Get(hash uint64) (at int, ok bool) {
	if x.used == 0 {
		return 0, false
	}
	c := x.find(hash)
	return int(c.at), c.round == x.round
}

// Set puts a key at a place, from 0 to 2^31 - 1.
func (x *Index) Set(hash uint64, at int) {
	if 2*x.used >= len(x.cells) {
		x.grow()
	}
	c := x.find(hash)
	if c.round != x.round {
		x.used++
	}
	*c = cell{hash, x.round, int32(at)}
}

// find is the key's cell, or the free one that it would have.
func (x *Index) find(hash uint64) *cell {
	// Hashes may share their lowest or highest bits; the product's highest depend on all.
	i := int(hash * secret >> x.shift)
	for {
		c := &x.cells[i]
		if c.round != x.round || c.hash == hash {
			return c
		}
		i = (i + 1) & (len(x.cells) - 1)
	}
}

func (x *Index) grow() {
	old, round := x.cells, x.round
	x.cells = make([]cell, max(16, 2*len(old)))
	x.shift = uint(64 - bits.TrailingZeros(uint(len(x.cells))))
	x.round, x.used = max(1, round), 0
	for _, c := range old {
		if c.round == round {
			x.Set(c.hash, int(c.at))
		}
	}
}
