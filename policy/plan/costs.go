package plan

import (
	"cmp"
	"math"
	"slices"

	"github.com/saspart/saspart/policy"
)

// costs estimates what a record of each key and each slot costs, relative to others, from the
// times that workers report (docs/algorithms.md, "Costs of records"). The model is
//
//	log(mean time of a unit's records at a worker) = cost of the unit + slowness of the worker + noise
//
// A unit is a key that workers list, or what a slot has beside such keys. The units on one
// worker compare at once. Workers compare by the units that several of them have timed: keys
// that are split, and slots that moved. Where these say little, the units on a worker scatter
// like all units, and the workers like all workers (a mixed model, whose variances are
// estimated too).
//
// The slowness only serves to separate costs. The speeds that routes are planned with are
// estimated from busy times, and from the work that these costs say.
type costs struct {
	config  LoadConfig
	slots   int    // number of hash slots; 0: nothing was timed yet
	cells   []cell // by unit, then worker
	units   []unit // of the cells, in the same order: slots, then keys
	ofSlot  []int32
	ofKeys  int          // place of the first key in units
	workers []workerCost // by worker
	kinds   [2]kindCost  // of slots and of keys
	apart   float64      // variance of the workers' slowness
	noise   float64      // variance of one record's time, relative to the squared mean
	noisy   float64      // faded number of records that noise is from
	differ  bool         // units differ in cost; else every cost is 1

	now    []cell  // scratch: a window's cells
	merged []cell  // scratch
	named  []timed // scratch: by slot, the records of listed keys
	order  []int32 // scratch: cells by worker
}

// cell is what a worker has timed of the records of a unit. Past windows fade, and count as if
// the worker had been as fast as in the last.
type cell struct {
	key    bool   // the unit is a key
	id     uint64 // its hash, or the number of the slot
	worker int32
	unit   int32
	timed
	log      float64 // of the mean time
	variance float64 // of log
}

type timed struct{ records, total float64 } // total in ns

func (t *timed) add(o timed) {
	t.records += o.records
	t.total += o.total
}

func (c *cell) compare(o *cell) int {
	if c.key != o.key {
		return cmp.Compare(c.kind(), o.kind())
	}
	if c.id != o.id {
		return cmp.Compare(c.id, o.id)
	}
	return cmp.Compare(c.worker, o.worker)
}

func (c *cell) kind() int {
	if c.key {
		return 1
	}
	return 0
}

// unit is a key or slot that was timed.
type unit struct {
	id        uint64
	kind      int
	precision float64 // sum of its cells' inverse variances
	sum       float64 // of (log - slowness)/variance over its cells
	timed             // at a worker of slowness 0
	cost      float64 // of a record; the mean record's is 1
	variance  float64 // of the log of cost
}

type workerCost struct {
	slow  float64 // log time of a record of cost 0, ns
	sure  float64 // inverse variance of slow by the worker's units
	shift float64 // scratch: by how much slow has changed in a window
	from  int32   // scratch: place of its first cell in order
	timed bool

	// Faded, of windows in which it timed a sample: busy time, and the time of all records as
	// the sample says, ns.
	busy, sampled float64
}

// kindCost is what the costs of slots, or of keys, have in common: of their logarithms, and
// the cost of a record of which nothing else is known.
type kindCost struct{ mean, variance, cost float64 }

const (
	// leastDiffer is the least standard deviation of log costs that counts: balancing cannot
	// gain more than about that.
	leastDiffer = 0.02
	// leastTimed is the least faded number of records for which a cell is kept.
	leastTimed = 0.1
	// fitSweeps bounds the passes over all cells in which slowness is fitted.
	fitSweeps = 20
)

// unlike is how much the same slot, or key, may differ in cost from one worker to another:
// workers may list different keys of a slot, and a cache may suit one better.
var unlike = [2]float64{0.01, 1e-4}

// newCosts returns an estimator for which all records cost the same.
func newCosts(c LoadConfig) costs { return costs{config: c} }

// reset forgets everything.
func (c *costs) reset(slots, workers int) {
	*c = newCosts(c.config)
	c.slots, c.workers = slots, make([]workerCost, workers)
	c.ofSlot, c.named = make([]int32, slots), make([]timed, slots)
	c.kinds, c.apart = [2]kindCost{{variance: 0.25}, {variance: 0.25}}, 0.25
}

// observe processes the times of a window.
func (c *costs) observe(w *policy.Window) {
	if len(w.Times) == 0 || len(w.Slots) == 0 {
		return
	}
	if len(w.Slots) != c.slots || len(w.Times) != len(c.workers) {
		c.reset(len(w.Slots), len(w.Times))
	}
	fade := 1 - c.config.Alpha
	c.noisy *= fade
	c.now = c.now[:0]
	for i := range w.Times {
		t := &w.Times[i]
		if t.Records > 0 {
			c.noisy += float64(t.Records)
			c.noise += (t.Scatter - c.noise) * float64(t.Records) / c.noisy
			c.workers[i].sample(w, i, fade)
		}
		from := len(c.now)
		c.now = c.split(c.now, t, int32(i))
		for j := range c.now[from:] {
			c.weigh(&c.now[from+j], 1)
		}
	}
	slices.SortFunc(c.now, func(a, b cell) int { return a.compare(&b) })
	c.shift()
	c.remember(fade)
	c.group()
	if c.differ = c.unequal(); c.differ {
		c.fit()
	}
}

// sample processes what the times of a window say of a worker as a whole.
func (k *workerCost) sample(w *policy.Window, i int, fade float64) {
	k.timed = true
	t := &w.Times[i]
	if i >= len(w.Counts) || i >= len(w.Busy) || t.Records >= w.Counts[i] || !(w.Busy[i] > 0) {
		return
	}
	k.busy = k.busy*fade + w.Busy[i]*float64(w.End-w.Start)
	k.sampled = k.sampled*fade + float64(t.Total)*float64(w.Counts[i])/float64(t.Records)
}

