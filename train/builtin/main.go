//go:build torch

// Command builtin trains the built-in capacity checkpoint from nothing and writes it
// to a folder; `make builtin` runs it. The same seed gives the same checkpoint, byte
// for byte on one kind of machine, whatever the number of threads.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"github.com/saspart/saspart/policy"
	"github.com/saspart/saspart/train"
)

type options struct {
	out      string
	seed     uint64
	updates  int
	threads  int
	evaluate int
}

func main() {
	var o options
	flag.StringVar(&o.out, "out", filepath.Join("policy", "builtin"), "folder of the checkpoint")
	flag.Uint64Var(&o.seed, "seed", 1, "of networks and scenarios")
	flag.IntVar(&o.updates, "updates", train.DefaultCapacity().Updates, "updates to do")
	flag.IntVar(&o.threads, "threads", 2, "CPU threads")
	flag.IntVar(&o.evaluate, "evaluate", 512, "scenarios of 8 workers to evaluate on, and a part of that for more workers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	switch err := run(ctx, o); {
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "interrupted: nothing was written")
		os.Exit(3)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// heldOut is the seed from which on scenarios are for evaluation. Training draws 64
// random bits per scenario, so that it meets one of these by a chance of 1 in 10^12.
const heldOut = 1_000_000

func run(ctx context.Context, o options) error {
	cfg := train.DefaultCapacity()
	cfg.Updates, cfg.Threads = o.updates, o.threads
	t, err := train.NewCapacity(cfg, o.seed)
	if err != nil {
		return err
	}
	const each = 50
	loss := 0.0
	for range cfg.Updates {
		if err := ctx.Err(); err != nil {
			return err
		}
		s, err := t.Update()
		if err != nil {
			return err
		}
		loss += s.Loss / each
		if s.Update%each == 0 {
			fmt.Fprintf(os.Stderr, "update %d of %d: loss %.4f, rate %.2g\n", s.Update, cfg.Updates, loss, s.Rate)
			loss = 0
		}
	}
	c := t.Checkpoint()
	cfg.Threads = 1 // not part of the result
	text, err := yaml.Marshal(struct {
		Seed     uint64               `yaml:"seed"`
		Capacity train.CapacityConfig `yaml:"capacity"`
	}{o.seed, cfg})
	if err != nil {
		return fmt.Errorf("write down the configuration: %w", err)
	}
	c.Configuration = string(text)
	c.Metrics = map[string]float64{}
	for _, workers := range []int{8, 64, 200} {
		mean, err := evaluate(c, policy.DefaultScenarios(), workers, max(o.evaluate*8/max(workers, 8), 64))
		if err != nil {
			return err
		}
		c.Metrics[fmt.Sprintf("imbalance_%d", workers)] = mean.After
		c.Metrics[fmt.Sprintf("imbalance_%d_first", workers)] = mean.First
		fmt.Printf("%d workers: imbalance %.4f after the first windows, %.4f in them\n", workers, mean.After, mean.First)
	}
	return policy.SaveCheckpoint(o.out, c)
}

// evaluate is the mean score on scenarios not trained on.
func evaluate(c *policy.Checkpoint, scenarios policy.ScenarioConfig, workers, n int) (policy.FollowerScore, error) {
	f, err := policy.NewCapacity(c, workers)
	if err != nil {
		return policy.FollowerScore{}, err
	}
	seeds := make([]uint64, n)
	for i := range seeds {
		seeds[i] = heldOut + uint64(i)
	}
	scores, err := policy.EvaluateFollower(f, scenarios, workers, seeds)
	if err != nil {
		return policy.FollowerScore{}, err
	}
	mean, _ := policy.MeanScore(scores)
	return mean, nil
}
