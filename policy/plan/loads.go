package plan

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"sync"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/internal/hashtable"
	"github.com/saspart/saspart/policy"
)

// LoadConfig says how the loads of keys and slots are estimated.
type LoadConfig struct {
	Alpha float64 `yaml:"alpha"` // part by which past counts and times fade per window, in (0, 1]
	Jump  float64 `yaml:"jump"`  // standard deviations beyond which a count or time replaces the past ones at once; 0: never
}

// DefaultLoad remembers about five windows.
func DefaultLoad() LoadConfig { return LoadConfig{Alpha: 0.2, Jump: 6} }

// Validate reports impossible values by their path.
func (c *LoadConfig) Validate() error {
	return errors.Join(
		field.Finite("alpha", c.Alpha, 1e-6, 1),
		field.Finite("jump", c.Jump, 0, 1e6),
	)
}

// Loads estimates the part of the work that each hot key and each slot has
// (docs/algorithms.md, "Key and slot loads"): its part of the records, times what these cost
// (costs). While no worker times records, all cost the same.
//
// Past counts fade: those of a window have the weight (1-Alpha)^age. Windows with many records
// thus count more than others.
//
// A slot without its hot keys has few records per window, for example five if 20,000 records
// are spread over 4,096 slots, and such counts scatter. The Poisson part of the variance over
// the slots is chance: slot loads are shrunk towards their mean by that part (empirical
// Bayes). A stream of light keys yields equal slots, and heavy slots keep their counts.
type Loads struct {
	config  LoadConfig
	keys    []KeyLoad              // tracked keys; Load is a faded count
	index   hashtable.Table[int32] // of keys
	slots   []float64              // faded counts, all keys counted
	records float64                // faded count of all records
	chance  float64                // variance over mean of a faded Poisson count
	most    int                    // longest list of hot keys seen
	unrest  float64                // faded mean of how much slots change from window to window, beyond chance
	costs   costs
}

// loadsMemory is scratch memory that all Loads share, as controllers share a Planning.
type loadsMemory struct {
	hot    hashtable.Table[int32] // of counts
	keys   []KeyLoad              // a window's
	counts []float64              // of them
	rest   []float64              // slots without their tracked keys
}

var loadsMemories = sync.Pool{New: func() any { return new(loadsMemory) }}

// NewLoads returns an estimator that knows no key. c must be valid.
func NewLoads(c LoadConfig) *Loads { return &Loads{config: c, costs: newCosts(c)} }

// Observe processes one window. If the window has no slot counts, all slots count as equal.
func (l *Loads) Observe(w *policy.Window) {
	l.costs.observe(w)
	n := 0.0
	for _, c := range w.Slots {
		n += float64(max(0, c))
	}
	if len(w.Slots) == 0 {
		n = float64(w.Records)
	}
	if !(n > 0) {
		return
	}
	if len(l.slots) != len(w.Slots) {
		l.slots = make([]float64, len(w.Slots))
		for i, c := range w.Slots {
			l.slots[i] = l.records * float64(max(0, c)) / n
		}
	}
	fade := (1 - l.config.Alpha) * l.remembered(w.Slots, n)
	squared := l.chance*l.records*fade*fade + n
	before := l.records
	l.records = before*fade + n
	l.chance = squared / l.records
	for i, c := range w.Slots {
		l.slots[i] = l.faded(l.slots[i], float64(max(0, c)), before, n, fade)
	}
	l.observeKeys(w, before, n, fade)
}

// Work sets dst to the work that each worker finished in a window, in records of mean cost,
// and returns dst.
func (l *Loads) Work(dst []float64, w *policy.Window) []float64 { return l.costs.work(dst, w) }

