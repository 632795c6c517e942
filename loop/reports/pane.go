package reports

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/saspart/saspart/internal/hashtable"
	"github.com/saspart/saspart/policy"
)

// What a window keeps is bounded, and what goes beyond is left out.
const (
	mostRealised   = 64 // shares per hot key of the shape
	mostTimedKeys  = 16 // times per hot key; workers list 8 in all
	mostTimedSlots = 2  // times per slot
)

// mostGossip is how many bytes of what partitioners have learned a window keeps; what
// goes beyond is left out.
const mostGossip = 4 << 20

// pane is a window that is being assembled. Its memory is the window's too.
type pane struct {
	shape    *Shape
	seen     []bool   // by subtask, workers first, and slide
	got      []uint16 // slides reported by each subtask
	whole    int      // subtasks that reported every slide
	workers  []Worker // what they reported, summed over slides
	realised []policy.RealisedShare
	times    []policy.Times // by worker
	timings  [2]int         // keys and slots in them

	partitioners []Partitioner // summed over slides, without lists
	routes       []uint64      // versions in force that were reported, each once
	changed      bool
	last         int    // latest slide that a partitioner reported
	version      uint64 // in force at its end
	name         string // of the partitioner, as far as reported
	learns       bool
	hot          hotKeys
	slots        []int64  // empty: not counted
	shares       [][]byte // by partitioner subtask; nil: none yet
	shared       int      // bytes in them

	reducers []Reducer               // summed over slides
	latency  *hdrhistogram.Histogram // nil: none was ever reported
	timed    []timed                 // what is not in latency yet, for its worker may be missing in the end
	longest  []time.Duration         // of each worker

	of     *Whole // nil: the job runs elsewhere
	out    Assembled
	window policy.Window
}

// panes are reused by all assemblers of jobs of about the same size, so that small jobs do not
// keep the memory of large ones that have left.
var panes [bits.UintSize]sync.Pool

// poolOf returns the pool of a shape's panes.
func poolOf(s *Shape) *sync.Pool { return &panes[bits.Len(uint(s.KeyLimit()))] }

// newPane is a pane without reports.
func newPane(shape *Shape) *pane {
	p, ok := poolOf(shape).Get().(*pane)
	if !ok {
		p = new(pane)
	}
	subtasks := shape.subtasks()
	p.shape = shape
	p.seen, p.got = zeros(p.seen, subtasks*shape.Slides), zeros(p.got, subtasks)
	p.workers, p.partitioners, p.reducers = zeros(p.workers, shape.Workers), zeros(p.partitioners, shape.Partitioners), zeros(p.reducers, shape.Reducers)
	p.times = slices.Grow(p.times[:0], shape.Workers)[:shape.Workers]
	for i := range p.times {
		p.times[i].Reset()
	}
	p.hot.clear()
	if p.latency != nil {
		p.latency.Reset()
	}
	p.longest = zeros(p.longest, shape.Workers)
	p.realised, p.routes, p.slots, p.timed = p.realised[:0], p.routes[:0], p.slots[:0], p.timed[:0]
	p.whole, p.timings, p.changed, p.last, p.version, p.name, p.learns = 0, [2]int{}, false, 0, 0, "", false
	p.of = nil
	p.shares, p.shared = nil, 0 // others may have the shares
	return p
}

// first reports whether this is the subtask's first report of the slide, and counts it.
func (p *pane) first(subtask, slide int, counts *Counts) bool {
	at := subtask*p.shape.Slides + slide
	if p.seen[at] {
		counts.Duplicate++
		return false
	}
	p.seen[at] = true
	counts.Taken++
	if p.got[subtask]++; int(p.got[subtask]) == p.shape.Slides {
		p.whole++
	}
	return true
}

