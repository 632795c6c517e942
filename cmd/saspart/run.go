package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/saspart/saspart/collect"
	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/engine/flink"
	"github.com/saspart/saspart/eval/rate"
	"github.com/saspart/saspart/experiment"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/registry"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/learned"
)

type runOptions struct {
	experiment   experimentFlags
	partitioners []string // none: the experiment's
	engine       string
	results      string // file for the reduced results; empty: none
	warmup       int    // windows that are shown, but not summed up
	hints        bool   // tell the user of jobs that show nothing
	output       string
	server       serverOptions
	flink        flinkFlags
}

// runWindows is how many windows a run has that is not told: enough for the
// learning partitioners to settle, and soon over.
const runWindows = "30"

func (a *app) runCommand() *cobra.Command {
	opts := runOptions{hints: true}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run a job under one or several partitioners and show each window",
		Long: `Runs the experiment's job and shows each metric window as it ends: records due and sent
per second, the part of the time that the source was blocked, busy ratios, fan-out, the
latency from when a record was due to the end of its service, and the heaviest keys. A
table at the end sums it up. With several partitioners the job runs under each in turn,
from its beginning, and the table compares them.

--results writes the job's results: a row for each key of each aggregation window, with
the window's end in seconds, the key (unprintable bytes escaped as in Go: \x00, \n) and
its result. The file is called FILE.partial until the run ends or is interrupted, and
then replaces FILE. It has complete windows only.`,
		Example: `  saspart run --config flights-tdigest
  saspart run --config wordcount-zipf --partitioner hash,wchoices,waterfill --warmup 10 -o table
  saspart run --config sotu-wordcount --set source.file.loop=false --windows 0 --results words.csv
  saspart run --config straggler --engine local --duration 20s -o json | jq .busy.max
  saspart run --config wordcount-zipf --partitioner saspartitioner --server 127.0.0.1:7070
  saspart run --config wordcount-zipf --partitioner hash,waterfill --engine flink`,
		Args: noArgs,
	}
	opts.experiment.add(cmd)
	cmd.Flags().StringSliceVar(&opts.partitioners, "partitioner", nil, "run under these partitioners, by `name`, one after the other")
	complete(cmd, "partitioner", registry.Names())
	opts.experiment.policies(cmd)
	opts.experiment.short(cmd, "windows", "collect.windows", "n", "stop after this many metric windows (default "+runWindows+"); 0: when the source ends")
	opts.experiment.short(cmd, "duration", "collect.duration", "duration", "stop after this much of the job's time")
	opts.experiment.loads(cmd)
	cmd.Flags().StringVar(&opts.results, "results", "", "write the reduced results to this CSV `file`")
	cmd.Flags().IntVar(&opts.warmup, "warmup", 0, "`windows` at the beginning that are not counted")
	cmd.MarkFlagsMutuallyExclusive("windows", "duration")
	engineFlag(cmd, &opts.engine, experiment.Engines()...)
	outputFlag(cmd, &opts.output, "text", "table", "json")
	opts.server.add(cmd)
	opts.flink.add(cmd)
	opts.flink.addDetach(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("partitioner") && len(opts.partitioners) == 0 {
			opts.partitioners = []string{""} // which is no partitioner, and not the experiment's
		}
		opts.limit(cmd)
		return a.runRun(cmd.Context(), opts)
	}
	return cmd
}

// limit replaces the limits of a collection, which is long, by those of a run.
func (o *runOptions) limit(cmd *cobra.Command) {
	windows, from := runWindows, "the default of --windows"
	switch {
	case cmd.Flags().Changed("windows"):
		return
	case cmd.Flags().Changed("duration"):
		windows, from = "0", "--duration"
	}
	o.experiment.override("collect.windows", windows, from)
}

func (a *app) runRun(ctx context.Context, opts runOptions) (err error) {
	if opts.results != "" && len(opts.partitioners) > 1 {
		return usagef("--results takes the output of one run, and %d partitioners are to be run; name one", len(opts.partitioners))
	}
	if opts.flink.detach && len(opts.partitioners) > 1 {
		return usagef("--detach leaves one job running, and %d partitioners are to be run; name one", len(opts.partitioners))
	}
	if opts.warmup < 0 {
		return usagef("--warmup is %d; it must not be negative", opts.warmup)
	}
	experiments, err := opts.load(a)
	if err != nil {
		return err
	}
	if err := opts.server.check(experiments); err != nil {
		return err
	}
	if n := expectedWindows(experiments[0], runLimits(experiments[0])); n > 0 && int64(opts.warmup) >= n {
		return usagef("--warmup leaves out all of the run, which has %s", plural(int(n), "window"))
	}
	cluster, err := opts.flink.open(a, opts.engine)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.Close()) }()
	show := a.newWatcher(opts.output)
	var done []runSummary
	for _, e := range experiments {
		var s runSummary
		s, err = a.runOne(ctx, e, opts, cluster, show)
		if s.Windows > 0 {
			done = append(done, s)
		}
		if err != nil {
			break
		}
	}
	if len(done) == 0 {
		return err
	}
	// Also when a run did not get to its end. What kept its windows from being
	// printed would be told twice.
	if printing := show.end(done); err == nil {
		err = printing
	}
	return err
}

