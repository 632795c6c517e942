package sim

import (
	"container/heap"

	"github.com/saspart/saspart/engine/internal/operator"
)

// emission is a worker on its way through the partial results of a slide.
type emission struct {
	worker int
	at     picos // when its next partial result for a reducer is ready
	parts  []operator.Partial
}

// emit ends a slide at every worker, the watermark arriving at now: each joins
// its panes and hands its partial results on, one after the other, waiting where
// a reducer's queue is full. Results are complete when all have.
func (j *Job) emit(slide int64, now picos) {
	var order emissions
	for i := range j.workers {
		w := &j.workers[i]
		e := emission{worker: i, at: max(now, w.end)}
		w.comb.Emit(slide, int32(i), func(p operator.Partial) {
			e.parts = append(e.parts, p)
		})
		if len(e.parts) > 0 {
			j.forward(&e)
			order = append(order, e)
		}
	}
	heap.Init(&order)
	for len(order) > 0 {
		e := &order[0]
		if len(e.parts) == 0 {
			heap.Pop(&order)
			continue
		}
		p := e.parts[0]
		e.parts = e.parts[1:]
		r := &j.reducers[j.plan.Of(p.Hash)]
		e.at = r.space(e.at) // waiting for a reducer is not being busy
		r.serve(e.at, j.mergeCost(&p))
		j.workers[e.worker].end = e.at
		j.sink.Add(p)
		j.forward(e)
		heap.Fix(&order, 0)
	}
	j.plan = operator.PlanReducers(len(j.reducers), j.sink.Finish(slide))
}

// forward lets a worker go on until its next partial result for a reducer is
// ready. Those before it bypass the reducers; one whose key was seen elsewhere
// all the same is merged late.
func (j *Job) forward(e *emission) {
	w := &j.workers[e.worker]
	for i := range e.parts {
		p := e.parts[i]
		start := e.at
		e.at += w.Emit
		if j.setup.Config.WindowSlides() > 1 {
			e.at += picos(p.Entries) * w.Pane
		}
		w.work(start, e.at)
		w.end = e.at
		if p.Merge {
			e.parts = e.parts[i:]
			return
		}
		cost := j.mergeCost(&p)
		if j.sink.Add(p) {
			r := &j.reducers[j.plan.Of(p.Hash)]
			r.serve(r.space(e.at), cost)
		}
	}
	e.parts = nil
}

func (j *Job) mergeCost(p *operator.Partial) picos {
	return j.merging.Merge + picos(p.State.Size())*j.merging.Entry
}

// emissions is a heap by time, then worker.
type emissions []emission

func (h emissions) Len() int { return len(h) }
func (h emissions) Less(a, b int) bool {
	return h[a].at < h[b].at || h[a].at == h[b].at && h[a].worker < h[b].worker
}
func (h emissions) Swap(a, b int) { h[a], h[b] = h[b], h[a] }
func (h *emissions) Push(x any)   { *h = append(*h, x.(emission)) }
func (h *emissions) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
