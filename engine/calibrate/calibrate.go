// Package calibrate measures what the work of a job costs on this machine.
package calibrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/saspart/saspart/engine/internal/operator"
	"github.com/saspart/saspart/stream"
)

// Measurement is how engine.Costs are measured on this machine: with the real
// combiner and sink, fed real records, on one goroutine.
//
// The costs of a record, a partial result and a merge are measured with the count
// task, which does little else. What Task takes beyond that is the cost of its units
// (words, values) and entries (distinct words, centroids).
type Measurement struct {
	Task    stream.Task
	Records []stream.Record // with the payload that Task reads; at least MinCalibration
	Slides  int             // panes per aggregation window
	Repeats int             // each gives an estimate of every cost
	Least   time.Duration   // a single measurement takes at least this, so that the clock's grain stays small beside it
	Now     func() time.Time
	Step    func() // called after each repeat; may be nil
}

// MinRecords is the least number of records that says something about a
// distribution of keys.
const MinRecords = 1024

// Cost is what one thing was found to cost, in ns.
type Cost struct {
	Name   string  `json:"name"` // as in Costs' YAML
	Median float64 `json:"median_ns"`
	Low    float64 `json:"low_ns"`
	High   float64 `json:"high_ns"`
}

// sample is a measurement: took ns for count things with parts in them.
type sample struct{ count, parts, took float64 }

// estimates of a thing and its parts, one per repeat.
type estimates struct{ whole, part []float64 }

// Run measures; it stops between repeats when ctx ends. Costs of parts that the
// task does not have, as the units of count, are left out.
func (c *Measurement) Run(ctx context.Context) ([]Cost, error) {
	if len(c.Records) < MinRecords {
		return nil, fmt.Errorf("calibrate: %d records; at least %d are needed, take a longer input", len(c.Records), MinRecords)
	}
	if c.Slides < 1 || c.Repeats < 1 || c.Least <= 0 {
		return nil, errors.New("calibrate: slides, repeats and the least time of a measurement must be above 0")
	}
	count, err := stream.NewTask(stream.TaskConfig{Name: stream.TaskCount})
	if err != nil {
		return nil, fmt.Errorf("calibrate: %w", err)
	}
	var adds, emits, merges estimates
	for range c.Repeats {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("calibrate: %w", err)
		}
		adds.note(c.add(count), c.add(c.Task))
		emit, merge := c.emit(count)
		emitTask, mergeTask := c.emit(c.Task)
		emits.note(emit, emitTask)
		merges.note(merge, mergeTask)
		if c.Step != nil {
			c.Step()
		}
	}
	parts := c.Task.Name() != stream.TaskCount
	var out []Cost
	for _, m := range []struct {
		whole, part string
		of          estimates
	}{{"record", "unit", adds}, {"emit", "pane", emits}, {"merge", "entry", merges}} {
		out = append(out, spread(m.whole, m.of.whole))
		if parts {
			out = append(out, spread(m.part, m.of.part))
		}
	}
	return out, nil
}

// note estimates the cost of a thing from base, whose parts cost nothing worth
// mentioning, and of a part from what full took beyond that.
func (e *estimates) note(base, full sample) {
	whole := base.took / base.count
	e.whole = append(e.whole, whole)
	part := 0.0
	if full.parts > 0 {
		part = max(0, full.took-whole*full.count) / full.parts
	}
	e.part = append(e.part, part)
}

func spread(name string, v []float64) Cost {
	slices.Sort(v)
	return Cost{Name: name, Median: v[len(v)/2], Low: v[0], High: v[len(v)-1]}
}

// add times records that meet their key's state, as all do but the first of a key
// in a pane.
func (c *Measurement) add(task stream.Task) (s sample) {
	comb := operator.NewCombiner(task, c.Slides)
	fill := func() {
		for i := range c.Records {
			comb.Add(&c.Records[i], 0, false)
		}
	}
	fill()
	units := 0
	for i := range c.Records {
		units += task.Units(&c.Records[i])
	}
	for s.took < float64(c.Least) {
		s.took += c.took(fill)
		s.count += float64(len(c.Records))
		s.parts += float64(units)
	}
	return s
}

// emit times the ends of slides at two combiners, and the merge of what the two
// emitted. States are reused, as in a job that has run for a while.
func (c *Measurement) emit(task stream.Task) (emit, merge sample) {
	combs := [2]*operator.Combiner{operator.NewCombiner(task, c.Slides), operator.NewCombiner(task, c.Slides)}
	out := operator.NewSink(nil, func(worker int32, s stream.State) { combs[worker].Recycle(s) })
	var partials []operator.Partial
	for slide := int64(0); emit.took < float64(c.Least) || merge.took < float64(c.Least); slide++ {
		warm := slide > int64(c.Slides)
		for worker, comb := range combs {
			for i := range c.Records {
				comb.Add(&c.Records[i], slide, true)
			}
			partials = partials[:0]
			emitted := sample{took: c.took(func() {
				comb.Emit(slide, int32(worker), func(p operator.Partial) { partials = append(partials, p) })
			})}
			merged := sample{}
			for _, p := range partials {
				emitted.count++
				emitted.parts += float64(p.Entries)
				merged.count++
				merged.parts += float64(p.State.Size())
			}
			merged.took = c.took(func() {
				for _, p := range partials {
					out.Add(p)
				}
			})
			if warm {
				emit.plus(emitted)
			}
			if warm && worker == 1 { // the first worker's partials meet nothing to merge with
				merge.plus(merged)
			}
		}
		out.Finish(slide)
	}
	return emit, merge
}

func (s *sample) plus(o sample) {
	s.count, s.parts, s.took = s.count+o.count, s.parts+o.parts, s.took+o.took
}

// took times f, in ns.
func (c *Measurement) took(f func()) float64 {
	start := c.Now()
	f()
	return float64(c.Now().Sub(start))
}
