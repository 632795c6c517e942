package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/config/nearest"
	"github.com/saspart/saspart/config/strict"
	"github.com/saspart/saspart/configs"
	"github.com/saspart/saspart/dataset"
	"github.com/saspart/saspart/eval"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/runlog"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/offline"
	"github.com/saspart/saspart/train/setup"
)

// trainPrefix starts the environment variables that set values of a training.
const trainPrefix = "SASPART_TRAIN_"

type trainOfflineOptions struct {
	data       []string // patterns of traces
	scenarios  string   // laws, in place of traces; empty: none
	out        string   // the run's folder
	resume     bool
	action     checkpoint.Kind
	checkpoint string // to start from, of the capacity action; empty: from scratch
	config     string // of the training: file or name of a ready one
	experiment string // to roll out on the fluid model of; empty: none
	seed       uint64
	overrides  []strict.Override // of the training's configuration
	output     string
}

func (a *app) trainOfflineCommand() *cobra.Command {
	opts := trainOfflineOptions{seed: 1, action: checkpoint.KindShares}
	cmd := &cobra.Command{
		Use:   "train-offline",
		Short: "Learn a policy from traces or scenarios, without running a job",
		Long: `Learns how to split the heavy keys from the traces that collect has written. The run's
folder holds the best and the last checkpoint, metrics.csv, TensorBoard events and
report.html.

With --config, the policy is rolled out on the fluid model of that experiment at every
checkpoint, and the best checkpoint is the one with the lowest imbalance. Without it, a
shares policy cannot be scored, and the last checkpoint counts as the best. A capacity
policy is then scored at the worker speeds of held-out recordings.

--action shares learns where the heavy keys of one job go, for its number of workers.
--action capacity learns how much work each worker gets, for any number of workers. Its
traces may be of any partitioners and of different numbers of workers. With --scenarios
in place of --data it learns on synthetic scenarios of your own laws of noise and change,
by gradients through a model of the job (docs/algorithms.md, "The scenarios").

--resume continues a run that was interrupted or killed from its last checkpoint, with the
flags that it was begun with; only --steps and --threads may be others. The run then ends
with the same policy, bit for bit, as an uninterrupted one.`,
		Example: `  saspart train-offline --data 'traces/*.arrow' --out runs/first --config wordcount-zipf
  saspart train-offline --out runs/first --resume
  saspart train-offline --data 'traces/*.arrow' --out runs/clone --algo bc --steps 2000
  saspart train-offline --data 'traces/*.arrow' --out runs/paper --train-config reference
  saspart train-offline --data 'traces/*.arrow' --out runs/any --action capacity --checkpoint builtin
  saspart train-offline --scenarios mine.yaml --out runs/mine --action capacity --checkpoint builtin`,
		Args: noArgs,
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&opts.data, "data", nil, "traces to learn from, a `glob`")
	scenariosFlag(cmd, &opts.scenarios)
	flags.StringVar(&opts.out, "out", "", "`folder` of the run, for example runs/first")
	flags.BoolVar(&opts.resume, "resume", false, "continue from the run's last checkpoint")
	flags.StringVar(&opts.config, "train-config", "", "training configuration, a `file` or the name of a ready one")
	complete(cmd, "train-config", append(configs.TrainNames(), configs.CapacityNames()...))
	flags.StringVar(&opts.checkpoint, "checkpoint", "", "with --action capacity: start from this checkpoint or training run, a `folder`, or builtin")
	flags.StringVarP(&opts.experiment, "config", "c", "", "experiment to roll the policy out on, a `file` or the name of a ready one")
	complete(cmd, "config", configs.Names())
	flags.Uint64Var(&opts.seed, "seed", opts.seed, "seed `N` of all randomness")
	settings := &experimentFlags{}
	flags.Var(&setFlag{settings}, "set", "set a value of the training configuration, for example learner.gamma=0.9 (repeatable)")
	settings.short(cmd, "steps", "updates", "n", "stop after this many updates")
	settings.short(cmd, "threads", "learner.threads", "n", "CPU threads; results do not depend on them")
	actionFlag(cmd, &opts.action, "the policy's action: the shares of each heavy key, or each worker's capacity")
	var algo string
	algorithmFlag(cmd, &algo, func(train.Algorithm) bool { return true }, train.Model)
	outputFlag(cmd, &opts.output, "text", "json")
	require(cmd, "out")
	a.resumable(cmd, runlog.InfoFile, "steps", "threads")
	cmd.MarkFlagsOneRequired("data", "scenarios")
	cmd.MarkFlagsMutuallyExclusive("data", "scenarios")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if algo == "" && opts.scenarios != "" && opts.action == checkpoint.KindCapacity {
			algo = string(train.Model)
		}
		opts.overrides = append(algorithm("learner", algo), settings.overrides...)
		return a.runTrainOffline(cmd.Context(), opts)
	}
	return cmd
}

// actionFlag adds --action. Its default is the value that is there.
func actionFlag(cmd *cobra.Command, value *checkpoint.Kind, usage string) {
	choiceFlag(cmd, (*string)(value), "action", "", usage, string(checkpoint.KindShares), string(checkpoint.KindCapacity))
}

