package experiment

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/fluid"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

// fluidSample is how many records of the source the fluid model of an experiment is made
// from.
const fluidSample = 200_000

// Fluid returns the model in closed form of the job of e. It has the keys and frequencies of
// the first records of the source, the workers' speeds, the initial rate and the costs of
// records. It leaves out queues, and the work that a job does once per window (emitting and
// merging panes).
//
// If the experiment asks for the prototype's simulated environment, the model is that.
func Fluid(e *config.Experiment) (fluid.Config, error) {
	if e.Fluid.Model == fluid.ReferenceModel {
		if e.Job.Speeds.Change != (engine.SpeedChange{}) {
			return fluid.Config{}, fmt.Errorf("fluid model of %s: speeds never change in SaSPartitioner's environment; leave out job.speeds.change, or set fluid.model to %s", e.Name, fluid.JobModel)
		}
		c := fluid.ReferenceConfig(ReferenceSpeeds(e))
		return c, c.Validate()
	}
	c := fluid.Default(e.Job.Speeds.Of(e.Job.Workers, e.Seed))
	rate := stream.NewArrivals(e.Rate, 0, 1, e.Seed).RateAt(0)
	keys, units, err := sampleKeys(e, rate)
	if err != nil {
		return c, fmt.Errorf("fluid model of %s: %w", e.Name, err)
	}
	c.Keys, c.Seed, c.Window, c.HotKeys = keys, e.Seed, e.Job.MetricWindow(), e.Job.NamedKeys()
	c.Noise, c.Delay = e.Fluid.Noise, e.Fluid.Delay
	c.Drift = e.Job.Speeds.Drift(e.Job.Workers, e.Seed)
	c.Records = max(1, int64(rate*c.Window.Seconds()))
	cost := (e.Job.Costs.Record.Seconds() + units*e.Job.Costs.Unit.Seconds()) * e.Job.WorkRatio
	c.Utilisation = rate / fluid.Bound(c.Speeds, cost)
	if cost == 0 {
		c.Utilisation = 0
	}
	return c, c.Validate()
}

// ReferenceSpeeds returns the speeds of the experiment's workers in the prototype's simulated
// environment, in records per unit of time.
func ReferenceSpeeds(e *config.Experiment) []float64 {
	speeds := e.Job.Speeds.Of(e.Job.Workers, e.Seed)
	for i := range speeds {
		speeds[i] *= 1e6
	}
	return speeds
}

// sampleKeys reads the first records of a source and returns its keys by frequency and the
// mean work units of a record.
func sampleKeys(e *config.Experiment, rate float64) (_ *fluid.KeySpace, units float64, err error) {
	task, err := stream.NewTask(e.Task)
	if err != nil {
		return nil, 0, err
	}
	sources, err := OpenSources(e, 1, 0)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, stream.CloseSources(sources)) }()
	counts := map[string]float64{}
	total := 0
	var b stream.Batch
	for total < fluidSample {
		b.Resize(1024)
		for i := range b.Records {
			b.Records[i].Time = int64(float64(total+i) / max(rate, 1) * float64(time.Second))
		}
		n, err := sources[0].Fill(&b)
		for i := range b.Records[:n] {
			counts[b.Records[i].Key]++
			units += float64(task.Units(&b.Records[i]))
		}
		total += n
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, 0, err
		}
	}
	if total == 0 {
		return nil, 0, errors.New("its source has no records")
	}
	names := slices.Sorted(maps.Keys(counts)) // a fixed order of keys with equal counts
	weights := make([]float64, len(names))
	for i, name := range names {
		weights[i] = counts[name]
	}
	keys, err := fluid.NewKeySpace(names, weights, policy.SlotCount(e.Job.Workers))
	return keys, units / float64(total), err
}
