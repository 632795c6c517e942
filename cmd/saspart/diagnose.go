package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/diagnose"
	"github.com/saspart/saspart/engine"
	"github.com/saspart/saspart/experiment"
	"github.com/saspart/saspart/partition/registry"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/stream"
)

type diagnoseOptions struct {
	experiment   experimentFlags
	workers      int
	records      int64
	partitioners []string
	job          string // on Flink
	output       string
}

func (a *app) diagnoseCommand() *cobra.Command {
	opts := diagnoseOptions{workers: 8, records: 4_000_000, partitioners: []string{"hash", "combine", "wchoices", "fish", "waterfill", "saspartitioner"}}
	cmd := &cobra.Command{
		Use:   "diagnose FILE --key COLUMN | http://CLUSTER",
		Short: "Tell whether the keys of a file, or a job on Flink, are skewed, and what would help",
		Long: `Counts the keys of a CSV, JSON Lines, Arrow or Parquet file, in bounded memory: the heaviest ones by name,
and how unequal workers would be if keys went by hash. Then it simulates a keyed count of the
file's first records on P equal workers under several partitioners, each offered as much as
the workers can do, and shows what part of that each one holds, how many workers a key has,
and how many (key, worker) pairs have state. It ends with a recommendation.

Only the first --records rows are read, and parts have the error of a sample of that size
if the file has more. The simulation needs no costs: a record takes the same time anywhere.
To try other jobs, use saspart run or throughput with the same --input and --key.

Given the address of a Flink cluster's REST interface, it judges a running job by the metrics that
Flink has of it: how unequal the subtasks of each operator are in records and busy time. It reads
only, and the job need not know saspart.`,
		Example: `  saspart diagnose clicks.csv --key user
  saspart diagnose clicks.parquet --key user --workers 64
  saspart diagnose clicks.csv --key user --set source.file.delimiter=';' -o json
  saspart diagnose http://127.0.0.1:8081`,
		Args: cobra.ExactArgs(1),
	}
	opts.experiment.short(cmd, "key", "source.file.key", "column", "column with the key")
	cmd.Flags().Var(&setFlag{&opts.experiment}, "set", "set a value of the experiment, for example source.file.split=words (repeatable)")
	cmd.Flags().IntVar(&opts.workers, "workers", opts.workers, "`number` of workers")
	cmd.Flags().Int64Var(&opts.records, "records", opts.records, "read this many `rows` at most; 0: all")
	cmd.Flags().StringSliceVar(&opts.partitioners, "partitioner", opts.partitioners, "try these partitioners, by `name`")
	complete(cmd, "partitioner", append(registry.Names(), combined))
	cmd.Flags().StringVar(&opts.job, "job", "", "`id` of the job on Flink, if several run")
	outputFlag(cmd, &opts.output, "text", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if isCluster(args[0]) {
			return a.diagnoseFlink(cmd.Context(), args[0], opts.job, opts.output)
		}
		if !cmd.Flags().Changed("key") {
			return usagef("--key is missing: name the column with the key")
		}
		return a.runDiagnose(cmd.Context(), args[0], opts)
	}
	return cmd
}

// combined is the contender that aggregates at the senders, which studies call so too.
const combined = "combine"

// diagnosis is the JSON output.
type diagnosis struct {
	Version int    `json:"version"` // of this form: 1
	File    string `json:"file"`
	Whole   bool   `json:"whole_file"` // false: the first records of it
	diagnose.Skew
	Trials []diagnose.Trial `json:"trials"`
	Advice string           `json:"advice"`
}

func (a *app) runDiagnose(ctx context.Context, path string, opts diagnoseOptions) error {
	if opts.records < 0 {
		return usagef("--records is %d; it must not be negative", opts.records)
	}
	f := &opts.experiment
	for _, set := range [][2]string{
		{"task.name", stream.TaskCount}, {"source.kind", stream.KindFile}, {"source.file.path", path},
		{"job.workers", strconv.Itoa(opts.workers)},
	} {
		f.override(set[0], set[1], "saspart diagnose")
	}
	e, _, err := f.load(a)
	if err != nil {
		return err
	}
	var trials []*config.Experiment
	for _, name := range opts.partitioners {
		trial, err := f.trial(a, name, e.Job.Workers)
		if err != nil {
			return err
		}
		trials = append(trials, trial)
	}
	d := diagnosis{Version: 1, File: path}
	if d.Skew, d.Whole, err = a.countKeys(ctx, e, opts.records); err != nil {
		return err
	}
	meter := a.progress("diagnose", "partitioners", int64(len(opts.partitioners)))
	for i, e := range trials {
		var s runSummary
		if s, err = a.runOne(ctx, e, runOptions{engine: experiment.Sim, warmup: trialWarmup}, nil, unseen{}); err != nil {
			break
		}
		d.Trials = append(d.Trials, diagnose.Trial{Partitioner: opts.partitioners[i], Held: s.ActualRate / e.Rate.Rate, FanOut: s.FanOut, Pairs: s.Pairs})
		meter.Add(1)
	}
	meter.Stop()
	if err != nil {
		return err
	}
	d.Advice = diagnose.Advice(d.Skew, d.Trials)
	return a.print(opts.output, d, d.text())
}

