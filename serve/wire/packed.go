package wire

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/saspart/saspart/internal/hashtable"
	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
)

// A report of a large job is mostly hashes and names of heavy keys, the same in every
// window, and counts of slots, which are small numbers. A packed report refers to keys that
// came before on the stream by their numbers, counts in slots only the records of other
// keys, and is deflated.

// The sizes in bytes from which reports and decisions are packed. A smaller one is sent
// sooner as it is.
const (
	packFrom         = 16 << 10
	packDecisionFrom = 8 << 10
)

// maxKnown bounds the keys that both ends of a stream know, as a multiple of the keys in a
// window. A report with maxLists of them fits.
const maxKnown = 16

// mark adds a key to the fingerprint of those before it, which is 0 if there are none.
func mark(print, hash uint64) uint64 {
	return bits.RotateLeft64((print^hash)*0x9e3779b97f4a7c15, 29) | 1
}

// Keys is what the receiver of a stream remembers of the stream's keys.
type Keys struct {
	names []string // a cache by hash: a key replaces the key before it in the same place
	known []knownKey
	print uint64 // of known
	most  int    // bytes of a packed report when it is unpacked
}

// knownKey is a key that packed reports refer to.
type knownKey struct {
	hash uint64
	name string
}

// NewKeys returns the memory of a new stream. Reports may unpack to most bytes.
func NewKeys(h *Hello, most int) *Keys {
	n := 1
	for n < 2*h.HotKeys() {
		n *= 2
	}
	return &Keys{names: make([]string, n), most: most}
}

// name returns the name of a key as a string. A key that is reported again and again has
// one name in memory.
func (k *Keys) name(hash uint64, name []byte) string {
	if k == nil {
		return string(name)
	}
	at := &k.names[hash&uint64(len(k.names)-1)]
	if *at != string(name) {
		*at = string(name)
	}
	return *at
}

// compact is the part of a partitioner's report that only packed reports have.
type compact struct {
	print  uint64
	keys   bounded[uint32]
	counts bounded[int64]
	errors bounded[int64]
	rest   bool
}

// resolve completes a partitioner's report that came packed. It appends the known keys to
// the keys that came with hash and name, and adds the records of all of them to the slots.
// The keys that came with hash and name are known from now on.
func (d *decoder) resolve(p *reports.Partitioner) error {
	c, k, most := &d.compact, d.keys, d.hello.Shape.KeyLimit()
	if k == nil {
		return errors.New("it is packed, which the welcome does not allow")
	}
	if c.print == 0 {
		k.known, k.print = k.known[:0], 0
	}
	n := len(p.Hot)
	switch {
	case c.print != k.print:
		return errors.New("it counts on keys that are not known on this stream")
	case c.keys.n != c.counts.n || c.errors.n != 0 && c.errors.n != c.keys.n:
		return fmt.Errorf("%d known keys have %d counts and %d errors", c.keys.n, c.counts.n, c.errors.n)
	case n+c.keys.n > maxLists*most:
		return fmt.Errorf("%d hot keys; at most %d are possible", n+c.keys.n, maxLists*most)
	case len(k.known)+n > maxKnown*most:
		return fmt.Errorf("%d known keys; at most %d are possible", len(k.known)+n, maxKnown*most)
	}
	at := uint64(0)
	for i, gap := range c.keys.list {
		if at += uint64(gap); at >= uint64(len(k.known)) {
			return fmt.Errorf("key %d is not known; %d are", at, len(k.known))
		}
		hot := policy.HotKey{Hash: k.known[at].hash, Name: k.known[at].name, Count: c.counts.list[i]}
		if c.errors.n > 0 {
			hot.Error = c.errors.list[i]
		}
		if err := counts(hot.Count, hot.Error); err != nil {
			return err
		}
		p.Hot = append(p.Hot, hot)
		at++
	}
	for _, hot := range p.Hot[:n] {
		k.known, k.print = append(k.known, knownKey{hot.Hash, hot.Name}), mark(k.print, hot.Hash)
	}
	if c.rest && len(p.Slots) == d.hello.Shape.Slots {
		for i := range p.Hot {
			hot := &p.Hot[i]
			p.Slots[policy.SlotOf(hot.Hash, len(p.Slots))] += hot.Count - hot.Error
		}
	}
	return totals(p)
}

// Packer packs the reports of one stream. It must not be used concurrently.
type Packer struct {
	hello   *Hello
	numbers hashtable.Table[number] // of the known keys
	known   int
	print   uint64
	lists   uint32 // divided so far

	keys  []numbered // of the report at hand: the known ones
	fresh []int      // the others' indices in its list
	slots []int64
	gaps  []uint32
	list  []int64
}

// number is the number of a known key.
type number struct {
	number int32
	list   uint32 // the last that had the key
}

// numbered is a hot key with its number.
type numbered struct {
	number int32
	key    *policy.HotKey
}

// NewPacker returns a packer for a new stream.
func NewPacker(h *Hello) *Packer { return &Packer{hello: h} }

// Forget makes the packer send all keys again, because the receiver may not know them: it
// has rejected a report.
func (p *Packer) Forget() {
	p.numbers.Clear()
	p.known, p.print = 0, 0
}

