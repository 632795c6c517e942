package fluid

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/policy"
)

// Job is a job in closed form: windows of expected counts and busy times,
// without records. A route applied between two windows is in force for the whole
// of the next. With a delay, a window says which route it belongs to.
type Job struct {
	config Config
	model  *Model
	past   []force // what was in force in the last Delay + 1 windows, a ring
	now    force
	loads  []float64 // of each worker by what is in force now
	closed bool

	done, busy []float64
}

// force is what determines the measurements of a window, beside speeds and noise.
type force struct {
	route *policy.Route
	keys  *KeySpace
}

// NewJob starts a fluid job with the route that names no key.
func NewJob(c Config) (*Job, error) {
	if err := c.Validate(); err != nil {
		return nil, field.In("fluid", err)
	}
	model, err := NewModel(c)
	if err != nil {
		return nil, err
	}
	p := len(c.Speeds)
	j := &Job{
		config: c, model: model, past: make([]force, c.Delay+1),
		done: make([]float64, p), busy: make([]float64, p),
	}
	j.enforce(policy.HashRoute(p), c.Keys)
	return j, nil
}

var _ engine.Job = (*Job)(nil)

// Speeds is the speed of each worker now; not to be changed.
func (j *Job) Speeds() []float64 { return j.model.Speeds() }

// Loads is the true part of the load that each worker gets by the route in force
// now; not to be changed.
func (j *Job) Loads() []float64 { return j.loads }

// enforce changes what is in force.
func (j *Job) enforce(r *policy.Route, k *KeySpace) {
	j.now, j.loads = force{r, k}, ExpectedLoads(r, k, j.loads)
}

// Apply implements Job: a route is in force from the next window. There are no records to keep
// within capacities.
func (j *Job) Apply(d policy.Decision) error {
	if err := engine.CheckDecision(d, len(j.config.Speeds)); err != nil {
		return err
	}
	if d.Route != nil {
		j.enforce(d.Route, j.now.keys)
	}
	return nil
}

// shift is the keys that arrive from a window on; nil: as before.
func (j *Job) shift(step int) *KeySpace {
	if j.config.Shift == nil {
		return nil
	}
	return j.config.Shift(step)
}

// Next implements Job. It never ends by itself.
func (j *Job) Next(ctx context.Context) (*policy.Window, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if j.closed {
		return nil, errors.New("job: closed")
	}
	step := j.model.step
	if k := j.shift(step); k != nil {
		j.enforce(j.now.route, k)
	}
	j.past[step%len(j.past)] = j.now
	j.model.Step(j.loads, j.done, j.busy)
	return j.window(step), nil
}

// window reports the window in which step's measurements came in.
func (j *Job) window(step int) *policy.Window {
	c, seen := &j.config, j.past[j.model.seen()%len(j.past)]
	p := len(c.Speeds)
	w := &policy.Window{
		Step: step, Start: time.Duration(step) * c.Window, End: time.Duration(step+1) * c.Window,
		Counts: make([]int64, p), Units: make([]int64, p), Busy: append([]float64(nil), j.busy...),
		Queue: make([]float64, p), Hot: make([]policy.HotKey, min(c.HotKeys, len(seen.keys.hot))),
		Slots: make([]int64, len(seen.keys.slots)), Route: seen.route,
	}
	finished := 0.0
	for i, v := range j.done {
		finished += v
		w.Counts[i] = int64(math.Round(v * float64(c.Records)))
		w.Records += w.Counts[i]
		if w.Busy[i] >= 1 {
			w.Queue[i] = 1
		}
	}
	// Under backpressure the partitioners see only what the workers finish.
	sent := float64(c.Records) * finished
	for i := range w.Hot {
		w.Hot[i] = seen.keys.hot[i]
		w.Hot[i].Count = int64(math.Round(seen.keys.weight[i] * sent))
	}
	for i, v := range seen.keys.slots {
		w.Slots[i] = int64(math.Round(v * sent))
	}
	w.OfferedRate = float64(c.Records) / c.Window.Seconds()
	w.ActualRate = sent / c.Window.Seconds()
	w.Backpressured = max(0, 1-finished)
	w.FanOut, w.Realised = seen.split(sent)
	return w
}

// split lists what went where of the keys that the route splits, and the mean
// fan-out over all keys. Parts of less than half a record are left out.
func (f *force) split(records float64) (fanOut float64, realised []policy.RealisedShare) {
	pairs := len(f.keys.hot)
	for i := range f.route.Keys {
		kr := &f.route.Keys[i]
		at, ok := f.keys.index[kr.Hash]
		if !ok || len(kr.Workers) == 1 {
			continue
		}
		pairs += len(kr.Workers) - 1
		for n, w := range kr.Workers {
			if count := math.Round(f.keys.weight[at] * kr.Shares[n] * records); count > 0 {
				realised = append(realised, policy.RealisedShare{Hash: kr.Hash, Worker: int(w), Count: int64(count)})
			}
		}
	}
	policy.SortRealised(realised)
	return float64(pairs) / float64(len(f.keys.hot)), realised
}

// Close implements Job.
func (j *Job) Close() error {
	j.closed = true
	return nil
}