// countKeys counts the keys of the first records of the experiment's source.
func (a *app) countKeys(ctx context.Context, e *config.Experiment, records int64) (_ diagnose.Skew, whole bool, err error) {
	once := *e
	once.Source.File.Loop = false
	sources, err := experiment.OpenSources(&once, 1, 0)
	if err != nil {
		return diagnose.Skew{}, false, err
	}
	defer func() { err = errors.Join(err, stream.CloseSources(sources)) }()
	c := diagnose.NewCounter(e.Job.Workers)
	meter := a.progress("count", "records", 0) // how many there are is not known
	defer meter.Stop()
	var b stream.Batch
	for left := records; records == 0 || left > 0; {
		n := int64(1024)
		if records > 0 {
			n = min(n, left)
		}
		b.Resize(int(n))
		got, err := sources[0].Fill(&b)
		c.Add(&b, got)
		meter.Add(int64(got))
		left -= int64(got)
		switch {
		case err == io.EOF:
			return c.Skew(), true, nil
		case err != nil:
			return diagnose.Skew{}, false, err
		case ctx.Err() != nil:
			return diagnose.Skew{}, false, fmt.Errorf("interrupted: %w", ctx.Err())
		}
	}
	return c.Skew(), false, nil
}

// Windows of a trial, and records per window that workers of a trial can do: enough for the busiest
// of many workers not to be so by chance.
const (
	trialWarmup  = 6
	trialWindows = 8
	trialRecords = 20_000
	trialEach    = 500
)

// trial is a count of the file's first records at the highest rate that the workers can do.
func (f *experimentFlags) trial(a *app, name string, workers int) (*config.Experiment, error) {
	rate := max(trialRecords, trialEach*workers)
	cost := time.Duration(float64(workers) / float64(rate) * float64(time.Second))
	with := experimentFlags{config: f.config, overrides: slices.Clone(f.overrides)}
	for path, value := range map[string]string{
		"source.file.loop": "true", "rate.rate": strconv.Itoa(rate), "job.costs.record": cost.String(),
		"collect.windows": strconv.Itoa(trialWarmup + trialWindows),
	} {
		with.override(path, value, "saspart diagnose")
	}
	from := "--partitioner " + name
	if name == combined {
		with.override("job.combine", string(engine.CombineLocal), from)
		name = "hash"
	}
	with.override("partitioner.name", name, from)
	e, _, err := with.load(a)
	return e, err
}

// unseen is a watcher that shows nothing.
type unseen struct{}

func (unseen) begin(*config.Experiment, string, int64) {}
func (unseen) window(*policy.Window) error             { return nil }
func (unseen) done()                                   {}
func (unseen) end([]runSummary) error                  { return nil }

// text is the diagnosis for people.
func (d *diagnosis) text() string {
	var b strings.Builder
	rows := "all"
	if !d.Whole {
		rows = "the first"
	}
	fmt.Fprintf(&b, "%s: %s %s records, about %s keys\n\n", d.File, rows, grouped(d.Records), grouped(int64(d.Keys+0.5)))
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "heaviest keys\tpart of the records\tworkers' worth\n")
	for _, k := range d.Heavy {
		part := fmt.Sprintf("%.2f %%", 100*k.Part)
		if !d.Whole {
			part = fmt.Sprintf("%.2f ± %.2f %%", 100*k.Part, 196*k.Error)
		}
		fmt.Fprintf(t, "  %s\t%s\t%.2f\n", escaped(k.Name), part, k.Workers)
	}
	t.Flush()
	fmt.Fprintf(&b, "\nOn %d equal workers the busiest one has, as a multiple of the mean:\n", d.Workers)
	fmt.Fprintf(&b, "  by hash                                       %.2f\n", d.Hash)
	fmt.Fprintf(&b, "  at least, with each key at one worker         %.2f\n\n", d.KeptWhole)
	t = tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "partitioner\tcapacity used\tworkers per key\tkeys with state\t\n")
	for _, r := range d.Trials {
		fmt.Fprintf(t, "%s\t%.0f %%\t%.3f\t%s\t\n", r.Partitioner, 100*r.Held, r.FanOut, grouped(int64(r.Pairs+0.5)))
	}
	t.Flush()
	if d.Advice != "" {
		fmt.Fprintf(&b, "\n%s\n", d.Advice)
	}
	return b.String()
}
