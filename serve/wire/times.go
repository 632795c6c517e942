package wire

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
)

func appendTimes(b []byte, number protowire.Number, t *policy.Times) []byte {
	b, times := begin(b, number)
	b = appendCount(b, 1, uint64(t.Records))
	b = appendCount(b, 2, uint64(t.Total))
	b = appendDouble(b, 3, t.Scatter)
	for i := range t.Keys {
		k := &t.Keys[i]
		var at int
		b, at = begin(b, 4)
		b = appendFixed(b, 1, k.Hash)
		b = appendText(b, 2, cut(k.Name))
		b = appendCount(b, 3, uint64(k.Records))
		b = appendCount(b, 4, uint64(k.Total))
		b = end(b, at)
	}
	if len(t.Slots) > 0 {
		next := int32(0)
		b = appendColumn(b, 5, t.Slots, func(s *policy.SlotTime) uint64 {
			gap := s.Slot - next
			next = s.Slot + 1
			return uint64(uint32(gap))
		})
		b = appendColumn(b, 6, t.Slots, func(s *policy.SlotTime) uint64 { return uint64(s.Records) })
		b = appendColumn(b, 7, t.Slots, func(s *policy.SlotTime) uint64 { return uint64(s.Total) })
	}
	return end(b, times)
}

// appendColumn appends a packed field with a number of each element of a list.
func appendColumn[T any](b []byte, number protowire.Number, list []T, of func(*T) uint64) []byte {
	b, at := begin(b, number)
	for i := range list {
		b = protowire.AppendVarint(b, of(&list[i]))
	}
	return end(b, at)
}

// rawTimes are the times of a worker as they are on the wire, in memory that is used again.
// Times in ns have the same bound as counts, which is above an hour.
type rawTimes struct {
	records, total int64
	scatter        float64
	keys           bounded[policy.KeyTime]
	longest        int // name
	slots          bounded[uint32]
	counts, totals bounded[int64] // of slots
}

// clear empties the lists. The keys use the memory of times.
func (r *rawTimes) clear(times *policy.Times, s *reports.Shape) {
	*r = rawTimes{
		keys:  reuse(times.Keys, maxLists*s.KeyLimit()),
		slots: reuse(r.slots.list, s.Slots), counts: reuse(r.counts.list, s.Slots), totals: reuse(r.totals.list, s.Slots),
	}
}

func (d *decoder) decodeTimes(b []byte) bool {
	r := &d.times
	f := fields{rest: b}
	for f.next() {
		switch f.tag {
		case 1<<3 | varint:
			r.records = int64(f.value)
		case 2<<3 | varint:
			r.total = int64(f.value)
		case 3<<3 | fixed64:
			r.scatter = f.number()
		case 4<<3 | nested:
			f.bad = !d.decodeKeyTime(f.bytes, r.keys.next())
		case 5<<3 | nested:
			f.bad = !packed(&r.slots, f.bytes)
		case 5<<3 | varint:
			*r.slots.next() = uint32(f.value)
		case 6<<3 | nested:
			f.bad = !packed(&r.counts, f.bytes)
		case 6<<3 | varint:
			*r.counts.next() = int64(f.value)
		case 7<<3 | nested:
			f.bad = !packed(&r.totals, f.bytes)
		case 7<<3 | varint:
			*r.totals.next() = int64(f.value)
		}
	}
	return !f.bad
}

func (d *decoder) decodeKeyTime(b []byte, k *policy.KeyTime) bool {
	*k = policy.KeyTime{}
	var name []byte
	f := fields{rest: b}
	for f.next() {
		switch f.tag {
		case 1<<3 | fixed64:
			k.Hash = f.value
		case 2<<3 | nested:
			name = f.bytes
		case 3<<3 | varint:
			k.Records = int64(f.value)
		case 4<<3 | varint:
			k.Total = time.Duration(f.value)
		}
	}
	if d.times.longest = max(d.times.longest, len(name)); len(name) <= maxKey && !f.bad {
		k.Name = d.keys.name(k.Hash, name)
	}
	return !f.bad
}

// into checks the times and copies them to a worker's.
func (r *rawTimes) into(to *policy.Times, s *reports.Shape) error {
	switch {
	case r.keys.over() || r.longest > maxKey:
		return fmt.Errorf("times: %d keys, one with a name of %d bytes; at most %d and %d are possible", r.keys.n, r.longest, r.keys.limit, maxKey)
	case r.slots.over() || r.counts.n != r.slots.n || r.totals.n != r.slots.n:
		return fmt.Errorf("times: %d slots have %d counts and %d times; as many of each are possible, up to %d", r.slots.n, r.counts.n, r.totals.n, r.slots.limit)
	}
	var all [4]total
	ok := uint64(r.records) <= maxCount && uint64(r.total) <= maxCount
	for _, k := range r.keys.list {
		ok = ok && all[0].add(k.Records) && all[1].add(int64(k.Total))
	}
	to.Records, to.Total, to.Scatter, to.Keys = r.records, time.Duration(r.total), r.scatter, r.keys.list
	at := uint64(0)
	for i, gap := range r.slots.list {
		if at += uint64(gap); at >= uint64(s.Slots) {
			return fmt.Errorf("times: slot %d of %d", at, s.Slots)
		}
		to.Slots = append(to.Slots, policy.SlotTime{Slot: int32(at), Records: r.counts.list[i], Total: time.Duration(r.totals.list[i])})
		ok = ok && all[2].add(r.counts.list[i]) && all[3].add(r.totals.list[i])
		at++
	}
	if !ok {
		return fmt.Errorf("times: a count of records or ns is negative, or more than %d, alone or together", int64(maxCount))
	}
	if err := to.Validate(s.Slots); err != nil || to.Records > 0 {
		return err
	}
	*to = policy.Times{Keys: to.Keys[:0], Slots: to.Slots[:0]} // no record was timed
	return nil
}
