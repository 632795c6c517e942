//go:build torch

// Command builtin trains the built-in capacity checkpoint from nothing and writes it
// to a folder; `make builtin` runs it. It trains with several seeds and keeps the policy
// that is best on scenarios that are neither trained on nor reported. The same seed gives
// the same checkpoint, byte for byte on one kind of machine, whatever the number of threads.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/signal"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/policy/learned"
	"github.com/saspart/saspart/policy/scenario"
	"github.com/saspart/saspart/train/capacity"
)

type options struct {
	out      string
	seed     uint64
	seeds    int
	portion  float64
	threads  int
	evaluate int
}

func main() {
	var o options
	flag.StringVar(&o.out, "out", filepath.Join("policy", "checkpoint", "builtin"), "folder of the checkpoint")
	flag.Uint64Var(&o.seed, "seed", 1, "of networks and scenarios, the first of them")
	flag.IntVar(&o.seeds, "seeds", 3, "how many to train with, of which the best is kept")
	flag.Float64Var(&o.portion, "portion", 1, "part of the usual updates to do")
	flag.IntVar(&o.threads, "threads", 2, "CPU threads")
	flag.IntVar(&o.evaluate, "evaluate", 1024, "scenarios of 8 workers to evaluate on, and a part of that for more workers")
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

// Seeds from which on scenarios are for choosing among trained policies, and for
// saying how good the chosen one is. Training draws 64 random bits per scenario, so
// that it meets one of these by a chance of 1 in 10^12.
const (
	heldOut   = 1_000_000
	validated = 2_000_000
)

// sizes are the numbers of workers that are evaluated.
var sizes = [...]int{8, 64, 200}

func run(ctx context.Context, o options) error {
	if o.seeds < 1 {
		return errors.New("-seeds: there must be one to train with")
	}
	if !(o.portion > 0) {
		return errors.New("-portion: there must be updates to do")
	}
	var best *checkpoint.Checkpoint
	least := math.Inf(1)
	for seed := o.seed; seed < o.seed+uint64(o.seeds); seed++ {
		c, err := learn(ctx, o, seed)
		if err != nil {
			return err
		}
		score, err := evaluate(c, validated, o.evaluate)
		if err != nil {
			return err
		}
		test, err := evaluate(c, heldOut, o.evaluate)
		if err != nil {
			return err
		}
		// Of figures so far apart, each counts by its logarithm.
		sum := 0.0
		for i, workers := range sizes {
			sum += math.Log(score[i].After) / float64(len(sizes))
			c.Metrics[fmt.Sprintf("imbalance_%d", workers)] = test[i].After
			c.Metrics[fmt.Sprintf("imbalance_%d_first", workers)] = test[i].First
			fmt.Printf("seed %d, %3d workers: imbalance %.4f after the first windows, %.4f in them; on the scenarios for choosing %.4f\n",
				seed, workers, test[i].After, test[i].First, score[i].After)
		}
		if sum < least {
			best, least = c, sum
		}
	}
	return checkpoint.Save(o.out, best)
}

// learn trains a policy from nothing, part after part.
func learn(ctx context.Context, o options, seed uint64) (*checkpoint.Checkpoint, error) {
	parts := capacity.Parts()
	var c *checkpoint.Checkpoint
	for i := range parts {
		parts[i].Updates = max(int(o.portion*float64(parts[i].Updates)), 1)
		var err error
		name := fmt.Sprintf("seed %d, part %d of %d", seed, i+1, len(parts))
		if c, err = part(ctx, name, parts[i], o.threads, seed+uint64(i)*apart, c); err != nil {
			return nil, err
		}
	}
	text, err := yaml.Marshal(struct {
		Seed  uint64            `yaml:"seed"`
		Parts []capacity.Config `yaml:"parts"`
	}{seed, parts})
	if err != nil {
		return nil, fmt.Errorf("write down the configuration: %w", err)
	}
	c.Configuration, c.Metrics = string(text), map[string]float64{}
	return c, nil
}

// apart is how far the seeds of a training's parts are from each other.
const apart = 1 << 32

// part trains a policy from a checkpoint on, or from nothing.
func part(ctx context.Context, name string, cfg capacity.Config, threads int, seed uint64, start *checkpoint.Checkpoint) (*checkpoint.Checkpoint, error) {
	cfg.Threads = threads // not part of the result
	t, err := capacity.New(cfg, seed)
	if err != nil {
		return nil, err
	}
	if start != nil {
		if err := t.StartFrom(start); err != nil {
			return nil, err
		}
	}
	const each = 200
	loss := 0.0
	for range cfg.Updates {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s, err := t.Update()
		if err != nil {
			return nil, err
		}
		loss += s.Loss / each
		if s.Update%each == 0 {
			fmt.Fprintf(os.Stderr, "%s: update %d of %d: loss %.4f, rate %.2g\n", name, s.Update, cfg.Updates, loss, s.Rate)
			loss = 0
		}
	}
	return t.Checkpoint(), nil
}

// evaluate is the mean score for each of the sizes, on the n scenarios of 8 workers
// from a seed on, and a part of them for more workers.
func evaluate(c *checkpoint.Checkpoint, from uint64, n int) (means [len(sizes)]scenario.Score, err error) {
	for i, workers := range sizes {
		f, err := learned.NewCapacityPolicy(c, workers)
		if err != nil {
			return means, err
		}
		seeds := make([]uint64, max(n*8/max(workers, 8), 64))
		for j := range seeds {
			seeds[j] = from + uint64(j)
		}
		scores, err := scenario.Evaluate(f, scenario.Default(), workers, seeds)
		if err != nil {
			return means, err
		}
		means[i], _ = scenario.MeanScore(scores)
	}
	return means, nil
}
