package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/saspart/saspart/cmd/saspart/internal/progress"
	"github.com/saspart/saspart/config"
	"github.com/saspart/saspart/config/strict"
	"github.com/saspart/saspart/configs"
	"github.com/saspart/saspart/eval"
	"github.com/saspart/saspart/experiment"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/runlog"
	"github.com/saspart/saspart/train"
	"github.com/saspart/saspart/train/offline"
	"github.com/saspart/saspart/train/online"
	"github.com/saspart/saspart/train/setup"
)

type trainOnlineOptions struct {
	experiment string // what to learn on: file or name of a ready one
	training   string // configuration: file or name of a ready one
	engine     string
	action     checkpoint.Kind
	checkpoint string   // to start from; empty: from scratch
	data       []string // patterns of traces to learn from as well
	out        string   // the run's folder
	resume     bool
	seed       uint64
	require    bool              // a target was asked for: not to reach it is a failure
	overrides  []strict.Override // of the training and of the experiment
	output     string
	server     listenOptions // of a job in another process; nowhere: the job runs here
	wait       time.Duration // for it; 0: for ever
	flink      flinkFlags
}

func (a *app) trainOnlineCommand() *cobra.Command {
	opts := trainOnlineOptions{seed: 1, action: checkpoint.KindShares, server: listenOptions{config: trainingServerConfig()}}
	cmd := &cobra.Command{
		Use:   "train-online",
		Short: "Learn a policy from every window of a running job",
		Long: `Runs the experiment's job under the policy that is being trained. The policy explores,
every window is learned from, and episodes without exploration evaluate it regularly.
Training starts from scratch or from a checkpoint of train-offline. With --data, part of
each batch comes from traces.

Training ends when no window of an evaluation (128 windows on fluid, 32 elsewhere,
unless evaluate.windows is set) is above the target imbalance, when the windows or the
time are used up, or when evaluations have not improved for long. The run's folder holds
the best and the last checkpoint, metrics.csv, TensorBoard events and report.html.

On fluid (the job in closed form) and sim, runs are reproducible. On local and flink the
job runs on the wall clock and never waits for the learner, which runs beside it. There,
a route may move only a tenth of the hot keys' records at a time, and after a bad window
the last good route returns (safety, which --set changes).
--resume continues a run that was interrupted or killed from its last checkpoint, with the
flags that it was begun with; only those of how long it takes, of threads and of addresses may be
others. On fluid it ends with the same policy, bit for bit, as an uninterrupted run. Elsewhere the
learner resumes and the job restarts.

With --listen the job runs in another process, which attaches as it would to saspart
serve (saspart run --partitioner saspartitioner --server ADDRESS, or package
serve/client). The training learns from the job's windows and returns routes, within the
safety limits of local. It takes one job at a time, with as many workers as the
experiment says, and for --action shares with keys like the experiment's. When the job
leaves, the training waits for it or for another one. --http serves the live page and
/metrics.

--set takes values of the training (updates_per_window=4) and of the experiment
(job.workers=16); no name is in both. With --target-imbalance, a run that ends without
reaching the target exits with 4.`,
		Example: `  saspart train-online --config reference-8 --engine fluid --out runs/r8
  saspart train-online --out runs/r8 --resume
  saspart train-online --config straggler --engine sim --checkpoint runs/first --out runs/second
  saspart train-online --config wordcount-zipf --engine sim --data 'traces/*.arrow' --out runs/mixed
  saspart train-online --config straggler --engine sim --action capacity --checkpoint builtin --out runs/cap
  saspart train-online --config straggler --action capacity --checkpoint builtin --listen 127.0.0.1:7070 --out runs/behind
  saspart train-online --config straggler --engine flink --out runs/cluster
  saspart train-online --config straggler --engine local --set safety.max_step=0.1 --set safety.max_imbalance=1 --out runs/live`,
		Args: noArgs,
	}
	flags := cmd.Flags()
	flags.StringVarP(&opts.experiment, "config", "c", "", "experiment to learn on, a `file` or the name of a ready one")
	complete(cmd, "config", configs.Names())
	flags.StringVar(&opts.training, "train-config", "", "training configuration, a `file` or the name of a ready one")
	complete(cmd, "train-config", configs.OnlineNames())
	flags.StringVar(&opts.checkpoint, "checkpoint", "", "start from this checkpoint or training run, a `folder`, or from builtin")
	flags.StringSliceVar(&opts.data, "data", nil, "further traces to learn from, a `glob`")
	flags.StringVar(&opts.out, "out", "", "`folder` of the run, for example runs/second")
	flags.BoolVar(&opts.resume, "resume", false, "continue from the run's last checkpoint")
	flags.Uint64Var(&opts.seed, "seed", opts.seed, "seed `N` of the training's randomness")
	settings := &experimentFlags{}
	flags.Var(&setFlag{settings}, "set", "set a value of the training or the experiment, for example learner.gamma=0.9 (repeatable)")
	settings.short(cmd, "target-imbalance", "target_imbalance", "x", "stop when no window of an evaluation is above it")
	settings.short(cmd, "max-windows", "windows", "n", "stop after this many exploring windows; 0: never")
	settings.short(cmd, "max-time", "time", "duration", "stop after this much time")
	settings.short(cmd, "parallel", "parallel", "n", "jobs explored at the same time, on fluid and sim")
	threads := flags.Int("threads", 0, "CPU `threads` of the learner; results do not depend on them")
	actionFlag(cmd, &opts.action, "the policy's action")
	var algo string
	algorithmFlag(cmd, &algo, train.Algorithm.Values)
	engineFlag(cmd, &opts.engine, append([]string{setup.ClosedForm}, experiment.Engines()...)...)
	opts.addServer(cmd)
	opts.flink.add(cmd)
	outputFlag(cmd, &opts.output, "text", "json")
	require(cmd, "config", "out")
	a.resumable(cmd, runlog.InfoFile, "max-windows", "max-time", "target-imbalance", "parallel", "threads", "flink", "jar", "flink-listen", "listen", "wait")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		learner := "learner"
		if opts.action == checkpoint.KindCapacity {
			learner = "capacity"
		}
		opts.overrides = append(algorithm(learner, algo), settings.overrides...)
		if opts.server.listen != "" {
			opts.engine = setup.Served
		} else if err := withoutServer(cmd); err != nil {
			return err
		}
		if cmd.Flags().Changed("threads") {
			for _, learner := range []string{"learner", "capacity"} {
				opts.overrides = append(opts.overrides, strict.Override{Path: learner + ".threads", Value: strconv.Itoa(*threads), From: "--threads"})
			}
		}
		opts.require = cmd.Flags().Changed("target-imbalance")
		return a.runTrainOnline(cmd.Context(), opts)
	}
	return cmd
}

