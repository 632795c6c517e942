package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/saspart/saspart/eval/study"
	"github.com/saspart/saspart/experiment"
	"github.com/saspart/saspart/policy/checkpoint"
	"github.com/saspart/saspart/runlog"
)

// studyFlags are the flags of the commands that measure partitioners: where results
// are kept, how much is measured at a time, and what they must come to.
type studyFlags struct {
	out      string
	resume   bool
	parallel int
	require  []string
	output   string
	flink    flinkFlags
}

func (f *studyFlags) add(cmd *cobra.Command, out string) {
	flags := cmd.Flags()
	flags.StringVar(&f.out, "out", "", out)
	flags.BoolVar(&f.resume, "resume", false, "continue the study in --out, with the flags that it was begun with: measure what is missing or failed")
	flags.IntVar(&f.parallel, "parallel", 0, "`jobs` measured at a time; 0: one per processor on sim, one on local and flink or when memory is measured")
	flags.StringArrayVar(&f.require, "require", nil, "exit with 4 unless this `condition` is met, for example 'saspartitioner/hash>=2' (repeatable)")
	outputFlag(cmd, &f.output, "table", "json", "csv")
	f.flink.add(cmd)
}

// studyBudget are the flags of a study that may change when it is resumed: what is measured, and
// where and how much at a time, but not how.
var studyBudget = []string{"partitioner", "repeat", "parallel", "flink", "jar", "flink-listen"}

// studied is a study that is to be run.
type studied struct {
	label      string // of progress
	name       string
	about      string
	cells      []study.Cell
	contenders []study.Contender
	seeds      []uint64
	matrix     any // its origin, for the record
}

// contenderFlags are the flags that name the partitioners of a study.
type contenderFlags struct {
	names      []string
	checkpoint string
}

func (f *contenderFlags) add(cmd *cobra.Command, names ...string) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.names, "partitioner", names, "measure these partitioners, by `name`; combine: hash behind aggregation at the senders; all: every one; saspartitioner:FOLDER follows a checkpoint of its own")
	complete(cmd, "partitioner", append([]string{study.All}, study.Everyone()...))
	flags.StringVar(&f.checkpoint, "checkpoint", checkpoint.BuiltinName, "`folder` of the checkpoint or training run that saspartitioner follows")
}

func (f *contenderFlags) parse() ([]study.Contender, error) {
	c, err := study.ParseContenders(f.names, f.checkpoint)
	if err == nil && len(c) == 0 {
		err = errors.New("--partitioner names none")
	}
	return c, asUsage(err)
}

// runStudy measures, prints and judges.
func (a *app) runStudy(ctx context.Context, s studied, f *studyFlags) (err error) {
	conditions, err := s.conditions(f.require)
	if err != nil {
		return err
	}
	if f.parallel < 0 {
		return usagef("--parallel is %d; it must not be negative", f.parallel)
	}
	if f.resume && f.out == "" {
		return usagef("--resume continues a saved study; name its folder with --out")
	}
	// What is wrong with a job under its first partitioner is wrong with the command.
	for i := range s.cells {
		if _, err := s.cells[i].Experiment(s.contenders[0], s.seeds[0]); err != nil {
			if len(s.cells) > 1 {
				err = fmt.Errorf("cell %s:\n%w", s.cells[i].Name, err) // its lines stay lines for editors to jump to
			}
			return err
		}
	}
	cluster, err := f.flink.open(a, s.engine())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.Close()) }()
	plan := study.Plan{
		Flink: cluster,
		Runs:  study.Runs(s.cells, s.contenders, s.seeds), Parallel: s.parallel(f.parallel), Now: a.now,
	}
	info := s.info(a)
	if f.out != "" {
		if plan.Store, err = study.Create(f.out, info, f.resume); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, plan.Store.Close()) }()
	}
	meter := a.progress(s.label, "measurements", int64(len(plan.Runs)))
	plan.Each = func(r study.Record, found bool) {
		if found {
			meter.Skip(1)
			return
		}
		meter.Note("%s", noteOf(&r, len(s.cells) > 1))
		meter.Add(1)
		if r.Error != "" {
			line, _, _ := strings.Cut(r.Error, "\n")
			meter.Print("%s, %s, seed %d: %s", r.Cell, r.Partitioner, r.Seed, line)
		}
	}
	records, err := plan.Do(ctx)
	meter.Stop()
	results := info.Results(records)
	if len(records) > 0 {
		err = errors.Join(err, a.printStudy(f.output, results, records))
	}
	if err != nil {
		return err
	}
	if f.out != "" {
		a.narrate("kept in %s; saspart report %s makes a page of it", f.out, f.out)
	}
	return errors.Join(failures(records, f.out != ""), judge(conditions, results))
}

