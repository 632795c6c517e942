package main

import (
	"github.com/spf13/cobra"

	"github.com/saspart/saspart/eval/rate"
	"github.com/saspart/saspart/eval/study"
	"github.com/saspart/saspart/experiment"
)

type throughputOptions struct {
	jobStudy
	rate rate.Config
}

func (a *app) throughputCommand() *cobra.Command {
	opts := throughputOptions{rate: rate.Default()}
	cmd := &cobra.Command{
		Use:   "throughput",
		Short: "Find the highest rate that a job holds under each partitioner",
		Long: `Finds, for each partitioner, the highest rate that the experiment's job holds without
backpressure. Compares it with the fluid bound (the sum of the workers' speeds over the
cost of a record) and with the best split for known keys and speeds. Shows its price:
imbalance, fan-out of all keys and of the heaviest, (key, worker) pairs with state, the
time to route a record, and latencies at 80 % of the partitioner's highest rate.

A rate is held if a job that is a little behind falls no further behind: all due records
but 0.5 % are sent, and no queue grows. The search (--method bracket) starts a new job at
each rate and closes in on the limit. SaSPartitioner's test (--method ramp) raises the
rate of one job until it falls behind. The experiment's own rate does not matter, unless
its workers are native. On flink, where processes wait for each other, 2 % may be left
over, and the search ends at a tolerance of 5 % unless another is given.

--repeat measures with several seeds. The table then shows means with 95 % confidence
intervals after ±, and names no best partitioner within the noise.`,
		Example: `  saspart throughput --config wordcount-zipf --partitioner hash,wchoices,waterfill,saspartitioner
  saspart throughput --config flights-tdigest --partitioner all --repeat 3 --out runs/flights
  saspart throughput --config straggler --require 'saspartitioner/hash>=1.5' --require 'saspartitioner.p99<=50ms'
  saspart throughput --config wordcount-zipf --engine local --partitioner hash,saspartitioner:runs/mine`,
		Args: noArgs,
	}
	opts.add(cmd, "measure")
	a.resumable(cmd, study.InfoFile, studyBudget...)
	flags := cmd.Flags()
	flags.IntVar(&opts.rate.Warmup, "warmup", opts.rate.Warmup, "metric `windows` before those measured, at each rate")
	flags.IntVar(&opts.rate.Windows, "windows", opts.rate.Windows, "metric `windows` measured, at each rate")
	flags.Float64Var(&opts.rate.Tolerance, "tolerance", opts.rate.Tolerance, "stop when the lowest rate not held is above the highest held by at most this `part` of it")
	flags.Float64SliceVar(&opts.rate.LatencyAt, "latency-at", opts.rate.LatencyAt, "measure latencies at these `parts` of the highest rate; tables show those at 0.8")
	choiceFlag(cmd, (*string)(&opts.rate.Method), "method", "", "how the highest rate is found", string(rate.Bracketed), string(rate.Ramped))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if opts.engine == experiment.Flink {
			opts.rate = opts.rate.ForCluster(cmd.Flags().Changed("tolerance"))
		}
		return a.runJobStudy(cmd.Context(), &opts.jobStudy, &opts.rate, study.Cell{Kind: study.Throughput, Rate: opts.rate}, nil)
	}
	return cmd
}
