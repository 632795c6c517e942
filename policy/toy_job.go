package policy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// toyJob measures windows of a route in closed form, n records each; with a
// generator, keys and slots get counts by chance.
type toyJob struct {
	keys   []KeyLoad
	slots  []float64
	speeds []float64
	n      float64
	rng    *rand.Rand
	route  *Route
}

func (j *toyJob) window() *Window {
	count := func(p float64) int64 {
		m := p * j.n
		if j.rng != nil {
			m += math.Sqrt(m) * j.rng.NormFloat64()
		}
		return int64(max(0, math.Round(m)))
	}
	w := &Window{Route: j.route, Slots: make([]int64, len(j.slots))}
	keys, slots := slices.Clone(j.keys), make([]float64, len(j.slots))
	rest := slices.Clone(j.slots)
	for i := range keys {
		k := &keys[i]
		s := SlotOf(k.Hash, len(rest))
		rest[s] = max(0, rest[s]-k.Load)
		c := count(k.Load)
		if i < 300 {
			w.Hot = append(w.Hot, HotKey{Name: k.Name, Hash: k.Hash, Count: c})
		}
		k.Load = float64(c)
		slots[s] += k.Load
	}
	for s, p := range rest {
		slots[s] += float64(count(p))
		w.Slots[s] = int64(slots[s])
	}
	// Full queues slow all to the pace of the busiest.
	loads, slow := loadsOf(j.route, keys, slots), 1.0
	for i, load := range loads {
		slow = max(slow, load/j.n/j.speeds[i])
	}
	for i, load := range loads {
		w.Counts = append(w.Counts, int64(load/slow))
		w.Busy = append(w.Busy, load/slow/j.n/j.speeds[i])
		w.Records += w.Counts[i]
	}
	return w
}

// busiest is the true load over speed of the busiest worker, 1 at best.
func (j *toyJob) busiest() float64 {
	most, sum := 0.0, 0.0
	for w, load := range loadsOf(j.route, j.keys, j.slots) {
		most = max(most, load/j.speeds[w])
		sum += j.speeds[w]
	}
	return most * sum
}

func newToyJob(p int, z float64, n float64, seed uint64) *toyJob {
	keys, slots := population(2000, z, SlotCount(p), seed)
	j := &toyJob{keys: keys, slots: slots, speeds: make([]float64, p), n: n, route: HashRoute(p)}
	rng := rand.New(rand.NewPCG(seed, 3))
	for w := range j.speeds {
		j.speeds[w] = (0.5 + rng.Float64()) / float64(p) * 1.6
	}
	return j
}

// loadsOf is the naive twin of the planner's bookkeeping: what each worker carries
// under a route, from keys and from slots that count all keys.
func loadsOf(r *Route, keys []KeyLoad, slots []float64) []float64 {
	loads := make([]float64, r.Workers)
	rest := slices.Clone(slots)
	for _, k := range keys {
		for _, kr := range r.Keys {
			if kr.Hash == k.Hash {
				for i, w := range kr.Workers {
					loads[w] += k.Load * kr.Shares[i]
				}
				s := SlotOf(k.Hash, len(slots))
				rest[s] = max(0, rest[s]-k.Load)
			}
		}
	}
	for s, w := range r.Slots {
		loads[w] += rest[s]
	}
	return loads
}

// population is n zipf keys, heaviest first, and the load of each slot.
func population(n int, z float64, slots int, seed uint64) ([]KeyLoad, []float64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	keys, loads := make([]KeyLoad, n), make([]float64, slots)
	for i, p := range zipf(n, z) {
		keys[i] = KeyLoad{Hash: rng.Uint64(), Name: fmt.Sprint("key", i), Load: p}
		loads[SlotOf(keys[i].Hash, slots)] += p
	}
	return keys, loads
}

// zipf is the probabilities of n keys with exponent z, descending.
func zipf(n int, z float64) []float64 {
	d := make([]float64, n)
	sum := 0.0
	for i := range d {
		d[i] = math.Pow(float64(i+1), -z)
		sum += d[i]
	}
	for i := range d {
		d[i] /= sum
	}
	return d
}