// learnedOnline is the JSON output.
type learnedOnline struct {
	Run        string         `json:"run"`
	Checkpoint string         `json:"checkpoint,omitempty"` // the best
	Outcome    online.Outcome `json:"outcome"`
}

func (a *app) runTrainOnline(ctx context.Context, opts trainOnlineOptions) error {
	if !offline.Available {
		return train.ErrUnavailable
	}
	c, err := a.loadOnline(opts)
	if err != nil {
		return err
	}
	if err := a.checkRun(opts.out, opts.resume); err != nil {
		return err
	}
	outcome, err := a.trainOnline(ctx, opts, c)
	if outcome.Windows == 0 {
		return err
	}
	_, bad := eval.WriteTrainingReport(opts.out)
	err = errors.Join(err, bad, a.printOnline(opts, c, outcome))
	if err == nil && opts.require && c.Training.TargetImbalance > 0 && outcome.Reason != online.Target {
		err = &thresholdError{fmt.Errorf("the target imbalance of %v was not reached: %s", c.Training.TargetImbalance, c.Training.Explain(outcome.Reason))}
	}
	return err
}

// loadOnline resolves the configurations. A setting applies to the experiment if it has a
// value of that name, and otherwise to the training.
func (a *app) loadOnline(opts trainOnlineOptions) (*setup.Online, error) {
	c := &setup.Online{Seed: opts.seed, Engine: opts.engine, Action: opts.action, Checkpoint: opts.checkpoint, Data: opts.data, Training: online.Default()}
	var training, job []strict.Override
	for _, o := range opts.overrides {
		name, _, _ := strings.Cut(o.Path, ".")
		if name, _, _ = strings.Cut(name, "["); config.Has(name) {
			job = append(job, o)
		} else {
			training = append(training, o)
		}
	}
	if opts.engine != setup.ClosedForm {
		c.Training.Evaluate.Windows = 32 // windows of real records take longer
	}
	if c.RealTime() {
		c.Training.Safety = online.CarefulSafety()
	}
	file, text, err := findTraining(opts.training, configs.OnlineNames())
	if err != nil {
		return nil, err
	}
	if _, err := strict.Load(file, text, &c.Training, strict.Layers{Env: a.env, Prefix: trainPrefix, Set: training}); err != nil {
		return nil, err
	}
	c.Experiment, _, err = config.Load(opts.experiment, a.env, job)
	return c, err
}

