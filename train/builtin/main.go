//go:build torch

// Command builtin trains the built-in capacity checkpoint from scratch and writes it to a
// folder; `make builtin` runs it. It trains with several seeds and keeps the policy that is
// best on scenarios used neither for training nor for the reported figures. The same seed
// gives the same checkpoint, byte for byte on one kind of machine, with any number of threads.
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
	laws     string
}

func main() {
	var o options
	flag.StringVar(&o.out, "out", filepath.Join("policy", "checkpoint", "builtin"), "folder of the checkpoint")
	flag.Uint64Var(&o.seed, "seed", 1, "first seed, of networks and scenarios")
	flag.IntVar(&o.seeds, "seeds", 3, "number of seeds to train with; the best policy is kept")
	flag.Float64Var(&o.portion, "portion", 1, "part of the usual number of updates")
	flag.IntVar(&o.threads, "threads", 2, "CPU threads")
	flag.IntVar(&o.evaluate, "evaluate", 1024, "scenarios of 8 workers to evaluate on; fewer are used for more workers")
	flag.StringVar(&o.laws, "laws", "", "go on from the capacity checkpoint in this folder, on the laws of configs/scenarios/training.yaml, instead of training from scratch")
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

// The first seeds of the scenarios for the reported figures, and for choosing among trained
// policies. Training draws 64 random bits per scenario and meets one of these with a
// probability of 1 in 10^12.
const (
	heldOut   = 1_000_000
	validated = 2_000_000
)

// sizes are the numbers of workers to evaluate.
var sizes = [...]int{8, 64, 200}

func run(ctx context.Context, o options) error {
	if o.seeds < 1 {
		return errors.New("-seeds: must be at least 1")
	}
	if !(o.portion > 0) {
		return errors.New("-portion: must be above 0")
	}
	var start, best *checkpoint.Checkpoint
	if o.laws != "" {
		var err error
		if start, err = checkpoint.Load(o.laws); err != nil {
			return err
		}
	}
	least := math.Inf(1)
	for seed := o.seed; seed < o.seed+uint64(o.seeds); seed++ {
		c, err := learn(ctx, o, start, seed)
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
		// The figures differ in size; logarithms weigh them alike.
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

// learn trains a policy part after part, from a checkpoint or from scratch.
func learn(ctx context.Context, o options, c *checkpoint.Checkpoint, seed uint64) (*checkpoint.Checkpoint, error) {
	parts, parent := capacity.Parts(), ""
	if c != nil {
		parts = capacity.LawParts()
		parent = "policy.safetensors of SHA-256 " + c.Digest
	}
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
	c.Configuration, c.Metrics, c.Parent, c.Trained = string(text), map[string]float64{}, parent, checkpoint.ThroughModel
	return c, nil
}

// apart is the distance between the seeds of a training's parts.
const apart = 1 << 32

// part trains a policy, from a checkpoint or from scratch.
func part(ctx context.Context, name string, cfg capacity.Config, threads int, seed uint64, start *checkpoint.Checkpoint) (*checkpoint.Checkpoint, error) {
	cfg.Threads = threads // not part of the result
	t, err := capacity.NewModelTrainer(cfg, seed)
	if err != nil {
		return nil, err
	}
	if start != nil {
		if err := t.StartFrom(start); err != nil {
			return nil, err
		}
	}
	const each = 200
	loss, score := 0.0, 0.0
	for range cfg.Updates {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s, err := t.Update()
		if err != nil {
			return nil, err
		}
		loss += s.Loss / each
		score += s.Score / each
		if s.Update%each == 0 {
			fmt.Fprintf(os.Stderr, "%s: update %d of %d: loss %.4f, score %.3f, rate %.2g\n", name, s.Update, cfg.Updates, loss, score, s.Rate)
			loss, score = 0, 0
		}
	}
	return t.Checkpoint(), nil
}

// evaluate is the mean score for each of the sizes, on n scenarios of 8 workers with
// consecutive seeds, and on fewer for more workers.
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
