// Package operator has the parts of a job that the engines sim and local share: combiners
// and partial results, the sink, aggregation at senders, and service times. None has a clock.
package operator

import (
	"math/bits"
	"strings"
	"unsafe"

	"github.com/saspart/saspart/stream"
)

// Combiner is the keyed sliding-window state of one worker. Records are folded
// into panes of one slide each; when a slide ends, the panes of the window that
// ends with it are joined and emitted as one partial result per key. Owned by
// one goroutine.
type Combiner struct {
	task    stream.Task
	slides  int64   // panes per window
	index   []probe // open addressing by home(hash), length a power of two
	shift   uint    // 64 - log2(len(index))
	entries []entry
	free    []stream.State // emptied states for reuse
	held    int64          // bytes of the largest window emitted since the last Held
	last    *entry         // of the record added last
	squares float64        // sum of the squared times of records
}

// probe is a cell of the index: part of the hash beside the entry's number plus
// one, so that most misses end without a look at the entry. A hashtable.Table has
// cells twice as large and no place for two keys with the same hash; with it,
// routing split keys in sim is 4 % slower.
type probe struct {
	tag uint32
	ref int32 // 0 is empty
}

// entry is what a worker knows of a key. The newest pane is kept apart: nearly
// every record falls into it.
type entry struct {
	hash  uint64
	slide int64 // of cur
	cur   stream.State
	key   string
	old   []pane // earlier panes, by slide ascending
	sent  int64  // records since the last Realised, of keys that may be split
	merge int64  // partials of windows up to this slide pass a reducer
	timed timing // since the last Times
	heavy bool   // among the keys that took longest before the last Times
}

type pane struct {
	slide int64
	state stream.State
}

// Partial is a key's state over one aggregation window at one worker.
type Partial struct {
	Hash    uint64
	Slide   int64 // the last slide of the window
	Key     string
	State   stream.State // owned by the receiver, returned with Recycle
	Worker  int32
	Merge   bool // has to pass a reducer
	Entries int  // entries merged to join the panes: what the emission cost
	Merged  int  // partials of other workers that are merged in already
}

// NewCombiner makes an empty combiner for aggregation windows of the given slides.
func NewCombiner(task stream.Task, slides int) *Combiner {
	c := &Combiner{task: task, slides: int64(slides)}
	c.rebuild(64)
	return c
}

// home is where the search for a hash begins. The hash is mixed once more: what
// arrives at one worker often agrees in its low or its high bits, because a
// partitioner went by them.
func (c *Combiner) home(hash uint64) uint64 { return hash * 0x9e3779b97f4a7c15 >> c.shift }

// Add folds a record of the given slide in.
func (c *Combiner) Add(r *stream.Record, slide int64, merge bool) {
	e := c.find(r)
	c.last = e
	if merge {
		e.sent++
		e.merge = max(e.merge, slide+c.slides-1)
	}
	if e.slide != slide {
		c.other(e, slide).Add(r)
		return
	}
	e.cur.Add(r)
}

// Merge folds a partial result of one pane in; its state stays the sender's.
func (c *Combiner) Merge(p *Partial) {
	e := c.find(&stream.Record{Key: p.Key, Hash: p.Hash})
	if e.slide != p.Slide {
		c.other(e, p.Slide).Merge(p.State)
		return
	}
	e.cur.Merge(p.State)
}

// find returns the key's entry, making it if need be. The key's bytes are copied
// once, so that the record's memory is not held on to.
func (c *Combiner) find(r *stream.Record) *entry {
	mask := uint64(len(c.index) - 1)
	tag := uint32(r.Hash >> 32)
	i := c.home(r.Hash)
	for ; c.index[i].ref != 0; i = (i + 1) & mask {
		if c.index[i].tag != tag {
			continue
		}
		if e := &c.entries[c.index[i].ref-1]; e.hash == r.Hash && e.key == r.Key {
			return e
		}
	}
	if 2*(len(c.entries)+1) > len(c.index) {
		c.rebuild(2 * len(c.index))
		return c.find(r)
	}
	c.entries = append(c.entries, entry{hash: r.Hash, key: strings.Clone(r.Key), slide: NoSlide, merge: NoSlide})
	c.index[i] = probe{tag, int32(len(c.entries))}
	return &c.entries[len(c.entries)-1]
}

// NoSlide is before every slide.
const NoSlide = -1 << 62

