package engine

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/saspart/saspart/config/field"
	"github.com/saspart/saspart/policy"
)

// Config is the shape of a job and what its work costs.
type Config struct {
	Workers      int               `yaml:"workers"`       // P, the combiner's parallelism
	Partitioners int               `yaml:"partitioners"`  // partitioner subtasks, each with its own source and router
	Reducers     int               `yaml:"reducers"`      // subtasks that merge split keys
	Queue        int               `yaml:"queue"`         // records that fit a worker's input queue; a full one blocks its sender
	Slide        time.Duration     `yaml:"slide"`         // aggregation windows slide by this much event time
	Window       time.Duration     `yaml:"window"`        // length of an aggregation window, a multiple of Slide
	MetricSlides int               `yaml:"metric_slides"` // slides per metric window
	Metrics      policy.BlurConfig `yaml:"metrics"`       // how well controllers see what is measured; what is reported and recorded stays exact
	HotKeys      int               `yaml:"hot_keys"`      // heaviest keys named in each metric window; 0: four per worker, at least 64
	Speeds       Speeds            `yaml:"speeds"`
	Costs        Costs             `yaml:"costs"`
	WorkRatio    float64           `yaml:"work_ratio"`  // scales the work per record (the prototype's combinerWorkloadRatio)
	StateRatio   Ratio             `yaml:"state_ratio"` // scales the work on state: emission, panes, merges; work_ratio: as that, a slower machine; 1 beside dear records: cheap state
	Execution    Execution         `yaml:"capacity"`    // how the local engine spends service time

	Combine     Combine       `yaml:"combine"`      // none; local: aggregate at the senders first
	CombineKeys int           `yaml:"combine_keys"` // combine local: partial states that an instance keeps at most
	CombineAge  time.Duration `yaml:"combine_age"`  // combine local: how long it keeps a record at most
}

// Execution says how a worker of the engines local and flink spends the service time of a
// record.
type Execution string

const (
	// Emulated workers do the work and then wait until the service time given by Costs
	// and Speeds is over. Many workers therefore fit on few cores.
	Emulated Execution = "emulated"
	// Native workers are as fast as the machine; Costs and Speeds have no effect.
	Native Execution = "native"
)

// Speeds gives each worker's speed: work per second against a worker of speed 1. With
// Change it is the speed at the start.
type Speeds struct {
	Kind   string    `yaml:"kind"`             // equal, list, uniform, straggler
	List   []float64 `yaml:"list,omitempty"`   // list: one per worker
	Low    float64   `yaml:"low,omitempty"`    // uniform: bounds of the draw
	High   float64   `yaml:"high,omitempty"`   //
	Worker int       `yaml:"worker,omitempty"` // straggler: which worker is slow
	Factor float64   `yaml:"factor,omitempty"` // straggler: its speed

	Change SpeedChange `yaml:"change,omitempty"` // how speeds change while the job runs; empty: they do not
}

// Costs are service times at speed 1. `saspart calibrate` measures them.
type Costs struct {
	Record time.Duration `yaml:"record"` // combiner, per record
	Unit   time.Duration `yaml:"unit"`   // combiner, per work unit of a record (word, value)
	Emit   time.Duration `yaml:"emit"`   // combiner, per partial result emitted at a slide's end
	Pane   time.Duration `yaml:"pane"`   // combiner, per entry (word, centroid) merged when panes are joined to a window
	Merge  time.Duration `yaml:"merge"`  // reducer, per partial result merged
	Entry  time.Duration `yaml:"entry"`  // reducer, per entry (word, centroid) of a partial result
	Route  time.Duration `yaml:"route"`  // partitioner, per record: bounds what one subtask can send
}

// Default is a small job: 8 equal workers, one partitioner subtask.
func Default() Config {
	return Config{
		Workers: 8, Partitioners: 1, Reducers: 2, Queue: 1024,
		Slide: 500 * time.Millisecond, Window: time.Second, MetricSlides: 2,
		Speeds:    Speeds{Kind: "equal"},
		Costs:     DefaultCosts(),
		WorkRatio: 1, Execution: Emulated,
		Combine: CombineNone, CombineKeys: 5000, CombineAge: 200 * time.Millisecond,
	}
}

// DefaultCosts are what `saspart calibrate` measured for sentences of a few words
// on a two-core cloud machine, rounded to 5 ns. Other tasks differ: a value of a
// t-digest costs three times as much as a word.
func DefaultCosts() Costs {
	return Costs{
		Record: 20 * time.Nanosecond, Unit: 70 * time.Nanosecond,
		Emit: 70 * time.Nanosecond, Pane: 40 * time.Nanosecond,
		Merge: 60 * time.Nanosecond, Entry: 50 * time.Nanosecond,
	}
}

