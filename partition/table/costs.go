package table

import (
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
	keys  []policy.KeyCost
	chunk [chunk]int64 // scratch: the records of a chunk
}

const (
	costKeys  = 1 << 11
	costShift = 64 - 11
)

// set takes over what capacities say; nil: records cost the same.
func (c *costs) set(from *policy.Costs, workers int) {
	c.slots = nil
	if from == nil || bits.OnesCount(uint(len(from.Slots))) != 1 || len(from.Workers) != workers {
		return
	}
	c.slots, c.shift = from.Slots, uint(64-bits.TrailingZeros(uint(len(from.Slots))))
	if c.keys == nil {
		c.keys = make([]policy.KeyCost, costKeys)
	}
	clear(c.keys)
	for _, k := range from.Keys {
		c.keys[k.Hash*tally.Fib>>costShift] = k
	}
}

// of returns the cost of a key's record, in 1/policy.CostUnit.
func (c *costs) of(hash uint64) int64 {
	if k := &c.keys[hash*tally.Fib>>costShift]; k.Hash == hash && k.Cost > 0 {
		return int64(k.Cost)
	}
	return int64(c.slots[hash>>(c.shift&63)])
}

// chargeWork is charge where records differ in cost: it moves the subtask's clock too.
func (b *bounds) chargeWork(hashes []uint64, dst []partition.Dest) (late uint64) {
	all := int64(0)
	for i, h := range hashes {
		b.costs.chunk[i] = b.costs.of(h)
		all += b.costs.chunk[i]
	}
	b.now += all * b.pace / policy.CostUnit
	limit, least := b.now+b.bound, b.now-b.lag
	for i, d := range dst {
		k := &b.clocks[d&^partition.Merge]
		k.next = max(k.next, least) + k.step*b.costs.chunk[i]/policy.CostUnit
		late = late>>1 | uint64(limit-k.next)>>63<<63
	}
	return late >> (chunk - uint(len(dst)))
}

// stepOf returns how far a record of a key moves a worker's clock.
func (b *bounds) stepOf(k *clock, hash uint64) int64 {
	if b.costs.slots == nil {
		return k.step
	}
	return k.step * b.costs.of(hash) / policy.CostUnit
}
