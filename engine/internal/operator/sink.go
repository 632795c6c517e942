package operator

import (
	"cmp"
	"maps"
	"slices"

	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/stream"
)

// Sink assembles the reduced results of aggregation windows. Whatever way a
// partial result came, a key that is seen twice in a window is merged, so that
// results never depend on a router's promises. Owned by one goroutine.
type Sink struct {
	Open    map[int64]*reduced
	spare   []*reduced                         // emptied ones, for reuse
	recycle func(worker int32, s stream.State) // gives a merged or reported state back
	results engine.ResultFunc                  // nil: not reported
	Fan     FanOut
}

// reduced is one aggregation window in the making.
type reduced struct {
	keys map[string]int32 // where in all
	all  []result
}

type result struct {
	key     string
	hash    uint64
	state   stream.State
	worker  int32 // that the state returns to
	workers int32 // that had partial results of the key
}

// FanOut counts (key, worker) pairs and keys of the aggregation windows reduced; their
// ratio is the fan-out.
type FanOut struct{ Pairs, Keys int64 }

// NewSink makes an empty one; results may be nil.
func NewSink(results engine.ResultFunc, recycle func(int32, stream.State)) *Sink {
	return &Sink{Open: map[int64]*reduced{}, results: results, recycle: recycle}
}

// Add takes a partial result in, and reports whether it had to be merged with
// one of another worker.
func (s *Sink) Add(p Partial) bool {
	w := s.Open[p.Slide]
	if w == nil {
		w = s.fresh()
		s.Open[p.Slide] = w
	}
	if i, ok := w.keys[p.Key]; ok {
		r := &w.all[i]
		r.workers += 1 + int32(p.Merged)
		r.state.Merge(p.State)
		s.recycle(p.Worker, p.State)
		return true
	}
	w.keys[p.Key] = int32(len(w.all))
	w.all = append(w.all, result{p.Key, p.Hash, p.State, p.Worker, 1 + int32(p.Merged)})
	return false
}

func (s *Sink) fresh() *reduced {
	if n := len(s.spare); n > 0 {
		w := s.spare[n-1]
		s.spare = s.spare[:n-1]
		return w
	}
	return &reduced{keys: map[string]int32{}}
}

// Finish reports and forgets the window that ends with slide, all of whose
// partial results are in, and returns the fan-out of its keys that had several
// workers, by hash.
func (s *Sink) Finish(slide int64) map[uint64]int {
	w := s.Open[slide]
	if w == nil {
		return nil
	}
	delete(s.Open, slide)
	if s.results != nil {
		slices.SortFunc(w.all, func(a, b result) int { return cmp.Compare(a.key, b.key) })
	}
	split := map[uint64]int{}
	s.Fan.Keys += int64(len(w.all))
	for i := range w.all {
		r := &w.all[i]
		s.Fan.Pairs += int64(r.workers)
		if r.workers > 1 {
			split[r.hash] = int(r.workers)
		}
		if s.results != nil {
			s.results(slide, r.key, r.state)
		}
		s.recycle(r.worker, r.state)
	}
	// A map never shrinks: one that held far more is not kept.
	if n := len(w.all); 4*n >= cap(w.all) {
		clear(w.keys)
		clear(w.all)
		w.all = w.all[:0]
		s.spare = append(s.spare, w)
	}
	return split
}

// ReducerPlan assigns keys to reducers: those known to be split by fan-out,
// each to the reducer with the least so far (docs/algorithms.md, "The pipeline"), all
// others by hash.
type ReducerPlan struct {
	reducers int
	known    map[uint64]int32
}

// Of is the reducer of a key.
func (p *ReducerPlan) Of(hash uint64) int {
	if r, ok := p.known[hash]; ok {
		return int(r)
	}
	return int((hash >> 32) % uint64(p.reducers))
}

// PlanReducers makes a plan from the fan-out of the keys that had several workers.
func PlanReducers(reducers int, fan map[uint64]int) *ReducerPlan {
	p := &ReducerPlan{reducers: reducers, known: make(map[uint64]int32, len(fan))}
	hashes := slices.SortedFunc(maps.Keys(fan), func(a, b uint64) int {
		return cmp.Or(cmp.Compare(fan[b], fan[a]), cmp.Compare(a, b))
	})
	load := make([]int, reducers)
	for _, h := range hashes {
		least := slices.Index(load, slices.Min(load))
		p.known[h] = int32(least)
		load[least] += fan[h]
	}
	return p
}
