// Package plan computes routes from windows. Loads estimates the loads of keys and slots,
// Speeds the speeds of workers; Planner assigns loads to workers with given capacities.
// Waterfill is the analytic controller made of the three.
package plan

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/internal/hashtable"
	"github.com/saspart/saspart/internal/minheap"
	"github.com/saspart/saspart/policy"
)

// Input is what a route is planned from. Loads have any one unit (records, shares,
// seconds), and capacities any other: only their proportions matter. A load or capacity that
// is negative, NaN or infinite counts as 0. If all capacities are 0, they count as equal.
type Input struct {
	Keys     []KeyLoad     // the heaviest keys, in any order; the loads of a repeated hash are added
	Slots    []float64     // load of each hash slot with all keys counted, those in Keys too; the length is a power of two
	Capacity []float64     // of each of the P workers; 0: it gets nothing
	Prev     *policy.Route // the latest route; a route for another P or number of slots counts as nil
}

// KeyLoad is a key and its load.
type KeyLoad struct {
	Hash uint64
	Name string // for people
	Load float64
}

// Config says how fine plans are, and how many moves they make.
type Config struct {
	KeysPerWorker int     `yaml:"keys_per_worker"` // keys that are named, as a multiple of P, besides those heavier than the mean load of a worker
	Keys          int     `yaml:"keys"`            // least number of named keys; for few workers, whose slots are heavy
	Slack         float64 `yaml:"slack"`           // part of its capacity by which a worker may be overloaded before anything moves
	// MaxWorkersPerKey is how many workers a key may have, by plan and overflow alike: with a
	// limit, records do not overflow. 1 is for jobs whose state cannot be merged, or whose
	// records must stay in order: a key then has one worker in an aggregation window, and routes
	// move keys only where windows do not overlap (job.window is job.slide). 0: no limit.
	MaxWorkersPerKey int `yaml:"max_workers_per_key"`
	Spread           int `yaml:"spread"` // number of heaviest keys that are split over all workers: loads scatter less, but there is more state to keep and merge
}

// Default names 4 keys per worker and at least 64, as many as windows list
// (engine.Config.HotKeys). It tolerates 0.2 % of overload, and spreads no key.
func Default() Config { return Config{KeysPerWorker: 4, Keys: 64, Slack: 0.002} }

// Validate reports impossible values by their path.
func (c *Config) Validate() error {
	return errors.Join(
		field.Whole("keys_per_worker", c.KeysPerWorker, 0, 1024),
		field.Whole("keys", c.Keys, 0, 1<<16),
		field.Finite("slack", c.Slack, 0, 1),
		field.Whole("spread", c.Spread, 0, 1<<16),
		field.Whole("max_workers_per_key", c.MaxWorkersPerKey, 0, policy.MaxWorkers),
	)
}

// allows reports whether a key may have so many workers.
func (c *Config) allows(workers int) bool {
	return c.MaxWorkersPerKey == 0 || workers <= c.MaxWorkersPerKey
}

// Planner plans routes from loads and capacities (docs/algorithms.md, "The planner"). It is
// pure: between calls it keeps memory, but no state.
//
// Capacities are scaled so that they sum to the load. A worker's headroom is its capacity
// less the load that is already assigned to it. Then:
//
//  1. The previous route is kept if the repairs of step 4 would change nothing, and if it
//     names no key that has become too light to be named.
//  2. Keys, heaviest first. The first Spread keys are divided over all workers by capacity.
//     Of the others, a placed key stays where it is if it fits. If not, it goes whole to the
//     worker with the most headroom, if it fits there. Otherwise it is split: it fills the
//     headroom of its previous workers, then the largest.
//  3. Slots. A slot stays where it is if its worker has headroom beside its named keys. The
//     others are packed, heaviest first, each to the worker with the most headroom.
//  4. Repairs, while a worker exceeds its capacity by more than the slack. Slots move to the
//     worker with the most headroom, or are exchanged for lighter slots of that worker, as
//     long as the larger of the two deviations falls. Then named keys are split to remove the
//     remaining excess.
//
// Every split but the last either uses up a key or fills a worker exactly, and a full worker
// gets no other key. Hence a plan has at most P - 1 more pairs than named keys, and P - 1
// more for each key that is spread. Loads are whole numbers inside, so that equal inputs give
// equal routes.
//
// No worker exceeds (1 + slack) times its capacity by more than the heaviest slot. With slack
// 0, none stays below its capacity by more than that.
//
// A Planner must not be used concurrently. A zero Planner has slack 0, and names only keys
// that are heavier than a worker.
type Planner struct {
	Config Config

	named []namedKey             // keys planned by name, heaviest first
	index hashtable.Table[int32] // of named
	prev  hashtable.Table[int32] // of the previous route's Keys

	loads      []int64                    // per slot, named keys taken out
	carry      []int64                    // per worker: capacity scaled to the whole load
	headroom   []int64                    // per worker: its headroom, carry - load
	slack      []int64                    // per worker: how much it may carry above its capacity
	home       []uint16                   // per slot: its worker
	sorted     []uint64                   // ranks of the loaded slots, lightest first
	spare      []uint64                   // scratch: for sorting them
	next       []int32                    // per slot: the next slot of the same worker, which is no heavier; -1: none
	before     []int32                    // per slot: the previous slot of the same worker
	head       []int32                    // per worker: its heaviest slot
	tail       []int32                    // per worker: its lightest slot
	byHeadroom minheap.Heap[int64, int64] // workers, by headroom
	stuck      []bool                     // per worker: a repair found nothing to move
	order      []candidate                // the input's keys with load, each once, heaviest first
	parts      []part                     // scratch: previous parts of one key
	exact      []float64                  // scratch: slot loads before rounding
}