// split appends what a worker timed, by unit, to dst.
func (c *costs) split(dst []cell, t *policy.Times, worker int32) []cell {
	for i := range t.Keys {
		k := &t.Keys[i]
		of := timed{float64(k.Records), float64(k.Total) + 0.5}
		n := &c.named[policy.SlotOf(k.Hash, c.slots)]
		n.records += of.records
		n.total += float64(k.Total)
		if k.Total > 0 {
			dst = append(dst, cell{key: true, id: k.Hash, worker: worker, timed: of})
		}
	}
	for _, s := range t.Slots {
		if int(s.Slot) >= c.slots {
			continue
		}
		n := &c.named[s.Slot]
		rest := timed{float64(s.Records) - n.records, float64(s.Total) - n.total}
		if rest.records >= 1 && rest.total >= 1 {
			rest.total += 0.5 // times are rounded down
			dst = append(dst, cell{id: uint64(s.Slot), worker: worker, timed: rest})
		}
	}
	for i := range t.Keys {
		c.named[policy.SlotOf(t.Keys[i].Hash, c.slots)] = timed{}
	}
	return dst
}

// weigh computes the log of a cell's mean time and its variance. Of faded sums, part of the
// records of all windows tells as much as the records of one.
func (c *costs) weigh(x *cell, part float64) {
	v := math.Log1p(c.noise * part / x.records)
	x.log = math.Log(x.total/x.records) + v/2 // the log of a scattered mean is too low
	x.variance = v + unlike[x.kind()] + 1./12/(x.total*x.total)
}

// shift estimates how the slowness of each worker has changed since the last windows, from its
// units that were timed before. A unit of which the time has jumped counts little.
func (c *costs) shift() {
	sums := make([]timed, len(c.workers)) // of weights and weighted changes
	c.both(func(old, now *cell) {
		weight := 1 / (old.variance + now.variance + 0.01)
		s := &sums[now.worker]
		s.records += weight
		s.total += weight * (now.log - old.log)
	})
	for i := range c.workers {
		c.workers[i].shift = 0
		if sums[i].records > 0 {
			c.workers[i].shift = sums[i].total / sums[i].records
		}
	}
}

// both calls f with every cell that was timed before and now.
func (c *costs) both(f func(old, now *cell)) {
	i := 0
	for j := range c.now {
		n := &c.now[j]
		for i < len(c.cells) && c.cells[i].compare(n) < 0 {
			i++
		}
		if i < len(c.cells) && c.cells[i].compare(n) == 0 {
			f(&c.cells[i], n)
		}
	}
}

// remember adds the window's cells to the faded ones. A time that has jumped, beyond the
// change of its worker, replaces what is remembered.
func (c *costs) remember(fade float64) {
	limit := c.config.Jump * c.config.Jump
	c.both(func(old, now *cell) {
		off := now.log - old.log - c.workers[now.worker].shift
		if limit > 0 && off*off > limit*(old.variance+now.variance) {
			old.timed = timed{}
		}
	})
	merged, i := c.merged[:0], 0
	keep := func(x cell) {
		x.records *= fade
		x.total *= fade * math.Exp(c.workers[x.worker].shift)
		if x.records > leastTimed {
			merged = append(merged, x)
		}
	}
	for _, n := range c.now {
		for ; i < len(c.cells) && c.cells[i].compare(&n) < 0; i++ {
			keep(c.cells[i])
		}
		if i < len(c.cells) && c.cells[i].compare(&n) == 0 {
			old := c.cells[i].timed
			n.records += old.records * fade
			n.total += old.total * fade * math.Exp(c.workers[n.worker].shift)
			i++
		}
		merged = append(merged, n)
	}
	for ; i < len(c.cells); i++ {
		keep(c.cells[i])
	}
	c.cells, c.merged = merged, c.cells
	for i := range c.workers {
		c.workers[i].slow += c.workers[i].shift
	}
}

// group finds the units of the cells, and orders the cells by worker.
func (c *costs) group() {
	c.units = c.units[:0]
	for i := range c.ofSlot {
		c.ofSlot[i] = -1
	}
	c.ofKeys = -1
	counts := make([]int32, len(c.workers)+1)
	part := 1 / (2 - c.config.Alpha)
	for i := range c.cells {
		x := &c.cells[i]
		c.weigh(x, part)
		counts[x.worker+1]++
		if i == 0 || c.cells[i-1].key != x.key || c.cells[i-1].id != x.id {
			c.units = append(c.units, unit{id: x.id, kind: x.kind()})
			if n := int32(len(c.units) - 1); !x.key {
				c.ofSlot[x.id] = n
			} else if c.ofKeys < 0 {
				c.ofKeys = int(n)
			}
		}
		x.unit = int32(len(c.units) - 1)
		c.units[x.unit].precision += 1 / x.variance
	}
	if c.ofKeys < 0 {
		c.ofKeys = len(c.units)
	}
	c.order = sized(c.order, len(c.cells))
	for i := range c.workers {
		counts[i+1] += counts[i]
		c.workers[i].from = counts[i]
	}
	for i := range c.cells {
		w := c.cells[i].worker
		c.order[counts[w]] = int32(i)
		counts[w]++
	}
}

// of returns the places of a worker's cells.
func (c *costs) of(worker int) []int32 {
	to := len(c.order)
	if worker+1 < len(c.workers) {
		to = int(c.workers[worker+1].from)
	}
	return c.order[c.workers[worker].from:to]
}
