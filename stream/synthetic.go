package stream

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"sort"
	"strings"
)

// zipf draws keys from one distribution that never changes.
type zipf struct {
	table alias
	keys  []key // by rank
	draw  drawer
}

// Fill implements Source.
func (z *zipf) Fill(b *Batch) (int, error) {
	z.draw.keys(b, 0, len(b.Records), z.table, z.keys)
	return z.draw.payload(b)
}

// zipfSequence draws keys from a distribution that changes every interval of event time. The
// exponents follow each other in a cycle; with reshuffle the keys also get new ranks, so that
// other keys become hot. A phase depends on the seed and its number alone, so all subtasks
// change at the same event time to the same distribution.
type zipfSequence struct {
	tables    []alias // one per exponent
	names     []key   // by rank in phase 0
	interval  int64
	reshuffle bool
	seed      uint64

	phase  int64
	keys   []key // by rank in the current phase
	dealer rand.PCG
	draw   drawer
}

// Fill implements Source.
func (z *zipfSequence) Fill(b *Batch) (int, error) {
	for from := 0; from < len(b.Records); {
		if phase := b.Records[from].Time / z.interval; phase != z.phase {
			z.enter(phase)
		}
		end := (z.phase + 1) * z.interval
		to := len(b.Records)
		if b.Records[to-1].Time >= end {
			to = from + sort.Search(to-from, func(i int) bool { return b.Records[from+i].Time >= end })
		}
		z.draw.keys(b, from, to, z.tables[z.phase%int64(len(z.tables))], z.keys)
		from = to
	}
	return z.draw.payload(b)
}

func (z *zipfSequence) enter(phase int64) {
	z.phase = phase
	if z.reshuffle {
		seedPCG(&z.dealer, z.seed, forPhase, uint64(phase))
		deal(z.keys, z.names, &z.dealer)
	}
}

// drift gives one key a probability that moves linearly from low to high and back in each
// period of event time. The others share the rest by a zipf law (docs/algorithms.md,
// "Sustainable rate").
type drift struct {
	table     alias
	keys      []key // the background, by rank
	drifting  key
	low, high float64
	period    int64
	start     int64 // of the current period
	draw      drawer
}

// Fill implements Source.
func (d *drift) Fill(b *Batch) (int, error) {
	for i := range b.Records {
		r := &b.Records[i]
		if r.Time-d.start >= d.period {
			d.start = r.Time - r.Time%d.period
		}
		k := &d.drifting
		// The draw is made in any case, so that the background's sequence does not
		// depend on the bounds.
		u, other := d.draw.rng.Uint64(), d.table.pick(d.draw.rng.Uint64())
		if float64(u>>11)*0x1p-53 >= d.probability(r.Time-d.start) {
			k = &d.keys[other]
		}
		r.Key, r.Hash = k.name, k.hash
		b.Hashes[i] = k.hash
	}
	return d.draw.payload(b)
}

// probability is the drifting key's share of the records at time t, ns, of a
// period.
func (d *drift) probability(t int64) float64 {
	return d.low + (d.high-d.low)*(1-math.Abs(2*float64(t)/float64(d.period)-1))
}

// drawer is common to the synthetic sources of one subtask. It has one generator for keys and
// another for payloads, so that the records do not depend on the sizes of batches.
type drawer struct {
	rng   *rand.PCG
	extra *rand.PCG
	pools *pools
}

// keys sets the keys of the records from, ..., to-1 by drawing ranks from table.
func (d *drawer) keys(b *Batch, from, to int, table alias, keys []key) {
	records, hashes := b.Records[from:to], b.Hashes[from:to]
	rng := d.rng
	for i := range records {
		k := &keys[table.pick(rng.Uint64())]
		r := &records[i]
		r.Key, r.Hash = k.name, k.hash
		hashes[i] = k.hash
	}
}

// payload sets the payloads of the whole batch and reports it as filled.
func (d *drawer) payload(b *Batch) (int, error) {
	d.pools.fill(b.Records, d.extra)
	return len(b.Records), nil
}

// key is a name with its hash.
type key struct {
	name string
	hash uint64
}

// newKeys makes n keys named by number: key-0000 to key-9999 for 10,000 of them.
func newKeys(n int) []key {
	width := len(fmt.Sprint(n - 1))
	var all strings.Builder
	all.Grow(n * (len("key-") + width))
	for i := range n {
		fmt.Fprintf(&all, "key-%0*d", width, i)
	}
	names, size := all.String(), len("key-")+width // one allocation holds every name
	keys := make([]key, n)
	for i := range keys {
		name := names[i*size : (i+1)*size]
		keys[i] = key{name, Hash(name)}
	}
	return keys
}

// deal copies keys to dst in a random order (Fisher and Yates).
func deal(dst, keys []key, rng *rand.PCG) {
	copy(dst, keys)
	for i := len(dst) - 1; i > 0; i-- {
		j, _ := bits.Mul64(rng.Uint64(), uint64(i+1))
		dst[i], dst[j] = dst[j], dst[i]
	}
}
