package engine

import (
	"cmp"
	"slices"

	"github.com/saspart/saspart/stream"
)

// sink assembles the reduced results of aggregation windows. Whatever way a
// partial result came, a key that is seen twice in a window is merged, so that
// results never depend on a router's promises. Owned by one goroutine.
type sink struct {
	open    map[int64]*reduced
	recycle func(worker int32, s stream.State) // gives a merged or reported state back
	results ResultFunc                         // nil: nobody asked
	fan     fanOut
}

// reduced is one aggregation window in the making.
type reduced struct {
	keys     map[string]result
	partials int
}

type result struct {
	state  stream.State
	worker int32 // who gets the state back
}

// fanOut adds up (key, worker) pairs and keys of the windows reduced.
type fanOut struct{ pairs, keys int64 }

// mean is the mean number of workers per key, and starts anew; 0 without keys.
func (f *fanOut) mean() float64 {
	if f.keys == 0 {
		return 0
	}
	m := float64(f.pairs) / float64(f.keys)
	*f = fanOut{}
	return m
}

func newSink(results ResultFunc, recycle func(int32, stream.State)) *sink {
	return &sink{open: map[int64]*reduced{}, results: results, recycle: recycle}
}

// add takes a partial result in, and reports whether it had to be merged with
// one of another worker.
func (s *sink) add(p partial) bool {
	w := s.open[p.slide]
	if w == nil {
		w = &reduced{keys: map[string]result{}}
		s.open[p.slide] = w
	}
	w.partials += 1 + p.merged
	if r, ok := w.keys[p.key]; ok {
		r.state.Merge(p.state)
		s.recycle(p.worker, p.state)
		return true
	}
	w.keys[p.key] = result{p.state, p.worker}
	return false
}

// finish reports and forgets the window that ends with slide, all of whose
// partial results are in.
func (s *sink) finish(slide int64) {
	w := s.open[slide]
	if w == nil {
		return
	}
	delete(s.open, slide)
	s.fan.pairs += int64(w.partials)
	s.fan.keys += int64(len(w.keys))
	if s.results == nil {
		for _, r := range w.keys {
			s.recycle(r.worker, r.state)
		}
		return
	}
	names := make([]string, 0, len(w.keys))
	for k := range w.keys {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		r := w.keys[k]
		s.results(slide, k, r.state)
		s.recycle(r.worker, r.state)
	}
}

// reducerPlan deals keys out to reducers: those known to be split by fan-out,
// each to the reducer with the least so far (reference.md, The pipeline), all
// others by hash.
type reducerPlan struct {
	reducers int
	known    map[uint64]int32
}

// of is the reducer of a key.
func (p *reducerPlan) of(hash uint64) int {
	if r, ok := p.known[hash]; ok {
		return int(r)
	}
	return int((hash >> 32) % uint64(p.reducers))
}

// planReducers makes a plan from the fan-out each key had.
func planReducers(reducers int, fan map[uint64]int) *reducerPlan {
	p := &reducerPlan{reducers: reducers, known: make(map[uint64]int32, len(fan))}
	hashes := make([]uint64, 0, len(fan))
	for h, n := range fan {
		if n > 1 {
			hashes = append(hashes, h)
		}
	}
	slices.SortFunc(hashes, func(a, b uint64) int {
		return cmp.Or(cmp.Compare(fan[b], fan[a]), cmp.Compare(a, b))
	})
	load := make([]int, reducers)
	for _, h := range hashes {
		least := 0
		for r, l := range load {
			if l < load[least] {
				least = r
			}
		}
		p.known[h] = int32(least)
		load[least] += fan[h]
	}
	return p
}
