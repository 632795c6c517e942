// Package sketch finds the heavy hitters of a stream in bounded memory.
package sketch

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/saspart/saspart/internal/hashtable"
	"github.com/saspart/saspart/internal/minheap"
	"github.com/saspart/saspart/partition/internal/tally"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// SpaceSaving finds the heavy hitters of a stream in bounded memory.
//
// Source: Metwally, Agrawal, El Abbadi: Efficient computation of frequent and
// top-k elements in data streams (ICDT 2005). Merging: Agarwal et al., Mergeable
// summaries (PODS 2012).
//
// Rule: there are m counters, each with a key, a count and an error. A record of a key that has
// a counter raises its count. Any other key takes over the counter with the smallest count, of
// equals the first. The count continues, and its old value becomes the error.
//
// After N records, the true count of a key with a counter is at most count and at least
// count - error. Every key with more than N/m records has a counter. A key without one has had
// at most Floor records.
//
// Deviation: the paper finds the smallest counter in a linked list of buckets by count, this
// code with tally.Least. So a hit costs one lookup and one addition. A miss is O(1) amortised
// for records of weight 1, and O(m) at worst for heavier ones.
//
// A counter keeps the key's name as a string of the record that took it over, so the bytes behind
// that string stay alive as long. After construction only the first Merge allocates, and Top
// when k is greater than before. Not safe for concurrent use.
type SpaceSaving struct {
	index hashtable.Table[int32] // counters by hash

	hashes []uint64 // by counter, like the following three
	counts []int64
	errors []int64
	names  []string

	used  int // counters in use, from the front
	total int64
	least tally.Least

	top    minheap.Heap[int64, uint64] // of Top: count and inverted hash
	merged []policy.HotKey             // of Merge
}

// NewSpaceSaving makes a sketch of m counters, at least 1.
func NewSpaceSaving(m int) *SpaceSaving {
	m = max(m, 1)
	return &SpaceSaving{
		index:  hashtable.New[int32](4 << bits.Len(uint(2*m-1))), // at most an eighth full: every miss probes three times
		hashes: make([]uint64, m),
		counts: make([]int64, m),
		errors: make([]int64, m),
		names:  make([]string, m),
	}
}

// Observe counts one record of a key.
func (s *SpaceSaving) Observe(hash uint64, name string) { s.observe(hash, name, 1) }

// ObserveN counts n records of a key at once; n below 1 counts nothing.
func (s *SpaceSaving) ObserveN(hash uint64, name string, n int64) {
	if n > 0 {
		s.observe(hash, name, n)
	}
}

// ObserveBatch counts the records of a batch. It is faster than the other two, as it reads a
// record only for the name of a key that gets a counter.
func (s *SpaceSaving) ObserveBatch(b *stream.Batch) {
	for i, h := range b.Hashes {
		s.observeRecord(h, b, i)
	}
}

func (s *SpaceSaving) observe(hash uint64, name string, n int64) {
	s.total += n
	if c := s.lookup(hash); c >= 0 {
		s.counts[c] += n
		return
	}
	s.admit(hash, name, n)
}

// ObserveRecord counts record i of a batch, whose hash is hash. It returns the count of the
// record's key and by how much that may be too high.
func (s *SpaceSaving) ObserveRecord(hash uint64, b *stream.Batch, i int) (count, err int64) {
	c := s.observeRecord(hash, b, i)
	return s.counts[c], s.errors[c]
}

// observeRecord counts record i of a batch and returns its key's counter.
func (s *SpaceSaving) observeRecord(hash uint64, b *stream.Batch, i int) int {
	s.total++
	if c := s.index.Find(hash); c != nil {
		s.counts[*c]++
		return int(*c)
	}
	return s.admit(hash, b.Records[i].Key, 1)
}

// admit gives a key without a counter one, and counts n records of it.
func (s *SpaceSaving) admit(hash uint64, name string, n int64) int {
	var c int
	var floor int64
	if s.used < len(s.counts) {
		c = s.used
		s.used++
	} else {
		c = s.least.Find(s.counts)
		floor = s.counts[c]
		s.index.Delete(s.hashes[c])
	}
	s.hashes[c], s.names[c], s.errors[c], s.counts[c] = hash, name, floor, floor+n
	*s.index.Add(hash) = int32(c)
	return c
}