// trainOnline trains in the run's folder.
func (a *app) trainOnline(ctx context.Context, opts trainOnlineOptions, c *setup.Online) (out online.Outcome, err error) {
	text, err := yaml.Marshal(c)
	if err != nil {
		return out, fmt.Errorf("write the configuration of the run: %w", err)
	}
	o := a.trainingSetup(opts.out, opts.resume, text)
	server, err := a.trainingServer(ctx, opts, c)
	if err != nil {
		return out, err
	}
	if server.feed != nil {
		o.Served = server.feed
	}
	if o.Flink, err = opts.flink.open(a, opts.engine); err != nil {
		return out, err
	}
	t, err := c.Build(ctx, o)
	defer func() {
		err = errors.Join(err, server.close(ctx, out))
		if t != nil {
			err = errors.Join(err, t.Close())
		}
		err = errors.Join(err, o.Flink.Close())
	}()
	if err != nil {
		return out, setupError(err)
	}
	done, most := uint64(0), c.Training.Time
	if t.Status != nil {
		done = t.Status.Windows
		if most > 0 {
			most = max(1, most-time.Duration(t.Status.Seconds*float64(time.Second)))
		}
	}
	run, err := a.openRun(opts.out, opts.resume, runlog.Info{Seed: c.Seed, Steps: "windows"}, text, done, train.OnlineMetrics())
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, run.Close()) }()
	meter := progress.Start(a.err, a.now, progress.Config{
		Label: "train-online", Unit: "windows", Total: int64(c.Training.Windows), Most: most, Terminal: a.errTerminal,
	})
	defer meter.Stop()
	meter.Skip(int64(done))
	t.Record = func(windows uint64, values map[string]float64) error {
		return run.Log(int64(windows), a.now(), values)
	}
	t.Evaluated = setup.RouteFile(filepath.Join(opts.out, runlog.RoutesFile)).Evaluated
	t.Watch = (&watchOnline{app: a, meter: meter, windows: done}).watch
	if err := server.open(); err != nil {
		return out, err
	}
	return t.Run(ctx)
}

// watchOnline shows the progress of a training on a running job.
type watchOnline struct {
	*app
	meter   *progress.Meter
	windows uint64 // seen
	updates uint64 // at since
	since   time.Time
	rate    float64 // updates per second before since
}

func (w *watchOnline) watch(p online.Progress) {
	now := w.now()
	if w.since.IsZero() {
		w.since, w.updates = now, p.Updates
	} else if took := now.Sub(w.since); took >= time.Second {
		w.rate = float64(p.Updates-w.updates) / took.Seconds()
		w.since, w.updates = now, p.Updates
	}
	text := "imbalance " + told(p.Imbalance) + " exploring"
	if p.Last != nil {
		text += fmt.Sprintf(", %s evaluated (best %s)", told(p.Last.Imbalance), told(p.Best.Imbalance))
	}
	if !math.IsNaN(p.Return) {
		text += ", return " + strconv.FormatFloat(p.Return, 'f', 0, 64)
	}
	if !math.IsNaN(p.Alpha) {
		text += ", alpha " + strconv.FormatFloat(p.Alpha, 'g', 2, 64)
	}
	if w.rate > 0 {
		text += ", " + strconv.FormatFloat(w.rate, 'f', 0, 64) + " updates/s"
	}
	w.meter.Note("%s", text)
	w.meter.Add(int64(p.Windows - w.windows))
	w.windows = p.Windows
}

// told writes an imbalance.
func told(v float64) string {
	if math.IsNaN(v) {
		return "?"
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

func (a *app) printOnline(opts trainOnlineOptions, c *setup.Online, o online.Outcome) error {
	best, err := checkpoint.Find(opts.out)
	if err != nil {
		best = "" // nothing was saved
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s and %s in %.1f s: %s\n", plural(int(o.Windows), "window"), plural(int(o.Updates), "update"), o.Seconds, c.Training.Explain(o.Reason))
	if o.Best != nil {
		fmt.Fprintf(&b, "imbalance %.4f at best (worst window %.4f), after %d windows; %.4f at last\n", o.Best.Imbalance, o.Best.Worst, o.Best.Windows, o.Last.Imbalance)
	}
	for i, r := range o.Reached {
		fmt.Fprintf(&b, "never above %-4v after %8d windows %8d updates %8.1f s\n", online.Levels()[i], r.Windows, r.Updates, r.Seconds)
	}
	if s := c.Training.Safety; s != online.DefaultSafety() {
		fmt.Fprintf(&b, "safety: %s to the last good route, %s shortened\n", plural(int(o.Returns), "return"), plural(int(o.Limited), "step"))
	}
	if best != "" {
		b.WriteString(knows(best))
		fmt.Fprintf(&b, "checkpoint %s\ntry it: saspart run --config %s --partitioner saspartitioner --checkpoint %s\n", best, opts.experiment, opts.out)
	}
	return a.print(opts.output, learnedOnline{Run: opts.out, Checkpoint: best, Outcome: o}, b.String())
}