// conditions reads what is required.
func (s *studied) conditions(texts []string) ([]study.Condition, error) {
	var names []string
	for _, c := range s.contenders {
		names = append(names, c.Name)
	}
	var out []study.Condition
	for _, text := range texts {
		c, err := study.ParseCondition(text, names)
		if err != nil {
			return nil, asUsage(err)
		}
		out = append(out, c)
	}
	return out, nil
}

// parallel is how much is measured at a time: what is timed by the wall clock, or weighs
// the process's memory, is measured alone.
func (s *studied) parallel(asked int) int {
	if asked > 0 {
		return asked
	}
	if slices.ContainsFunc(s.cells, func(c study.Cell) bool {
		return experiment.RealTime(c.Engine) || c.Kind == study.Stress && len(s.cells) == 1
	}) {
		return 1
	}
	return runtime.GOMAXPROCS(0)
}

// engine is what the cells' jobs run on: flink if any does.
func (s *studied) engine() string {
	if slices.ContainsFunc(s.cells, func(c study.Cell) bool { return c.Engine == experiment.Flink }) {
		return experiment.Flink
	}
	return s.cells[0].Engine
}

func (s *studied) info(a *app) study.Info {
	info := study.Info{
		Name: s.name, Description: s.about, Command: a.args, Version: buildVersion().String(),
		Started: a.now(), Host: runlog.ThisHost(), Matrix: s.matrix,
		Planned: study.Planned(study.Runs(s.cells, s.contenders, s.seeds)),
	}
	for _, c := range s.cells {
		info.Order = append(info.Order, c.Name)
	}
	for _, c := range s.contenders {
		info.Contenders = append(info.Contenders, c.Name)
		if p, err := c.Policy(); err == nil && p != "" { // what is wrong with it is said of its measurements
			info.Policies = append(info.Policies, p)
		}
	}
	return info
}

func noteOf(r *study.Record, cell bool) string {
	note := r.Partitioner
	if cell {
		note = r.Cell + ", " + note
	}
	switch {
	case r.Throughput != nil:
		return fmt.Sprintf("%s: %s/s", note, study.Grouped(r.Throughput.Held))
	case r.Stress != nil:
		return fmt.Sprintf("%s: imbalance %.3f", note, r.Stress.Imbalance)
	}
	return note + ": failed"
}

// printStudy prints results in one of the formats.
func (a *app) printStudy(format string, results []study.Result, records []study.Record) error {
	switch format {
	case "json":
		return writeJSON(a.out, map[string]any{"results": results, "records": records})
	case "csv":
		return study.WriteCSV(a.out, records)
	}
	return study.WriteTable(a.out, results)
}

// failures is the error of measurements that failed; the rest went on. Of a study that
// is kept they can be tried again.
func failures(records []study.Record, kept bool) error {
	n := 0
	for i := range records {
		if records[i].Error != "" {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	if kept {
		return fmt.Errorf("%d of %s failed; --resume tries them again", n, plural(len(records), "measurement"))
	}
	return fmt.Errorf("%d of %s failed", n, plural(len(records), "measurement"))
}

// judge tells which conditions are not met.
func judge(conditions []study.Condition, results []study.Result) error {
	var broken []string
	for i := range conditions {
		broken = append(broken, conditions[i].Check(results)...)
	}
	if len(broken) == 0 {
		return nil
	}
	return &thresholdError{fmt.Errorf("not met: %s", strings.Join(broken, "; "))}
}

// writable fails early where results could not be kept.
func writable(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("results can't be kept: %w", err)
	}
	f, err := os.CreateTemp(dir, ".writable")
	if err != nil {
		return fmt.Errorf("results can't be kept: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
