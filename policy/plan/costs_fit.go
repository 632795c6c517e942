package plan

import (
	"math"
	"slices"

	"github.com/saspart/saspart/policy"
)

// precise is a variance up to which the logarithm of a mean time is nearly normal, and has the
// variance that weigh assumes.
const precise = 0.03

// unequal reports whether units on the same worker differ in cost, by more than chance and by
// enough to matter. Only units that are known precisely count.
func (c *costs) unequal() bool {
	deviance, free, excess, weight := 0.0, 0.0, 0.0, 0.0
	for w := range c.workers {
		cells := c.of(w)
		sum, all, n := 0.0, 0.0, 0.0
		for _, i := range cells {
			x := &c.cells[i]
			if x.variance > precise {
				continue
			}
			n++
			all += 1 / x.variance
			sum += x.log / x.variance
		}
		if n == 0 {
			continue
		}
		mean := sum / all
		if !c.differ {
			c.workers[w].slow = mean
		}
		free += n - 1
		for _, i := range cells {
			x := &c.cells[i]
			if x.variance > precise {
				continue
			}
			off := (x.log - mean) * (x.log - mean)
			deviance += off / x.variance
			excess += (off - x.variance) * x.records
			weight += x.records
		}
	}
	// Under chance, deviance has mean free and variance 2 free.
	return deviance > 1.1*free+6*math.Sqrt(2*free) && excess > leastDiffer*leastDiffer*weight
}

// fit estimates the costs of all units. It alternates between the slowness of the workers,
// given the variances, and the variances.
func (c *costs) fit() {
	for range 2 {
		c.separate()
		c.variances()
	}
	c.separate()
	var all timed
	var kinds [2]timed
	for i := range c.cells {
		x := &c.cells[i]
		of := timed{x.records, x.total * math.Exp(-c.workers[x.worker].slow)}
		c.units[x.unit].timed.add(of)
		kinds[x.kind()].add(of)
		all.add(of)
	}
	mean := all.total / all.records
	for i := range c.kinds {
		if c.kinds[i].cost = 1; kinds[i].records > 0 {
			c.kinds[i].cost = kinds[i].total / kinds[i].records / mean
		}
	}
	// A unit with few records costs in part what its kind does: as if it had more of those.
	for i := range c.units {
		u := &c.units[i]
		k := &c.kinds[u.kind]
		more := c.noise / (2 - c.config.Alpha) / math.Expm1(k.variance)
		u.cost = (u.total/mean + more*k.cost) / (u.records + more)
		u.variance = 1 / (u.precision + 1/k.variance)
	}
}

// separate fits the slowness of the workers: for each in turn the value that is most likely
// given the others, with the costs of units integrated out (Gauss and Seidel).
func (c *costs) separate() {
	for i := range c.units {
		c.units[i].sum = 0
	}
	for i := range c.cells {
		x := &c.cells[i]
		c.units[x.unit].sum += (x.log - c.workers[x.worker].slow) / x.variance
	}
	for range fitSweeps {
		mean, n := 0.0, 0.0
		for i := range c.workers {
			if k := &c.workers[i]; k.timed {
				mean += k.slow
				n++
			}
		}
		mean /= n
		most := 0.0
		for w := range c.workers {
			k := &c.workers[w]
			k.sure = 0
			gradient := 0.0
			for _, i := range c.of(w) {
				x := &c.cells[i]
				u := &c.units[x.unit]
				of := &c.kinds[u.kind]
				precision, all := 1/x.variance, u.precision+1/of.variance
				k.sure += precision * (1 - precision/all)
				gradient += precision * (x.log - k.slow - (u.sum+of.mean/of.variance)/all)
			}
			if k.sure == 0 {
				continue
			}
			step := (gradient + (mean-k.slow)/c.apart) / (k.sure + 1/c.apart)
			k.slow += step
			most = max(most, math.Abs(step))
			for _, i := range c.of(w) {
				x := &c.cells[i]
				c.units[x.unit].sum -= step / x.variance
			}
		}
		if most < 1e-4 {
			return
		}
	}
}