// remembered returns the part of past counts that counts on after a window of n records. It is
// 1 unless all slots together have changed more than chance and their usual unrest make likely:
// after a shift, most slots are too light to jump by themselves.
//
// change is by how much the variance of a slot's count exceeds chance, relative to the count. If
// the loads have changed by that, past counts say as little about them as fewer records would.
func (l *Loads) remembered(slots []int64, n float64) float64 {
	if l.records == 0 || l.config.Jump == 0 || len(slots) == 0 {
		return 1
	}
	limit, past := l.config.Jump*l.config.Jump, l.chance*n/l.records
	score, variance, excess, all := 0.0, 0.0, 0.0, 0.0
	for i, c := range slots {
		expected := l.slots[i] / l.records * n
		off := float64(max(0, c)) - expected
		if off *= off; off > limit*(expected+1) {
			continue // it jumps by itself
		}
		v := expected * (1 + past)
		score += (off - v) / (v + 1)
		variance += (2*v*v + v) / ((v + 1) * (v + 1))
		excess += off - v
		all += expected
	}
	change := 0.0
	if all > 0 {
		change = max(excess/all, 0)
	}
	usual := l.unrest
	l.unrest += unrestGain * (change - l.unrest)
	if score <= l.config.Jump*math.Sqrt(variance) || change <= 2*usual {
		return 1
	}
	return past / (past + change - usual)
}

// unrestGain is the gain of the mean of unrest per window.
const unrestGain = 0.1

// faded returns a faded count after a window of n records, c of which were counted. before
// is the faded count of all records before the window, which fades by the factor fade.
func (l *Loads) faded(count, c, before, n, fade float64) float64 {
	if before == 0 {
		return c
	}
	if expected := count / before * n; l.config.Jump > 0 {
		if off := c - expected; off*off > l.config.Jump*l.config.Jump*(expected+1) {
			return c / n * l.records
		}
	}
	return count*fade + c
}

func (l *Loads) observeKeys(w *policy.Window, before, n, fade float64) {
	m := loadsMemories.Get().(*loadsMemory)
	defer loadsMemories.Put(m)
	m.hot.Clear()
	m.counts = sized(m.counts, len(w.Hot))
	least := math.Inf(1)
	for i := range w.Hot {
		h := &w.Hot[i]
		// Up to Error of Count may belong to other keys: half of it is assumed to.
		c := max(0, float64(h.Count)-float64(max(0, h.Error))/2)
		m.counts[i] = c
		m.hot.Set(h.Hash, int32(i))
		least = min(least, c)
	}
	if len(w.Hot) < l.most {
		least = 0 // the list was not full, so other keys did not occur
	}
	l.most = max(l.most, len(w.Hot))
	m.keys = m.keys[:0]
	for i := range w.Hot {
		m.keys = append(m.keys, KeyLoad{Hash: w.Hot[i].Hash, Name: w.Hot[i].Name})
	}
	l.expensive(m, w)
	for i := range l.keys {
		k := &l.keys[i]
		// A key that is not on the list has at most the count of the last key on it.
		c := 0.0
		if at, ok := m.hot.Get(k.Hash); ok {
			c = m.counts[at]
		} else {
			c = min(least, k.Load/before*n)
		}
		k.Load = l.faded(k.Load, c, before, n, fade)
	}
	for _, k := range m.keys {
		if _, ok := l.index.Get(k.Hash); !ok {
			l.index.Set(k.Hash, int32(len(l.keys)))
			at, _ := m.hot.Get(k.Hash) // if a key is on the list twice, the last entry counts
			k.Load = m.counts[at] / n * l.records
			l.keys = append(l.keys, k)
		}
	}
	if limit := max(64, l.most); len(l.keys) > 3*limit {
		l.forget(2 * limit)
	}
}

// expensive adds keys to a window's that have few records but much work, with the counts that
// the workers' times say: at most as many as the list of hot keys has been long.
func (l *Loads) expensive(m *loadsMemory, w *policy.Window) {
	if !l.costs.differ {
		return
	}
	hot := len(m.keys)
	for i := range min(len(w.Times), len(w.Counts)) {
		t := &w.Times[i]
		for j := range t.Keys {
			k := &t.Keys[j]
			at, ok := m.hot.Get(k.Hash)
			if !ok {
				at = int32(len(m.counts))
				m.hot.Set(k.Hash, at)
				m.counts, m.keys = append(m.counts, 0), append(m.keys, KeyLoad{Hash: k.Hash, Name: k.Name})
			}
			if int(at) >= hot {
				m.counts[at] += float64(k.Records) / float64(t.Records) * float64(w.Counts[i])
			}
		}
	}
	for i := range m.keys[hot:] {
		k := &m.keys[hot+i]
		cost, _ := l.costs.key(k.Hash)
		k.Load = m.counts[hot+i] * cost
	}
	slices.SortFunc(m.keys[hot:], heavier)
	m.keys = m.keys[:min(len(m.keys), hot+max(64, l.most))]
}