// namedKey is a named key, and how its load is divided.
type namedKey struct {
	KeyLoad
	load  int64
	parts []part
}

// part is the load of a key at one worker.
type part struct {
	worker uint16
	load   int64
}

// whole is the sum of all loads inside the planner. It is large enough that rounding is far
// below any tolerance, and small enough that sums and small multiples do not overflow.
const whole = 1 << 44

// ulps is the rounding error that comparisons with the previous route tolerate.
const ulps = whole >> 32

// Plan returns the route for the input: Prev itself if it can stay, else a new one
// without a version. Capacity must have 1 to MaxWorkers
// elements; Slots may be empty, which counts as SlotCount(P) slots without load,
// and is never longer than SlotCount(MaxWorkers).
func (p *Planner) Plan(in Input) *policy.Route {
	prev := p.prepare(&in)
	if prev != nil && p.resume(prev) && !p.repair(true) {
		return prev
	}
	p.reset()
	p.placeKeys(prev)
	p.placeSlots(prev)
	p.repair(false)
	return p.route()
}

// prepare scales loads and capacities to whole numbers, and chooses the named keys. It
// returns the previous route if the plan can start from it.
func (p *Planner) prepare(in *Input) *policy.Route {
	workers, slots := len(in.Capacity), len(in.Slots)
	if slots == 0 {
		slots = policy.SlotCount(workers)
	}
	prev := in.Prev
	if prev != nil && (prev.Workers != workers || len(prev.Slots) != slots) {
		prev = nil
	}
	p.prev.Clear()
	if prev != nil {
		for i := range prev.Keys {
			p.prev.Set(prev.Keys[i].Hash, int32(i))
		}
	}
	p.carry, p.headroom, p.slack = sized(p.carry, workers), sized(p.headroom, workers), sized(p.slack, workers)
	p.head, p.tail, p.stuck = sized(p.head, workers), sized(p.tail, workers), sized(p.stuck, workers)
	p.loads, p.home = sized(p.loads, slots), sized(p.home, slots)
	p.next, p.before = sized(p.next, slots), sized(p.before, slots)
	p.exact = sized(p.exact, slots)
	clear(p.exact)

	// The largest number first, so that sums of huge loads stay finite.
	most := 0.0
	for _, v := range in.Slots {
		most = max(most, sound(v))
	}
	for i := range in.Keys {
		most = max(most, sound(in.Keys[i].Load))
	}
	if most == 0 {
		most = 1
	}
	for i, v := range in.Slots {
		p.exact[i] = sound(v) / most
	}
	p.choose(in.Keys, most, workers)
	total := 0.0
	for i := range p.named {
		k := &p.named[i]
		total += k.Load
		s := policy.SlotOf(k.Hash, slots)
		p.exact[s] = max(0, p.exact[s]-k.Load)
	}
	for _, v := range p.exact {
		total += v
	}
	scale := 0.0
	if total > 0 {
		scale = whole / total
	}
	sum := int64(0)
	p.sorted = p.sorted[:0]
	for s := slots - 1; s >= 0; s-- { // of equal loads the first slot is to count as heaviest
		p.loads[s] = int64(p.exact[s] * scale)
		sum += p.loads[s]
		if p.loads[s] > 0 {
			p.sorted = append(p.sorted, p.rank(s))
		}
	}
	p.sorted, p.spare = sortRanks(p.sorted, p.spare)
	for i := range p.named {
		p.named[i].load = int64(p.named[i].Load * scale)
		sum += p.named[i].load
	}
	p.named = slices.DeleteFunc(p.named, func(k namedKey) bool { return k.load == 0 })
	p.index.Clear()
	for i := range p.named {
		p.index.Set(p.named[i].Hash, int32(i))
	}
	if sum == 0 {
		sum = whole // no load: capacities still say where idle slots go
	}
	p.share(in.Capacity, sum)
	return prev
}

