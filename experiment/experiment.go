// Package experiment opens the jobs that experiment files describe, on the engine that the
// user has chosen. Only here do the configurations of all packages become a running job.
package experiment

import (
	"errors"
	"fmt"
	"io"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/config/nearest"
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/flink"
	"github.com/saspart/saspart/engine/local"
	"github.com/saspart/saspart/engine/sim"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/stream"
	"github.com/saspart/saspart/stream/file"
)

// Names of the engines.
const (
	Sim   = "sim"
	Local = "local"
	Flink = "flink"
)

// Engines lists the engines that run records of an experiment.
func Engines() []string { return []string{Sim, Local, Flink} }

// RealTime reports whether jobs of an engine run on the wall clock, not as fast as possible.
func RealTime(engine string) bool { return engine == Local || engine == Flink }

// Job is what Open returns: a job whose partitioner can be exchanged.
type Job interface {
	engine.Job
	engine.Switcher
}

// Options of a job.
type Options struct {
	Results engine.ResultFunc  // nil: results are computed but not reported
	Latency engine.LatencyFunc // nil: the quantiles in the windows are enough
	// Replica distinguishes jobs of one experiment that have the same workers and the same keys
	// but draw other records.
	Replica uint64
	// Arrivals gives the times at which the records of a subtask are due; nil: those of
	// the experiment's rate.
	Arrivals func(subtask int) engine.Arrivals
	Flink    *flink.Engine // where jobs of that engine run
	// Skipped is called when the job is closed if its sources have skipped bad rows, with their
	// number and the problem of one of them. Jobs on Flink read their rows elsewhere and do not
	// call it.
	Skipped func(rows int64, example error)
}

// Open starts the job of e on the named engine under the partitioner s. Closing the job closes
// its sources.
//
// Two jobs of an equal experiment on sim give the same windows. A shares policy that was trained
// on other keys is an error.
func Open(e *config.Experiment, name string, s partition.Scheme, o Options) (Job, error) {
	if err := fits(e); err != nil {
		return nil, err
	}
	if name == Flink {
		return openFlink(e, s, o)
	}
	open, err := opener(name)
	if err != nil {
		return nil, err
	}
	task, err := stream.NewTask(e.Task)
	if err != nil {
		return nil, err
	}
	subtasks := e.Job.Partitioners
	sources, err := OpenSources(e, subtasks, o.Replica)
	if err != nil {
		return nil, err
	}
	setup := engine.Setup{Config: e.Job, Task: task, Sources: sources, Scheme: s, Seed: e.Seed, Results: o.Results, Latency: o.Latency}
	for i := range subtasks {
		setup.Rates = append(setup.Rates, o.arrivals(e, i))
	}
	job, err := open(setup)
	if err != nil {
		return nil, errors.Join(err, stream.CloseSources(sources))
	}
	return &running{job, sources, o.Skipped}, nil
}

// OpenSources opens the sources of e for a job with the given number of partitioner subtasks. Synthetic
// sources of another replica draw other records of the same keys.
func OpenSources(e *config.Experiment, subtasks int, replica uint64) ([]stream.Source, error) {
	return stream.OpenSources(e.Source, stream.SourceEnv{
		Subtasks: subtasks, Seed: e.Seed, Replica: replica, Task: e.Task.Name, OpenFile: file.Open,
	})
}

// Records returns up to n records from the beginning of the experiment's source, due at a rate
// in records/s.
func Records(e *config.Experiment, n int, rate float64) (records []stream.Record, err error) {
	sources, err := OpenSources(e, 1, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stream.CloseSources(sources)) }()
	var b stream.Batch
	b.Resize(n)
	gap := 1e9 / max(rate, 1)
	for i := range b.Records {
		b.Records[i].Time = int64(float64(i) * gap)
	}
	n, err = sources[0].Fill(&b)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b.Records[:n], nil
}

// arrivals says when the records of a subtask are due.
func (o *Options) arrivals(e *config.Experiment, subtask int) engine.Arrivals {
	if o.Arrivals != nil {
		return o.Arrivals(subtask)
	}
	return stream.NewArrivals(e.Rate, subtask, e.Job.Partitioners, e.Seed+o.Replica)
}

// openFlink starts a job on a cluster, where its sources are opened too.
func openFlink(e *config.Experiment, s partition.Scheme, o Options) (Job, error) {
	if o.Flink == nil {
		return nil, errors.New("no Flink cluster was named")
	}
	if o.Replica != 0 {
		return nil, errors.New("replicas of a job do not run on flink")
	}
	return o.Flink.Open(flink.Setup{
		Name: e.Name, Config: e.Job, Task: e.Task, Source: e.Source, Spacing: e.Rate.Spacing, Arrivals: o.arrivals(e, 0),
		Scheme: s, Seed: e.Seed, Results: o.Results, Latency: o.Latency,
	})
}

func opener(name string) (func(engine.Setup) (Job, error), error) {
	switch name {
	case Sim:
		return func(s engine.Setup) (Job, error) { return sim.New(s) }, nil
	case Local:
		return func(s engine.Setup) (Job, error) { return local.New(s) }, nil
	}
	return nil, fmt.Errorf("there is no engine %q; %s", name, nearest.Explain(name, Engines()))
}

// running is a job that closes its sources and reports the rows that they have skipped.
type running struct {
	Job
	sources []stream.Source
	skipped func(rows int64, example error) // nil: not wanted
}

// Close implements engine.Job.
func (r *running) Close() error {
	err := r.Job.Close()
	if rows, example := file.SkippedRows(r.sources); rows > 0 && r.skipped != nil {
		r.skipped(rows, example)
	}
	return errors.Join(err, stream.CloseSources(r.sources))
}