// NamedKeys is HotKeys or, if that is 0, as many keys as the planner can place and split.
func (c *Config) NamedKeys() int {
	if c.HotKeys > 0 {
		return c.HotKeys
	}
	return max(64, 4*c.Workers)
}

// StateScale is StateRatio or, if that is AsWork, WorkRatio.
func (c *Config) StateScale() float64 {
	if c.StateRatio == AsWork {
		return c.WorkRatio
	}
	return float64(c.StateRatio)
}

// WindowSlides is the number of slides in an aggregation window.
func (c *Config) WindowSlides() int { return int(c.Window / c.Slide) }

// MetricWindow is the length of a metric window.
func (c *Config) MetricWindow() time.Duration { return time.Duration(c.MetricSlides) * c.Slide }

// Validate reports every impossible value by its path.
func (c *Config) Validate() error {
	errs := []error{
		field.Whole("workers", c.Workers, 1, policy.MaxWorkers),
		field.Whole("partitioners", c.Partitioners, 1, 1024),
		field.Whole("reducers", c.Reducers, 1, policy.MaxWorkers),
		field.Whole("queue", c.Queue, 1, 1<<24),
		field.Whole("metric_slides", c.MetricSlides, 1, 1<<16),
		field.In("metrics", c.Metrics.Validate()),
		field.Whole("hot_keys", c.HotKeys, 0, 1<<16),
		field.Finite("work_ratio", c.WorkRatio, 0, math.MaxFloat64),
		field.Finite("state_ratio", float64(c.StateRatio), 0, math.MaxFloat64),
		field.In("speeds", errors.Join(c.Speeds.validate(c.Workers), field.In("change", c.Speeds.Change.validate()))),
		field.In("costs", c.Costs.validate()),
		c.validateCombine(),
	}
	if c.Slide < time.Millisecond {
		errs = append(errs, field.Errorf("slide", "is %v; it must be at least 1ms", c.Slide))
	} else if c.Window < c.Slide || c.Window%c.Slide != 0 {
		errs = append(errs, field.Errorf("window", "is %v; it must be a multiple of the slide, %v", c.Window, c.Slide))
	}
	return errors.Join(append(errs, field.Check(c.Execution == Emulated || c.Execution == Native,
		"capacity", "is %q; it must be %s or %s", c.Execution, Emulated, Native))...)
}

// validate reports the first impossible value. An impossible number of workers is reported
// elsewhere, and not blamed on the speeds.
func (s *Speeds) validate(workers int) error {
	last := workers - 1
	if workers < 1 {
		workers, last = len(s.List), policy.MaxWorkers-1
	}
	switch s.Kind {
	case "equal":
		return nil
	case "list":
		if len(s.List) != workers {
			return field.Errorf("list", "has %d speeds for %d workers", len(s.List), workers)
		}
		for i, v := range s.List {
			if err := field.Positive(fmt.Sprintf("list[%d]", i), v); err != nil {
				return err
			}
		}
		return nil
	case "uniform":
		if err := errors.Join(field.Positive("low", s.Low), field.Positive("high", s.High)); err != nil {
			return err
		}
		return field.Range("low", s.Low, s.High)
	case "straggler":
		return errors.Join(field.Whole("worker", s.Worker, 0, last), field.Positive("factor", s.Factor))
	}
	return field.Errorf("kind", "is %q; it must be equal, list, uniform or straggler", s.Kind)
}

func (c *Costs) validate() error {
	var errs []error
	for _, d := range []struct {
		path string
		cost time.Duration
	}{{"record", c.Record}, {"unit", c.Unit}, {"emit", c.Emit}, {"pane", c.Pane}, {"merge", c.Merge}, {"entry", c.Entry}, {"route", c.Route}} {
		errs = append(errs, field.Check(d.cost >= 0, d.path, "is %v; a cost must not be negative", d.cost))
	}
	return errors.Join(errs...)
}

// Of returns the speed of each worker at the start; the uniform draw depends on seed alone.
func (s *Speeds) Of(workers int, seed uint64) []float64 {
	out := make([]float64, workers)
	rng := rand.New(rand.NewPCG(seed, 0x5bd1e995))
	for i := range out {
		switch s.Kind {
		case "list":
			out[i] = s.List[i]
		case "uniform":
			out[i] = s.Low + (s.High-s.Low)*rng.Float64()
		case "straggler":
			out[i] = 1
			if i == s.Worker {
				out[i] = s.Factor
			}
		default:
			out[i] = 1
		}
	}
	return out
}
