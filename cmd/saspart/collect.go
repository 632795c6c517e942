package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/saspart/saspart/collect"
	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/experiment"
	"github.com/saspart/saspart/partition"
	"github.com/saspart/saspart/partition/registry"
	"github.com/saspart/saspart/policy"
)

type collectOptions struct {
	experiment experimentFlags
	out        string
	engine     string
	single     bool // one partitioner was named: it replaces the experiment's behaviours
	resume     bool
	output     string
	flink      flinkFlags
}

func (a *app) collectCommand() *cobra.Command {
	opts := collectOptions{out: "traces"}
	cmd := &cobra.Command{
		Use:   "collect",
		Short: "Run a job under a behaviour partitioner and record its windows as a trace",
		Long: `Runs the experiment's job and writes each metric window to a trace. However the run ends,
every complete window stays. The experiment's collect section says how much is recorded
and under which behaviours: for instance several with different exploration rates, which
alternate by episode.

The trace is DIR/NAME-PARTITIONER-SEED.arrow. It is never overwritten. --resume continues the
trace of a run that was interrupted or killed, also with other limits: the job is simulated
from its beginning, and windows that the trace has are compared. The trace is then what an
undisturbed run writes.`,
		Example: `  saspart collect --config wordcount-zipf --partitioner dalton-offline
  saspart collect --config drift --windows 500 --seed 7 --out traces
  saspart collect --config drift --windows 500 --seed 7 --out traces --resume
  saspart collect --config flights-tdigest --engine local --duration 30s
  saspart collect --config wordcount-zipf --engine flink --flink http://127.0.0.1:8081 --windows 100`,
		Args: noArgs,
	}
	opts.experiment.add(cmd)
	opts.experiment.short(cmd, "partitioner", "partitioner.name", "name", "collect under this partitioner alone")
	complete(cmd, "partitioner", registry.Names())
	opts.experiment.policies(cmd)
	opts.experiment.short(cmd, "windows", "collect.windows", "n", "stop after this many metric windows")
	opts.experiment.short(cmd, "duration", "collect.duration", "duration", "stop after this much of the job's time")
	opts.experiment.short(cmd, "episodes", "collect.episodes", "n", "stop after this many episodes")
	opts.experiment.loads(cmd)
	cmd.Flags().StringVar(&opts.out, "out", opts.out, "`folder` for the trace")
	cmd.Flags().BoolVar(&opts.resume, "resume", false, "continue the trace of an interrupted run")
	cmd.MarkFlagsMutuallyExclusive("windows", "duration")
	engineFlag(cmd, &opts.engine, experiment.Engines()...)
	opts.flink.add(cmd)
	outputFlag(cmd, &opts.output, "text", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		opts.single = cmd.Flags().Changed("partitioner")
		opts.unlimit(cmd)
		return a.runCollect(cmd.Context(), opts)
	}
	return cmd
}

// unlimit lifts the limit on windows when the user set another one instead.
func (o *collectOptions) unlimit(cmd *cobra.Command) {
	if cmd.Flags().Changed("windows") {
		return
	}
	for _, other := range []string{"duration", "episodes"} {
		if cmd.Flags().Changed(other) {
			o.experiment.override("collect.windows", "0", "--"+other)
			return
		}
	}
}

// collected is the JSON output.
type collected struct {
	Trace   string          `json:"trace"`
	Bytes   int64           `json:"bytes"`
	Summary dataset.Summary `json:"summary"`
}

func (a *app) runCollect(ctx context.Context, opts collectOptions) (err error) {
	e, _, err := opts.experiment.load(a)
	if err != nil {
		return err
	}
	cluster, err := opts.flink.open(a, opts.engine)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.Close()) }()
	if opts.single {
		e.Collect.Behaviours = nil
	}
	var left leftOut
	run := collect.Run{
		Config: e.Collect.WithDefault(e.Partitioner), Workers: e.Job.Workers, Seed: e.Seed, Metrics: e.Job.Metrics,
		Open: func(s partition.Scheme) (engine.Job, error) {
			return experiment.Open(e, opts.engine, s, experiment.Options{Flink: cluster, Skipped: left.add})
		},
	}
	meta, err := traceMeta(e, opts.engine, run.Config.Behaviours)
	if err != nil {
		return err
	}
	path := tracePath(opts.out, e, meta.Partitioner)
	trace := &lazyTrace{path: path, meta: meta}
	if opts.resume {
		if err := a.resumeTrace(trace, opts.engine); err != nil {
			return err
		}
	}
	sum := dataset.NewSummariser(meta)
	meter := a.progress("collect", "windows", expectedWindows(e, run.Config))
	run.Sink = trace
	run.Watch = func(w *policy.Window) {
		sum.Add(w)
		meter.Note("imbalance %.3f", policy.Imbalance(w.Busy))
		meter.Add(1)
	}
	_, err = run.Do(ctx)
	if closing := trace.Close(); !errors.Is(err, closing) { // a failed write is told once
		err = errors.Join(err, closing)
	}
	meter.Stop()
	left.tell(a)
	if trace.writer == nil {
		return err
	}
	a.hint(sum.Summary())
	// The summary is printed also if the run did not reach its end.
	return errors.Join(err, a.printCollected(path, sum.Summary(), err == nil || errors.Is(err, context.Canceled), opts.output))
}