// algorithmFlag adds --algo, and a line about each of the algorithms of the shares action that
// fit.
func algorithmFlag(cmd *cobra.Command, value *string, fits func(train.Algorithm) bool, others ...train.Algorithm) {
	var names []string
	cmd.Long += "\n\n--algo names the algorithm (docs/algorithms.md):\n"
	for _, row := range train.Algorithms() {
		if fits(row.Name) {
			names = append(names, string(row.Name))
			cmd.Long += fmt.Sprintf("\n  %-6s %s", row.Name, row.About)
		}
	}
	for _, other := range others {
		names = append(names, string(other))
	}
	choiceFlag(cmd, value, "algo", "", "the algorithm; capacity has fewer", names...)
}

// algorithm returns the setting of --algo for a learner.
func algorithm(learner, name string) []strict.Override {
	if name == "" {
		return nil
	}
	return []strict.Override{{Path: learner + ".algorithm", Value: name, From: "--algo " + name}}
}

// trained is the JSON output.
type trained struct {
	Run        string          `json:"run"`
	Checkpoint string          `json:"checkpoint"` // the best
	Outcome    offline.Outcome `json:"outcome"`
}

func (a *app) runTrainOffline(ctx context.Context, opts trainOfflineOptions) error {
	if !offline.Available {
		return train.ErrUnavailable
	}
	c := &setup.Offline{Seed: opts.seed, Action: opts.action, Checkpoint: opts.checkpoint}
	var err error
	if c.Training, err = a.loadTraining(opts); err != nil {
		return err
	}
	if opts.scenarios != "" {
		scenarios, err := loadScenarios(opts.scenarios)
		if err != nil {
			return err
		}
		c.Scenarios = &scenarios
	}
	if err := c.Check(); err != nil {
		return setupError(err)
	}
	if opts.experiment != "" {
		if c.Experiment, _, err = config.Load(opts.experiment, a.env, nil); err != nil {
			return err
		}
	}
	if c.Scenarios == nil {
		if c.Data, err = dataset.Glob(opts.data...); err != nil {
			return err
		}
	}
	if err := a.checkRun(opts.out, opts.resume); err != nil {
		return err
	}
	outcome, err := a.trainOffline(ctx, opts, c)
	if outcome.Updates == 0 {
		return err
	}
	_, bad := eval.WriteTrainingReport(opts.out)
	// Print the results of an interrupted run too.
	return errors.Join(err, bad, a.printTrained(opts, outcome))
}

// checkRun reports early what openRun would report after the traces are read.
func (a *app) checkRun(out string, resume bool) error {
	_, err := os.Stat(filepath.Join(out, runlog.InfoFile))
	if resume || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("stat the run: %w", err)
	}
	return usagef("%s already holds a run; continue it with --resume, or name another --out", out)
}

// loadTraining resolves the configuration of the action's training.
func (a *app) loadTraining(opts trainOfflineOptions) (any, error) {
	layers := strict.Layers{Env: a.env, Prefix: trainPrefix, Set: opts.overrides}
	ready := configs.TrainNames()
	if opts.action == checkpoint.KindCapacity {
		ready = configs.CapacityNames()
	}
	file, text, err := findTraining(opts.config, ready)
	if err != nil {
		return nil, err
	}
	if opts.action == checkpoint.KindCapacity {
		c := offline.DefaultCapacity()
		_, err = strict.Load(file, text, &c, layers)
		return &c, err
	}
	c := offline.Default()
	_, err = strict.Load(file, text, &c, layers)
	return &c, err
}

// findTraining returns the text of a training's configuration, which is a file or a ready
// one, and its name for messages.
func findTraining(name string, ready []string) (file string, text []byte, err error) {
	if name == "" {
		return "", nil, nil
	}
	text, err = strict.ReadFile(name)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return name, text, err
	}
	if text, ok := configs.ReadTrain(name); ok && slices.Contains(ready, name) {
		return "built-in train/" + name, text, nil
	}
	return "", nil, usagef("there is no file %s and no ready training configuration of that name; %s", name, nearest.Explain(name, ready))
}

// trainingSetup is what the building of a training gets from this program.
func (a *app) trainingSetup(out string, resume bool, text []byte) setup.Options {
	return setup.Options{
		CreatedBy: buildVersion().String(), Configuration: string(text), Dir: filepath.Join(out, setup.Checkpoints), Resume: resume,
		Now: a.now, Log: a.narrate,
		Reading: func() (func(int64), func()) {
			meter := a.progress("read traces", "windows", 0)
			seen := int64(0)
			return func(windows int64) {
				meter.Add(windows - seen)
				seen = windows
			}, meter.Stop
		},
	}
}

// setupError makes a usage error of one that building a training found.
func setupError(err error) error {
	if errors.As(err, new(*setup.UsageError)) {
		return asUsage(err)
	}
	return err
}