// add takes in a report of the window's slide of that number.
func (p *pane) add(r *Report, slide int, counts *Counts) {
	p.of = r.Whole
	mostShares, mostKeys := mostRealised*p.shape.KeyLimit(), 4*p.shape.KeyLimit()
	timedKeys, timedSlots := mostTimedKeys*p.shape.KeyLimit(), mostTimedSlots*p.shape.Slots
	if p.of != nil { // the job bounds its own lists
		mostShares, mostKeys, timedKeys, timedSlots = math.MaxInt, math.MaxInt/2, math.MaxInt, math.MaxInt
	}
	for i := range r.Workers {
		w := &r.Workers[i]
		if !w.Late && !p.first(w.Index, slide, counts) {
			continue
		}
		sum := &p.workers[w.Index]
		sum.Records += w.Records
		sum.Units += w.Units
		sum.Bypassed += w.Bypassed
		if w.Latency != nil {
			p.time(w.Index, w.Latency)
		}
		times := w.Times
		of := &p.times[w.Index]
		keys, slots := len(of.Keys), len(of.Slots)
		times.Keys = times.Keys[:min(len(times.Keys), max(0, mostKeys-keys), timedKeys-p.timings[0])]
		times.Slots = times.Slots[:min(len(times.Slots), timedSlots-p.timings[1])]
		of.Add(&times)
		p.timings[0] += len(of.Keys) - keys
		p.timings[1] += len(of.Slots) - slots
		for _, s := range w.Realised[:min(len(w.Realised), mostShares-len(p.realised))] {
			p.realised = append(p.realised, policy.RealisedShare{Hash: s.Hash, Worker: w.Index, Count: s.Count})
		}
		if w.Late {
			continue
		}
		sum.Busy += w.Busy
		sum.CPU += w.CPU
		if slide == p.shape.Slides-1 {
			sum.Queue, sum.StateKeys, sum.Bytes = w.Queue, w.StateKeys, w.Bytes
		}
	}
	for i := range r.Partitioners {
		n := &r.Partitioners[i]
		if !n.Late && !p.first(p.shape.Workers+n.Index, slide, counts) {
			continue
		}
		sum := &p.partitioners[n.Index]
		sum.Sent += n.Sent
		p.hot.add(n.Hot, mostKeys)
		p.count(n.Slots)
		if n.Late {
			continue
		}
		sum.StateKeys += n.StateKeys
		sum.Bytes += n.Bytes
		sum.Offered += n.Offered
		sum.Blocked += n.Blocked
		p.changed, p.learns = p.changed || n.RouteChanged, p.learns || n.Learns
		if !slices.Contains(p.routes, n.RouteVersion) {
			p.routes = append(p.routes, n.RouteVersion)
		}
		if slide >= p.last {
			p.last, p.version = slide, max(n.RouteVersion, p.version)
			if n.Name != "" {
				p.changed = p.changed || p.name != "" && n.Name != p.name
				p.name = n.Name
			}
		}
		p.share(n)
	}
	for i := range r.Reducers {
		n := &r.Reducers[i]
		if !p.first(p.shape.Workers+p.shape.Partitioners+n.Index, slide, counts) {
			continue
		}
		sum := &p.reducers[n.Index]
		sum.Busy += n.Busy
		sum.Keys += n.Keys
		sum.Pairs += n.Pairs
	}
}

// count adds records by slot.
func (p *pane) count(slots []int64) {
	if len(p.slots) == 0 {
		p.slots = append(p.slots, slots...)
		return
	}
	for s, c := range slots {
		p.slots[s] += c
	}
}

// share keeps the latest gossip of a partitioner subtask, if it fits the bound.
func (p *pane) share(n *Partitioner) {
	if len(n.Share) == 0 {
		return
	}
	if p.shares == nil {
		p.shares = make([][]byte, p.shape.Partitioners)
	}
	if after := p.shared - len(p.shares[n.Index]) + len(n.Share); after <= mostGossip {
		p.shares[n.Index], p.shared = n.Share, after
	}
}

// finish makes the window of number n; routeOf finds routes by their versions.
func (p *pane) finish(n uint64, routeOf func(version uint64) *policy.Route) *Assembled {
	s := p.shape
	out, w := &p.out, &p.window
	*out = Assembled{
		Number: n, Window: w, CPU: zeros(out.CPU, s.Workers), Shares: p.shares, Learns: p.learns, pane: p,
		Workers: out.Workers[:0], Partitioners: out.Partitioners[:0], Reducers: out.Reducers[:0],
	}
	*w = policy.Window{
		Step: int(min(n, math.MaxInt)), Partitioner: p.name, QueueSize: s.Queue,
		Counts: zeros(w.Counts, s.Workers), Units: zeros(w.Units, s.Workers),
		Busy: zeros(w.Busy, s.Workers), Queue: zeros(w.Queue, s.Workers), Reducer: zeros(w.Reducer, s.Reducers),
	}
	if of := p.of; of != nil {
		w.Start, w.End, w.Route, w.RouteNew, w.Partitioner = of.Start, of.End, of.Route, of.RouteNew, of.Partitioner
	} else {
		w.Start, w.End = at(n, s.Window()), at(n+1, s.Window())
		w.Route, w.RouteNew = routeOf(p.version), p.changed || len(p.routes) > 1
	}
	slides := float64(s.Slides)
	for i := range p.workers {
		if int(p.got[i]) < s.Slides {
			w.Busy[i], w.Queue[i] = math.NaN(), math.NaN()
			out.Workers = append(out.Workers, i)
			p.times[i].Reset()
			continue
		}
		sum := &p.workers[i]
		w.Records += sum.Records
		w.Counts[i], w.Units[i] = sum.Records, sum.Units
		w.Busy[i], w.Queue[i] = sum.Busy/slides, sum.Queue
		w.Pairs += int(sum.StateKeys)
		w.Bytes += sum.Bytes
		out.CPU[i] = sum.CPU / slides
	}
	for i := range p.partitioners {
		if int(p.got[s.Workers+i]) < s.Slides {
			out.Partitioners = append(out.Partitioners, i)
		}
	}
	measured, sent := float64(s.Partitioners-len(out.Partitioners)), int64(0)
	for i := range p.partitioners {
		if int(p.got[s.Workers+i]) < s.Slides {
			continue
		}
		sum := &p.partitioners[i]
		sent += sum.Sent
		w.OfferedRate += sum.Offered / slides
		w.Backpressured += sum.Blocked / slides / measured
		w.Pairs += int(sum.StateKeys)
		w.Bytes += sum.Bytes
	}
	w.ActualRate = float64(sent) / max(w.End-w.Start, 1).Seconds()
	if hot := p.hot.heaviest(s.HotKeys()); len(hot) > 0 {
		w.Hot = hot
	}
	if len(p.slots) > 0 {
		w.Slots = p.slots
	}
	p.reduced(w, out)
	p.latencies(w, out)
	if r := joined(p.realised, p.got, s.Slides); len(r) > 0 {
		w.Realised = r
	}
	if slices.ContainsFunc(p.times, func(t policy.Times) bool { return t.Records > 0 }) {
		w.Times = p.times
	}
	return out
}