// load resolves the experiment for each partitioner.
func (o *runOptions) load(a *app) ([]*config.Experiment, error) {
	if len(o.partitioners) == 0 {
		e, _, err := o.experiment.load(a)
		return []*config.Experiment{e}, err
	}
	from := "--partitioner " + strings.Join(o.partitioners, ",")
	var out []*config.Experiment
	for _, name := range o.partitioners {
		f := o.experiment
		f.overrides = slices.Clip(f.overrides)
		f.override("partitioner.name", name, from)
		e, _, err := f.load(a)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// runOne runs the job of e as a collection of a single episode without a trace, and returns
// the summary.
func (a *app) runOne(ctx context.Context, e *config.Experiment, opts runOptions, cluster *flink.Engine, show watcher) (_ runSummary, err error) {
	sink := &runSink{
		cpu:  rate.NewCPUMeter(e, opts.engine),
		sum:  dataset.NewSummariser(dataset.Meta{Workers: e.Job.Workers, Seed: e.Seed, Engine: opts.engine, Partitioner: e.Partitioner.Name}),
		show: show, warmup: opts.warmup,
	}
	var decides policy.Controller
	if opts.server.address != "" && e.Partitioner.Name == served {
		attached, controller, failure := opts.server.connect(ctx, a, e, opts.engine)
		if failure != nil {
			return sink.summary(), failure
		}
		defer a.farewell(attached)
		decides = controller
	}
	var report engine.ResultFunc
	if opts.results != "" {
		if sink.results, err = createResults(opts.results, e.Job.Slide); err != nil {
			return sink.summary(), err
		}
		report = sink.results.add
	}
	var left leftOut
	var guard *learned.Guard
	run := collect.Run{
		Config: runLimits(e), Workers: e.Job.Workers, Seed: e.Seed, Metrics: e.Job.Metrics, Sink: sink, Controller: decides,
		Open: func(s partition.Scheme) (engine.Job, error) {
			if experiment.RealTime(opts.engine) { // elsewhere two runs print the same
				s.NewRouter = sink.routing.Wrap(s.NewRouter, a.now)
			}
			guard, _ = s.Controller.(*learned.Guard)
			return experiment.Open(e, opts.engine, s, experiment.Options{Results: report, Flink: cluster, Skipped: left.add})
		},
	}
	show.begin(e, opts.engine, expectedWindows(e, run.Config))
	res, err := run.Do(ctx)
	show.done()
	left.tell(a)
	if guard != nil && guard.Windows > 0 {
		a.narrate("in %s waterfill decided, as the policy was clearly worse; partitioner.saspartitioner.max_excess=0 follows it all the same", plural(guard.Windows, "window"))
	}
	if res.Ended {
		a.narrate("the source has ended after %s", plural(res.Windows, "window"))
	}
	if sink.results != nil {
		err = errors.Join(err, sink.results.close(err == nil || errors.Is(err, context.Canceled)))
	}
	s := sink.summary()
	if opts.hints {
		a.hint(s.Summary)
	}
	s.Complete = err == nil
	s.Imbalance.Series = nil // the windows were shown
	return s, err
}

// runLimits is a collection under the experiment's partitioner in one episode.
func runLimits(e *config.Experiment) collect.Config {
	c := e.Collect
	c.Behaviours, c.Episodes, c.EpisodeWindows = nil, 0, collect.Endless
	return c.WithDefault(e.Partitioner)
}

// runSummary is what a run came to.
type runSummary struct {
	dataset.Summary
	Bytes float64  `json:"state_bytes"` // that state took at most, mean over the windows; 0: not measured
	CPU   rate.CPU `json:"cpu_seconds"` // per million records
}

// runSink shows windows, and ends the run when results can't be written.
type runSink struct {
	sum     *dataset.Summariser
	cpu     *rate.CPUMeter
	routing rate.RouteTimer
	bytes   float64
	windows float64
	show    watcher
	warmup  int         // windows to come that are not summed up
	results *resultFile // nil: not asked for
}

// Write implements collect.Sink.
func (s *runSink) Write(w *policy.Window) error {
	if s.results != nil {
		if err := s.results.err(); err != nil {
			return err
		}
	}
	if s.warmup > 0 {
		s.warmup--
		s.cpu.Reset()
	} else {
		s.sum.Add(w)
		s.cpu.Add(w)
		s.bytes += float64(w.Bytes)
		s.windows++
	}
	return s.show.window(w)
}

// summary returns what the windows so far came to.
func (s *runSink) summary() runSummary {
	return runSummary{s.sum.Summary(), s.bytes / max(s.windows, 1), s.cpu.CPU(s.routing.PerRecord())}
}
