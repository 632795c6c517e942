// Package policy defines the decision process. A controller sees a Window or an Observation
// of it, and decides on a Route; Shares and Mask are the form in which a learned policy does.
// Reward says how good the result is. Package plan
// has controllers that compute routes by a formula, package learned those that follow a
// checkpoint. All are pure: they use no clock, no goroutine and no global randomness, and
// depend neither on engines nor on training.
package policy

import (
	"fmt"
	"math"
	"math/bits"
	"sync"

	"github.com/saspart/saspart/internal/hashtable"
)

// Route is a whole assignment of keys to workers in three tiers: split keys and placed keys
// by name, all others by hash slot (docs/algorithms.md, "The route"). A Route does not change
// once it has been announced.
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

// MaxVersion bounds the versions of routes: there are always higher ones for routes to come.
const MaxVersion = 1 << 62

// SlotCount is the number of hash slots for P workers: a power of two, at least
// 4096 and at least 16 per worker.
func SlotCount(workers int) int {
	n := 4096
	for n < 16*workers {
		n *= 2
	}
	return n
}

// SlotOf returns the slot of a key hash among n slots, n a power of two: the top bits of
// the hash.
func SlotOf(hash uint64, n int) int { return int(hash >> (64 - uint(bits.TrailingZeros(uint(n))))) }

// SharesOf sets to[w] to the part of a key's records that the route sends to worker w, and
// returns how many workers get any. Other elements of to keep their values.
func (r *Route) SharesOf(hash uint64, to []float64) (workers int) {
	for i := range r.Keys {
		if k := &r.Keys[i]; k.Hash == hash {
			for j, w := range k.Workers {
				to[w] = k.Shares[j]
			}
			return len(k.Workers)
		}
	}
	to[r.Slots[SlotOf(hash, len(r.Slots))]] = 1
	return 1
}

// HashRoute returns the route that names no key and assigns the slots to the workers in
// turn.
func HashRoute(workers int) *Route {
	r := &Route{Workers: workers, Slots: make([]uint16, SlotCount(workers))}
	for i := range r.Slots {
		r.Slots[i] = uint16(HashWorker(i, workers))
	}
	return r
}

// HashWorker returns the worker of a slot under HashRoute.
func HashWorker(slot, workers int) int { return slot % workers }

// indexes holds memory for Validate.
var indexes = sync.Pool{New: func() any { return new(hashtable.Table[int32]) }}

// Validate returns an error for a route that would make a router misbehave. Such a route has
// a worker out of range, shares that are not positive or do not sum to 1, a repeated hash, or
// an impossible number of slots. Validate is called on every route that comes from another
// process or from a neural network.
func (r *Route) Validate() error {
	if r.Workers < 1 || r.Workers > MaxWorkers {
		return fmt.Errorf("route: %d workers; from 1 to %d are possible", r.Workers, MaxWorkers)
	}
	if r.Version > MaxVersion {
		return fmt.Errorf("route: version %d; %d is the highest", r.Version, uint64(MaxVersion))
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