// variances estimates how costs scatter over the units of each kind, and slowness over the
// workers, by moments.
func (c *costs) variances() {
	for kind := range c.kinds {
		k := &c.kinds[kind]
		sum, weight := 0.0, 0.0
		c.each(kind, func(off, variance float64) {
			sum += off / (variance + k.variance)
			weight += 1 / (variance + k.variance)
		})
		if weight == 0 {
			continue
		}
		if kind == 1 { // the mean of slots is part of the workers' slowness
			k.mean = sum / weight
		}
		excess, weights := 0.0, 0.0
		c.each(kind, func(off, variance float64) {
			weight := 1 / ((variance + k.variance) * (variance + k.variance))
			excess += weight * ((off-k.mean)*(off-k.mean) - variance)
			weights += weight
		})
		k.variance = max(excess/weights, leastDiffer*leastDiffer)
	}
	mean, n := 0.0, 0.0
	for i := range c.workers {
		if k := &c.workers[i]; k.sure > 0 {
			mean += k.slow
			n++
		}
	}
	if n < 2 {
		return
	}
	mean /= n
	between := 0.0
	for i := range c.workers {
		if k := &c.workers[i]; k.sure > 0 {
			between += ((k.slow-mean)*(k.slow-mean) - 1/k.sure) / (n - 1)
		}
	}
	c.apart = max(between, leastDiffer*leastDiffer)
}

// each calls f for every cell of a kind with the deviation of its log time from the slowness
// of its worker, and the variance of that.
func (c *costs) each(kind int, f func(off, variance float64)) {
	for i := range c.cells {
		if x := &c.cells[i]; x.kind() == kind {
			f(x.log-c.workers[x.worker].slow, x.variance)
		}
	}
}

// chance returns the variance of the part of all work that one record's worth of chance in
// the counts makes, and of the errors of costs. count is the same for parts of all records.
func (c *costs) chance(count float64) float64 {
	if !c.differ {
		return count
	}
	records, squares, errors := 0.0, 0.0, 0.0
	for i := range c.cells {
		x := &c.cells[i]
		u := &c.units[x.unit]
		work := x.records * u.cost
		records += x.records
		squares += work * u.cost
		errors += work * work * u.variance
	}
	return count*squares/records + errors/(records*records)
}

// slot returns the expected cost of a slot's records, without those of listed keys, relative
// to the mean record, and its relative variance.
func (c *costs) slot(s int) (cost, variance float64) {
	if !c.differ {
		return 1, 0
	}
	if s < len(c.ofSlot) {
		if i := c.ofSlot[s]; i >= 0 {
			return c.units[i].cost, c.units[i].variance
		}
	}
	return c.kinds[0].cost, c.kinds[0].variance
}

// key returns the same of a key's records. A key that no worker lists costs what its slot does.
func (c *costs) key(hash uint64) (cost, variance float64) {
	if !c.differ {
		return 1, 0
	}
	keys := c.units[c.ofKeys:]
	i, ok := slices.BinarySearchFunc(keys, hash, func(u unit, hash uint64) int {
		switch {
		case u.id < hash:
			return -1
		case u.id > hash:
			return 1
		}
		return 0
	})
	if !ok {
		return c.slot(policy.SlotOf(hash, c.slots))
	}
	return keys[i].cost, keys[i].variance
}

// work sets dst to the work that each worker finished in a window, in records of mean cost,
// and returns dst. The records that it timed stand for all. A sample is precise about the work
// that a worker does in a time, but not about the mean cost of its records. The work is then
// that of its busy time, less the part in which it did other things than records, which
// changes slowly.
func (c *costs) work(dst []float64, w *policy.Window) []float64 {
	for i, n := range w.Counts {
		dst[i] = float64(n)
		if !c.differ || i >= len(w.Times) || n <= 0 {
			continue
		}
		records, sum := 0.0, 0.0
		c.now = c.split(c.now[:0], &w.Times[i], int32(i))
		for j := range c.now {
			x := &c.now[j]
			cost := 0.0
			if x.key {
				cost, _ = c.key(x.id)
			} else {
				cost, _ = c.slot(int(x.id))
			}
			records += x.records
			sum += x.records * cost
		}
		t, k := &w.Times[i], &c.workers[i]
		switch {
		case records == 0:
		case t.Records < w.Counts[i] && k.busy > 0 && k.sampled > 0 && w.Busy[i] > 0:
			dst[i] = w.Busy[i] * float64(w.End-w.Start) * k.sampled / k.busy * sum / float64(t.Total)
		default:
			dst[i] *= sum / records
		}
	}
	return dst
}