// share divides sum over the workers in proportion to their capacities.
func (p *Planner) share(capacity []float64, sum int64) {
	most := 0.0
	for _, c := range capacity {
		most = max(most, sound(c))
	}
	total := 0.0
	for _, c := range capacity {
		total += sound(c) / max(most, math.SmallestNonzeroFloat64)
	}
	rest, largest := sum, 0
	for w, c := range capacity {
		f := 1 / float64(len(capacity))
		if total > 0 {
			f = sound(c) / most / total
		}
		p.carry[w] = int64(f * float64(sum))
		rest -= p.carry[w]
		if p.carry[w] > p.carry[largest] {
			largest = w
		}
	}
	p.carry[largest] += rest
	for w, c := range p.carry {
		p.slack[w] = int64(p.Config.Slack * float64(c))
	}
}

// sticky is the factor by which a key counts heavier if the previous route names it, so that
// keys of about equal load do not alternate.
const sticky = 1.25

// candidate is a key that may be named.
type candidate struct {
	load  float64
	hash  uint64
	at    int32 // in the input's keys
	held  bool  // the previous route names it
	named bool
}

// choose fills named, heaviest first, with loads divided by unit. It names every key that is
// heavier than the mean load of a worker, and as many others as the configuration says.
func (p *Planner) choose(keys []KeyLoad, unit float64, workers int) {
	p.order = p.order[:0]
	p.index.Clear()
	for i := range keys {
		load := sound(keys[i].Load) / unit
		if !(load > 0) {
			continue
		}
		if at, ok := p.index.Get(keys[i].Hash); ok {
			p.order[at].load += load
			continue
		}
		p.index.Set(keys[i].Hash, int32(len(p.order)))
		_, held := p.prev.Get(keys[i].Hash)
		p.order = append(p.order, candidate{load: load, hash: keys[i].Hash, at: int32(i), held: held})
	}
	slices.SortFunc(p.order, func(a, b candidate) int {
		if a.load != b.load {
			return cmp.Compare(b.load, a.load)
		}
		return cmp.Compare(a.hash, b.hash)
	})
	all, ofKeys := 0.0, 0.0
	for _, v := range p.exact {
		all += v
	}
	for i := range p.order {
		ofKeys += p.order[i].load
	}
	heavy := max(all, ofKeys) / float64(workers)
	must := 0
	for must < len(p.order) && p.order[must].load > heavy {
		p.order[must].named = true
		must++
	}
	p.pick(must, max(p.Config.Keys, p.Config.KeysPerWorker*workers))
	p.named = slices.Grow(p.named[:0], len(p.order))
	for i := range p.order {
		if c := &p.order[i]; c.named {
			n := len(p.named)
			p.named = p.named[:n+1]
			p.named[n] = namedKey{KeyLoad: KeyLoad{c.hash, keys[c.at].Name, c.load}, parts: p.named[n].parts[:0]}
		}
	}
}

// pick names the n heaviest of the candidates from index from on. Candidates that the
// previous route names, and the others, are each in order: the heavier of the two next ones
// is chosen each time, with stickiness.
func (p *Planner) pick(from, n int) {
	held, other := from, from
	for ; n > 0; n-- {
		for held < len(p.order) && !p.order[held].held {
			held++
		}
		for other < len(p.order) && p.order[other].held {
			other++
		}
		next := &held
		switch {
		case held == len(p.order) && other == len(p.order):
			return
		case held == len(p.order):
			next = &other
		case other < len(p.order):
			h, o := &p.order[held], &p.order[other]
			if w := h.load * sticky; o.load > w || o.load == w && o.hash < h.hash {
				next = &other
			}
		}
		p.order[*next].named = true
		*next++
	}
}

// route returns the plan as a route.
func (p *Planner) route() *policy.Route {
	pairs := 0
	for i := range p.named {
		pairs += len(p.named[i].parts)
	}
	r := &policy.Route{Workers: len(p.carry), Keys: make([]policy.KeyRoute, len(p.named)), Slots: slices.Clone(p.home)}
	workers, shares := make([]uint16, 0, pairs), make([]float64, 0, pairs)
	for i := range p.named {
		k := &p.named[i]
		slices.SortFunc(k.parts, func(a, b part) int { return cmp.Compare(a.worker, b.worker) })
		from := len(workers)
		for _, t := range k.parts {
			workers = append(workers, t.worker)
			shares = append(shares, float64(t.load)/float64(k.load))
		}
		to := len(workers)
		r.Keys[i] = policy.KeyRoute{Hash: k.Hash, Name: k.Name, Workers: workers[from:to:to], Shares: shares[from:to:to]}
	}
	return r
}

// sound returns v, or 0 if v is not a finite positive number.
func sound(v float64) float64 {
	if v > 0 && !math.IsInf(v, 1) {
		return v
	}
	return 0
}

// sized returns s with length n; its elements are unspecified.
func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