// other returns the state of a pane other than the newest: it begins a newer pane or finds
// an older one. Older ones get records when partitioner subtasks are in different slides.
func (c *Combiner) other(e *entry, slide int64) stream.State {
	if slide > e.slide {
		if e.cur != nil {
			e.old = append(e.old, pane{e.slide, e.cur})
		}
		e.slide, e.cur = slide, c.state()
		return e.cur
	}
	i := len(e.old)
	for i > 0 && e.old[i-1].slide > slide {
		i--
	}
	if i > 0 && e.old[i-1].slide == slide {
		return e.old[i-1].state
	}
	e.old = append(e.old, pane{})
	copy(e.old[i+1:], e.old[i:])
	e.old[i] = pane{slide, c.state()}
	return e.old[i].state
}

// Emit ends a slide: it hands one partial result per key with records in the
// window (slide-slides, slide] to out, drops the panes that no later window
// needs and forgets keys without any. Slides must be ended in order.
func (c *Combiner) Emit(slide int64, worker int32, out func(Partial)) {
	first := slide - c.slides + 1 // of the window
	gone, held := 0, 0
	for i := range c.entries {
		e := &c.entries[i]
		p := Partial{Hash: e.hash, Slide: slide, Key: e.key, Worker: worker, Merge: e.merge >= slide}
		keep := e.old[:0]
		for _, o := range e.old {
			if o.slide >= first && o.slide <= slide {
				held += o.state.Bytes()
				c.join(&p, o.state)
			}
			if o.slide > first { // a later window needs it
				keep = append(keep, o)
			} else {
				c.Recycle(o.state)
			}
		}
		clear(e.old[len(keep):])
		e.old = keep
		if e.cur != nil && e.slide >= first && e.slide <= slide {
			held += e.cur.Bytes()
			if e.slide == first && p.State == nil { // the only pane, and no later window needs it
				p.State, e.cur, e.slide = e.cur, nil, NoSlide
			} else {
				c.join(&p, e.cur)
			}
		}
		if e.cur != nil && e.slide <= first {
			c.Recycle(e.cur)
			e.cur, e.slide = nil, NoSlide
		}
		if p.State != nil {
			held += len(e.key) + entryBytes
			out(p)
		}
		if e.idle() {
			gone++
		}
	}
	c.held = max(c.held, int64(held))
	if gone > len(c.entries)/4 {
		c.compact()
	}
}

// entryBytes is what a key takes besides its name and its panes: the entry, and two cells
// of an index that is half full.
const entryBytes = int(unsafe.Sizeof(entry{}) + 2*unsafe.Sizeof(probe{}))

// Held is the memory, in bytes, that the largest aggregation window emitted since the last
// call took before it was emitted.
func (c *Combiner) Held() int64 {
	held := c.held
	c.held = 0
	return held
}

func (c *Combiner) join(p *Partial, s stream.State) {
	if p.State == nil {
		p.State = c.state()
	}
	p.Entries += s.Size()
	p.State.Merge(s)
}

// Empty reports whether no pane is left.
func (c *Combiner) Empty() bool { return c.Keys() == 0 }

// Keys is the number of keys with state.
func (c *Combiner) Keys() int {
	n := 0
	for i := range c.entries {
		if c.entries[i].cur != nil || len(c.entries[i].old) > 0 {
			n++
		}
	}
	return n
}

// Realised passes the record counts of keys that may be split to out, and resets them.
func (c *Combiner) Realised(out func(hash uint64, count int64)) {
	for i := range c.entries {
		if e := &c.entries[i]; e.sent > 0 {
			out(e.hash, e.sent)
			e.sent = 0
		}
	}
}

// idle reports whether an entry has neither state nor anything to report.
func (e *entry) idle() bool {
	return e.cur == nil && len(e.old) == 0 && e.sent == 0 && e.timed.records == 0
}

// compact drops idle entries.
func (c *Combiner) compact() {
	kept := c.entries[:0]
	for _, e := range c.entries {
		if !e.idle() {
			kept = append(kept, e)
		}
	}
	clear(c.entries[len(kept):])
	c.entries = kept
	size := len(c.index)
	for size > 64 && 8*len(c.entries) < size {
		size /= 2
	}
	c.rebuild(size)
}

func (c *Combiner) rebuild(size int) {
	if size == len(c.index) {
		clear(c.index)
	} else {
		c.index = make([]probe, size)
	}
	c.shift = uint(64 - bits.TrailingZeros(uint(size)))
	mask := uint64(size - 1)
	for n := range c.entries {
		h := c.entries[n].hash
		i := c.home(h)
		for c.index[i].ref != 0 {
			i = (i + 1) & mask
		}
		c.index[i] = probe{uint32(h >> 32), int32(n + 1)}
	}
}

func (c *Combiner) state() stream.State {
	if n := len(c.free); n > 0 {
		s := c.free[n-1]
		c.free = c.free[:n-1]
		return s
	}
	return c.task.NewState()
}

// Recycle takes a state back for reuse.
func (c *Combiner) Recycle(s stream.State) {
	s.Reset()
	c.free = append(c.free, s)
}
