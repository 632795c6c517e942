// Package toy is what the tests of several packages of policy share: a job that is a few
// formulas, and networks of random numbers with a naive twin.
package toy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/plan"
	"github.com/saspart/saspart/stream"
)

// Job measures windows of a route in closed form, n records each; with a
// generator, keys and slots get counts by chance.
type Job struct {
	Keys   []plan.KeyLoad
	Slots  []float64
	Speeds []float64
	N      float64
	RNG    *rand.Rand
	Route  *policy.Route
}

// Window is the next window of the route in force.
func (j *Job) Window() *policy.Window {
	count := func(p float64) int64 {
		m := p * j.N
		if j.RNG != nil {
			m += math.Sqrt(m) * j.RNG.NormFloat64()
		}
		return int64(max(0, math.Round(m)))
	}
	w := &policy.Window{Route: j.Route, Slots: make([]int64, len(j.Slots))}
	keys, slots := slices.Clone(j.Keys), make([]float64, len(j.Slots))
	rest := slices.Clone(j.Slots)
	for i := range keys {
		k := &keys[i]
		s := policy.SlotOf(k.Hash, len(rest))
		rest[s] = max(0, rest[s]-k.Load)
		c := count(k.Load)
		if i < 300 {
			w.Hot = append(w.Hot, policy.HotKey{Name: k.Name, Hash: k.Hash, Count: c})
		}
		k.Load = float64(c)
		slots[s] += k.Load
	}
	for s, p := range rest {
		slots[s] += float64(count(p))
		w.Slots[s] = int64(slots[s])
	}
	// Full queues slow all to the pace of the busiest.
	loads, slow := LoadsOf(j.Route, keys, slots), 1.0
	for i, load := range loads {
		slow = max(slow, load/j.N/j.Speeds[i])
	}
	for i, load := range loads {
		w.Counts = append(w.Counts, int64(load/slow))
		w.Busy = append(w.Busy, load/slow/j.N/j.Speeds[i])
		w.Records += w.Counts[i]
	}
	return w
}

// Follow applies the routes that a controller decides on in the next windows, and returns
// how many these were.
func (j *Job) Follow(t testing.TB, c policy.Controller, windows int) (routes int) {
	t.Helper()
	for range windows {
		if r := c.Decide(j.Window(), j.Route).Route; r != nil {
			if err := r.Validate(); err != nil {
				t.Fatal(err)
			}
			j.Route = r
			routes++
		}
	}
	return routes
}

// Busiest is the true load over speed of the busiest worker, 1 at best.
func (j *Job) Busiest() float64 {
	most, sum := 0.0, 0.0
	for w, load := range LoadsOf(j.Route, j.Keys, j.Slots) {
		most = max(most, load/j.Speeds[w])
		sum += j.Speeds[w]
	}
	return most * sum
}

// New is a job of p workers of unequal speeds over 2,000 keys, zipf with exponent z, with n
// records in a window.
func New(p int, z float64, n float64, seed uint64) *Job {
	keys, slots := Population(2000, z, policy.SlotCount(p), seed)
	j := &Job{Keys: keys, Slots: slots, Speeds: make([]float64, p), N: n, Route: policy.HashRoute(p)}
	rng := rand.New(rand.NewPCG(seed, 3))
	for w := range j.Speeds {
		j.Speeds[w] = (0.5 + rng.Float64()) / float64(p) * 1.6
	}
	return j
}

// LoadsOf is the naive twin of the planner's bookkeeping: what each worker carries
// under a route, from keys and from slots that count all keys.
func LoadsOf(r *policy.Route, keys []plan.KeyLoad, slots []float64) []float64 {
	loads := make([]float64, r.Workers)
	rest := slices.Clone(slots)
	for _, k := range keys {
		for _, kr := range r.Keys {
			if kr.Hash == k.Hash {
				for i, w := range kr.Workers {
					loads[w] += k.Load * kr.Shares[i]
				}
				s := policy.SlotOf(k.Hash, len(slots))
				rest[s] = max(0, rest[s]-k.Load)
			}
		}
	}
	for s, w := range r.Slots {
		loads[w] += rest[s]
	}
	return loads
}

// Population is n zipf keys, heaviest first, and the load of each slot.
func Population(n int, z float64, slots int, seed uint64) ([]plan.KeyLoad, []float64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	keys, loads := make([]plan.KeyLoad, n), make([]float64, slots)
	for i, p := range stream.ZipfPMF(n, z) {
		keys[i] = plan.KeyLoad{Hash: rng.Uint64(), Name: fmt.Sprint("key", i), Load: p}
		loads[policy.SlotOf(keys[i].Hash, slots)] += p
	}
	return keys, loads
}