// lookup returns the counter of a key, or -1.
func (s *SpaceSaving) lookup(hash uint64) int {
	if c := s.index.Find(hash); c != nil {
		return int(*c)
	}
	return -1
}

// Estimate returns the estimated count of a key and by how much it may be too high. Without a
// counter, ok is false, and the key has had at most Floor records.
func (s *SpaceSaving) Estimate(hash uint64) (count, err int64, ok bool) {
	c := s.lookup(hash)
	if c < 0 {
		return 0, 0, false
	}
	return s.counts[c], s.errors[c], true
}

// Total is the number of records observed.
func (s *SpaceSaving) Total() int64 { return s.total }

// Len is the number of keys that have a counter.
func (s *SpaceSaving) Len() int { return s.used }

// Floor returns the most records that a key without a counter can have had. It is at most
// Total/m.
func (s *SpaceSaving) Floor() int64 {
	if s.used < len(s.counts) {
		return 0
	}
	return slices.Min(s.counts)
}

// Top returns the k keys with the largest counts, or all keys if there are fewer. They are
// sorted by count, descending, and then by hash. It reuses dst's memory.
func (s *SpaceSaving) Top(k int, dst []policy.HotKey) []policy.HotKey {
	dst = dst[:0]
	if k <= 0 {
		return dst
	}
	// The heap holds the k heaviest keys so far, the lightest of them first. Of equal counts the
	// greatest hash is the lightest, so hashes are inverted.
	s.top = s.top[:0]
	for c, count := range s.counts[:s.used] {
		switch hash := ^s.hashes[c]; {
		case len(s.top) < k:
			s.top.Push(count, hash)
		case s.top[0].Key < count || s.top[0].Key == count && s.top[0].ID < hash:
			s.top[0].Key, s.top[0].ID = count, hash
			s.top.FixFirst()
		}
	}
	for _, t := range s.top {
		dst = append(dst, s.hotKey(s.lookup(^t.ID)))
	}
	slices.SortFunc(dst, heavier)
	return dst
}

func (s *SpaceSaving) hotKey(c int) policy.HotKey {
	return policy.HotKey{Name: s.names[c], Hash: s.hashes[c], Count: s.counts[c], Error: s.errors[c]}
}

// heavier orders keys by count, descending, then by hash.
func heavier(a, b policy.HotKey) int {
	if a.Count != b.Count {
		return cmp.Compare(b.Count, a.Count)
	}
	return cmp.Compare(a.Hash, b.Hash)
}

// Merge adds the counts of other, which it does not change. The guarantees then hold for the two
// streams together. A key with a counter in only one of the two may have had up to Floor records
// in the other. That Floor is added to its count and to its error. The m largest counts remain.
// The first Merge allocates space for the keys of both.
func (s *SpaceSaving) Merge(other *SpaceSaving) {
	floor, otherFloor := s.Floor(), other.Floor()
	all := s.merged[:0]
	if cap(all) == 0 {
		all = make([]policy.HotKey, 0, len(s.counts)+len(other.counts))
	}
	for c := range s.used {
		key := s.hotKey(c)
		count, err, ok := other.Estimate(key.Hash)
		if !ok {
			count, err = otherFloor, otherFloor
		}
		key.Count, key.Error = key.Count+count, key.Error+err
		all = append(all, key)
	}
	for c := range other.used {
		if key := other.hotKey(c); s.lookup(key.Hash) < 0 {
			key.Count, key.Error = key.Count+floor, key.Error+floor
			all = append(all, key)
		}
	}
	slices.SortFunc(all, heavier)

	total := s.total + other.total
	s.Reset()
	s.total = total
	for c, key := range all[:min(len(all), len(s.counts))] {
		s.hashes[c], s.names[c], s.counts[c], s.errors[c] = key.Hash, key.Name, key.Count, key.Error
		s.index.Set(key.Hash, int32(c))
		s.used++
	}
	clear(all) // releases the names
	s.merged = all[:0]
}

// Reset forgets everything, the names too.
func (s *SpaceSaving) Reset() {
	s.index.Clear()
	clear(s.names[:s.used])
	clear(s.counts[:s.used])
	s.used, s.total, s.least = 0, 0, tally.Least{}
}
