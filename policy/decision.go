package policy

import (
	"fmt"
	"math"
)

// Decision is what a controller answers to a window.
type Decision struct {
	// Route is the route to announce next; nil keeps the latest one, which is the last that was
	// announced to the job.
	Route *Route
	// Capacities are what the workers can do from now on, as far as the controller knows; nil
	// keeps those that were announced last. A controller that estimates them answers every
	// window with them, whether or not it has a new route.
	Capacities *Capacities
}

// Over joins two decisions in a row: what d leaves out is the older one's.
func (d Decision) Over(older Decision) Decision {
	if d.Route == nil {
		d.Route = older.Route
	}
	if d.Capacities == nil {
		d.Capacities = older.Capacities
	}
	return d
}

// Capacities says how much of the work each worker can do, for routers that keep every worker
// within its capacity record by record. Capacities do not change once they have been announced.
type Capacities struct {
	// Of is the capacity of each worker. None is negative, and they sum to 1. A worker of
	// capacity 0 is to get as little as possible.
	Of []float64
	// Waiting is how many more records than the mean wait in the queue of each worker; it is
	// negative where fewer wait. The loop fills it in from the window that has just ended; it
	// is nil where the job does not tell its queues, or tells them late.
	Waiting []float64
	// Load is the part of time that workers need for the records that were due in the window that
	// has just ended, a mean over what they can do; 0: not known. The loop fills it in.
	Load float64
	// Costs is what records cost; nil: all the same. Of and Waiting are of records of the
	// worker's mean cost: a router that does not know costs counts records.
	Costs *Costs
}

// Costs says what records cost, relative to the mean record.
type Costs struct {
	Workers []float64 // of a worker's mean record
	Slots   []uint16  // of each hash slot's records, without those of Keys, in 1/CostUnit
	Keys    []KeyCost // of keys' records
}

// KeyCost is what the records of a key cost, in 1/CostUnit.
type KeyCost struct {
	Hash uint64
	Cost uint16
}

// CostUnit is the cost of the mean record in the whole numbers that costs are made of.
const CostUnit = 256

// WholeCost returns a cost in 1/CostUnit, at least 1.
func WholeCost(cost float64) uint16 {
	return uint16(min(max(math.Round(cost*CostUnit), 1), math.MaxUint16))
}

// capacityUnit is the mean capacity in the whole numbers that capacities are made of.
const capacityUnit = 1 << 12

// CapacitiesOf returns capacities in proportion to the given parts, rounded to 1/4096 of the
// mean: another process gets the same ones. A part above 0 stays above 0. One that is negative,
// NaN or infinite counts as 0; CapacitiesOf returns nil if that leaves nothing.
func CapacitiesOf(parts []float64) *Capacities {
	sum := 0.0
	c := &Capacities{Of: make([]float64, len(parts))}
	for w, v := range parts {
		if v > 0 && !math.IsInf(v, 1) {
			c.Of[w] = v
			sum += v
		}
	}
	if !(sum > 0) || math.IsInf(sum, 1) {
		return nil
	}
	whole := float64(capacityUnit * len(parts))
	rest := whole
	for w, v := range c.Of {
		if v > 0 {
			c.Of[w] = max(1, math.Round(v/sum*whole))
		}
		rest -= c.Of[w]
	}
	for rest != 0 { // what rounding has changed is less than 1 per worker
		one := math.Copysign(1, rest)
		for w, v := range c.Of {
			if rest != 0 && v > 1 {
				c.Of[w] += one
				rest -= one
			}
		}
	}
	for w := range c.Of {
		c.Of[w] /= whole
	}
	return c
}

// Validate returns an error for capacities that a job of so many workers cannot follow. It is
// called on all that come from another process.
func (c *Capacities) Validate(workers int) error {
	if len(c.Of) != workers {
		return fmt.Errorf("capacities: made for %d workers, the job has %d", len(c.Of), workers)
	}
	if c.Waiting != nil && len(c.Waiting) != workers {
		return fmt.Errorf("capacities: what waits at %d workers, the job has %d", len(c.Waiting), workers)
	}
	sum := 0.0
	for w, v := range c.Of {
		if !(v >= 0) || math.IsInf(v, 1) {
			return fmt.Errorf("capacities: worker %d has %v", w, v)
		}
		sum += v
	}
	if math.Abs(sum-1) > 1e-6 {
		return fmt.Errorf("capacities: they sum to %v", sum)
	}
	for w, v := range c.Waiting {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("capacities: at worker %d wait %v records beyond the mean", w, v)
		}
	}
	return nil
}

// Load returns the part of time for which workers of the given capacities were busy in a window,
// or would have been if they had finished all records that were due; 0: not known. Workers that
// report nothing count as the others.
func Load(w *Window, capacity []float64) float64 {
	if len(w.Busy) != len(capacity) {
		return 0
	}
	busy, all := 0.0, 0.0
	for i, b := range w.Busy {
		if b >= 0 {
			busy += capacity[i] * b
			all += capacity[i]
		}
	}
	if all == 0 {
		return 0
	}
	due, finished := max(w.OfferedRate, w.ActualRate)*(w.End-w.Start).Seconds(), float64(w.Records)
	if due > finished && finished > 0 {
		busy *= due / finished
	}
	return min(busy/all, 1)
}

// Waiting returns how many more records, rounded, than the mean wait in the queue of each worker at the
// end of a window; nil if the window does not have the lengths of the queues. A queue that is
// unknown (NaN) counts as the mean. Where records differ in cost, given by worker, queues are
// compared by their work; the result is in the worker's records.
func Waiting(w *Window, costs *Costs) []float64 {
	if w.QueueSize <= 0 || len(w.Queue) == 0 || len(w.Queue) != len(w.Counts) {
		return nil
	}
	of := func(i int) float64 {
		if costs != nil && len(costs.Workers) == len(w.Queue) {
			return costs.Workers[i]
		}
		return 1
	}
	mean, n := 0.0, 0.0
	for i, q := range w.Queue {
		if q == q {
			mean += q * of(i)
			n++
		}
	}
	if n == 0 {
		return nil
	}
	mean /= n
	out := make([]float64, len(w.Queue))
	for i, q := range w.Queue {
		if q == q {
			out[i] = math.Round((q - mean/of(i)) * float64(w.QueueSize))
		}
	}
	return out
}