func (a *app) printCollected(path string, s dataset.Summary, closed bool, output string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("stat the trace: %w", err)
	}
	s.Complete = closed
	s.Imbalance.Series = nil // it is in the trace
	return a.print(output, collected{Trace: path, Bytes: info.Size(), Summary: s}, fmt.Sprintf("%s, %s in %s\nimbalance mean %.3f, last %.3f\ntrace %s (%.1f MB)\n",
		plural(s.Windows, "window"), plural(int(s.Records), "record"), plural(s.Episodes, "episode"),
		s.Imbalance.Mean, s.Imbalance.Last, path, float64(info.Size())/1e6))
}

// hint tells a user whose job shows nothing about partitioning what to set.
func (a *app) hint(s dataset.Summary) {
	const idle, hopeless = 0.05, 0.5
	switch {
	case s.Records == 0:
	case s.Busy.Max < idle:
		a.narrate("hint: the workers are idle, at most %.1f %% busy: offer them more (--load 0.8), or records that cost more (job.costs)", 100*s.Busy.Max)
	case s.Backpressured > hopeless:
		a.narrate("hint: the source was blocked %.0f %% of the time: offer less (--load 0.8), or see how much each partitioner holds (saspart throughput)", 100*s.Backpressured)
	}
}

// leftOut counts the rows that the sources of a command's jobs skipped (on_bad_row: skip).
type leftOut struct {
	rows    int64
	example error
}

// add adds the skipped rows of one job.
func (l *leftOut) add(rows int64, example error) {
	l.rows += rows
	if l.example == nil {
		l.example = example
	}
}

// tell prints the count, unless it is 0.
func (l *leftOut) tell(a *app) {
	if l.rows > 0 {
		a.narrate("%s left out; the first: %v", plural(int(l.rows), "bad row"), l.example)
	}
}

// lazyTrace creates the trace with its first window, so that a job that cannot
// start leaves no empty trace behind.
type lazyTrace struct {
	path   string
	meta   dataset.Meta
	writer *dataset.Writer
}

// Write implements collect.Sink.
func (t *lazyTrace) Write(w *policy.Window) error {
	if t.writer == nil {
		writer, err := dataset.Create(t.path, t.meta)
		if err != nil {
			return err
		}
		t.writer = writer
	}
	return t.writer.Write(w)
}

// Close closes the trace if there is one.
func (t *lazyTrace) Close() error {
	if t.writer == nil {
		return nil
	}
	return t.writer.Close()
}

// resumeTrace opens a trace that has the run's first windows.
func (a *app) resumeTrace(t *lazyTrace, engine string) (err error) {
	if experiment.RealTime(engine) {
		return usagef("--resume: a job on the engine %s never has the same windows again; collect into another folder, and train from both traces", engine)
	}
	if _, err := os.Stat(t.path); errors.Is(err, fs.ErrNotExist) {
		return usagef("--resume: there is no trace %s to continue; leave the flag out", t.path)
	}
	if t.writer, err = dataset.Resume(t.path, func(m dataset.Meta) error { return sameRun(m, t.meta) }); err == nil {
		a.narrate("%s has %s; they are simulated again", t.path, plural(int(t.writer.Kept()), "window"))
	}
	return err
}

// sameRun returns an error if traces with the given metadata do not have the same windows, as far
// as both go.
func sameRun(old, now dataset.Meta) error {
	configs := make([]map[string]any, 2)
	for i, m := range []*dataset.Meta{&old, &now} {
		if err := yaml.Unmarshal([]byte(m.Config), &configs[i]); err != nil {
			return fmt.Errorf("read its configuration: %w", err)
		}
		if limits, ok := configs[i]["collect"].(map[string]any); ok {
			for _, name := range []string{"windows", "duration", "episodes"} {
				delete(limits, name)
			}
		}
		m.Config, m.Created = "", ""
	}
	if old != now || !reflect.DeepEqual(configs[0], configs[1]) {
		return usagef("it is of another configuration, seed or engine than this run: give the flags that it was collected with (saspart inspect shows them), or another --out")
	}
	return nil
}

// traceMeta describes the run in its trace. It has no time and no path in it: the
// same run gives the same bytes.
func traceMeta(e *config.Experiment, engineName string, behaviours []collect.Behaviour) (dataset.Meta, error) {
	text, err := yaml.Marshal(e)
	if err != nil {
		return dataset.Meta{}, fmt.Errorf("write the experiment into the trace: %w", err)
	}
	var names []string
	for _, b := range behaviours {
		if !slices.Contains(names, b.Partitioner.Name) {
			names = append(names, b.Partitioner.Name)
		}
	}
	return dataset.Meta{
		Workers: e.Job.Workers, Seed: e.Seed, Engine: engineName, Partitioner: strings.Join(names, ","),
		Config: string(text), Created: buildVersion().String(),
	}, nil
}

func tracePath(dir string, e *config.Experiment, partitioners string) string {
	if strings.Contains(partitioners, ",") {
		partitioners = "mixed"
	}
	return filepath.Join(dir, fmt.Sprintf("%s-%s-%d%s", e.Name, partitioners, e.Seed, dataset.Ext))
}

// expectedWindows is how many windows the limits allow, for the progress bar; 0
// unknown.
func expectedWindows(e *config.Experiment, c collect.Config) int64 {
	var least int64
	limit := func(n int64) {
		if n > 0 && (least == 0 || n < least) {
			least = n
		}
	}
	limit(int64(c.Windows))
	window := e.Job.MetricWindow()
	limit(int64((c.Duration + window - 1) / window))
	if !slices.ContainsFunc(c.Behaviours, func(b collect.Behaviour) bool { return b.Windows > 0 }) {
		limit(int64(c.Episodes) * int64(c.EpisodeWindows))
	}
	return least
}