// zeros is a list of n zeros, in the memory of list if it suffices.
func zeros[T any](list []T, n int) []T {
	if cap(list) < n {
		return make([]T, n)
	}
	list = list[:n]
	clear(list)
	return list
}

// reduced fills in what is known of the reducers: how busy they were, and on how many
// workers a key was, those included that a worker finished alone.
func (p *pane) reduced(w *policy.Window, out *Assembled) {
	s := p.shape
	if s.Reducers == 0 {
		return
	}
	var results, parts float64
	for i := range p.reducers {
		if int(p.got[s.Workers+s.Partitioners+i]) < s.Slides {
			w.Reducer[i] = math.NaN()
			out.Reducers = append(out.Reducers, i)
			continue
		}
		r := &p.reducers[i]
		w.Reducer[i] = r.Busy / float64(s.Slides)
		results += float64(r.Keys)
		parts += float64(r.Pairs)
	}
	for i := range p.workers {
		if int(p.got[i]) == s.Slides {
			results += float64(p.workers[i].Bypassed)
			parts += float64(p.workers[i].Bypassed)
		}
	}
	if results > 0 {
		w.FanOut = parts / results
	}
}

// at is n windows after the job's start, or as late as can be said.
func at(n uint64, length time.Duration) time.Duration {
	if n > uint64(math.MaxInt64/length) {
		return math.MaxInt64
	}
	return time.Duration(n) * length
}

// hotKeys joins lists of hot keys.
type hotKeys struct {
	index hashtable.Table[int32] // of keys
	keys  []policy.HotKey
}

func (h *hotKeys) clear() {
	h.index.Clear()
	clear(h.keys)
	h.keys = h.keys[:0]
}

// add counts a list in. Of more than twice the limit, the heaviest are kept.
func (h *hotKeys) add(list []policy.HotKey, limit int) {
	h.keys = slices.Grow(h.keys, len(list))
	for _, k := range list {
		if i, ok := h.index.Get(k.Hash); ok {
			h.keys[i].Count += k.Count
			h.keys[i].Error += k.Error
			continue
		}
		h.index.Set(k.Hash, int32(len(h.keys)))
		h.keys = append(h.keys, k)
	}
	if len(h.keys) > 2*limit {
		h.keys = h.heaviest(limit)
		h.index.Clear()
		for i := range h.keys {
			h.index.Set(h.keys[i].Hash, int32(i))
		}
	}
}

// heaviest sorts the keys by count, descending, and returns the first ones.
func (h *hotKeys) heaviest(limit int) []policy.HotKey {
	slices.SortFunc(h.keys, func(a, b policy.HotKey) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Hash, b.Hash))
	})
	return h.keys[:min(len(h.keys), limit)]
}

// joined sorts shares by hash and worker, adds up those of several slides, and leaves
// out those of workers that are missing.
func joined(list []policy.RealisedShare, got []uint16, slides int) []policy.RealisedShare {
	list = slices.DeleteFunc(list, func(s policy.RealisedShare) bool { return int(got[s.Worker]) < slides })
	policy.SortRealised(list)
	out := list[:0]
	for _, s := range list {
		if n := len(out); n > 0 && out[n-1].Hash == s.Hash && out[n-1].Worker == s.Worker {
			out[n-1].Count += s.Count
		} else {
			out = append(out, s)
		}
	}
	return out
}
