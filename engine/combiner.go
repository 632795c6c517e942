package engine

import (
	"math/bits"
	"strings"

	"github.com/saspart/saspart/stream"
)

// combiner is the keyed sliding-window state of one worker. Records are folded
// into panes of one slide each; when a slide ends, the panes of the window that
// ends with it are joined and handed on as one partial result per key. Owned by
// one goroutine.
type combiner struct {
	task    stream.Task
	slides  int64   // panes per window
	index   []probe // open addressing by home(hash), length a power of two
	shift   uint    // 64 - log2(len(index))
	entries []entry
	free    []stream.State // emptied states for reuse
}

// probe is a cell of the index: part of the hash beside the entry's number plus
// one, so that most misses end without a look at the entry.
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
	sent  int64  // records since the last realised(), of keys that may be split
	merge int64  // partials of windows up to this slide pass a reducer
}

type pane struct {
	slide int64
	state stream.State
}

// partial is a key's state over one aggregation window at one worker.
type partial struct {
	hash    uint64
	slide   int64 // the last slide of the window
	key     string
	state   stream.State // owned by the receiver, given back with recycle
	worker  int32
	merge   bool // has to pass a reducer
	entries int  // entries merged to join the panes: what the emission cost
	merged  int  // partials of other workers that are merged in already
}

func newCombiner(task stream.Task, slides int) *combiner {
	c := &combiner{task: task, slides: int64(slides)}
	c.rebuild(64)
	return c
}

// home is where the search for a hash begins. The hash is mixed once more: what
// arrives at one worker often agrees in its low or its high bits, because a
// partitioner went by them.
func (c *combiner) home(hash uint64) uint64 { return hash * 0x9e3779b97f4a7c15 >> c.shift }

// add folds a record of the given slide in.
func (c *combiner) add(r *stream.Record, slide int64, merge bool) {
	e := c.find(r)
	if merge {
		e.sent++
		e.merge = max(e.merge, slide+c.slides-1)
	}
	if e.slide != slide {
		c.turn(e, slide).Add(r)
		return
	}
	e.cur.Add(r)
}

// merge folds a partial result of one pane in; its state stays the sender's.
func (c *combiner) merge(p *partial) {
	e := c.find(&stream.Record{Key: p.key, Hash: p.hash})
	if e.slide != p.slide {
		c.turn(e, p.slide).Merge(p.state)
		return
	}
	e.cur.Merge(p.state)
}

// find returns the key's entry, making it if need be. The key's bytes are copied
// once, so that the record's memory is not held on to.
func (c *combiner) find(r *stream.Record) *entry {
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
	c.entries = append(c.entries, entry{hash: r.Hash, key: strings.Clone(r.Key), slide: noSlide, merge: noSlide})
	c.index[i] = probe{tag, int32(len(c.entries))}
	return &c.entries[len(c.entries)-1]
}

// noSlide is before every slide.
const noSlide = -1 << 62

// turn returns the state of a pane other than the newest: it begins a newer one
// or finds an older one, which happens when partitioner subtasks are not equally
// far.
func (c *combiner) turn(e *entry, slide int64) stream.State {
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

// emit ends a slide: it hands one partial result per key with records in the
// window (slide-slides, slide] to out, drops the panes that no later window
// needs and forgets keys without any. Slides must be ended in order.
func (c *combiner) emit(slide int64, worker int32, out func(partial)) {
	first := slide - c.slides + 1 // of the window
	gone := 0
	for i := range c.entries {
		e := &c.entries[i]
		p := partial{hash: e.hash, slide: slide, key: e.key, worker: worker, merge: e.merge >= slide}
		keep := e.old[:0]
		for _, o := range e.old {
			if o.slide >= first && o.slide <= slide {
				c.join(&p, o.state)
			}
			if o.slide > first { // a later window needs it
				keep = append(keep, o)
			} else {
				c.recycle(o.state)
			}
		}
		clear(e.old[len(keep):])
		e.old = keep
		if e.cur != nil && e.slide >= first && e.slide <= slide {
			if e.slide == first && p.state == nil { // the only pane, and no later window needs it
				p.state, e.cur, e.slide = e.cur, nil, noSlide
			} else {
				c.join(&p, e.cur)
			}
		}
		if e.cur != nil && e.slide <= first {
			c.recycle(e.cur)
			e.cur, e.slide = nil, noSlide
		}
		if p.state != nil {
			out(p)
		}
		if e.cur == nil && len(e.old) == 0 && e.sent == 0 {
			gone++
		}
	}
	if gone > len(c.entries)/4 {
		c.compact()
	}
}

func (c *combiner) join(p *partial, s stream.State) {
	if p.state == nil {
		p.state = c.state()
	}
	p.entries += s.Size()
	p.state.Merge(s)
}

// empty reports whether no pane is left.
func (c *combiner) empty() bool {
	for i := range c.entries {
		if c.entries[i].cur != nil || len(c.entries[i].old) > 0 {
			return false
		}
	}
	return true
}

// keys is the number of keys with state.
func (c *combiner) keys() int {
	n := 0
	for i := range c.entries {
		if c.entries[i].cur != nil || len(c.entries[i].old) > 0 {
			n++
		}
	}
	return n
}

// realised hands out, and starts anew, the record counts of keys that may be
// split.
func (c *combiner) realised(out func(hash uint64, count int64)) {
	for i := range c.entries {
		if e := &c.entries[i]; e.sent > 0 {
			out(e.hash, e.sent)
			e.sent = 0
		}
	}
}

// compact drops entries without state.
func (c *combiner) compact() {
	kept := c.entries[:0]
	for _, e := range c.entries {
		if e.cur != nil || len(e.old) > 0 || e.sent > 0 {
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

func (c *combiner) rebuild(size int) {
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

func (c *combiner) state() stream.State {
	if n := len(c.free); n > 0 {
		s := c.free[n-1]
		c.free = c.free[:n-1]
		return s
	}
	return c.task.NewState()
}

// recycle takes a state back for reuse.
func (c *combiner) recycle(s stream.State) {
	s.Reset()
	c.free = append(c.free, s)
}
