package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/saspart/saspart/config/nearest"
	"github.com/saspart/saspart/config/strict"
	"github.com/saspart/saspart/configs"
	"github.com/saspart/saspart/eval/laws"
	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/policy/scenario"
)

type lawsOptions struct {
	checkpoint string
	scenarios  string
	workers    []int
	count      int
	seed       uint64
	output     string
}

func (a *app) lawsCommand() *cobra.Command {
	opts := lawsOptions{checkpoint: checkpoint.BuiltinName, scenarios: "laws", workers: []int{2, 8, 48, 200}, count: 256, seed: 1_000_000}
	cmd := &cobra.Command{
		Use:   "laws",
		Short: "Measure a capacity policy under laws of noise and change",
		Long: `Runs a capacity policy through synthetic scenarios of each law in a file: how worker
speeds change, and how busy times are measured. Compares its imbalance with that of
waterfill's estimates, and of the fixed smoothing of 24 that is best for the law and
the number of workers in hindsight. Differences are paired, scenario by scenario, and
have their standard errors.

The laws that the built-in policy is measured on are built in (laws), and so are wider
ones to train on (training). docs/algorithms.md describes the settings of a law.`,
		Example: `  saspart laws
  saspart laws --checkpoint runs/any --scenarios mine.yaml --workers 16 -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runLaws(cmd.Context(), opts) },
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.checkpoint, "checkpoint", opts.checkpoint, "checkpoint or training run of a capacity policy, a `folder`, or builtin")
	scenariosFlag(cmd, &opts.scenarios)
	flags.IntSliceVar(&opts.workers, "workers", opts.workers, "`numbers` of workers")
	flags.IntVar(&opts.count, "count", opts.count, "`scenarios` of a law with up to 8 workers; in inverse proportion fewer with more, but at least 24")
	flags.Uint64Var(&opts.seed, "seed", opts.seed, "seed `N` of the first scenario")
	outputFlag(cmd, &opts.output, "text", "json", "markdown")
	return cmd
}

// scenariosFlag adds --scenarios.
func scenariosFlag(cmd *cobra.Command, value *string) {
	cmd.Flags().StringVar(value, "scenarios", *value, "laws of scenarios, a `file` or the name of ready ones")
	complete(cmd, "scenarios", configs.ScenarioNames())
}

// loadScenarios reads laws of scenarios, from a file or by the name of ready ones.
func loadScenarios(name string) (p scenario.Population, err error) {
	text, err := strict.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		ready, ok := configs.ReadScenarios(name)
		if !ok {
			return p, usagef("there is no file %s and there are no ready scenarios of that name; %s", name, nearest.Explain(name, configs.ScenarioNames()))
		}
		text, name, err = ready, "built-in scenarios/"+name, nil
	}
	if err != nil {
		return p, err
	}
	_, err = strict.Load(name, text, &p, strict.Layers{})
	return p, err
}

func (a *app) runLaws(ctx context.Context, opts lawsOptions) error {
	if opts.count < 1 || opts.count > 1<<20 {
		return usagef("--count is %d; it must be from 1 to %d", opts.count, 1<<20)
	}
	for _, p := range opts.workers {
		if p < 2 || p > policy.MaxWorkers {
			return usagef("--workers has %d; numbers of workers must be from 2 to %d", p, policy.MaxWorkers)
		}
	}
	population, err := loadScenarios(opts.scenarios)
	if err != nil {
		return err
	}
	c, err := checkpoint.Open(opts.checkpoint)
	if err != nil {
		return err
	}
	if c.Kind != checkpoint.KindCapacity {
		return usagef("checkpoint %s is of kind %s; scenarios are for kind %s", opts.checkpoint, c.Kind, checkpoint.KindCapacity)
	}
	meter := a.progress("laws", "rows", int64(len(opts.workers)*len(population.Laws)))
	defer meter.Stop()
	rows, err := laws.Measure(ctx, laws.Options{
		Laws: population.Laws, Workers: opts.workers, Scenarios: opts.count, Seed: opts.seed,
		Policy: func(workers int) (scenario.Starter, error) { return learned.NewCapacityPolicy(c, workers) },
		Done:   func(laws.Row) { meter.Add(1) },
	})
	if len(rows) == 0 {
		return err
	}
	text := lawsText(rows)
	if opts.output == "markdown" {
		text = laws.Markdown(rows)
	}
	return errors.Join(err, a.print(opts.output, rows, text))
}

// lawsText is a table for people.
func lawsText(rows []laws.Row) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	workers := 0
	for _, r := range rows {
		if r.Workers != workers {
			workers = r.Workers
			fmt.Fprintf(t, "%d workers, %s\tpolicy\twaterfill\tdifference\tsmoothing\tdifference\tsetting\n", workers, plural(r.Scenarios, "scenario"))
		}
		fmt.Fprintf(t, "%s\t%.4f\t%.4f\t%v\t%.4f\t%v\t%s\n", r.Law, r.Policy, r.Waterfill, r.OverWaterfill, r.Smoothing, r.OverSmoothing, r.Setting)
	}
	t.Flush()
	return b.String()
}