// Pack returns a message for a report that AppendReport encoded: packed, or the same if
// that is smaller.
func (p *Packer) Pack(report Frame) Frame {
	if len(report) < packFrom || len(p.hello.Partitioners) == 0 {
		return report
	}
	b := encodings.Get().(*[]byte)
	defer encodings.Put(b)
	_, err := TakeReport(report, p.hello, nil, func(r *reports.Report) error {
		*b = appendReport((*b)[:0], r, p)
		return nil
	})
	if err != nil { // the receiver says why
		return report
	}
	return deflated(*b, 3)
}

var encodings = sync.Pool{New: func() any { return new([]byte) }}

// PackDecision returns a message for a decision that AppendDecision encoded: deflated, or the
// same if it is small.
func PackDecision(decision Frame) Frame {
	body, ok := alone(decision, 2)
	if !ok || len(body) < packDecisionFrom {
		return decision
	}
	return deflated(body, 5)
}

// appendHot appends the hot keys and slots of a partitioner's report.
func (p *Packer) appendHot(b []byte, of *reports.Partitioner) []byte {
	p.divide(of)
	b = appendFixed(b, 12, p.print)
	for _, i := range p.fresh {
		hot := &of.Hot[i]
		b = appendHotKey(b, hot)
		p.numbers.Set(hot.Hash, number{int32(p.known), p.lists})
		p.known, p.print = p.known+1, mark(p.print, hot.Hash)
	}
	p.gaps = p.gaps[:0]
	next, errs := int32(0), false
	for _, k := range p.keys {
		p.gaps = append(p.gaps, uint32(k.number-next))
		next, errs = k.number+1, errs || k.key.Error != 0
	}
	b = appendPacked(b, 13, p.gaps)
	b = appendPacked(b, 14, p.column(func(k *policy.HotKey) int64 { return k.Count }))
	if errs {
		b = appendPacked(b, 15, p.column(func(k *policy.HotKey) int64 { return k.Error }))
	}
	slots, rest := p.rest(of)
	b = appendPacked(b, 6, slots)
	if rest {
		b = appendCount(b, 16, 1)
	}
	return b
}

func (p *Packer) column(of func(*policy.HotKey) int64) []int64 {
	p.list = p.list[:0]
	for _, k := range p.keys {
		p.list = append(p.list, of(k.key))
	}
	return p.list
}

// divide divides the hot keys into known and fresh ones. If they would be more than may be
// known, all are fresh.
func (p *Packer) divide(of *reports.Partitioner) {
	p.keys, p.fresh = p.keys[:0], p.fresh[:0]
	p.lists++
	for i := range of.Hot {
		if n := p.numbers.Find(of.Hot[i].Hash); n != nil && n.list != p.lists {
			n.list = p.lists
			p.keys = append(p.keys, numbered{n.number, &of.Hot[i]})
		} else { // also a key that is listed twice
			p.fresh = append(p.fresh, i)
		}
	}
	if p.known > 0 && p.known+len(p.fresh) > maxKnown*p.hello.Shape.KeyLimit() {
		p.Forget()
		p.divide(of)
		return
	}
	slices.SortFunc(p.keys, func(a, b numbered) int { return int(a.number - b.number) })
}

// rest returns the slots without the records of hot keys, and true; or all of them, if a key
// has more records than its slot.
func (p *Packer) rest(of *reports.Partitioner) (slots []int64, rest bool) {
	if len(of.Slots) != p.hello.Shape.Slots || len(of.Slots) == 0 {
		return of.Slots, false
	}
	p.slots = append(p.slots[:0], of.Slots...)
	for i := range of.Hot {
		hot := &of.Hot[i]
		s := &p.slots[policy.SlotOf(hot.Hash, len(p.slots))]
		if *s -= hot.Count - hot.Error; *s < 0 {
			return of.Slots, false
		}
	}
	return p.slots, true
}

var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.HuffmanOnly) // counts repeat no sequences
	if err != nil {
		panic(err) // there is no such level
	}
	return w
}}

// deflated is a message that has what is deflated as the field of that number.
func deflated(b []byte, number protowire.Number) Frame {
	var to bytes.Buffer
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(&to)
	_, _ = w.Write(b) // a buffer takes everything
	_ = w.Close()
	return appendText(make([]byte, 0, protowire.SizeTag(number)+protowire.SizeBytes(to.Len())), number, to.Bytes())
}

// inflater is memory to unpack in.
type inflater struct {
	reader io.ReadCloser
	bytes  bytes.Buffer
}

var inflaters = sync.Pool{New: func() any { return &inflater{reader: flate.NewReader(nil)} }}

// done returns the memory to the pool, unless it is much.
func (f *inflater) done() {
	if f.bytes.Cap() <= maxRead {
		inflaters.Put(f)
	}
}

// inflate unpacks at most so many bytes; false: they are more, or cannot be unpacked. The
// result is valid until the inflater is used again.
func (f *inflater) inflate(b []byte, most int) ([]byte, bool) {
	_ = f.reader.(flate.Resetter).Reset(bytes.NewReader(b), nil) // never fails
	f.bytes.Reset()
	n, err := f.bytes.ReadFrom(io.LimitReader(f.reader, int64(most)+1))
	return f.bytes.Bytes(), err == nil && n <= int64(most)
}
