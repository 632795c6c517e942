package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/saspart/saspart/engine/calibrate"
	"github.com/saspart/saspart/experiment"
	"github.com/saspart/saspart/stream"
)

type calibrateOptions struct {
	experiment experimentFlags
	repeats    int
	records    int
	output     string
}

func (a *app) calibrateCommand() *cobra.Command {
	opts := calibrateOptions{repeats: 5, records: 1 << 15}
	cmd := &cobra.Command{
		Use:   "calibrate",
		Short: "Measure the costs of a job's work on this machine",
		Long: `Feeds records of the experiment's source to the real combiner and reducer on one
core. Prints the costs of a record, a work unit (word, value), an emitted partial
result and a merged one, as a snippet for an experiment. The range behind each cost
is over the repeats; a wide range means that the machine had other load.`,
		Example: `  saspart calibrate --config flights-tdigest
  saspart calibrate --config wordcount-zipf -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runCalibrate(cmd.Context(), opts) },
	}
	opts.experiment.add(cmd)
	cmd.Flags().IntVar(&opts.repeats, "repeats", opts.repeats, "repeat this many `times`")
	cmd.Flags().IntVar(&opts.records, "records", opts.records, "measure with this `number` of the source's records")
	outputFlag(cmd, &opts.output, "yaml", "json")
	return cmd
}

// calibration is the JSON output.
type calibration struct {
	Task    string           `json:"task"`
	Records int              `json:"records"`
	Repeats int              `json:"repeats"`
	Version version          `json:"build"`
	Costs   []calibrate.Cost `json:"costs"`
}

func (a *app) runCalibrate(ctx context.Context, opts calibrateOptions) error {
	if opts.repeats < 1 || opts.repeats > 1000 {
		return usagef("--repeats is %d; it must be from 1 to 1000", opts.repeats)
	}
	if opts.records < calibrate.MinRecords || opts.records > 1<<24 {
		return usagef("--records is %d; it must be from %d to %d", opts.records, calibrate.MinRecords, 1<<24)
	}
	e, _, err := opts.experiment.load(a)
	if err != nil {
		return err
	}
	task, err := stream.NewTask(e.Task)
	if err != nil {
		return err
	}
	records, err := experiment.Records(e, opts.records, e.Rate.Rate)
	if err != nil {
		return err
	}
	meter := a.progress("calibrate", "repeats", int64(opts.repeats))
	c := calibrate.Measurement{
		Task: task, Records: records, Slides: e.Job.WindowSlides(),
		Repeats: opts.repeats, Least: 20 * time.Millisecond, Now: a.now, Step: func() { meter.Add(1) },
	}
	costs, err := c.Run(ctx)
	meter.Stop()
	if err != nil {
		return err
	}
	result := calibration{Task: task.Name(), Records: len(records), Repeats: opts.repeats, Version: buildVersion(), Costs: costs}
	return a.print(opts.output, result, result.snippet())
}

// snippet is the costs as a part of an experiment.
func (c *calibration) snippet() string {
	text := fmt.Sprintf("# saspart calibrate: %s, median of %d repeats over %d records, %s %s\njob:\n  costs:\n",
		c.Task, c.Repeats, c.Records, c.Version.Go, c.Version.Platform)
	for _, m := range c.Costs {
		text += fmt.Sprintf("    %-7s %-8s # %s to %s\n", m.Name+":", ns(m.Median), ns(m.Low), ns(m.High))
	}
	return text
}

// ns renders a cost as a duration in whole nanoseconds, the grain of job.costs.
func ns(v float64) string { return time.Duration(math.Round(v)).String() }