// heavier sorts keys by load, heaviest first.
func heavier(a, b KeyLoad) int {
	return cmp.Or(cmp.Compare(b.Load, a.Load), cmp.Compare(a.Hash, b.Hash))
}

// forget keeps the n keys with the most work.
func (l *Loads) forget(n int) {
	work := func(k *KeyLoad) float64 {
		cost, _ := l.costs.key(k.Hash)
		return k.Load * cost
	}
	slices.SortFunc(l.keys, func(a, b KeyLoad) int {
		return cmp.Or(cmp.Compare(work(&b), work(&a)), cmp.Compare(a.Hash, b.Hash))
	})
	clear(l.keys[n:])
	l.keys = l.keys[:n]
	l.remember()
}

// remember rebuilds the index of the keys.
func (l *Loads) remember() {
	l.index.Clear()
	for i := range l.keys {
		l.index.Set(l.keys[i].Hash, int32(i))
	}
}

// Deviation returns the relative standard deviation, by chance alone, of the estimated load
// of a worker that gets 1/workers of all work.
func (l *Loads) Deviation(workers int) float64 {
	if l.records == 0 {
		return 1
	}
	return math.Sqrt(l.costs.chance(l.chance/l.records) * float64(workers))
}

// Estimate returns the loads of the tracked keys and of the slots as parts of all work, for an
// Input. It reuses the memory of the given slices. If windows had no slot counts, there
// are SlotCount(workers) slots.
func (l *Loads) Estimate(keys []KeyLoad, slots []float64, workers int) ([]KeyLoad, []float64) {
	keys, slots = l.counts(keys, slots, workers)
	if !l.costs.differ || len(slots) != l.costs.slots {
		return keys, slots
	}
	m := loadsMemories.Get().(*loadsMemory)
	defer loadsMemories.Put(m)
	m.rest = sized(m.rest, len(slots)) // work of tracked keys
	clear(m.rest)
	for i := range keys {
		k := &keys[i]
		s := policy.SlotOf(k.Hash, len(slots))
		slots[s] -= k.Load
		cost, _ := l.costs.key(k.Hash)
		k.Load *= cost
		m.rest[s] += k.Load
	}
	all := 0.0
	for s := range slots {
		cost, _ := l.costs.slot(s)
		slots[s] = m.rest[s] + max(0, slots[s])*cost
		all += slots[s]
	}
	for i := range keys {
		keys[i].Load /= all
	}
	for s := range slots {
		slots[s] /= all
	}
	return keys, slots
}

// counts returns the same as parts of all records.
func (l *Loads) counts(keys []KeyLoad, slots []float64, workers int) ([]KeyLoad, []float64) {
	keys = append(keys[:0], l.keys...)
	n := len(l.slots)
	if n == 0 {
		n = policy.SlotCount(workers)
	}
	slots = sized(slots, n)
	clear(slots)
	if l.records == 0 {
		return keys, slots
	}
	all := 0.0
	for i := range keys {
		keys[i].Load /= l.records
		slots[policy.SlotOf(keys[i].Hash, n)] += keys[i].Load
		all += keys[i].Load
	}
	if len(l.slots) == 0 {
		for s := range slots {
			slots[s] += max(0, 1-all) / float64(n)
		}
		return keys, slots
	}
	m := loadsMemories.Get().(*loadsMemory)
	defer loadsMemories.Put(m)
	m.rest = sized(m.rest, n)
	mean, sq := 0.0, 0.0
	part := 1 / float64(n) // exact, as n is a power of two
	for s, c := range l.slots {
		v := c/l.records - slots[s]
		if v < 0 {
			v = 0
		}
		m.rest[s] = v
		mean += v * part
	}
	for _, v := range m.rest {
		sq += (v - mean) * (v - mean) * part
	}
	real := 0.0
	if chance := mean * l.chance / l.records; sq > chance {
		real = (sq - chance) / sq
	}
	for s, v := range m.rest {
		slots[s] += mean + real*(v-mean)
	}
	return keys, slots
}
