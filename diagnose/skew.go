// Package diagnose says how skewed a keyed stream is, what that costs on a number of workers,
// and which partitioner is worth its price there.
package diagnose

import (
	"math"
	"math/bits"

	"github.com/saspart/saspart/partition/sketch"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// Counter counts the keys of a stream in about 3 MB, however many there are.
type Counter struct {
	heavy   *sketch.SpaceSaving
	route   *policy.Route // by hash
	loads   []int64       // records of each worker under it
	seen    []uint64      // a bit per hash prefix that occurred
	records int64
}

const (
	counters = 1 << 14 // a key's count is too high by at most 1/16,384 of the records
	seenBits = 24
	listed   = 10 // heaviest keys in a Skew
)

// NewCounter returns a Counter for a job of P workers.
func NewCounter(workers int) *Counter {
	return &Counter{
		heavy: sketch.NewSpaceSaving(counters), route: policy.HashRoute(workers),
		loads: make([]int64, workers), seen: make([]uint64, 1<<seenBits/64),
	}
}

// Add counts the first n records of a batch.
func (c *Counter) Add(b *stream.Batch, n int) {
	for i := range b.Records[:n] {
		r := &b.Records[i]
		c.heavy.Observe(r.Hash, r.Key)
		c.loads[c.route.Slots[policy.SlotOf(r.Hash, len(c.route.Slots))]]++
		bit := r.Hash >> (64 - seenBits)
		c.seen[bit/64] |= 1 << (bit % 64)
	}
	c.records += int64(n)
}

// Skew is how the records of a stream are distributed over its keys, and what that means for
// P equal workers.
type Skew struct {
	Workers int     `json:"workers"`
	Records int64   `json:"records"`
	Keys    float64 `json:"keys"`     // distinct ones, to about 1 %
	Heavy   []Key   `json:"heaviest"` // at most ten, heaviest first
	// Heavier is how many keys are heavier than the fair part of a worker, 1/P. A worker that
	// has all of such a key is overloaded, whatever else it has.
	Heavier int `json:"heavier_than_a_worker"`
	// Hash is the load of the busiest worker over the mean when keys go by hash.
	Hash float64 `json:"hash_busiest"`
	// KeptWhole is the least that it is in any way that gives each key to one worker.
	KeptWhole float64 `json:"whole_keys_busiest"`
}

// Key is a heavy key.
type Key struct {
	Name    string  `json:"name"`
	Part    float64 `json:"part"`    // of the records
	Error   float64 `json:"error"`   // standard error of Part, if the records are a sample
	Workers float64 `json:"workers"` // how many workers' fair part it is
}

// Skew returns what was counted.
func (c *Counter) Skew() Skew {
	p := float64(len(c.loads))
	s := Skew{Workers: len(c.loads), Records: c.records, Keys: c.distinct(), KeptWhole: 1, Hash: 1}
	if c.records == 0 {
		return s
	}
	all := float64(c.records)
	for i, k := range c.heavy.Top(max(listed, len(c.loads)), nil) {
		part := float64(k.Count-k.Error/2) / all // the true count is between Count - Error and Count
		if part*p > 1 {
			s.Heavier++
		}
		if i < listed {
			s.Heavy = append(s.Heavy, Key{Name: k.Name, Part: part, Error: math.Sqrt(part * (1 - part) / all), Workers: part * p})
		}
	}
	s.KeptWhole = max(1, s.Heavy[0].Workers)
	busiest := int64(0)
	for _, n := range c.loads {
		busiest = max(busiest, n)
	}
	s.Hash = float64(busiest) / all * p
	return s
}

// distinct estimates the number of keys from how many of the bits are not set (linear counting;
// Whang, Vander-Zanden, Taylor 1990).
func (c *Counter) distinct() float64 {
	set := 0
	for _, w := range c.seen {
		set += bits.OnesCount64(w)
	}
	const m = 1 << seenBits
	return m * math.Log(m/max(float64(m-set), 1))
}
