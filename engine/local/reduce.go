package local

import (
	"maps"
	"slices"

	"github.com/saspart/saspart/engine/internal/operator"
	"github.com/saspart/saspart/stream"
)

// reducer merges the partial results of the split keys that are its.
type reducer struct {
	actor
	busyTime
	job   *Job
	index int
	inbox *inbox[handed]
	costs operator.Service
	marks watermark
	open  map[int64]map[string]*handed // by slide and key
	out   []handed
	back  stateReturns
}

func newReducer(j *Job, i int) *reducer {
	c := &j.setup.Config
	return &reducer{
		busyTime: busyTime{emulated: j.emulated}, job: j, index: i, costs: operator.ServiceAt(c, 1),
		marks: newWatermark(c.Workers), open: map[int64]map[string]*handed{}, back: newStateReturns(j),
	}
}

func (r *reducer) run() {
	var items []handed
	for {
		if items = r.inbox.take(items); len(items) == 0 {
			if !r.wait(never) {
				return
			}
			continue
		}
		r.begin(r.clock.now())
		for i := range items {
			p := &items[i]
			if !p.mark {
				r.merge(p)
				r.inbox.release(1, r.begun)
			} else if r.serve(p.ready, 0); r.marks.advance(p.from, p.Slide) && !r.hand() {
				return
			}
			now := r.clock.now()
			r.settle(now)
			if r.emulated && r.end > operator.FromNanos(now+ahead) && !r.waitUntil(r.end.Nanos()) {
				return
			}
			if !r.poll() {
				return
			}
		}
	}
}

// merge folds a partial result into what there is of its key.
func (r *reducer) merge(p *handed) {
	if r.emulated {
		r.serve(p.ready, r.costs.Merge+picos(p.State.Size())*r.costs.Entry)
	}
	keys := r.open[p.Slide]
	if keys == nil {
		keys = map[string]*handed{}
		r.open[p.Slide] = keys
	}
	if first := keys[p.Key]; first != nil {
		first.State.Merge(p.State)
		first.Merged++
		r.back.add(p.Worker, p.State)
		return
	}
	own := *p
	keys[p.Key] = &own
}

// hand sends the slides that all workers have completed to the sink.
func (r *reducer) hand() bool {
	slides := slices.Sorted(maps.Keys(r.open))
	r.out = r.out[:0]
	for _, s := range slides {
		if s <= r.marks.low {
			for _, p := range r.open[s] {
				r.out = append(r.out, *p)
			}
			delete(r.open, s)
		}
	}
	r.back.flush()
	r.out = append(r.out, handed{Partial: operator.Partial{Slide: r.marks.low}, from: len(r.job.workers) + r.index, mark: true})
	r.settle(r.clock.now())
	_, ok := r.deliver(r.job.sink.inbox, r.out)
	clear(r.out)
	r.begin(r.clock.now())
	return ok
}

// sinkQueue is how many partial results may wait for the sink before reducers and
// workers have to: it only bounds memory where results are taken slowly.
const sinkQueue = 1 << 16

// sink assembles the reduced results and reports them, in order.
type sink struct {
	actor
	job   *Job
	inbox *inbox[handed]
	marks watermark
	sink  *operator.Sink
	back  stateReturns
}

func newSink(j *Job) *sink {
	c := &j.setup.Config
	s := &sink{
		job: j, marks: newWatermark(c.Workers + c.Reducers),
		back: newStateReturns(j),
	}
	s.sink = operator.NewSink(j.setup.Results, s.back.add)
	return s
}

func (s *sink) run() {
	var items []handed
	for s.poll() {
		if items = s.inbox.take(items); len(items) == 0 {
			if !s.wait(never) {
				return
			}
			continue
		}
		records := 0
		for i := range items {
			if p := &items[i]; p.mark {
				if s.marks.advance(p.from, p.Slide) {
					s.finish()
				}
			} else {
				s.sink.Add(p.Partial)
				records++
			}
		}
		s.inbox.release(records, 0)
		if s.marks.low == never {
			close(s.job.done)
			s.rest()
			return
		}
	}
}

// finish reports the windows that are complete.
func (s *sink) finish() {
	for _, slide := range slices.Sorted(maps.Keys(s.sink.Open)) {
		if slide > s.marks.low {
			break
		}
		split := s.sink.Finish(slide)
		s.back.flush()
		s.job.shared.reduced(slide, s.sink.Fan, operator.PlanReducers(len(s.job.reducers), split))
		s.sink.Fan = operator.FanOut{}
	}
}

// stateReturns collects states to be returned to the workers they came from.
type stateReturns struct {
	job   *Job
	lists [][]stream.State // by worker
}

func newStateReturns(j *Job) stateReturns {
	return stateReturns{j, make([][]stream.State, j.setup.Config.Workers)}
}

func (r *stateReturns) add(worker int32, s stream.State) {
	r.lists[worker] = append(r.lists[worker], s)
}

func (r *stateReturns) flush() {
	for w, l := range r.lists {
		if len(l) > 0 {
			r.job.workers[w].back.give(l)
			clear(l)
			r.lists[w] = l[:0]
		}
	}
}
