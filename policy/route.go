// Package policy is the decision process, as all who have to do with it know it: what a
// controller sees (Window, observations), what it decides (Route, masks, actions) and how
// good that was (reward). Below it are those who decide: plan by calculation, learned by a
// checkpoint. All of it is pure: no clock, no goroutine, no global randomness, and nothing
// of engines or learning.
package policy

import (
	"fmt"
	"math"
	"math/bits"
	"sync"

	"github.com/saspart/saspart/internal/hashtable"
)

// Route is a whole assignment of keys to workers in three tiers: split keys and
// placed keys by name, all others by hash slot. A Route is immutable once it has
// been handed to a job.
type Route struct {
	Version uint64     // increases with every route of a job, given by the loop; 0 is the route a job starts with
	Workers int        // P
	Keys    []KeyRoute // split and placed keys, no hash twice
	Slots   []uint16   // worker of each slot; the length is a power of two
}

// KeyRoute is where one named key goes: placed on one worker, or split over
// several by share.
type KeyRoute struct {
	Hash    uint64
	Name    string    // for people; routing goes by Hash
	Workers []uint16  // distinct, ascending
	Shares  []float64 // of Workers, each > 0, summing to 1
}

// MaxWorkers bounds P, so that a worker fits 16 bits.
const MaxWorkers = 1 << 15

// SlotCount is the number of hash slots for P workers: a power of two, at least
// 4096 and at least 16 per worker.
func SlotCount(workers int) int {
	n := 4096
	for n < 16*workers {
		n *= 2
	}
	return n
}

// SlotOf is the slot of a key hash among n slots, n a power of two: the hash's
// top bits.
func SlotOf(hash uint64, n int) int { return int(hash >> (64 - uint(bits.TrailingZeros(uint(n))))) }

// HashRoute is the route that names no key and deals the slots out evenly.
func HashRoute(workers int) *Route {
	r := &Route{Workers: workers, Slots: make([]uint16, SlotCount(workers))}
	for i := range r.Slots {
		r.Slots[i] = uint16(i % workers)
	}
	return r
}

// indexes is memory for Validate.
var indexes = sync.Pool{New: func() any { return new(hashtable.Table[int32]) }}

// Validate reports the first thing that would make a router misbehave: a worker
// out of range, shares that are not finite, positive and summing to 1, a hash
// named twice, a slot table of another size. Whatever comes from a network or a
// network's output is checked with it before it is followed.
func (r *Route) Validate() error {
	if r.Workers < 1 || r.Workers > MaxWorkers {
		return fmt.Errorf("route: %d workers; from 1 to %d are possible", r.Workers, MaxWorkers)
	}
	if n := len(r.Slots); n == 0 || n&(n-1) != 0 {
		return fmt.Errorf("route: %d slots; the number must be a power of two", n)
	}
	for i, w := range r.Slots {
		if int(w) >= r.Workers {
			return fmt.Errorf("route: slot %d goes to worker %d of %d", i, w, r.Workers)
		}
	}
	seen := indexes.Get().(*hashtable.Table[int32])
	defer indexes.Put(seen)
	seen.Clear()
	for at := range r.Keys {
		k := &r.Keys[at]
		if _, twice := seen.Get(k.Hash); twice {
			return fmt.Errorf("route: key %q (hash %#x) is named twice", k.Name, k.Hash)
		}
		seen.Set(k.Hash, int32(at))
		if len(k.Workers) == 0 || len(k.Workers) != len(k.Shares) {
			return fmt.Errorf("route: key %q has %d workers and %d shares", k.Name, len(k.Workers), len(k.Shares))
		}
		sum := 0.0
		for i, w := range k.Workers {
			if int(w) >= r.Workers {
				return fmt.Errorf("route: key %q goes to worker %d of %d", k.Name, w, r.Workers)
			}
			if i > 0 && w <= k.Workers[i-1] {
				return fmt.Errorf("route: the workers of key %q are not ascending", k.Name)
			}
			if !(k.Shares[i] > 0) || math.IsInf(k.Shares[i], 1) {
				return fmt.Errorf("route: key %q has share %v at worker %d", k.Name, k.Shares[i], w)
			}
			sum += k.Shares[i]
		}
		if math.Abs(sum-1) > 1e-6 {
			return fmt.Errorf("route: the shares of key %q sum to %v", k.Name, sum)
		}
	}
	return nil
}
