package policy

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Times is how long a worker took for the records that it timed: all, or a sample of one in
// some tens. Times are of the worker itself, so they depend on its speed.
type Times struct {
	Records int64         // that were timed
	Total   time.Duration // that they took
	// Scatter is the variance of the time of one record within a key or slot, relative to the
	// squared mean: 0 if all records of a key take equally long.
	Scatter float64
	Keys    []KeyTime  // of keys that took longest, by hash
	Slots   []SlotTime // of each hash slot with timed records, all keys counted, by slot
}

// KeyTime is how long a worker took for the records of a key that it timed.
type KeyTime struct {
	Hash    uint64
	Name    string // the key's bytes
	Records int64
	Total   time.Duration
}

// SlotTime is how long a worker took for the records of a hash slot that it timed.
type SlotTime struct {
	Slot    int32
	Records int64
	Total   time.Duration
}

// Clone returns a copy. Its empty lists are nil.
func (t *Times) Clone() Times {
	c := *t
	c.Keys, c.Slots = append([]KeyTime(nil), t.Keys...), append([]SlotTime(nil), t.Slots...)
	return c
}

// Reset empties t and keeps its memory.
func (t *Times) Reset() { *t = Times{Keys: t.Keys[:0], Slots: t.Slots[:0]} }

// scale multiplies the times by a factor.
func (t *Times) scale(factor float64) {
	by := func(d *time.Duration) { *d = time.Duration(float64(*d) * factor) }
	by(&t.Total)
	for i := range t.Keys {
		by(&t.Keys[i].Total)
	}
	for i := range t.Slots {
		by(&t.Slots[i].Total)
	}
}

// Add adds what the worker timed at another time. Nothing of o is kept.
func (t *Times) Add(o *Times) {
	if o.Records == 0 {
		return
	}
	all := t.Records + o.Records
	t.Scatter += (o.Scatter - t.Scatter) * float64(o.Records) / float64(all)
	t.Records, t.Total = all, t.Total+o.Total
	t.Keys = joined(t.Keys, o.Keys, func(a, b *KeyTime) int { return cmp.Compare(a.Hash, b.Hash) }, func(a, b *KeyTime) {
		a.Records, a.Total = a.Records+b.Records, a.Total+b.Total
	})
	t.Slots = joined(t.Slots, o.Slots, func(a, b *SlotTime) int { return cmp.Compare(a.Slot, b.Slot) }, func(a, b *SlotTime) {
		a.Records, a.Total = a.Records+b.Records, a.Total+b.Total
	})
}

// joined merges the sorted list b into the sorted list a, in a's memory. add adds an element
// of b to its equal in a.
func joined[T any](a, b []T, compare func(a, b *T) int, add func(a, b *T)) []T {
	if len(a) == 0 {
		return append(a, b...)
	}
	n := len(a)
	for i, at := 0, 0; i < len(b); i++ {
		for at < n && compare(&a[at], &b[i]) < 0 {
			at++
		}
		if at < n && compare(&a[at], &b[i]) == 0 {
			add(&a[at], &b[i])
		} else {
			a = append(a, b[i])
		}
	}
	if len(a) > n {
		slices.SortFunc(a, func(x, y T) int { return compare(&x, &y) })
	}
	return a
}

// Validate reports the first value that a worker of a job with the given number of hash slots
// cannot have measured. Lists must be sorted, each key and slot listed once.
func (t *Times) Validate(slots int) error {
	if t.Records < 0 || t.Total < 0 || !(t.Scatter >= 0 && t.Scatter < 1e18) {
		return fmt.Errorf("times: %d records in %v with scatter %v", t.Records, t.Total, t.Scatter)
	}
	for i, k := range t.Keys {
		if k.Records < 1 || k.Total < 0 || i > 0 && k.Hash <= t.Keys[i-1].Hash {
			return fmt.Errorf("times: keys[%d] has %d records in %v, or is out of order", i, k.Records, k.Total)
		}
	}
	for i, s := range t.Slots {
		if s.Records < 1 || s.Total < 0 || s.Slot < 0 || int(s.Slot) >= slots || i > 0 && s.Slot <= t.Slots[i-1].Slot {
			return fmt.Errorf("times: slots[%d] is slot %d of %d with %d records in %v, or is out of order", i, s.Slot, slots, s.Records, s.Total)
		}
	}
	return nil
}