// describeTraces prints what was read from the traces.
func (a *app) describeTraces(t *offline.Training) {
	if t.Capacity != nil && t.Capacity.Scenarios != nil {
		a.narrate("scenarios of %s", plural(len(t.Capacity.Scenarios.Laws), "law"))
		return
	}
	if t.Capacity != nil {
		data, workers := t.Capacity.Data, []string(nil)
		for _, p := range data.Workers {
			workers = append(workers, plural(p, "worker"))
		}
		a.narrate("%s to learn from and %d held out, %s, of %s",
			plural(len(data.Train), "recording"), len(data.HeldOut), plural(int(data.Windows), "window"), strings.Join(workers, " and "))
		return
	}
	data := t.Data
	a.narrate("%s to learn from and %d held out, of %s; mask of %d keys, %d pairs on %d workers",
		plural(data.Train.Len(), "transition"), data.HeldOut.Len(), plural(data.Episodes, "episode"),
		len(data.Mask.Keys), data.Mask.Pairs(), data.Workers)
	if data.Skipped.Total() > 0 {
		a.narrate("left out: %s", data.Skipped)
	}
}

// trainOffline trains in the run's folder.
func (a *app) trainOffline(ctx context.Context, opts trainOfflineOptions, c *setup.Offline) (out offline.Outcome, err error) {
	text, err := yaml.Marshal(c)
	if err != nil {
		return out, fmt.Errorf("write the configuration of the run: %w", err)
	}
	t, err := c.Build(ctx, a.trainingSetup(opts.out, opts.resume, text))
	if err != nil {
		return out, setupError(err)
	}
	if t.Data != nil {
		defer func() { err = errors.Join(err, t.Data.Close()) }()
	}
	a.describeTraces(t)
	meter := a.progress("train-offline", "updates", int64(c.Updates()))
	defer meter.Stop()
	var run *runlog.Run
	defer func() {
		if run != nil {
			err = errors.Join(err, run.Close())
		}
	}()
	t.Begin = func(done uint64) (err error) {
		run, err = a.openRun(opts.out, opts.resume, runlog.Info{Seed: c.Seed}, text, done, train.Metrics())
		meter.Skip(int64(done))
		return err
	}
	t.Record = func(update uint64, values map[string]float64) error {
		for _, name := range []string{runlog.RecordedImbalance, runlog.Imbalance} { // the last is the score
			if v, ok := values[name]; ok {
				meter.Note("imbalance %.3f", v)
			}
		}
		return run.Log(int64(update), a.now(), values)
	}
	t.Watch = func(train.Stats) { meter.Add(1) }
	return t.Run(ctx)
}

// openRun makes the folder of a training's run, or resumes it at a checkpoint after done
// steps. It completes info with what all runs have in common.
func (a *app) openRun(out string, resume bool, info runlog.Info, text []byte, done uint64, metrics []string) (*runlog.Run, error) {
	if _, err := os.Stat(filepath.Join(out, runlog.InfoFile)); resume && err == nil {
		if err := sameConfiguration(out, text); err != nil {
			return nil, err
		}
		return runlog.Resume(out, runlog.Resumed{At: a.now(), Step: int64(done), Command: a.args}, metrics)
	}
	info.Name, info.Command, info.Version = filepath.Base(out), a.args, buildVersion().String()
	info.Started, info.Host = a.now(), runlog.ThisHost()
	return runlog.Create(out, info, text, metrics)
}

// knows says how many keys the shares policy in a folder knows; "" for other policies.
func knows(folder string) string {
	c, err := checkpoint.Load(folder)
	if err != nil || c.Shares == nil {
		return ""
	}
	return fmt.Sprintf("the policy knows %s, and divides %d of them over %s\n", plural(c.Shares.HotKeys, "hot key"), len(c.Shares.Mask), plural(c.Shares.Workers, "worker"))
}

func (a *app) printTrained(opts trainOfflineOptions, o offline.Outcome) error {
	best, err := checkpoint.Find(opts.out)
	if err != nil {
		return err
	}
	number := func(v float64) string { return strconv.FormatFloat(v, 'f', 4, 64) }
	text, where := plural(int(o.Updates), "update"), "at the recorded speeds"
	if opts.scenarios != "" {
		where = "on scenarios not trained on"
	} else {
		text += fmt.Sprintf(", distance from the data's actions %.3f", o.Estimates.Distance)
	}
	switch e := o.Estimates; {
	case e.Recorded != nil && opts.scenarios != "":
		text += fmt.Sprintf("\nimbalance %s %s, of waterfill's estimates %s", where, number(*e.Recorded), number(*e.Behaviour))
	case e.Recorded != nil:
		text += fmt.Sprintf("\nimbalance at the recorded speeds %s, of what was recorded %s", number(*e.Recorded), number(*e.Behaviour))
	}
	if o.Best != nil {
		on := "on the fluid model"
		if o.Rollout == nil {
			on = where
		}
		text += fmt.Sprintf("\nimbalance %s at best %s", on, number(*o.Best))
	}
	text += "\n" + knows(best) + fmt.Sprintf("checkpoint %s\ntry it: saspart run --partitioner saspartitioner --checkpoint %s\n", best, opts.out)
	return a.print(opts.output, trained{Run: opts.out, Checkpoint: best, Outcome: o}, text)
}
