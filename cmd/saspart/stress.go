package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/eval/rate"
	"github.com/saspart/saspart/eval/study"
	"github.com/saspart/saspart/stream"
)

type stressOptions struct {
	jobStudy
	rate   float64
	stress rate.StressConfig
}

func (a *app) stressCommand() *cobra.Command {
	opts := stressOptions{stress: rate.DefaultStress()}
	cmd := &cobra.Command{
		Use:   "stress",
		Short: "Run a fixed rate through a shifting distribution, under each partitioner",
		Long: `Runs the experiment's job at a fixed rate while the distribution of its keys shifts. For
each partitioner it sums up imbalance, the time the source was blocked, latency, state and
memory, and the number of windows until the job had settled after each shift.

The source should be a sequence of zipf exponents (source.kind zipf-sequence; its
changes are the shifts), a key that drifts (drift) or a file whose keys change. A job
has settled if, for two windows, its imbalance is near the phase's final imbalance and
its source hardly waits. Memory is that of the whole process.`,
		Example: `  saspart stress --config zipf-sequence --partitioner hash,wchoices,waterfill,saspartitioner
  saspart stress --config drift --load 0.8 --duration 5m --repeat 3 --out runs/drift
  saspart stress --config zipf-sequence --require 'saspartitioner.recovery<=5'`,
		Args: noArgs,
	}
	opts.add(cmd, "run")
	a.resumable(cmd, study.InfoFile, studyBudget...)
	flags := cmd.Flags()
	flags.Float64Var(&opts.stress.Load, "load", opts.stress.Load, "the rate, as a `part` of the fluid bound; 0: the experiment's own")
	flags.Float64Var(&opts.rate, "rate", 0, "the rate, in `records/s`")
	flags.DurationVar(&opts.stress.Duration, "duration", opts.stress.Duration, "how long, of the job's time")
	flags.IntVar(&opts.stress.Warmup, "warmup", opts.stress.Warmup, "metric `windows` at the beginning that are not counted")
	cmd.MarkFlagsMutuallyExclusive("load", "rate")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("rate") {
			opts.stress.Load = 0
			opts.experiment.override("rate.kind", stream.RateFixed, "--rate")
			opts.experiment.override("rate.rate", fmt.Sprint(opts.rate), fmt.Sprintf("--rate %v", opts.rate))
		}
		return a.runStress(cmd.Context(), opts)
	}
	return cmd
}

func (a *app) runStress(ctx context.Context, opts stressOptions) error {
	cell := study.Cell{Kind: study.Stress, Stress: opts.stress}
	return a.runJobStudy(ctx, &opts.jobStudy, &opts.stress, cell, func(e *config.Experiment) {
		if e.Source.Kind == stream.KindZipf {
			a.narrate("the distribution of a %s source does not shift; saspart config show --config zipf-sequence has one that does", e.Source.Kind)
		}
	})
}
