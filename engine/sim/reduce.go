package sim

import (
	"github.com/saspart/saspart/engine/internal/operator"
	"github.com/saspart/saspart/internal/minheap"
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
	emissions := make([]emission, len(j.workers))
	var order minheap.Heap[picos, int] // workers, by when they are ready
	for i := range j.workers {
		w := &j.workers[i]
		e := &emissions[i]
		e.worker, e.at = i, max(now, w.end)
		w.comb.Emit(slide, int32(i), func(p operator.Partial) {
			e.parts = append(e.parts, p)
		})
		if len(e.parts) > 0 {
			j.forward(e)
			order.Push(e.at, i)
		}
	}
	for len(order) > 0 {
		e := &emissions[order[0].ID]
		if len(e.parts) == 0 {
			order.Pop()
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
		order[0].Key = e.at
		order.FixFirst()
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
