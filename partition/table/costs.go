package table

import (
	"math"
	"math/bits"

	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/internal/tally"
	"github.com/saspart/saspart/policy"
)

// costs tells what a record costs, for clocks that count work. Keys of known cost are in a
// table without collisions: of two keys in one place, the later has it.
type costs struct {
	slots []uint16 // nil: records cost the same
	shift uint
	keys  *[costKeys]uint64 // a hash without its last 16 bits, and in these the cost; 0: none
	chunk [chunk]int64      // scratch: the records of a chunk
}

const (
	costKeys  = 1 << 11
	costShift = 64 - 11
	costBits  = 8 // policy.CostUnit is 1 << costBits
)

// set takes over what capacities say; nil: records cost the same.
func (c *costs) set(from *policy.Costs, workers int) {
	c.slots = nil
	if from == nil || bits.OnesCount(uint(len(from.Slots))) != 1 || len(from.Workers) != workers {
		return
	}
	c.slots, c.shift = from.Slots, uint(64-bits.TrailingZeros(uint(len(from.Slots))))
	if c.keys == nil {
		c.keys = new([costKeys]uint64)
	}
	clear(c.keys[:])
	for _, k := range from.Keys {
		c.keys[k.Hash*tally.Fib>>costShift] = k.Hash&^math.MaxUint16 | uint64(k.Cost)
	}
}

// of returns the cost of a key's record, in 1/policy.CostUnit.
func (c *costs) of(hash uint64) int64 {
	key, cost := c.keys[hash*tally.Fib>>costShift], uint64(c.slots[hash>>(c.shift&63)])
	// Both compile to a conditional move: which keys are listed is hard to predict.
	own := key & math.MaxUint16
	if own == 0 {
		own = cost
	}
	if (key^hash)>>16 == 0 {
		cost = own
	}
	return int64(cost)
}

// chargeWork is charge where records differ in cost: it moves the subtask's clock too.
func (b *bounds) chargeWork(hashes []uint64, dst []partition.Dest) (late uint64) {
	all := int64(0)
	costs := b.costs.chunk[:len(dst)]
	for i, h := range hashes[:len(dst)] {
		costs[i] = b.costs.of(h)
		all += costs[i]
	}
	b.now += all * b.pace / policy.CostUnit
	clocks, limit, least := b.clocks, b.now+b.bound, b.now-b.lag
	for i, d := range dst {
		k := &clocks[d&^partition.Merge]
		k.next = max(k.next, least) + k.step*costs[i]>>costBits
		late = late>>1 | uint64(limit-k.next)>>63<<63
	}
	return late >> (chunk - uint(len(dst)))
}

// stepOf returns how far a record of a key moves a worker's clock.
func (b *bounds) stepOf(k *clock, hash uint64) int64 {
	if b.costs.slots == nil {
		return k.step
	}
	return k.step * b.costs.of(hash) >> costBits
}
